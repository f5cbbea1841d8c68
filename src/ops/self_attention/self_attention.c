// self_attention.c - attention of training (Vaswani et al. 2017): causal within each document, over the step's own keys and
// values, with grouped queries, an optional sliding window and ALiBi (Press et al. 2021):
//
//     s_j = scale q . k_j - slope(h) (i - j),    lse = log sum_j exp(s_j),    y = sum_j exp(s_j - lse) v_j
//
// lse, the log of the softmax's denominator, is all that the backward pass needs to make the weights again (Dao et al. 2022,
// FlashAttention).
#include "ops/self_attention/self_attention.h"

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
        const uint8_t *v_row = tdl_row(v, j * v->shape[1] + kv_head);
        for (int64_t d = 0; d < head_dim; d++) sums[d] += weight * tdl_at(v, v_row, d);
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
    return TDL_OK;
}
