// SPDX-License-Identifier: MIT
// combine_grad.c - the gradient of combine with weights:
//
//     dy[t, j, n] = weights[t, j] dout[t, n],    dweights[t, j] = sum over n of y[t, j, n] dout[t, n]
#include "ops/op_impl.h"

tdl_status tdl_combine_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "combine_grad";
    const tdl_tensor *y = &call->in[0];
    tdl_status status = tdl_op_expect(op, "y", y, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "weights", &call->in[1], TDL_DTYPE_F32, 2, y->shape, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "dout", &call->in[2], TDL_DTYPE_F32, 2, (int64_t[]){y->shape[0], y->shape[2]}, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, y, err);
    return status == TDL_OK ? tdl_op_out_like(call, 1, &call->in[1], err) : status;
}

void tdl_combine_grad_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->in[0], *weights = &call->in[1], *dout = &call->in[2];
    const tdl_tensor *dy = &call->out[0], *dweights = &call->out[1];
    int64_t k = y->shape[1];
    for (int64_t row = 0; row < y->shape[0] * k; row++) {
        const uint8_t *d = tdl_row(dout, row / k);
        double weight = tdl_at(weights, tdl_row(weights, row / k), row % k), sum = 0;
        for (int64_t n = 0; n < y->shape[2]; n++) {
            sum += tdl_at(y, tdl_row(y, row), n) * tdl_at(dout, d, n);
            tdl_put(dy, tdl_row(dy, row), n, weight * tdl_at(dout, d, n));
        }
        tdl_put(dweights, tdl_row(dweights, row / k), row % k, sum);
    }
}
