// SPDX-License-Identifier: MIT
// self_attention_stats.c - what the gradients of self_attention need of each query, side by side:
//
//     stats[t, h] = (lse, sum over d of y dy)
//
// The second is the sum of all weights' gradients times the weights, without the weights (Dao et al. 2022).
#include "ops/op_impl.h"

tdl_status tdl_self_attention_stats_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "self_attention_stats";
    const tdl_tensor *y = &call->in[0], *dy = &call->in[1], *lse = &call->in[2]; // [T, H, hd] twice, [T, H]
    tdl_status status = tdl_op_expect(op, "y", y, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 3, y->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "lse", lse, TDL_DTYPE_F32, 2, y->shape, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){y->shape[0], y->shape[1], 2}, NULL, &call->out[0], err);
}

void tdl_self_attention_stats_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->in[0], *dy = &call->in[1], *lse = &call->in[2], *stats = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(y); row++) {
        double sum = 0;
        for (int64_t d = 0; d < y->shape[2]; d++)
            sum += tdl_at(y, tdl_row(y, row), d) * tdl_at(dy, tdl_row(dy, row), d);
        tdl_put(stats, tdl_row(stats, row), 0, tdl_at(lse, tdl_row(lse, row / y->shape[1]), row % y->shape[1]));
        tdl_put(stats, tdl_row(stats, row), 1, sum);
    }
}
