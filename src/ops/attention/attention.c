// SPDX-License-Identifier: MIT
// attention.c - scaled dot-product attention (Vaswani et al. 2017) over the paged cache, causal, with grouped queries
// (Ainslie et al. 2023) and an optional sliding window (Beltagy et al. 2020):
//
//     score_j = scale * q . k_j,    out = sum_j softmax(score)_j v_j,    j <= p, and j > p - window where there is one
//
// p is the position of the query. Tokens [seq_start[s], seq_start[s + 1]) belong to sequence s and look at the
// positions in its pages, row s of `pages`; the step's own keys and values are in the cache by then. Query head h reads
// key and value head h / (H / Hkv). Where nothing is visible (p below 0) the result is zero. The caches' layout:
// kv_append.c.
//
// The kernels compute the softmax page by page (Milakov, Gimelshein 2018; Dao et al. 2022, FlashAttention); here it is
// done twice over: once for the maximum and once for the sums.
#include "ops/op_impl.h"

#include <assert.h>
#include <math.h>

static void attend(const tdl_call *call, int64_t seq, int64_t t, int64_t h);

tdl_status tdl_attention_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "attention";
    const tdl_tensor *q = &call->in[0], *k_cache = &call->in[1], *v_cache = &call->in[2];
    const tdl_tensor *positions = &call->in[3], *seq_start = &call->in[4], *pages = &call->in[5];
    tdl_status status = tdl_op_expect(op, "q", q, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    const int64_t k_shape[] = {-1, -1, q->shape[2], TDL_KV_PAGE};
    if (status == TDL_OK) status = tdl_op_expect_floats(op, "k cache", k_cache, 4, k_shape, err);
    const int64_t v_shape[] = {k_cache->shape[0], k_cache->shape[1], TDL_KV_PAGE, q->shape[2]};
    if (status == TDL_OK) status = tdl_op_expect(op, "v cache", v_cache, k_cache->dtype, 4, v_shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "positions", positions, TDL_DTYPE_I32, 1, q->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "pages", pages, TDL_DTYPE_I32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "seq_start", seq_start, TDL_DTYPE_I32, 1, (int64_t[]){pages->shape[0] + 1}, err);
    if (status != TDL_OK) return status;
    if (q->shape[2] < 1 || q->shape[2] > TDL_HEAD_DIM_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "attention: head_dim is %lld, expected 1 to %d",
                        (long long)q->shape[2], TDL_HEAD_DIM_MAX);
    if (k_cache->shape[1] == 0 || q->shape[1] % k_cache->shape[1] != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "attention: %lld query heads, expected a multiple of the %lld kv heads", (long long)q->shape[1],
                        (long long)k_cache->shape[1]);
    if (call->attrs.window < 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "attention: window is %d, expected 0 or more", call->attrs.window);
    return tdl_op_out_like(call, 0, q, err);
}

void tdl_attention_reference(const tdl_call *call) {
    const tdl_tensor *q = &call->in[0], *seq_start = &call->in[4];
    for (int64_t seq = 0; seq + 1 < seq_start->shape[0]; seq++)
        for (int64_t t = tdl_index_at(seq_start, seq); t < tdl_index_at(seq_start, seq + 1); t++)
            for (int64_t h = 0; h < q->shape[1]; h++) attend(call, seq, t, h);
}

// Row [seq, pos] of the head in the caches: which page, as a row number of its first slot.
static int64_t page_head(const tdl_call *call, int64_t seq, int64_t pos, int64_t kv_head) {
    const tdl_tensor *k_cache = &call->in[1], *pages = &call->in[5];
    int32_t page;
    assert(pos / TDL_KV_PAGE < pages->shape[1]);
    memcpy(&page, tdl_row(pages, seq) + pos / TDL_KV_PAGE * pages->strides[1], sizeof page);
    assert(page >= 0 && page < k_cache->shape[0]);
    return page * k_cache->shape[1] + kv_head;
}

static double score(const tdl_call *call, int64_t seq, int64_t pos, int64_t kv_head, const uint8_t *q_row) {
    const tdl_tensor *q = &call->in[0], *k_cache = &call->in[1];
    int64_t head_dim = q->shape[2], first = page_head(call, seq, pos, kv_head) * head_dim;
    double sum = 0;
    for (int64_t d = 0; d < head_dim; d++)
        sum += tdl_at(q, q_row, d) * tdl_at(k_cache, tdl_row(k_cache, first + d), pos % TDL_KV_PAGE);
    return sum * call->attrs.scale;
}

static void attend(const tdl_call *call, int64_t seq, int64_t t, int64_t h) {
    const tdl_tensor *q = &call->in[0], *v_cache = &call->in[2], *out = &call->out[0];
    int64_t row = t * q->shape[1] + h, kv_head = h / (q->shape[1] / v_cache->shape[1]), head_dim = q->shape[2];
    const uint8_t *q_row = tdl_row(q, row);
    int64_t end = (int64_t)tdl_index_at(&call->in[3], t) + 1, window = call->attrs.window;
    int64_t first = window > 0 && end > window ? end - window : 0;
    double sums[TDL_HEAD_DIM_MAX] = {0}, total = 0, max = -INFINITY;
    assert(head_dim <= TDL_HEAD_DIM_MAX);
    for (int64_t pos = first; pos < end; pos++) max = fmax(max, score(call, seq, pos, kv_head, q_row));
    for (int64_t pos = first; pos < end; pos++) {
        double weight = exp(score(call, seq, pos, kv_head, q_row) - max);
        const uint8_t *v_row = tdl_row(v_cache, page_head(call, seq, pos, kv_head) * TDL_KV_PAGE + pos % TDL_KV_PAGE);
        for (int64_t d = 0; d < head_dim; d++) sums[d] += weight * tdl_at(v_cache, v_row, d);
        total += weight;
    }
    for (int64_t d = 0; d < head_dim; d++) tdl_put(out, tdl_row(out, row), d, end > first ? sums[d] / total : 0);
}
