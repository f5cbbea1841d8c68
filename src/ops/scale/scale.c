// SPDX-License-Identifier: MIT
// scale.c - y = attrs.scale * x (the square root of the width on Gemma's embeddings, and its gradient).
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_scale_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect("scale", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, x, err) : status;
}

void tdl_scale_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++)
        for (int64_t i = 0; i < tdl_last_dim(x); i++)
            tdl_put(y, tdl_row(y, row), i, call->attrs.scale * tdl_at(x, tdl_row(x, row), i));
}

// dx = scale dy
void tdl_scale_backward(tdl_grad *g) {
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_SCALE, g->attrs, 1, g->d_out));
}
