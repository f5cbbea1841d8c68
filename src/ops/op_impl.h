// SPDX-License-Identifier: MIT
// op_impl.h - what the files of one op share: their names, checks for shape rules, and element access for references.
//
// An op's folder defines tdl_<op>_infer and tdl_<op>_reference, declared here from the op list; op.c makes the table of
// them. References read and write single elements through tdl_at and tdl_put, whatever the strides and the plain dtype;
// kernels take pointers to whole rows from tdl_row.
#ifndef TDL_OPS_OP_IMPL_H
#define TDL_OPS_OP_IMPL_H

#include "base/checked.h"
#include "ops/op.h"

#define TDL_OP(id, name, n_in_min, n_in_max, n_out, rows_from, in_place, given) \
    tdl_status tdl_##name##_infer(tdl_call *call, tdl_error *err);              \
    void tdl_##name##_reference(const tdl_call *call);
#include "ops/ops.def"
#undef TDL_OP

// ---- shape rules ----------------------------------------------------------------------------------------------------

// Any shape of at least one dimension, where n_dims is given as this.
enum { TDL_DIMS_ANY = 0 };

// ARGUMENT, "rms_norm: w is [32] F16, expected [64] F32", unless t has this dtype and shape. dtype NONE is any; a size
// of -1 is any; n_dims TDL_DIMS_ANY with shape NULL is any.
tdl_status tdl_op_expect(const char *op, const char *name, const tdl_tensor *t, tdl_dtype dtype, int32_t n_dims,
                         const int64_t *shape, tdl_error *err);
// The same for weights that may be of any plain float type.
tdl_status tdl_op_expect_floats(const char *op, const char *name, const tdl_tensor *t, int32_t n_dims,
                                const int64_t *shape, tdl_error *err);
// out[i] becomes contiguous F32 of the shape of t, without data.
tdl_status tdl_op_out_like(tdl_call *call, int32_t i, const tdl_tensor *t, tdl_error *err);
// ARGUMENT unless attrs.act is one of the functions; unless attrs.parts is at least 1.
tdl_status tdl_op_expect_act(const char *op, const tdl_call *call, tdl_error *err);
tdl_status tdl_op_expect_parts(const char *op, const tdl_call *call, tdl_error *err);

// ---- rows and elements ----------------------------------------------------------------------------------------------

static inline int64_t tdl_last_dim(const tdl_tensor *t) { return t->shape[t->n_dims - 1]; }

// The first element of row `row`: all dimensions but the last, counted in row-major order.
static inline uint8_t *tdl_row(const tdl_tensor *t, int64_t row) {
    uint8_t *ptr = t->data;
    for (int32_t d = t->n_dims - 2; d >= 0; d--) {
        ptr += row % t->shape[d] * t->strides[d];
        row /= t->shape[d];
    }
    return ptr;
}

// Whether the kernels over F32 rows take the tensor: its rows may lie anywhere, their elements side by side.
static inline bool tdl_f32_rows(const tdl_tensor *t) {
    return t->dtype == TDL_DTYPE_F32 && t->strides[t->n_dims - 1] == (int64_t)sizeof(float);
}

// The same as tdl_row, for rows that tdl_f32_rows has passed.
static inline float *tdl_f32_row(const tdl_tensor *t, int64_t row) { return (float *)(void *)tdl_row(t, row); }

// Element i of a row of a plain float dtype. F64 is read and written as it is.
static inline double tdl_at(const tdl_tensor *t, const uint8_t *row, int64_t i) {
    const uint8_t *element = row + i * t->strides[t->n_dims - 1];
    float value;
    double wide;
    switch (t->dtype) {
    case TDL_DTYPE_F32: memcpy(&value, element, sizeof value); return value;
    case TDL_DTYPE_F64: memcpy(&wide, element, sizeof wide); return wide;
    default: tdl_dtype_get(t->dtype)->decode(element, &value, 1); return value;
    }
}

static inline void tdl_put(const tdl_tensor *t, uint8_t *row, int64_t i, double value) {
    uint8_t *element = row + i * t->strides[t->n_dims - 1];
    float rounded = (float)value;
    if (t->dtype == TDL_DTYPE_F64) memcpy(element, &value, sizeof value);
    else tdl_dtype_get(t->dtype)->encode(&rounded, element, 1);
}

// Columns [first, first + n) of a row of a matrix of any dtype that decodes; first and n are multiples of its block.
void tdl_decode_columns(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, double *dst);

// Items [first, end) of part `part` when n items are cut into n_parts, ceil(n / n_parts) each; the last may have fewer or none.
typedef struct tdl_range {
    int64_t first, end;
} tdl_range;

static inline tdl_range tdl_part_of(int64_t n, int64_t n_parts, int64_t part) {
    int64_t size = tdl_div_up(n, n_parts), first = tdl_min_i64(n, part * size);
    return (tdl_range){.first = first, .end = tdl_min_i64(n, first + size)};
}

// Element i of a vector of I32.
static inline int32_t tdl_index_at(const tdl_tensor *t, int64_t i) {
    int32_t value;
    memcpy(&value, t->data + i * t->strides[0], sizeof value);
    return value;
}

#endif
