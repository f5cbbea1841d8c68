// SPDX-License-Identifier: MIT
// act.c - an activation function, element by element:  out = f(x), f one of tdl_act. Formulas and papers: op.c.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_act_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect_act("act", call, err);
    if (status == TDL_OK) status = tdl_op_expect("act", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, x, err) : status;
}

void tdl_act_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *out = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++)
        for (int64_t i = 0; i < tdl_last_dim(x); i++) {
            double value = tdl_at(x, tdl_row(x, row), i);
            tdl_put(out, tdl_row(out, row), i, tdl_act_apply((tdl_act)call->attrs.act, value));
        }
}

// dx = act'(x) dy
void tdl_act_backward(tdl_grad *g) {
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_ACT_GRAD, g->attrs, 2, (int32_t[]){g->in[0], g->d_out[0]}));
}
