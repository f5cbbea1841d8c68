// SPDX-License-Identifier: MIT
// glu.c - the gated linear unit of feed-forward blocks (Dauphin et al. 2016; Shazeer 2020, SwiGLU and GeGLU):
//
//     out = f(gate) * up,    f one of tdl_act
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_glu_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *gate = &call->in[0], *up = &call->in[1];
    tdl_status status = tdl_op_expect_act("glu", call, err);
    if (status == TDL_OK) status = tdl_op_expect("glu", "gate", gate, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect("glu", "up", up, TDL_DTYPE_F32, gate->n_dims, gate->shape, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, gate, err) : status;
}

void tdl_glu_reference(const tdl_call *call) {
    const tdl_tensor *gate = &call->in[0], *up = &call->in[1], *out = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(gate); row++)
        for (int64_t i = 0; i < tdl_last_dim(gate); i++) {
            double value = tdl_at(gate, tdl_row(gate, row), i);
            double activated = tdl_act_apply((tdl_act)call->attrs.act, value);
            tdl_put(out, tdl_row(out, row), i, activated * tdl_at(up, tdl_row(up, row), i));
        }
}

// dgate = act'(gate) up dy, dup = act(gate) dy
void tdl_glu_backward(tdl_grad *g) {
    int32_t in[3] = {g->in[0], g->in[1], g->d_out[0]};
    int32_t d_gate = g->emit(g, TDL_OP_GLU_GRAD, g->attrs, 3, in);
    for (int32_t i = 0; i < 2; i++)
        if (g->wants[i]) g->give(g, i, d_gate + i);
}
