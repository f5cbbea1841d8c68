// SPDX-License-Identifier: MIT
// op_impl.c - the checks that shape rules are made of, and the decoding of weights for references.
#include "ops/op_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { BLOCK_MAX = 256 }; // elements a block of any dtype

static bool shape_matches(const tdl_tensor *t, int32_t n_dims, const int64_t *shape);
static tdl_status fail(const char *op, const char *name, const tdl_tensor *t, const char *dtype, int32_t n_dims,
                       const int64_t *shape, tdl_error *err);

tdl_status tdl_op_expect(const char *op, const char *name, const tdl_tensor *t, tdl_dtype dtype, int32_t n_dims,
                         const int64_t *shape, tdl_error *err) {
    if ((dtype == TDL_DTYPE_NONE || t->dtype == dtype) && shape_matches(t, n_dims, shape)) return TDL_OK;
    return fail(op, name, t, dtype == TDL_DTYPE_NONE ? "of any type" : tdl_dtype_get(dtype)->name, n_dims, shape, err);
}

tdl_status tdl_op_expect_floats(const char *op, const char *name, const tdl_tensor *t, int32_t n_dims,
                                const int64_t *shape, tdl_error *err) {
    bool plain = t->dtype == TDL_DTYPE_F32 || t->dtype == TDL_DTYPE_F16 || t->dtype == TDL_DTYPE_BF16;
    if (plain && shape_matches(t, n_dims, shape)) return TDL_OK;
    return fail(op, name, t, "F32, F16 or BF16", n_dims, shape, err);
}

tdl_status tdl_op_out_like(tdl_call *call, int32_t i, const tdl_tensor *t, tdl_error *err) {
    return tdl_tensor_make(TDL_DTYPE_F32, t->n_dims, t->shape, NULL, &call->out[i], err);
}

tdl_status tdl_op_expect_act(const char *op, const tdl_call *call, tdl_error *err) {
    int32_t act = call->attrs.act;
    if (act > TDL_ACT_NONE && act < TDL_ACT_COUNT) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: function %d, expected 1 to %d", op, act, TDL_ACT_COUNT - 1);
}

tdl_status tdl_op_expect_parts(const char *op, const tdl_call *call, tdl_error *err) {
    if (call->attrs.parts >= 1) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %d parts, expected 1 or more", op, call->attrs.parts);
}

void tdl_decode_columns(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, double *dst) {
    const tdl_dtype_info *dtype = tdl_dtype_get(matrix->dtype);
    const uint8_t *from = matrix->data + row * matrix->strides[0] + first / dtype->block_n * matrix->strides[1];
    float block[BLOCK_MAX];
    assert(dtype->block_n <= BLOCK_MAX);
    for (int64_t i = 0; i < n; i += dtype->block_n, from += matrix->strides[1]) {
        if (dtype->block_n == 1) {
            dst[i] = tdl_at(matrix, from, 0);
            continue;
        }
        dtype->decode(from, block, dtype->block_n);
        for (int32_t j = 0; j < dtype->block_n; j++) dst[i + j] = block[j];
    }
}

static bool shape_matches(const tdl_tensor *t, int32_t n_dims, const int64_t *shape) {
    if (n_dims == TDL_DIMS_ANY) return t->n_dims >= 1;
    if (t->n_dims != n_dims) return false;
    for (int32_t d = 0; d < n_dims; d++)
        if (shape[d] >= 0 && t->shape[d] != shape[d]) return false;
    return true;
}

// "<op>: <name> is [7, 64] F16, expected [?, 64] F32"
static tdl_status fail(const char *op, const char *name, const tdl_tensor *t, const char *dtype, int32_t n_dims,
                       const int64_t *shape, tdl_error *err) {
    char have[96], want[96] = "[...]"; // four sizes of 20 digits fit
    if (n_dims != TDL_DIMS_ANY) {
        int length = snprintf(want, sizeof want, "[");
        for (int32_t d = 0; d < n_dims; d++) {
            const char *comma = d ? ", " : "";
            length += shape[d] < 0
                          ? snprintf(want + length, sizeof want - (size_t)length, "%s?", comma)
                          : snprintf(want + length, sizeof want - (size_t)length, "%s%" PRId64, comma, shape[d]);
        }
        snprintf(want + length, sizeof want - (size_t)length, "]");
    }
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %s is %s, expected %s %s", op, name, tdl_tensor_describe(t, have),
                    want, dtype);
}
