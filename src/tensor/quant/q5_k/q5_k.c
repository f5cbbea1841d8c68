// q5_k.c - Q5_K: as Q4_K, with a fifth bit for each code.
//
//     f16 d; f16 dmin; uint8 fields[12]; uint8 high[32]; uint8 low[128];      x = (d * scale) * code - (dmin * offset)
//
// 32 bytes of `low` serve two groups of 32 elements, low halves first. Bit j of high[i] is the fifth bit of element i of
// group j. The fields' packing, and the search in encode, are in quant_fit.c.
#include "tensor/quant/quant.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_fit.h"

#include <string.h>

enum { N = 256, GROUP_N = 32, SIZE = 176, OFFSET_DMIN = 2, OFFSET_FIELDS = 4, OFFSET_HIGH = 16, OFFSET_LOW = 48 };

void tdl_q5_k_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *block = src;
    for (; n > 0; n -= N, block += SIZE) {
        float d = tdl_block_load_f16(block), dmin = tdl_block_load_f16(block + OFFSET_DMIN);
        const uint8_t *high = block + OFFSET_HIGH;
        uint8_t scales[8], offsets[8];
        tdl_quant_unpack_k(block + OFFSET_FIELDS, scales, offsets);
        for (int j = 0; j < N / GROUP_N; j++, dst += GROUP_N) {
            const uint8_t *low = block + OFFSET_LOW + j / 2 * GROUP_N;
            int shift = j % 2 * 4;
            float scale = d * scales[j], offset = dmin * offsets[j];
            for (int i = 0; i < GROUP_N; i++) {
                int code = (low[i] >> shift & 15) | (high[i] >> j & 1) << 4;
                dst[i] = scale * (float)code - offset;
            }
        }
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
