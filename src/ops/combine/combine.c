// SPDX-License-Identifier: MIT
// combine.c - what a token's experts make of it, together:  out[t, n] = sum over j of weights[t, j] y[t, j, n], in the order of
// the choices. Without weights their plain sum.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_combine_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *y = &call->in[0];
    tdl_status status = tdl_op_expect("combine", "y", y, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK && call->n_in > 1)
        status = tdl_op_expect("combine", "weights", &call->in[1], TDL_DTYPE_F32, 2, y->shape, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){y->shape[0], y->shape[2]}, NULL, &call->out[0], err);
}

void tdl_combine_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->in[0], *weights = &call->in[1], *out = &call->out[0];
    int64_t k = y->shape[1];
    for (int64_t t = 0; t < y->shape[0]; t++)
        for (int64_t n = 0; n < y->shape[2]; n++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++)
                sum += (call->n_in > 1 ? tdl_at(weights, tdl_row(weights, t), j) : 1) *
                       tdl_at(y, tdl_row(y, t * k + j), n);
            tdl_put(out, tdl_row(out, t), n, sum);
        }
}

void tdl_combine_backward(tdl_grad *g) {
    int32_t dy = g->emit(g, TDL_OP_COMBINE_GRAD, NULL, 3, (int32_t[]){g->in[0], g->in[1], g->d_out[0]});
    for (int32_t i = 0; i < 2; i++)
        if (g->wants[i]) g->give(g, i, dy + i);
}
