// SPDX-License-Identifier: MIT
// q4_k.c - Q4_K: blocks of 256 elements in 8 groups of 32, each with a 6-bit scale and offset; 4-bit codes.
//
//     f16 d; f16 dmin; uint8 fields[12]; uint8 codes[128];      x = (d * scale) * code - (dmin * offset)
//
// 32 bytes of codes serve two groups: the low halves are the first's elements, the high halves the second's.
// The fields' packing, and the search in encode, are in quant_fit.c.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_fit.h"
#include "tensor/quant/quant_parts.h"

enum { N = 256, GROUP_N = 32, SIZE = 144, OFFSET_FIELDS = 4, OFFSET_Q = 16 };

void tdl_q4_k_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE, dst += N) {
        tdl_quant_parts parts;
        tdl_q4_k_unpack(block, &parts);
        tdl_quant_decode_k(&parts, dst);
    }
}

void tdl_q4_k_unpack(const uint8_t *block, tdl_quant_parts *parts) {
    tdl_quant_unpack_header_k(block, parts);
    for (int j = 0; j < N / GROUP_N; j += 2) {
        const uint8_t *pairs = block + OFFSET_Q + j / 2 * GROUP_N;
        uint8_t *low = parts->codes + j * GROUP_N, *high = low + GROUP_N;
        for (int i = 0; i < GROUP_N; i++) low[i] = pairs[i] & 15;
        for (int i = 0; i < GROUP_N; i++) high[i] = pairs[i] >> 4;
    }
}

void tdl_q4_k_encode(const float *src, void *dst, int64_t n) {
    uint8_t *block = dst;
    uint8_t codes[N];
    for (; n > 0; n -= N, block += SIZE, src += N) {
        tdl_quant_encode_k(src, 15, block, codes);
        for (int i = 0; i < N / 2; i++) {
            const uint8_t *pair = codes + i / GROUP_N * (2 * GROUP_N) + i % GROUP_N;
            block[OFFSET_Q + i] = (uint8_t)(pair[0] | pair[GROUP_N] << 4);
        }
    }
}
