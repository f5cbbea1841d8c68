// SPDX-License-Identifier: MIT
// tensor.h - a tensor is a value: dtype, shape, strides and where its first element lies. It owns nothing.
//
// Shapes are row-major and outermost first: a matrix [rows, cols] has shape {rows, cols}, and the last dimension is
// contiguous in files. (GGUF writes dimensions innermost first; the reader turns them round.)
//
// Broadcasting: shapes are aligned at their last dimensions; a missing or 1-sized dimension repeats (NumPy's rule).
#ifndef TDL_TENSOR_H
#define TDL_TENSOR_H

#include "base/error.h"
#include "base/limits.h"
#include "tensor/dtype.h"

typedef struct tdl_tensor {
    tdl_dtype dtype;
    int32_t n_dims;
    int64_t shape[TDL_DIMS_MAX];   // [n_dims], outermost first; 1 beyond n_dims
    int64_t strides[TDL_DIMS_MAX]; // in bytes; along the last dimension of a block type: bytes a block
    uint8_t *data;                 // first element; borrowed
} tdl_tensor;

// A contiguous tensor over `data` (may be NULL). Errors: LIMIT, FORMAT (rows that are no whole blocks, sizes that wrap).
tdl_status tdl_tensor_make(tdl_dtype dtype, int32_t n_dims, const int64_t *shape, void *data, tdl_tensor *out,
                           tdl_error *err);
int64_t tdl_tensor_n_elements(const tdl_tensor *t);
int64_t tdl_tensor_n_rows(const tdl_tensor *t); // product of all dimensions but the last
size_t tdl_tensor_size(const tdl_tensor *t);    // bytes of the elements, packed
size_t tdl_tensor_extent(const tdl_tensor *t);  // bytes from the first element to the last, gaps included; strides >= 0
bool tdl_tensor_contiguous(const tdl_tensor *t);
bool tdl_tensor_same_shape(const tdl_tensor *a, const tdl_tensor *b);
tdl_tensor tdl_tensor_transpose(const tdl_tensor *t, int32_t a, int32_t b);                  // plain types only
tdl_tensor tdl_tensor_slice(const tdl_tensor *t, int32_t dim, int64_t first, int64_t count); // checked by assert
// The shape both broadcast to. Error ARGUMENT names both shapes.
tdl_status tdl_tensor_broadcast(const tdl_tensor *a, const tdl_tensor *b, int32_t *n_dims, int64_t *shape,
                                tdl_error *err);
// Copies any strided tensor of a plain dtype, or rows of a block dtype, to packed memory of tdl_tensor_size bytes.
void tdl_tensor_pack(const tdl_tensor *t, void *dst);
// All elements as F32, packed, through the dtype's reference decoder. dst [n_elements].
void tdl_tensor_to_f32(const tdl_tensor *t, float *dst);
// "[4096, 256] F16" for messages; returns text.
const char *tdl_tensor_describe(const tdl_tensor *t, char text[96]);

#endif
