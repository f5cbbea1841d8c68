// SPDX-License-Identifier: MIT
// self_attention.c - attention of training (Vaswani et al. 2017): causal within each document, over the step's own keys and
// values, with grouped queries, an optional sliding window and ALiBi (Press et al. 2021):
//
//     s_j = scale q . k_j - slope(h) (i - j),    lse = log sum_j exp(s_j),    y = sum_j m_j exp(s_j - lse) v_j
//
// with m_j 1, or dropout's 0 or 1 / (1 - rate), which lse knows nothing of.
// lse, the log of the softmax's denominator, is all that the backward pass needs to make the weights again (Dao et al. 2022,
// FlashAttention).
#include "ops/self_attention/self_attention.h"

#include "ops/grad_rule.h"

tdl_status tdl_self_attention_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *q = &call->in[0];
    tdl_status status = tdl_self_attention_expect("self_attention", call, &call->in[3], err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, q, err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 2, q->shape, NULL, &call->out[1], err) : status;
}

static void attend(const tdl_call *call, int64_t i, int64_t h) {
    const tdl_tensor *q = &call->in[0], *v = &call->in[2], *y = &call->out[0], *lse = &call->out[1];
    int64_t head_dim = q->shape[2], kv_head = h / (q->shape[1] / v->shape[1]);
    int64_t first = tdl_self_attention_first(&call->in[3], i, call->attrs.window);
    double sums[TDL_HEAD_DIM_MAX] = {0}, total = 0, max = -INFINITY;
    for (int64_t j = first; j <= i; j++) max = fmax(max, tdl_self_attention_score(call, i, j, h));
    for (int64_t j = first; j <= i; j++) {
        double weight = exp(tdl_self_attention_score(call, i, j, h) - max);
        double kept = tdl_self_attention_kept(call, &call->in[3], i, j, h);
        const uint8_t *v_row = tdl_row(v, j * v->shape[1] + kv_head);
        for (int64_t d = 0; d < head_dim; d++) sums[d] += kept * weight * tdl_at(v, v_row, d);
        total += weight;
    }
    for (int64_t d = 0; d < head_dim; d++) tdl_put(y, tdl_row(y, i * q->shape[1] + h), d, sums[d] / total);
    tdl_put(lse, tdl_row(lse, i), h, max + log(total));
}

void tdl_self_attention_reference(const tdl_call *call) {
    for (int64_t i = 0; i < call->in[0].shape[0]; i++)
        for (int64_t h = 0; h < call->in[0].shape[1]; h++) attend(call, i, h);
}

double tdl_self_attention_score(const tdl_call *call, int64_t i, int64_t j, int64_t h) {
    const tdl_tensor *q = &call->in[0], *k = &call->in[1];
    const uint8_t *q_row = tdl_row(q, i * q->shape[1] + h);
    const uint8_t *k_row = tdl_row(k, j * k->shape[1] + h / (q->shape[1] / k->shape[1]));
    double sum = 0;
    for (int64_t d = 0; d < q->shape[2]; d++) sum += tdl_at(q, q_row, d) * tdl_at(k, k_row, d);
    return sum * call->attrs.scale - tdl_alibi_slope(call->attrs.alibi, h, q->shape[1]) * (double)(i - j);
}

double tdl_self_attention_kept(const tdl_call *call, const tdl_tensor *positions, int64_t i, int64_t j, int64_t h) {
    float rate = call->attrs.rate;
    if (rate <= 0) return 1;
    tdl_dropout_key key = tdl_self_attention_key(call, positions);
    key = tdl_self_attention_row_key(key, i, h, call->in[0].shape[1]);
    return tdl_dropout_hash(key, (uint32_t)j) >= tdl_dropout_threshold(rate) ? 1 / (1 - (double)rate) : 0;
}

static tdl_status expect_dropout(const char *op, const tdl_call *call, const tdl_tensor *positions, tdl_error *err);

tdl_status tdl_self_attention_expect(const char *op, const tdl_call *call, const tdl_tensor *positions,
                                     tdl_error *err) {
    const tdl_tensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
    tdl_status status = tdl_op_expect(op, "q", q, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "k", k, TDL_DTYPE_F32, 3, (int64_t[]){q->shape[0], -1, q->shape[2]}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "v", v, TDL_DTYPE_F32, 3, k->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "positions", positions, TDL_DTYPE_I32, 1, q->shape, err);
    if (status != TDL_OK) return status;
    if (q->shape[2] < 1 || q->shape[2] > TDL_HEAD_DIM_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: head_dim is %lld, expected 1 to %d", op, (long long)q->shape[2],
                        TDL_HEAD_DIM_MAX);
    if (k->shape[1] == 0 || q->shape[1] % k->shape[1] != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %lld query heads, expected a multiple of the %lld kv heads", op,
                        (long long)q->shape[1], (long long)k->shape[1]);
    if (call->attrs.window < 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: window is %d, expected 0 or more", op, call->attrs.window);
    if (!(call->attrs.alibi >= 0))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: alibi is %g, expected 0 or more", op, (double)call->attrs.alibi);
    return expect_dropout(op, call, positions, err);
}

static tdl_status expect_dropout(const char *op, const tdl_call *call, const tdl_tensor *positions, tdl_error *err) {
    const tdl_tensor *q = &call->in[0];
    bool seeded = positions + 1 < call->in + call->n_in;
    if (!(call->attrs.rate >= 0 && call->attrs.rate < 1))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: rate is %g, expected 0 or more and below 1", op,
                        (double)call->attrs.rate);
    if (call->attrs.rate > 0 && !seeded)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: rate is %g, but there is no seed", op, (double)call->attrs.rate);
    if (seeded && q->shape[0] * q->shape[1] > UINT32_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %lld rows of weights, dropout counts at most %u", op,
                        (long long)(q->shape[0] * q->shape[1]), UINT32_MAX);
    return seeded ? tdl_op_expect(op, "seed", positions + 1, TDL_DTYPE_I32, 1, (int64_t[]){2}, err) : TDL_OK;
}

// dq, dk and dv from the saved log-sum-exp: the scores are computed again, never stored.
void tdl_self_attention_backward(tdl_grad *g) {
    const int32_t *in = g->in;
    int32_t dy = g->d_out[0];
    int32_t stats = g->emit(g, TDL_OP_SELF_ATTENTION_STATS, NULL, 3, (int32_t[]){g->out[0], dy, g->out[1]});
    int32_t of[7] = {in[0], in[1], in[2], dy, stats, in[3], in[4]}, n = g->n_in + 2;
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_SELF_ATTENTION_GRAD_Q, g->attrs, n, of));
    if (!g->wants[1] && !g->wants[2]) return;
    int32_t dk = g->emit(g, TDL_OP_SELF_ATTENTION_GRAD_KV, g->attrs, n, of);
    for (int32_t i = 1; i < 3; i++)
        if (g->wants[i]) g->give(g, i, dk + i - 1);
}
