// SPDX-License-Identifier: MIT
// self_attention_grad_kv.c - the gradients of self_attention by keys and values; sums over the queries i that see row j, and
// over the query heads that share its head:
//
//     p_i = exp(s_ij - lse_i),    ds_i = p_i (m_i dy_i . v - delta_i),    dk = scale sum_i ds_i q_i,    dv = sum_i m_i p_i dy_i
//
// with m_i dropout's 0 or 1 / (1 - rate), 1 where there is none.
#include "ops/self_attention/self_attention.h"

tdl_status tdl_self_attention_grad_kv_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "self_attention_grad_kv";
    const tdl_tensor *q = &call->in[0], *k = &call->in[1], *dy = &call->in[3], *stats = &call->in[4];
    tdl_status status = tdl_self_attention_expect(op, call, &call->in[5], err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 3, q->shape, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "stats", stats, TDL_DTYPE_F32, 3, (int64_t[]){q->shape[0], q->shape[1], 2}, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, k, err);
    return status == TDL_OK ? tdl_op_out_like(call, 1, k, err) : status;
}

// Adds what query i, head h, gives to the gradients of row j.
static void add_query(const tdl_call *call, int64_t i, int64_t j, int64_t h, double *dk, double *dv) {
    const tdl_tensor *q = &call->in[0], *v = &call->in[2], *dy = &call->in[3], *stats = &call->in[4];
    int64_t head_dim = q->shape[2], row = i * q->shape[1] + h;
    const uint8_t *q_row = tdl_row(q, row), *dy_row = tdl_row(dy, row), *stats_row = tdl_row(stats, row);
    const uint8_t *v_row = tdl_row(v, j * v->shape[1] + h / (q->shape[1] / v->shape[1]));
    double weight = exp(tdl_self_attention_score(call, i, j, h) - tdl_at(stats, stats_row, 0)), dot = 0;
    double kept = tdl_self_attention_kept(call, &call->in[5], i, j, h);
    for (int64_t d = 0; d < head_dim; d++) dot += tdl_at(dy, dy_row, d) * tdl_at(v, v_row, d);
    double ds = weight * (kept * dot - tdl_at(stats, stats_row, 1));
    for (int64_t d = 0; d < head_dim; d++) {
        dk[d] += ds * call->attrs.scale * tdl_at(q, q_row, d);
        dv[d] += kept * weight * tdl_at(dy, dy_row, d);
    }
}

void tdl_self_attention_grad_kv_reference(const tdl_call *call) {
    const tdl_tensor *q = &call->in[0], *k = &call->in[1], *positions = &call->in[5];
    const tdl_tensor *dk = &call->out[0], *dv = &call->out[1];
    int64_t n = q->shape[0], group = q->shape[1] / k->shape[1];
    for (int64_t row = 0; row < tdl_tensor_n_rows(k); row++) {
        int64_t j = row / k->shape[1], kv_head = row % k->shape[1];
        double dk_sums[TDL_HEAD_DIM_MAX] = {0}, dv_sums[TDL_HEAD_DIM_MAX] = {0};
        for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++)
            for (int64_t i = j; i < n && tdl_self_attention_first(positions, i, call->attrs.window) <= j; i++)
                add_query(call, i, j, h, dk_sums, dv_sums);
        for (int64_t d = 0; d < k->shape[2]; d++) {
            tdl_put(dk, tdl_row(dk, row), d, dk_sums[d]);
            tdl_put(dv, tdl_row(dv, row), d, dv_sums[d]);
        }
    }
}
