// SPDX-License-Identifier: MIT
// layer_norm.c - layer normalization (Ba, Kiros, Hinton 2016), over the last dimension:
//
//     y = (x - mean(x)) / sqrt(var(x) + eps) * w + b,    var(x) = mean((x - mean(x))^2)
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_layer_norm_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *b = &call->in[2];
    tdl_status status = tdl_op_expect("layer_norm", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect_floats("layer_norm", "w", w, 1, &x->shape[x->n_dims - 1], err);
    if (status == TDL_OK) status = tdl_op_expect_floats("layer_norm", "b", b, 1, &x->shape[x->n_dims - 1], err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, x, err) : status;
}

void tdl_layer_norm_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *b = &call->in[2], *out = &call->out[0];
    int64_t n = tdl_last_dim(x);
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++) {
        const uint8_t *x_row = tdl_row(x, row);
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) sum += tdl_at(x, x_row, i);
        double mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) squares += (tdl_at(x, x_row, i) - mean) * (tdl_at(x, x_row, i) - mean);
        double scale = 1 / sqrt(squares / (double)n + call->attrs.eps);
        for (int64_t i = 0; i < n; i++) {
            double y = (tdl_at(x, x_row, i) - mean) * scale * tdl_at(w, w->data, i) + tdl_at(b, b->data, i);
            tdl_put(out, tdl_row(out, row), i, y);
        }
    }
}

// dx, and dw and db summed over the rows in two stages
void tdl_layer_norm_backward(tdl_grad *g) {
    tdl_attrs attrs = {.eps = g->attrs->eps, .parts = tdl_grad_parts(g->tensor(g, g->in[0]))};
    int32_t dx = g->emit(g, TDL_OP_LAYER_NORM_GRAD, &attrs, 3, (int32_t[]){g->in[0], g->in[1], g->d_out[0]});
    if (g->wants[0]) g->give(g, 0, dx);
    for (int32_t i = 1; i < 3; i++)
        if (g->wants[i]) g->add_to(g, i, TDL_OP_ADD_ROWS, NULL, 1, (int32_t[]){dx + i});
}
