// SPDX-License-Identifier: MIT
// kv_append.c - writes a step's keys and values into the paged cache (Kwon et al. 2023, PagedAttention).
//
// Position p of sequence s lies in page pages[s][p / 64], slot p % 64. Keys lie transposed, so that attention's scores
// have positions side by side; values lie row by row, so that its sums have the elements of a head side by side:
//
//     k cache [n_pages, Hkv, hd, 64]:  k_cache[page][h][d][slot] = k[t][h][d]
//     v cache [n_pages, Hkv, 64, hd]:  v_cache[page][h][slot][d] = v[t][h][d]
//
// The caches are F32 or F16. They are the op's outputs and keep all that is not written.
#include "ops/op_impl.h"

#include <assert.h>

tdl_status tdl_kv_append_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "kv_append";
    const tdl_tensor *k = &call->in[0], *v = &call->in[1], *positions = &call->in[2], *seqs = &call->in[3],
                     *pages = &call->in[4];
    const tdl_tensor *k_cache = &call->out[0], *v_cache = &call->out[1];
    tdl_status status = tdl_op_expect(op, "k", k, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "v", v, TDL_DTYPE_F32, 3, k->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "positions", positions, TDL_DTYPE_I32, 1, k->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "seqs", seqs, TDL_DTYPE_I32, 1, k->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "pages", pages, TDL_DTYPE_I32, 2, (int64_t[]){-1, -1}, err);
    if (status != TDL_OK) return status;
    const int64_t k_shape[] = {-1, k->shape[1], k->shape[2], TDL_KV_PAGE};
    status = tdl_op_expect_floats(op, "k cache", k_cache, 4, k_shape, err);
    const int64_t v_shape[] = {k_cache->shape[0], k->shape[1], TDL_KV_PAGE, k->shape[2]};
    if (status == TDL_OK) status = tdl_op_expect(op, "v cache", v_cache, k_cache->dtype, 4, v_shape, err);
    return status;
}

void tdl_kv_append_reference(const tdl_call *call) {
    const tdl_tensor *k = &call->in[0], *v = &call->in[1], *positions = &call->in[2], *seqs = &call->in[3],
                     *pages = &call->in[4];
    const tdl_tensor *k_cache = &call->out[0], *v_cache = &call->out[1];
    int64_t n_heads = k->shape[1], head_dim = k->shape[2];
    for (int64_t t = 0; t < k->shape[0]; t++) {
        int32_t pos = tdl_index_at(positions, t), seq = tdl_index_at(seqs, t);
        assert(seq >= 0 && seq < pages->shape[0] && pos >= 0 && pos / TDL_KV_PAGE < pages->shape[1]);
        int64_t slot = pos % TDL_KV_PAGE;
        int32_t page;
        memcpy(&page, tdl_row(pages, seq) + pos / TDL_KV_PAGE * pages->strides[1], sizeof page);
        assert(page >= 0 && page < k_cache->shape[0]);
        for (int64_t h = 0; h < n_heads; h++)
            for (int64_t d = 0; d < head_dim; d++) {
                int64_t page_head = page * n_heads + h, row = t * n_heads + h;
                tdl_put(k_cache, tdl_row(k_cache, page_head * head_dim + d), slot, tdl_at(k, tdl_row(k, row), d));
                tdl_put(v_cache, tdl_row(v_cache, page_head * TDL_KV_PAGE + slot), d, tdl_at(v, tdl_row(v, row), d));
            }
    }
}
