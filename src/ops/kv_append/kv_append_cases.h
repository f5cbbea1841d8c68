// SPDX-License-Identifier: MIT
// kv_append_cases.h - dims: kv heads, head_dim. seqs: positions in the cache already, and new tokens. dtype: the
// caches'. The fixture keeps all that lies in the caches, so what must not change is checked too.
#ifndef TDL_OPS_KV_APPEND_CASES_H
#define TDL_OPS_KV_APPEND_CASES_H

static int64_t cache_pages(const op_case *c, int64_t *pages_max) {
    int64_t n = 0;
    *pages_max = 1;
    for (int32_t s = 0; s < c->n_seqs; s++) {
        int64_t pages = tdl_div_up(c->seqs[s][0] + c->seqs[s][1], TDL_KV_PAGE);
        *pages_max = tdl_max_i64(*pages_max, pages);
        n += pages;
    }
    return n;
}

// in[i]: [S, pages_max], the pages in random order, one of them spare; unused entries are -1.
static void cache_page_table(op_fixture *f, int32_t i, const op_case *c, int64_t n_pages, int64_t pages_max) {
    int32_t order[4096];
    assert(n_pages <= (int64_t)OP_CASE_COUNT(order));
    for (int64_t p = 0; p < n_pages; p++) {
        int64_t at = op_random(f, p + 1);
        order[p] = order[at];
        order[at] = (int32_t)p;
    }
    int32_t *pages = op_input_i32(f, i, 2, (int64_t[]){c->n_seqs, pages_max}), *next = order;
    for (int64_t p = 0; p < c->n_seqs * pages_max; p++) {
        const int32_t *seq = c->seqs[p / pages_max];
        pages[p] = p % pages_max * TDL_KV_PAGE < seq[0] + seq[1] ? *next++ : -1;
    }
}

static int64_t step_tokens(const op_case *c) {
    int64_t n = 0;
    for (int32_t s = 0; s < c->n_seqs; s++) n += c->seqs[s][1];
    return n;
}

static void kv_append_make(op_fixture *f, const op_case *c) {
    int64_t pages_max, n_pages = cache_pages(c, &pages_max) + 1, n_tokens = step_tokens(c);
    const int64_t shape[] = {n_tokens, c->dims[0], c->dims[1]};
    tdl_dtype dtype = c->dtype ? c->dtype : TDL_DTYPE_F32;
    op_given(f, 0, dtype, 4, (int64_t[]){n_pages, c->dims[0], c->dims[1], TDL_KV_PAGE}, 0);
    op_given(f, 1, dtype, 4, (int64_t[]){n_pages, c->dims[0], TDL_KV_PAGE, c->dims[1]}, 0);
    op_input(f, 0, TDL_DTYPE_F32, 3, shape, c->strided ? 9 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 3, shape, c->strided ? 5 : 0);
    int32_t *positions = op_input_i32(f, 2, 1, shape), *seqs = op_input_i32(f, 3, 1, shape);
    for (int32_t s = 0; s < c->n_seqs; s++)
        for (int32_t i = 0; i < c->seqs[s][1]; i++) {
            *positions++ = c->seqs[s][0] + i;
            *seqs++ = s;
        }
    cache_page_table(f, 4, c, n_pages, pages_max);
}

static const op_case kv_append_list[] = {
    {.dims = {1, 1}, .seqs = {{0, 1}}, .n_seqs = 1},
    {.dims = {2, 8}, .seqs = {{0, 0}}, .n_seqs = 1},
    {.dims = {3, 64}, .seqs = {{0, 5}, {63, 3}, {0, 0}, {200, 1}}, .n_seqs = 4, .strided = true},
    {.dims = {3, 64},
     .seqs = {{0, 5}, {63, 3}, {0, 0}, {200, 1}},
     .n_seqs = 4,
     .dtype = TDL_DTYPE_F16,
     .strided = true},
    {.dims = {2, 33}, .seqs = {{40, 100}, {0, 64}}, .n_seqs = 2},
    {.dims = {2, 33}, .seqs = {{40, 100}, {0, 64}}, .n_seqs = 2, .dtype = TDL_DTYPE_F16},
    {.dims = {1, 1024}, .seqs = {{60, 9}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16},
    {.dims = {1, 8}, .seqs = {{0, 4099}}, .n_seqs = 1},
    {.dims = {3, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .bench = true},
    {.dims = {3, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true},
    {.dims = {8, 64}, .seqs = {{300, 1}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true},
};

static const op_case_set kv_append_cases = {
    .make = kv_append_make, .list = kv_append_list, .n = OP_CASE_COUNT(kv_append_list), .metric = OP_METRIC_EXACT};

#endif
