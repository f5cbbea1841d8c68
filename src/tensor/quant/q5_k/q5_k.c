// SPDX-License-Identifier: MIT
// q5_k.c - Q5_K: as Q4_K, with a fifth bit for each code.
//
//     f16 d; f16 dmin; uint8 fields[12]; uint8 high[32]; uint8 low[128];      x = (d * scale) * code - (dmin * offset)
//
// 32 bytes of `low` serve two groups of 32 elements, low halves first. Bit j of high[i] is the fifth bit of element i of
// group j. The fields' packing, and the search in encode, are in quant_fit.c.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_fit.h"
#include "tensor/quant/quant_parts.h"

#include <string.h>

enum { N = 256, GROUP_N = 32, SIZE = 176, OFFSET_HIGH = 16, OFFSET_LOW = 48 };

void tdl_q5_k_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        tdl_quant_parts parts;
        tdl_q5_k_unpack(block, &parts);
        tdl_quant_decode_k(&parts, dst);
    }
}

void tdl_q5_k_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    tdl_quant_unpack_header_k(block, parts);
    const uint8_t *fifth = block + OFFSET_HIGH;
    for (int j = 0; j < N / GROUP_N; j += 2) {
        const uint8_t *pairs = block + OFFSET_LOW + j / 2 * GROUP_N;
        uint8_t *low = parts->codes + j * GROUP_N, *high = low + GROUP_N;
        for (int i = 0; i < GROUP_N; i++) low[i] = (uint8_t)((pairs[i] & 15) | (fifth[i] >> j & 1) << 4);
        for (int i = 0; i < GROUP_N; i++) high[i] = (uint8_t)(pairs[i] >> 4 | (fifth[i] >> (j + 1) & 1) << 4);
    }
}

void tdl_q5_k_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    uint8_t codes[N];
    for (; n > 0; n -= N, block += SIZE, src += N) {
        tdl_quant_encode_k(src, 31, block, codes);
        memset(block + OFFSET_HIGH, 0, GROUP_N);
        for (int i = 0; i < N; i++) block[OFFSET_HIGH + i % GROUP_N] |= (uint8_t)(codes[i] >> 4 << i / GROUP_N);
        for (int i = 0; i < N / 2; i++) {
            const uint8_t *pair = codes + i / GROUP_N * (2 * GROUP_N) + i % GROUP_N;
            block[OFFSET_LOW + i] = (uint8_t)((pair[0] & 15) | (pair[GROUP_N] & 15) << 4);
        }
    }
}
