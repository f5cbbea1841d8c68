// SPDX-License-Identifier: MIT
// q6_k.c - Q6_K: blocks of 256 elements in 16 groups of 16, each with an 8-bit scale; 6-bit codes around 32.
//
//     uint8 low[128]; uint8 high[64]; int8 scales[16]; f16 d;      x = (d * scale) * (code - 32)
//
// Each half of the block, 128 elements, has 64 bytes of `low` and 32 of `high`. Its element e = 32 * k + i, k 0 to 3, has
// its low four bits in low[i + 32 * (k % 2)], low half for k < 2, and its high two in bits 2k and 2k + 1 of high[i].
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_fit.h"
#include "tensor/quant/quant_parts.h"

#include <math.h>
#include <string.h>

enum { N = 256, HALF_N = 128, ROW_N = 32, GROUP_N = 16, N_GROUPS = 16, SIZE = 210 };
enum { OFFSET_HIGH = 128, OFFSET_SCALES = 192, OFFSET_D = 208 };

// Where the code of an element lies.
typedef struct place {
    int low, low_shift, high, high_shift;
} place;

static place place_of(int element);

void tdl_q6_k_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        tdl_quant_parts parts;
        tdl_q6_k_unpack(block, &parts);
        float d = tdl_f16_to_f32(parts.d);
        for (int j = 0; j < N_GROUPS; j++) {
            float scale = d * parts.scales[j];
            for (int i = j * GROUP_N; i < (j + 1) * GROUP_N; i++) dst[i] = scale * (float)(parts.codes[i] - 32);
        }
    }
}

// Row k of a half at a time, so that a compiler sees places in order.
void tdl_q6_k_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    parts->d = tdl_block_load_u16(block + OFFSET_D);
    memcpy(parts->scales, block + OFFSET_SCALES, N_GROUPS);
    for (int row = 0; row < N / ROW_N; row++) {
        place at = place_of(row * ROW_N);
        const uint8_t *low = block + at.low, *high = block + at.high;
        uint8_t *codes = parts->codes + row * ROW_N;
        for (int i = 0; i < ROW_N; i++)
            codes[i] = (uint8_t)((low[i] >> at.low_shift & 15) | (high[i] >> at.high_shift & 3) << 4);
    }
}

void tdl_q6_k_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    for (; n > 0; n -= N, block += SIZE, src += N) {
        float fits[N_GROUPS], largest = 0.0f;
        for (int j = 0; j < N_GROUPS; j++) {
            fits[j] = tdl_quant_fit_symmetric(src + j * GROUP_N, GROUP_N, 32);
            if (fabsf(fits[j]) > fabsf(largest)) largest = fits[j];
        }
        memset(block, 0, SIZE);
        tdl_block_store_f16(block + OFFSET_D, largest / -128.0f); // -128 has no positive twin: the largest takes it
        float d = tdl_block_load_f16(block + OFFSET_D);
        for (int j = 0; j < N_GROUPS && d != 0.0f; j++) {
            int field = tdl_block_clamp(rintf(fits[j] / d), -128, 127);
            float scale = d * (float)field;
            block[OFFSET_SCALES + j] = (uint8_t)field;
            for (int i = j * GROUP_N; i < (j + 1) * GROUP_N; i++) {
                int code = (scale != 0.0f ? tdl_block_clamp(rintf(src[i] / scale), -32, 31) : 0) + 32;
                place at = place_of(i);
                block[at.low] |= (uint8_t)((code & 15) << at.low_shift);
                block[at.high] |= (uint8_t)(code >> 4 << at.high_shift);
            }
        }
    }
}

static place place_of(int element) {
    int half = element / HALF_N, k = element % HALF_N / ROW_N, i = element % ROW_N;
    return (place){
        .low = half * 64 + k % 2 * ROW_N + i,
        .low_shift = k / 2 * 4,
        .high = OFFSET_HIGH + half * ROW_N + i,
        .high_shift = k * 2,
    };
}
