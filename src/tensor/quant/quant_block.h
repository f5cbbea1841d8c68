// SPDX-License-Identifier: MIT
// quant_block.h - what the block formats share: half-precision fields and rounding to a small integer.
//
// Blocks come straight from files and may lie at any address, so fields are read by bytes. Half-precision fields are
// little-endian.
#ifndef TDL_TENSOR_QUANT_BLOCK_H
#define TDL_TENSOR_QUANT_BLOCK_H

#include "tensor/dtype.h"

static inline uint16_t tdl_block_load_u16(const uint8_t *field) { return (uint16_t)(field[0] | field[1] << 8); }

static inline float tdl_block_load_f16(const uint8_t *field) { return tdl_f16_to_f32(tdl_block_load_u16(field)); }

static inline void tdl_block_store_f16(uint8_t *field, float value) {
    uint16_t h = tdl_f16_from_f32(value);
    field[0] = (uint8_t)h;
    field[1] = (uint8_t)(h >> 8);
}

// Towards zero, after clamping to [min, max]; NaN gives min.
static inline int tdl_block_clamp(float value, int min, int max) {
    if (!(value > (float)min)) return min;
    return value < (float)max ? (int)value : max;
}

#endif
