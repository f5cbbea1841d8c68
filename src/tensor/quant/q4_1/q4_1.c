// SPDX-License-Identifier: MIT
// q4_1.c - Q4_1: blocks of 32 elements, a scale and a minimum, 4-bit codes.
//
//     f16 d; f16 m; uint8 codes[16];      x = d * code + m
//
// The low halves of the bytes are elements 0 to 15, the high halves 16 to 31.
// encode: m = min x, d = (max x - m) / 15. The bytes equal those of the format's reference quantizer.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_parts.h"

enum { N = 32, SIZE = 20, OFFSET_M = 2, OFFSET_Q = 4 };

void tdl_q4_1_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        float d = tdl_block_load_f16(block);
        float m = tdl_block_load_f16(block + OFFSET_M);
        for (int i = 0; i < N / 2; i++) {
            dst[i] = (float)(block[OFFSET_Q + i] & 15) * d + m;
            dst[i + N / 2] = (float)(block[OFFSET_Q + i] >> 4) * d + m;
        }
    }
}

void tdl_q4_1_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    parts->d = tdl_block_load_u16(block);
    parts->min = tdl_block_load_u16(block + OFFSET_M);
    for (int i = 0; i < N / 2; i++) {
        parts->codes[i] = block[OFFSET_Q + i] & 15;
        parts->codes[i + N / 2] = block[OFFSET_Q + i] >> 4;
    }
}

void tdl_q4_1_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    for (; n > 0; n -= N, block += SIZE, src += N) {
        float min = src[0], max = src[0];
        for (int i = 1; i < N; i++) {
            if (src[i] < min) min = src[i];
            if (src[i] > max) max = src[i];
        }
        float d = (max - min) / 15.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        tdl_block_store_f16(block, d);
        tdl_block_store_f16(block + OFFSET_M, min);
        for (int i = 0; i < N / 2; i++) {
            int low = tdl_block_clamp((src[i] - min) * inverse + 0.5f, 0, 15);
            int high = tdl_block_clamp((src[i + N / 2] - min) * inverse + 0.5f, 0, 15);
            block[OFFSET_Q + i] = (uint8_t)(low | high << 4);
        }
    }
}
