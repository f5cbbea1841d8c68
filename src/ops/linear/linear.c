// linear.c - a matmul with what stands before and behind it in a block, in one op:
//
//     s = rms_norm(x) w^T + bias + residual,    out = s, or f(gate) * up where s = [gate, up]
//
// x [T, K], w [N, K], and those of norm [K], bias [N], residual [T, N] that attrs.linear names. Where attrs.act is set, s is
// halved: out is [T, N / 2]. The rule and the reference are compositions of those of rms_norm, matmul, add and glu, which
// name the papers. Only devices that dispatch ops one by one have kernels for it: fuse.c makes it where they do.
#include "ops/linear/linear.h"

#include "base/checked.h"
#include "ops/op_impl.h"

#include <math.h>

enum { CHUNK = 256 }; // elements decoded at a time; every block size divides it

static double product(const tdl_call *call, int64_t t, int64_t n);
static double root(const tdl_call *call, int64_t t);
static void load(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, float *dst);

tdl_status tdl_linear_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "linear";
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    const tdl_attrs *attrs = &call->attrs;
    char text[96];
    if (attrs->linear < 0 || attrs->linear > TDL_LINEAR_ALL ||
        call->n_in != 2 + __builtin_popcount((unsigned)attrs->linear))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "linear: %d inputs, parts %d", call->n_in, attrs->linear);
    if (attrs->act < 0 || attrs->act >= TDL_ACT_COUNT)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "linear: function %d, expected 0 to %d", attrs->act,
                        TDL_ACT_COUNT - 1);
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){-1, x->shape[1]}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode || (attrs->act && w->shape[0] % 2))
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "linear: w is %s, expected floats or blocks, and two halves for a gate",
                        tdl_tensor_describe(w, text));
    int64_t shape[2] = {x->shape[0], attrs->act ? w->shape[0] / 2 : w->shape[0]};
    int32_t norm = tdl_linear_input(attrs, TDL_LINEAR_NORM), bias = tdl_linear_input(attrs, TDL_LINEAR_BIAS),
            residual = tdl_linear_input(attrs, TDL_LINEAR_RESIDUAL);
    if (norm >= 0) status = tdl_op_expect(op, "norm", &call->in[norm], TDL_DTYPE_F32, 1, &x->shape[1], err);
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
            if (call->attrs.act)
                sum = tdl_act_apply((tdl_act)call->attrs.act, (float)sum) * product(call, t, y->shape[1] + n);
            tdl_put(y, tdl_row(y, t), n, sum);
        }
}

// Output n of token t, before any gate.
static double product(const tdl_call *call, int64_t t, int64_t n) {
    int32_t norm = tdl_linear_input(&call->attrs, TDL_LINEAR_NORM),
            bias = tdl_linear_input(&call->attrs, TDL_LINEAR_BIAS),
            residual = tdl_linear_input(&call->attrs, TDL_LINEAR_RESIDUAL);
    int64_t k = call->in[0].shape[1];
    double sum = 0;
    for (int64_t first = 0; first < k; first += CHUNK) {
        int64_t count = tdl_min_i64(CHUNK, k - first);
        float x[CHUNK], w[CHUNK];
        load(&call->in[0], t, first, count, x);
        load(&call->in[1], n, first, count, w);
        for (int64_t i = 0; i < count; i++) {
            double scale = norm < 0 ? 1 : tdl_at(&call->in[norm], call->in[norm].data, first + i);
            sum += (double)x[i] * scale * (double)w[i];
        }
    }
    if (norm >= 0) sum /= root(call, t);
    if (bias >= 0) sum += tdl_at(&call->in[bias], call->in[bias].data, n);
    if (residual >= 0) sum += tdl_at(&call->in[residual], tdl_row(&call->in[residual], t), n);
    return sum;
}

static double root(const tdl_call *call, int64_t t) {
    const tdl_tensor *x = &call->in[0];
    double squares = 0;
    for (int64_t i = 0; i < x->shape[1]; i++) squares += tdl_at(x, tdl_row(x, t), i) * tdl_at(x, tdl_row(x, t), i);
    return sqrt(squares / (double)x->shape[1] + call->attrs.eps);
}

// Elements [first, first + n) of a row; both are multiples of the dtype's block.
static void load(const tdl_tensor *matrix, int64_t row, int64_t first, int64_t n, float *dst) {
    const tdl_dtype_info *dtype = tdl_dtype_get(matrix->dtype);
    const uint8_t *src = matrix->data + row * matrix->strides[0] + first / dtype->block_n * matrix->strides[1];
    for (int64_t i = 0; i < n; i += dtype->block_n, src += matrix->strides[1])
        dtype->decode(src, dst + i, dtype->block_n);
}
