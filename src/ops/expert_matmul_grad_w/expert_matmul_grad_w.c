// SPDX-License-Identifier: MIT
// expert_matmul_grad_w.c - the gradient of expert_matmul by w, added to what is there:
//
//     dw[e N + n, k] += sum over the rows (t, j) of expert e of dy[t, j, n] x[t, (j,) k]
//
// in the order of groups, which is that of tokens.
#include "ops/group/groups.h"

tdl_status tdl_expert_matmul_grad_w_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "expert_matmul_grad_w";
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1];
    int32_t last = x->n_dims == 2 ? 1 : 2; // K
    tdl_status status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 3, (int64_t[]){-1, call->attrs.top_k, -1}, err);
    if (status == TDL_OK) status = tdl_expect_groups(op, call, &call->in[2], dy->shape[0], err);
    if (status == TDL_OK)
        status = tdl_op_expect(
            op, "x", x, TDL_DTYPE_F32, last + 1,
            last == 1 ? (int64_t[]){dy->shape[0], -1} : (int64_t[]){dy->shape[0], call->attrs.top_k, -1}, err);
    if (status != TDL_OK) return status;
    return tdl_op_expect(op, "dw", &call->out[0], TDL_DTYPE_F32, 2,
                         (int64_t[]){dy->shape[2] * call->attrs.experts, x->shape[last]}, err);
}

void tdl_expert_matmul_grad_w_reference(const tdl_call *call) {
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1], *groups = &call->in[2], *dw = &call->out[0];
    int64_t n_outputs = dy->shape[2];
    for (int64_t w_row = 0; w_row < dw->shape[0]; w_row++)
        for (int64_t k = 0; k < dw->shape[1]; k++) {
            tdl_range places = tdl_group_of(groups, w_row / n_outputs);
            double sum = tdl_at(dw, tdl_row(dw, w_row), k);
            for (int64_t place = places.first; place < places.end; place++) {
                int64_t row = tdl_group_row(groups, call->attrs.experts, place);
                sum += tdl_at(dy, tdl_row(dy, row), w_row % n_outputs) *
                       tdl_at(x, tdl_choice_row(x, row, call->attrs.top_k), k);
            }
            tdl_put(dw, tdl_row(dw, w_row), k, sum);
        }
}
