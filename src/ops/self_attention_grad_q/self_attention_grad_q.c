// SPDX-License-Identifier: MIT
// self_attention_grad_q.c - the gradient of self_attention by the queries, from the weights p made again:
//
//     p_j = exp(s_j - lse),    ds_j = p_j (m_j dy . v_j - delta),    dq = scale sum_j ds_j k_j
//
// with m_j dropout's 0 or 1 / (1 - rate), 1 where there is none; (lse, delta) = stats[t, h], see self_attention_stats.
#include "ops/self_attention/self_attention.h"

tdl_status tdl_self_attention_grad_q_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "self_attention_grad_q";
    const tdl_tensor *q = &call->in[0], *dy = &call->in[3], *stats = &call->in[4];
    tdl_status status = tdl_self_attention_expect(op, call, &call->in[5], err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 3, q->shape, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "stats", stats, TDL_DTYPE_F32, 3, (int64_t[]){q->shape[0], q->shape[1], 2}, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, q, err) : status;
}

static void grad_of(const tdl_call *call, int64_t i, int64_t h) {
    const tdl_tensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2], *dy = &call->in[3], *stats = &call->in[4];
    int64_t head_dim = q->shape[2], row = i * q->shape[1] + h, kv_head = h / (q->shape[1] / k->shape[1]);
    const uint8_t *dy_row = tdl_row(dy, row);
    double lse = tdl_at(stats, tdl_row(stats, row), 0), delta = tdl_at(stats, tdl_row(stats, row), 1);
    double sums[TDL_HEAD_DIM_MAX] = {0};
    for (int64_t j = tdl_self_attention_first(&call->in[5], i, call->attrs.window); j <= i; j++) {
        const uint8_t *k_row = tdl_row(k, j * k->shape[1] + kv_head), *v_row = tdl_row(v, j * k->shape[1] + kv_head);
        double weight = exp(tdl_self_attention_score(call, i, j, h) - lse), dot = 0;
        for (int64_t d = 0; d < head_dim; d++) dot += tdl_at(dy, dy_row, d) * tdl_at(v, v_row, d);
        dot *= tdl_self_attention_kept(call, &call->in[5], i, j, h);
        for (int64_t d = 0; d < head_dim; d++) sums[d] += weight * (dot - delta) * tdl_at(k, k_row, d);
    }
    for (int64_t d = 0; d < head_dim; d++)
        tdl_put(&call->out[0], tdl_row(&call->out[0], row), d, sums[d] * call->attrs.scale);
}

void tdl_self_attention_grad_q_reference(const tdl_call *call) {
    for (int64_t i = 0; i < call->in[0].shape[0]; i++)
        for (int64_t h = 0; h < call->in[0].shape[1]; h++) grad_of(call, i, h);
}
