// SPDX-License-Identifier: MIT
// a8.h - A8: int8 activations in blocks of 32, made by the quantize op for the int8 matmul kernels; never in a file.
#ifndef TDL_TENSOR_A8_H
#define TDL_TENSOR_A8_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { TDL_A8_BLOCK = 32 };

typedef struct tdl_a8_block {
    float d;                // value = d * q; d = max |x| / 127
    int16_t sums[2];        // of the first 16 q and of the last: with them a kernel takes an offset off the weights
    int8_t q[TDL_A8_BLOCK]; // round(x / d), to nearest, ties to even
} tdl_a8_block;

static inline int32_t tdl_a8_sum(const tdl_a8_block *block) { return block->sums[0] + block->sums[1]; }

// What x is multiplied by before it is rounded, and d, from the bits of max |x|: as integers they order like the
// numbers, with infinity and NaN above all. Blocks of numbers too small to divide by are zero. A block that is not
// finite has NaN for d and zeros for q, so that it spoils its row visibly and nothing converts it to an integer.
static inline float tdl_a8_scale(uint32_t max_bits, float *d) {
    const uint32_t infinity = 0x7f800000u, smallest = 0x04000000u; // 2^-119
    float max;
    memcpy(&max, &max_bits, sizeof max);
    *d = max_bits >= infinity ? NAN : max_bits < smallest ? 0 : max / 127;
    return max_bits >= infinity || max_bits < smallest ? 0 : 127 / max;
}

#endif
