// SPDX-License-Identifier: MIT
// q8_0.c - Q8_0: blocks of 32 elements, one scale.
//
//     f16 d; int8 q[32];      x = d * q
//
// encode: d = max |x| / 127, q = x / d rounded half away from zero. The bytes equal those of the format's reference
// quantizer for finite input. A value so large that d overflows half precision becomes infinite or NaN.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_parts.h"

#include <math.h>

enum { N = 32, SIZE = 34, OFFSET_Q = 2 };

void tdl_q8_0_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        float d = tdl_block_load_f16(block);
        for (int i = 0; i < N; i++) dst[i] = d * (int8_t)block[OFFSET_Q + i];
    }
}

void tdl_q8_0_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    parts->d = tdl_block_load_u16(block);
    for (int i = 0; i < N; i++) parts->codes[i] = block[OFFSET_Q + i] ^ 0x80;
}

void tdl_q8_0_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    for (; n > 0; n -= N, block += SIZE, src += N) {
        float largest = 0.0f;
        for (int i = 0; i < N; i++) {
            if (fabsf(src[i]) > largest) largest = fabsf(src[i]);
        }
        float d = largest / 127.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        tdl_block_store_f16(block, d);
        for (int i = 0; i < N; i++) {
            block[OFFSET_Q + i] = (uint8_t)tdl_block_clamp(roundf(src[i] * inverse), -127, 127);
        }
    }
}
