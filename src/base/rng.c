// SPDX-License-Identifier: MIT
// rng.c - PCG32, the XSH-RR variant: a 64-bit linear congruential state, permuted to 32 bits of output.
//
// Source: M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
// Generation", 2014. The outputs for a seed and a stream are those of the author's minimal C library.
#include "base/rng.h"

#include <math.h>

tdl_rng tdl_rng_make(uint64_t seed, uint64_t stream) {
    tdl_rng rng = {.state = 0, .stream = stream << 1 | 1}; // the increment has to be odd
    tdl_rng_u32(&rng);
    rng.state += seed;
    tdl_rng_u32(&rng);
    return rng;
}

uint32_t tdl_rng_u32(tdl_rng *rng) {
    uint64_t old = rng->state;
    rng->state = old * 6364136223846793005u + rng->stream;
    uint32_t mixed = (uint32_t)((old >> 18 ^ old) >> 27);
    uint32_t turn = (uint32_t)(old >> 59);
    return mixed >> turn | mixed << (-turn & 31);
}

double tdl_rng_uniform(tdl_rng *rng) {
    uint64_t high = tdl_rng_u32(rng);
    uint64_t low = tdl_rng_u32(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double tdl_rng_normal(tdl_rng *rng) {
    double pair[2];
    tdl_rng_normals(rng, pair);
    return pair[0];
}

void tdl_rng_normals(tdl_rng *rng, double out[2]) {
    double radius = sqrt(-2.0 * log(1.0 - tdl_rng_uniform(rng))); // 1 - u is in (0, 1]: its logarithm is finite
    double angle = 6.283185307179586 * tdl_rng_uniform(rng);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}
