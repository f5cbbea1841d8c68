// SPDX-License-Identifier: MIT
// rms_norm.c - root mean square normalization (Zhang, Sennrich 2019), over the last dimension:
//
//     y = x / sqrt(mean(x^2) + eps) * w
//
// x is [T, D], or [T, H, hd] with one w [hd] for all heads (the query and key norms of newer models).
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_rms_norm_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    tdl_status status = tdl_op_expect("rms_norm", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect_floats("rms_norm", "w", w, 1, &x->shape[x->n_dims - 1], err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, x, err) : status;
}

void tdl_rms_norm_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *out = &call->out[0];
    int64_t n = tdl_last_dim(x);
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++) {
        const uint8_t *x_row = tdl_row(x, row);
        double squares = 0;
        for (int64_t i = 0; i < n; i++) squares += tdl_at(x, x_row, i) * tdl_at(x, x_row, i);
        double scale = 1 / sqrt(squares / (double)n + call->attrs.eps);
        for (int64_t i = 0; i < n; i++)
            tdl_put(out, tdl_row(out, row), i, tdl_at(x, x_row, i) * scale * tdl_at(w, w->data, i));
    }
}

// dx, and dw summed over the rows in two stages
void tdl_rms_norm_backward(tdl_grad *g) {
    tdl_attrs attrs = {.eps = g->attrs->eps, .parts = tdl_grad_parts(g->tensor(g, g->in[0]))};
    int32_t dx = g->emit(g, TDL_OP_RMS_NORM_GRAD, &attrs, 3, (int32_t[]){g->in[0], g->in[1], g->d_out[0]});
    if (g->wants[0]) g->give(g, 0, dx);
    if (g->wants[1]) g->add_to(g, 1, TDL_OP_ADD_ROWS, NULL, 1, (int32_t[]){dx + 1});
}
