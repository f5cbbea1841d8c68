// SPDX-License-Identifier: MIT
// linear.c - a matmul with what stands before and behind it in a block, in one op:
//
//     s = norm(x) w^T + bias + residual,    out = f(s), or f(gate) * up where s = [gate, up]
//
// x [T, K], w [N, K], and those of norm [K], shift [K], bias [N], residual [T, N] that attrs.linear names. With a shift the norm
// is a layer norm, without one an RMS norm. f is attrs.act. With a gate s is halved: out is [T, N / 2]. The rule and the
// reference are compositions of those of rms_norm, layer_norm, matmul, add, act and glu, which name the papers. Only devices
// that dispatch ops one by one have kernels for it: fuse_linear.c makes it where they do.
#include "ops/linear/linear.h"

#include "base/checked.h"
#include "ops/op_impl.h"

#include <math.h>

enum { CHUNK = 256 }; // elements decoded at a time; every block size divides it

static double product(const tdl_call *call, int64_t t, int64_t n);
static void moments(const tdl_call *call, int64_t t, double *mean, double *root);
static void load(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, float *dst);

tdl_status tdl_linear_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "linear";
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    const tdl_attrs *attrs = &call->attrs;
    char text[96];
    bool gated = attrs->linear & TDL_LINEAR_GATE, shifted = attrs->linear & TDL_LINEAR_SHIFT;
    if (attrs->linear < 0 || attrs->linear > TDL_LINEAR_ALL || call->n_in != tdl_linear_n_in(attrs) ||
        (shifted && !(attrs->linear & TDL_LINEAR_NORM)))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "linear: %d inputs, parts %d", call->n_in, attrs->linear);
    if (attrs->act < 0 || attrs->act >= TDL_ACT_COUNT)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "linear: function %d, expected 0 to %d", attrs->act,
                        TDL_ACT_COUNT - 1);
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){-1, x->shape[1]}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode || (gated && w->shape[0] % 2))
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "linear: w is %s, expected floats or blocks, and two halves for a gate",
                        tdl_tensor_describe(w, text));
    int64_t shape[2] = {x->shape[0], gated ? w->shape[0] / 2 : w->shape[0]};
    int32_t norm = tdl_linear_input(attrs, TDL_LINEAR_NORM), shift = tdl_linear_input(attrs, TDL_LINEAR_SHIFT),
            bias = tdl_linear_input(attrs, TDL_LINEAR_BIAS), residual = tdl_linear_input(attrs, TDL_LINEAR_RESIDUAL);
    if (norm >= 0) status = tdl_op_expect(op, "norm", &call->in[norm], TDL_DTYPE_F32, 1, &x->shape[1], err);
    if (status == TDL_OK && shift >= 0)
        status = tdl_op_expect(op, "shift", &call->in[shift], TDL_DTYPE_F32, 1, &x->shape[1], err);
    if (status == TDL_OK && bias >= 0)
        status = tdl_op_expect(op, "bias", &call->in[bias], TDL_DTYPE_F32, 1, &w->shape[0], err);
    if (status == TDL_OK && residual >= 0)
        status = tdl_op_expect(op, "residual", &call->in[residual], TDL_DTYPE_F32, 2,
                               (int64_t[]){x->shape[0], w->shape[0]}, err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &call->out[0], err) : status;
}

void tdl_linear_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->out[0];
    for (int64_t t = 0; t < y->shape[0]; t++)
        for (int64_t n = 0; n < y->shape[1]; n++) {
            double sum = product(call, t, n);
            if (call->attrs.act) sum = tdl_act_apply((tdl_act)call->attrs.act, (float)sum);
            if (call->attrs.linear & TDL_LINEAR_GATE) sum *= product(call, t, y->shape[1] + n);
            tdl_put(y, tdl_row(y, t), n, sum);
        }
}

// Sum n of token t.
static double product(const tdl_call *call, int64_t t, int64_t n) {
    int32_t norm = tdl_linear_input(&call->attrs, TDL_LINEAR_NORM),
            shift = tdl_linear_input(&call->attrs, TDL_LINEAR_SHIFT),
            bias = tdl_linear_input(&call->attrs, TDL_LINEAR_BIAS),
            residual = tdl_linear_input(&call->attrs, TDL_LINEAR_RESIDUAL);
    int64_t k = call->in[0].shape[1];
    double sum = 0, mean = 0, root = 1;
    if (norm >= 0) moments(call, t, &mean, &root);
    for (int64_t first = 0; first < k; first += CHUNK) {
        int64_t count = tdl_min_i64(CHUNK, k - first);
        float x[CHUNK], w[CHUNK];
        load(&call->in[0], t, first, count, x);
        load(&call->in[1], n, first, count, w);
        for (int64_t i = 0; i < count; i++) {
            double value = (double)x[i];
            if (norm >= 0) value = (value - mean) / root * tdl_at(&call->in[norm], call->in[norm].data, first + i);
            if (shift >= 0) value += tdl_at(&call->in[shift], call->in[shift].data, first + i);
            sum += value * (double)w[i];
        }
    }
    if (bias >= 0) sum += tdl_at(&call->in[bias], call->in[bias].data, n);
    if (residual >= 0) sum += tdl_at(&call->in[residual], tdl_row(&call->in[residual], t), n);
    return sum;
}

// What a token's x is normalized by; an RMS norm's mean is 0.
static void moments(const tdl_call *call, int64_t t, double *mean, double *root) {
    const tdl_tensor *x = &call->in[0];
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < x->shape[1]; i++) sum += tdl_at(x, tdl_row(x, t), i);
    *mean = call->attrs.linear & TDL_LINEAR_SHIFT ? sum / (double)x->shape[1] : 0;
    for (int64_t i = 0; i < x->shape[1]; i++) {
        double d = tdl_at(x, tdl_row(x, t), i) - *mean;
        squares += d * d;
    }
    *root = sqrt(squares / (double)x->shape[1] + call->attrs.eps);
}

// Elements [first, first + n) of a row; both are multiples of the dtype's block.
static void load(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, float *dst) {
    const tdl_dtype_info *dtype = tdl_dtype_get(matrix->dtype);
    const uint8_t *src = matrix->data + row * matrix->strides[0] + first / dtype->block_n * matrix->strides[1];
    for (int64_t i = 0; i < n; i += dtype->block_n, src += matrix->strides[1])
        dtype->decode(src, dst + i, dtype->block_n);
}
