// SPDX-License-Identifier: MIT
// add_layer_norm.c - a residual connection and the norm that follows it, in one pass over the rows:
//
//     out[0] = a + b,    out[1] = layer_norm(out[0]) * w + bias
//
// The rule and the reference are compositions of those of add and layer_norm, which name the papers.
#include "ops/op_impl.h"

tdl_status tdl_add_layer_norm_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "add_layer_norm";
    const tdl_tensor *a = &call->in[0], *b = &call->in[1], *w = &call->in[2], *bias = &call->in[3];
    tdl_status status = tdl_op_expect(op, "a", a, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "b", b, TDL_DTYPE_F32, a->n_dims, a->shape, err);
    if (status == TDL_OK) status = tdl_op_expect_floats(op, "w", w, 1, &a->shape[a->n_dims - 1], err);
    if (status == TDL_OK) status = tdl_op_expect_floats(op, "bias", bias, 1, &a->shape[a->n_dims - 1], err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, a, err);
    return status == TDL_OK ? tdl_op_out_like(call, 1, a, err) : status;
}

void tdl_add_layer_norm_reference(const tdl_call *call) {
    tdl_call add = {.n_in = 2, .n_out = 1, .in = {call->in[0], call->in[1]}, .out = {call->out[0]}};
    tdl_add_reference(&add);
    tdl_call norm = {.attrs = call->attrs,
                     .n_in = 3,
                     .n_out = 1,
                     .in = {call->out[0], call->in[2], call->in[3]},
                     .out = {call->out[1]}};
    tdl_layer_norm_reference(&norm);
}
