// SPDX-License-Identifier: MIT
// rng.h - PCG32 (M. O'Neill, 2014): small, seedable, the same on every machine.
#ifndef TDL_BASE_RNG_H
#define TDL_BASE_RNG_H

#include <stdint.h>

typedef struct tdl_rng {
    uint64_t state, stream;
} tdl_rng;

tdl_rng tdl_rng_make(uint64_t seed, uint64_t stream);
uint32_t tdl_rng_u32(tdl_rng *rng);
double tdl_rng_uniform(tdl_rng *rng);              // [0, 1), 53 bits
double tdl_rng_normal(tdl_rng *rng);               // mean 0, variance 1 (Box-Muller)
void tdl_rng_normals(tdl_rng *rng, double out[2]); // two of them, from the draws of one

#endif
