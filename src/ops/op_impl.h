// op_impl.h - what the files of one op share: their names, checks for shape rules, and element access for references.
//
// An op's folder defines tdl_<op>_infer and tdl_<op>_reference, declared here from the op list; op.c makes the table of
// them. References read and write single elements through tdl_at and tdl_put, whatever the strides and the plain dtype;
// kernels take pointers to whole rows from tdl_row.
#ifndef TDL_OPS_OP_IMPL_H
#define TDL_OPS_OP_IMPL_H

#include "ops/op.h"

#define TDL_OP(id, name, n_in_min, n_in_max, n_out, rows_from, in_place) \
    tdl_status tdl_##name##_infer(tdl_call *call, tdl_error *err);       \
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

// Element i of a row of a plain float dtype.
static inline double tdl_at(const tdl_tensor *t, const uint8_t *row, int64_t i) {
    float value;
    tdl_dtype_get(t->dtype)->decode(row + i * t->strides[t->n_dims - 1], &value, 1);
    return value;
}

static inline void tdl_put(const tdl_tensor *t, uint8_t *row, int64_t i, double value) {
    float rounded = (float)value;
    tdl_dtype_get(t->dtype)->encode(&rounded, row + i * t->strides[t->n_dims - 1], 1);
}

// Element i of a vector of I32.
static inline int32_t tdl_index_at(const tdl_tensor *t, int64_t i) {
    int32_t value;
    memcpy(&value, t->data + i * t->strides[0], sizeof value);
    return value;
}

#endif
