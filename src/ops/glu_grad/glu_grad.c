// SPDX-License-Identifier: MIT
// glu_grad.c - the gradient of the gated linear unit y = f(gate) up:
//
//     dgate = f'(gate) up dy,    dup = f(gate) dy
#include "ops/op_impl.h"

tdl_status tdl_glu_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "glu_grad";
    const tdl_tensor *gate = &call->in[0], *up = &call->in[1], *dy = &call->in[2];
    tdl_status status = tdl_op_expect_act(op, call, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "gate", gate, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "up", up, TDL_DTYPE_F32, gate->n_dims, gate->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, gate->n_dims, gate->shape, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, gate, err);
    return status == TDL_OK ? tdl_op_out_like(call, 1, gate, err) : status;
}

void tdl_glu_grad_reference(const tdl_call *call) {
    const tdl_tensor *gate = &call->in[0], *up = &call->in[1], *dy = &call->in[2];
    const tdl_tensor *dgate = &call->out[0], *dup = &call->out[1];
    tdl_act act = (tdl_act)call->attrs.act;
    for (int64_t row = 0; row < tdl_tensor_n_rows(gate); row++)
        for (int64_t i = 0; i < tdl_last_dim(gate); i++) {
            double g = tdl_at(gate, tdl_row(gate, row), i), d = tdl_at(dy, tdl_row(dy, row), i);
            tdl_put(dgate, tdl_row(dgate, row), i, tdl_act_slope(act, g) * tdl_at(up, tdl_row(up, row), i) * d);
            tdl_put(dup, tdl_row(dup, row), i, tdl_act_apply(act, g) * d);
        }
}
