// SPDX-License-Identifier: MIT
// act_grad.c - the gradient of an activation function:  dx = f'(x) dy. Derivatives: op.c.
#include "ops/op_impl.h"

tdl_status tdl_act_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "act_grad";
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect_act(op, call, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", &call->in[1], TDL_DTYPE_F32, x->n_dims, x->shape, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, x, err) : status;
}

void tdl_act_grad_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *dy = &call->in[1], *dx = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++)
        for (int64_t i = 0; i < tdl_last_dim(x); i++) {
            double slope = tdl_act_slope((tdl_act)call->attrs.act, tdl_at(x, tdl_row(x, row), i));
            tdl_put(dx, tdl_row(dx, row), i, slope * tdl_at(dy, tdl_row(dy, row), i));
        }
}
