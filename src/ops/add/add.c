// SPDX-License-Identifier: MIT
// add.c - the residual connection (He et al. 2015), and biases:  out = a + b, b of a's shape or one row for all.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_add_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *a = &call->in[0], *b = &call->in[1];
    tdl_status status = tdl_op_expect("add", "a", a, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK && b->n_dims == 1 && a->n_dims > 1)
        status = tdl_op_expect("add", "b", b, TDL_DTYPE_F32, 1, &a->shape[a->n_dims - 1], err);
    else if (status == TDL_OK) status = tdl_op_expect("add", "b", b, TDL_DTYPE_F32, a->n_dims, a->shape, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, a, err) : status;
}

void tdl_add_reference(const tdl_call *call) {
    const tdl_tensor *a = &call->in[0], *b = &call->in[1], *out = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(a); row++) {
        const uint8_t *b_row = tdl_row(b, b->n_dims == 1 ? 0 : row);
        for (int64_t i = 0; i < tdl_last_dim(a); i++)
            tdl_put(out, tdl_row(out, row), i, tdl_at(a, tdl_row(a, row), i) + tdl_at(b, b_row, i));
    }
}

// da = dy, db = dy
void tdl_add_backward(tdl_grad *g) {
    for (int32_t i = 0; i < 2; i++)
        if (g->wants[i]) g->give(g, i, g->d_out[0]);
}
