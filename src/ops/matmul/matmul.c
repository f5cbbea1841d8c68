// SPDX-License-Identifier: MIT
// matmul.c - y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n]): a linear layer, with the weights as the files have
// them.
//
// x [T, K] F32 or A8, w [N, K] of any dtype that decodes, bias [N] F32 or absent, y [T, N] F32. Rows may be strided.
//
// An output is a function of its own row of x and of w, bit for bit: every kernel has one order of summation over K,
// whatever T is, whichever tile an output falls in and whichever thread computes it.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

enum { CHUNK = 256 }; // elements decoded at a time; every block size divides it

static double dot(const tdl_call *call, int64_t t, int64_t n);

tdl_status tdl_matmul_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    char text[96];
    tdl_dtype dtype = x->dtype == TDL_DTYPE_A8 ? TDL_DTYPE_A8 : TDL_DTYPE_F32;
    tdl_status status = tdl_op_expect("matmul", "x", x, dtype, 2, (int64_t[]){-1, -1}, err);
    if (status != TDL_OK) return status;
    status = tdl_op_expect("matmul", "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){-1, x->shape[1]}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "matmul: w is %s, expected a type of floats or blocks",
                        tdl_tensor_describe(w, text));
    if (call->n_in > 2) {
        status = tdl_op_expect("matmul", "bias", &call->in[2], TDL_DTYPE_F32, 1, &w->shape[0], err);
        if (status != TDL_OK) return status;
    }
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){x->shape[0], w->shape[0]}, NULL, &call->out[0], err);
}

void tdl_matmul_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->out[0];
    for (int64_t t = 0; t < y->shape[0]; t++) {
        for (int64_t n = 0; n < y->shape[1]; n++) {
            double sum = dot(call, t, n);
            if (call->n_in > 2) sum += tdl_at(&call->in[2], call->in[2].data, n);
            tdl_put(y, tdl_row(y, t), n, sum);
        }
    }
}

static double dot(const tdl_call *call, int64_t t, int64_t n) {
    int64_t k = call->in[0].shape[1];
    double sum = 0;
    for (int64_t first = 0; first < k; first += CHUNK) {
        int64_t count = tdl_min_i64(CHUNK, k - first);
        double x[CHUNK], w[CHUNK];
        tdl_decode_columns(&call->in[0], t, first, count, x);
        tdl_decode_columns(&call->in[1], n, first, count, w);
        for (int64_t i = 0; i < count; i++) sum += x[i] * w[i];
    }
    return sum;
}

// dx = dy w, dw += dy^T x, dbias += dy summed over the rows in two stages
void tdl_matmul_backward(tdl_grad *g) {
    int32_t dy = g->d_out[0];
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_MATMUL_GRAD_X, NULL, 2, (int32_t[]){dy, g->in[1]}));
    if (g->wants[1]) g->add_to(g, 1, TDL_OP_MATMUL_GRAD_W, NULL, 2, (int32_t[]){dy, g->in[0]});
    if (g->n_in < 3 || !g->wants[2]) return;
    tdl_attrs attrs = {.parts = tdl_grad_parts(g->tensor(g, dy))};
    int32_t parts = g->emit(g, TDL_OP_SUM_PARTS, &attrs, 1, &dy);
    g->add_to(g, 2, TDL_OP_ADD_ROWS, NULL, 1, &parts);
}
