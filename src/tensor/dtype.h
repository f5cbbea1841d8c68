// SPDX-License-Identifier: MIT
// dtype.h - element types: their list, sizes, and conversion of rows to and from F32.
#ifndef TDL_TENSOR_DTYPE_H
#define TDL_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum tdl_dtype {
    TDL_DTYPE_NONE = 0,
#define TDL_DTYPE(id, name, ggml, elements, bytes) TDL_DTYPE_##id,
#include "dtype.def"
#undef TDL_DTYPE
    TDL_DTYPE_COUNT
} tdl_dtype;

typedef struct tdl_dtype_info {
    const char *name;
    int32_t ggml_id;    // GGUF's number; -1: none
    int32_t block_n;    // elements a block; 1 for plain types
    int32_t block_size; // bytes a block
    // Row conversions: n elements (a multiple of block_n). Plain C, the reference. NULL for integer types.
    void (*decode)(const void *src, float *dst, int64_t n);
    void (*encode)(const float *src, void *dst, int64_t n);
} tdl_dtype_info;

const tdl_dtype_info *tdl_dtype_get(tdl_dtype dtype); // never NULL; NONE has block_n 1, block_size 0
tdl_dtype tdl_dtype_from_ggml(uint32_t ggml_id);      // NONE where unknown
tdl_dtype tdl_dtype_from_name(const char *name);      // "Q8_0"; NONE where unknown
// Bytes of a row of n elements; false where n is negative, no multiple of block_n, or the product wraps.
bool tdl_dtype_row_size(tdl_dtype dtype, int64_t n, size_t *size);

// IEEE 754 half and bfloat16; to: round to nearest, ties to even; NaN stays NaN.
float tdl_f16_to_f32(uint16_t h);
uint16_t tdl_f16_from_f32(float f);
static inline float tdl_bf16_to_f32(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
uint16_t tdl_bf16_from_f32(float f);

#endif
