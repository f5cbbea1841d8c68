// SPDX-License-Identifier: MIT
// matmul_grad_w.c - the gradient of y = x w^T by w, added to what is there:  dw[n, k] += sum over t of dy[t, n] x[t, k].
#include "ops/op_impl.h"

tdl_status tdl_matmul_grad_w_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "matmul_grad_w";
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1]; // [T, N], [T, K]
    tdl_status status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, 2, (int64_t[]){dy->shape[0], -1}, err);
    if (status != TDL_OK) return status;
    return tdl_op_expect(op, "dw", &call->out[0], TDL_DTYPE_F32, 2, (int64_t[]){dy->shape[1], x->shape[1]}, err);
}

void tdl_matmul_grad_w_reference(const tdl_call *call) {
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1], *dw = &call->out[0];
    for (int64_t n = 0; n < dw->shape[0]; n++)
        for (int64_t k = 0; k < dw->shape[1]; k++) {
            double sum = tdl_at(dw, tdl_row(dw, n), k);
            for (int64_t t = 0; t < x->shape[0]; t++)
                sum += tdl_at(dy, tdl_row(dy, t), n) * tdl_at(x, tdl_row(x, t), k);
            tdl_put(dw, tdl_row(dw, n), k, sum);
        }
}
