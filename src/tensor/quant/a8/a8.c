// SPDX-License-Identifier: MIT
// a8.c - reference conversion of the A8 activation blocks; see a8.h. The quantize kernels give the same bits.
#include "tensor/quant/a8/a8.h"

#include "tensor/quant/quant.h"

static uint32_t max_abs_bits(const float *src);

void tdl_a8_decode(const void *src, float *dst, int64_t n) {
    const tdl_a8_block *block = src;
    for (int64_t i = 0; i < n; i++)
        dst[i] = block[i / TDL_A8_BLOCK].d * (float)block[i / TDL_A8_BLOCK].q[i % TDL_A8_BLOCK];
}

void tdl_a8_encode(const float *src, void *dst, int64_t n) {
    tdl_a8_block *block = dst;
    for (int64_t b = 0; b < n / TDL_A8_BLOCK; b++, src += TDL_A8_BLOCK) {
        float inverse = tdl_a8_scale(max_abs_bits(src), &block[b].d);
        memset(block[b].sums, 0, sizeof block[b].sums);
        for (int i = 0; i < TDL_A8_BLOCK; i++) {
            block[b].q[i] = inverse != 0 ? (int8_t)rintf(src[i] * inverse) : 0;
            block[b].sums[i / 16] += block[b].q[i];
        }
    }
}

static uint32_t max_abs_bits(const float *src) {
    uint32_t max = 0;
    for (int i = 0; i < TDL_A8_BLOCK; i++) {
        uint32_t bits;
        memcpy(&bits, src + i, sizeof bits);
        bits &= 0x7fffffffu;
        if (bits > max) max = bits;
    }
    return max;
}
