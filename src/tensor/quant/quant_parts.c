// SPDX-License-Identifier: MIT
// quant_parts.c - what Q4_K and Q5_K share of taking a block apart and of decoding; see quant_parts.h.
#include "tensor/quant/quant_parts.h"

#include "tensor/quant/quant_block.h"
#include "tensor/quant/quant_fit.h"

#include <string.h>

enum { GROUPS = 8, GROUP_N = 32, OFFSET_DMIN = 2, OFFSET_FIELDS = 4 };

void tdl_quant_unpack_header_k(const uint8_t *block, tdl_quant_parts *parts) {
    uint8_t scales[GROUPS], offsets[GROUPS];
    tdl_quant_unpack_k(block + OFFSET_FIELDS, scales, offsets);
    parts->d = tdl_block_load_u16(block);
    parts->min = tdl_block_load_u16(block + OFFSET_DMIN) ^ 0x8000; // the format subtracts it
    memcpy(parts->scales, scales, sizeof scales);
    memcpy(parts->mins, offsets, sizeof offsets);
}

void tdl_quant_decode_k(const tdl_quant_parts *parts, float *dst) {
    float d = tdl_f16_to_f32(parts->d), min = tdl_f16_to_f32(parts->min);
    for (int j = 0; j < GROUPS; j++) {
        const uint8_t *codes = parts->codes + j * GROUP_N;
        float scale = d * parts->scales[j], m = min * parts->mins[j];
        for (int i = 0; i < GROUP_N; i++) dst[j * GROUP_N + i] = scale * (float)codes[i] + m;
    }
}
