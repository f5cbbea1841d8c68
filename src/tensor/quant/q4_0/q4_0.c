// SPDX-License-Identifier: MIT
// q4_0.c - Q4_0: blocks of 32 elements, one scale, 4-bit codes around 8.
//
//     f16 d; uint8 codes[16];      x = d * (code - 8)
//
// The low halves of the bytes are elements 0 to 15, the high halves 16 to 31.
// encode: d = m / -8, where m is the first element of largest magnitude, with its sign: so m itself has the code 0 and
// is met exactly, and the other sign reaches 7/8 of it. The bytes equal those of the format's reference quantizer.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_parts.h"

#include <math.h>

enum { N = 32, SIZE = 18, OFFSET_Q = 2 };

void tdl_q4_0_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        float d = tdl_block_load_f16(block);
        for (int i = 0; i < N / 2; i++) {
            dst[i] = (float)((block[OFFSET_Q + i] & 15) - 8) * d;
            dst[i + N / 2] = (float)((block[OFFSET_Q + i] >> 4) - 8) * d;
        }
    }
}

void tdl_q4_0_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    parts->d = tdl_block_load_u16(block);
    for (int i = 0; i < N / 2; i++) {
        parts->codes[i] = block[OFFSET_Q + i] & 15;
        parts->codes[i + N / 2] = block[OFFSET_Q + i] >> 4;
    }
}

void tdl_q4_0_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    for (; n > 0; n -= N, block += SIZE, src += N) {
        float largest = 0.0f; // in magnitude, with its sign
        for (int i = 0; i < N; i++) {
            if (fabsf(src[i]) > fabsf(largest)) largest = src[i];
        }
        float d = largest / -8.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        tdl_block_store_f16(block, d);
        for (int i = 0; i < N / 2; i++) {
            int low = tdl_block_clamp(src[i] * inverse + 8.5f, 0, 15);
            int high = tdl_block_clamp(src[i + N / 2] * inverse + 8.5f, 0, 15);
            block[OFFSET_Q + i] = (uint8_t)(low | high << 4);
        }
    }
}
