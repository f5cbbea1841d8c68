// SPDX-License-Identifier: MIT
// attention_cases.h - dims: query heads H, kv heads, head_dim. seqs: positions in the cache before, and new tokens. In
// the caches all other positions are NaN, and so are those that lie before every token's window: a kernel that lets one
// into a sum is seen. dtype: the caches'.
//
// Included after kv_append_cases.h, which lays out pages.
#ifndef TDL_OPS_ATTENTION_CASES_H
#define TDL_OPS_ATTENTION_CASES_H

#include "ops/kv_append/kv_append_cases.h"

static void attention_fill(op_fixture *f, const op_case *c, int64_t pages_max);
static void attention_scores(op_fixture *f, const op_case *c, int64_t pages_max);

static void attention_make(op_fixture *f, const op_case *c) {
    int64_t pages_max, n_pages = cache_pages(c, &pages_max) + 1, n_tokens = step_tokens(c);
    tdl_dtype dtype = c->dtype ? c->dtype : TDL_DTYPE_F32;
    if (c->attrs.scale <= 0) f->call.attrs.scale = 1 / sqrtf((float)c->dims[2]);
    op_input(f, 0, TDL_DTYPE_F32, 3, (int64_t[]){n_tokens, c->dims[0], c->dims[2]}, c->strided ? 9 : 0);
    op_input(f, 1, dtype, 4, (int64_t[]){n_pages, c->dims[1], c->dims[2], TDL_KV_PAGE}, 0);
    op_input(f, 2, dtype, 4, (int64_t[]){n_pages, c->dims[1], TDL_KV_PAGE, c->dims[2]}, 0);
    int32_t *positions = op_input_i32(f, 3, 1, &n_tokens);
    int32_t *seq_start = op_input_i32(f, 4, 1, (int64_t[]){c->n_seqs + 1}), token = 0;
    for (int32_t s = 0; s < c->n_seqs; s++) {
        for (int32_t i = 0; i < c->seqs[s][1]; i++) positions[token++] = c->seqs[s][0] + i;
        seq_start[s + 1] = token;
    }
    cache_page_table(f, 5, c, n_pages, pages_max);
    attention_fill(f, c, pages_max);
    attention_scores(f, c, pages_max);
    for (int64_t t = 0; t < n_tokens && c->scores; t++)
        for (int64_t i = 0; i < c->dims[0] * c->dims[2]; i++)
            tdl_f32_row(&f->call.in[0], t * c->dims[0] + i / c->dims[2])[i % c->dims[2]] =
                op_score_query(c, t + i / c->dims[2], i % c->dims[2]);
}

// The keys of the case's scores, F32, where the caches lie in in[1], in[2] and the page table in in[5].
static void attention_scores(op_fixture *f, const op_case *c, int64_t pages_max) {
    const tdl_tensor *k = &f->call.in[1];
    for (int64_t p = 0; p < c->n_seqs * pages_max && c->scores; p++) {
        int32_t page = ((const int32_t *)(const void *)f->call.in[5].data)[p];
        for (int64_t i = 0; i < k->shape[1] * k->shape[2] && page >= 0; i++) {
            float *slots = tdl_f32_row(k, page * k->shape[1] * k->shape[2] + i);
            for (int64_t slot = 0; slot < TDL_KV_PAGE; slot++)
                if (!isnan(slots[slot]))
                    slots[slot] = op_score_key(c, p % pages_max * TDL_KV_PAGE + slot, i % k->shape[2]);
        }
    }
}

// Keeps the numbers at the positions that some token sees, makes all others NaN.
static void attention_fill(op_fixture *f, const op_case *c, int64_t pages_max) {
    const tdl_tensor *k = &f->call.in[1], *v = &f->call.in[2], *pages = &f->call.in[5];
    int64_t element = tdl_dtype_get(k->dtype)->block_size;
    int32_t begin[4096] = {0}, end[4096] = {0}; // the slots of a page that are seen
    for (int64_t p = 0; p < c->n_seqs * pages_max; p++) {
        int32_t page = ((const int32_t *)(const void *)pages->data)[p];
        if (page < 0) continue;
        const int32_t *seq = c->seqs[p / pages_max];
        int64_t first_pos = p % pages_max * TDL_KV_PAGE;
        if (c->attrs.window) begin[page] = (int32_t)tdl_max_i64(0, seq[0] + 1 - c->attrs.window - first_pos);
        end[page] = (int32_t)tdl_min_i64(TDL_KV_PAGE, seq[0] + seq[1] - first_pos);
    }
    for (int64_t row = 0; row < k->shape[0] * k->shape[1]; row++) // of pages and heads
        for (int64_t slot = 0; slot < TDL_KV_PAGE; slot++) {
            if (slot >= begin[row / k->shape[1]] && slot < end[row / k->shape[1]]) continue;
            for (int64_t d = 0; d < k->shape[2]; d++) {
                memset(tdl_row(k, row * k->shape[2] + d) + slot * element, 0xff, (size_t)element);
                memset(tdl_row(v, row * TDL_KV_PAGE + slot) + d * element, 0xff, (size_t)element);
            }
        }
}

// A part of a step has its own seq_start: sequences before it and after it are empty.
static void attention_slice(op_fixture *f, int64_t first, int64_t count, tdl_call *part) {
    tdl_tensor *seq_start = &part->in[4];
    int32_t *starts = op_memory(f, (size_t)seq_start->shape[0] * sizeof *starts);
    for (int64_t s = 0; s < seq_start->shape[0]; s++)
        starts[s] = (int32_t)tdl_min_i64(count, tdl_max_i64(0, tdl_index_at(seq_start, s) - first));
    seq_start->data = (uint8_t *)starts;
}

// Two multiplications and two additions for each element of each visible position.
static double attention_flops(const tdl_call *call) {
    double visible = 0, heads = (double)(call->in[0].shape[1] * call->in[0].shape[2]);
    for (int64_t t = 0; t < call->in[3].shape[0]; t++) {
        int64_t n = (int64_t)tdl_index_at(&call->in[3], t) + 1, window = call->attrs.window;
        visible += (double)(window > 0 && n > window ? window : n);
    }
    return 4 * heads * visible;
}

#define F16_TOO(...) \
    {__VA_ARGS__}, { __VA_ARGS__, .dtype = TDL_DTYPE_F16 }

static const op_case attention_list[] = {
    {.dims = {1, 1, 1}, .seqs = {{0, 1}}, .n_seqs = 1},
    {.dims = {2, 1, 8}, .seqs = {{0, 0}}, .n_seqs = 1, .note = "no tokens"},
    {.dims = {3, 1, 64}, .seqs = {{-2, 4}}, .n_seqs = 1, .note = "two tokens see nothing"},
    F16_TOO(.dims = {4, 2, 8}, .seqs = {{0, 70}}, .n_seqs = 1),
    F16_TOO(.dims = {3, 3, 32}, .seqs = {{0, 5}, {63, 3}, {0, 0}, {200, 1}}, .n_seqs = 4, .strided = true),
    F16_TOO(.dims = {9, 3, 64}, .seqs = {{0, 130}, {500, 1}}, .n_seqs = 2, .strided = true),
    F16_TOO(.dims = {6, 2, 80}, .seqs = {{100, 40}, {63, 1}, {64, 1}}, .n_seqs = 3),
    F16_TOO(.dims = {5, 1, 96}, .seqs = {{10, 20}}, .n_seqs = 1),
    F16_TOO(.dims = {8, 1, 128}, .seqs = {{127, 3}}, .n_seqs = 1),
    F16_TOO(.dims = {2, 2, 256}, .seqs = {{60, 9}}, .n_seqs = 1),
    F16_TOO(.dims = {7, 7, 37}, .seqs = {{0, 66}, {90, 1}}, .n_seqs = 2),
    F16_TOO(.dims = {4, 2, 64}, .attrs = {.window = 33}, .seqs = {{0, 150}, {70, 5}, {300, 1}}, .n_seqs = 3),
    F16_TOO(.dims = {2, 1, 16}, .attrs = {.window = 1}, .seqs = {{0, 130}}, .n_seqs = 1),
    {.dims = {4, 2, 64}, .seqs = {{0, 70}, {130, 2}}, .n_seqs = 2, .scores = OP_SCORES_LARGE, .note = "large scores"},
    {.dims = {3, 1, 16}, .seqs = {{0, 9}, {200, 1}}, .n_seqs = 2, .scores = OP_SCORES_HUGE, .note = "one huge score"},
    {.dims = {2, 1, 256}, .seqs = {{60, 9}}, .n_seqs = 1, .scores = OP_SCORES_LOWEST, .note = "lowest scores"},
    {.dims = {2, 2, 64}, .seqs = {{0, 130}}, .n_seqs = 1, .scores = OP_SCORES_EQUAL, .note = "equal scores"},
    {.dims = {2, 1, 16},
     .attrs = {.window = 33},
     .seqs = {{0, 70}, {150, 3}},
     .n_seqs = 2,
     .scores = OP_SCORES_LOWEST,
     .note = "lowest scores"},
    {.dims = {4, 2, 32}, .attrs = {.scale = 0.3f}, .seqs = {{0, 9}, {70, 1}}, .n_seqs = 2},
    {.dims = {71, 1, 64}, .seqs = {{90, 2}}, .n_seqs = 1, .note = "more heads than a tile has rows"},
    {.dims = {1, 1, 1024}, .seqs = {{0, 3}}, .n_seqs = 1},
    {.dims = {2, 1, 32}, .seqs = {{4090, 10}}, .n_seqs = 1},
    {.dims = {2, 1, 8}, .seqs = {{8191, 2}}, .n_seqs = 1, .note = "longer than any workgroup"},
    {.dims = {9, 3, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .bench = true, .slow = true},
    {.dims = {9, 3, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true, .slow = true},
    {.dims = {32, 8, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true, .slow = true},
    {.dims = {9, 3, 64}, .seqs = {{8191, 1}}, .n_seqs = 1, .bench = true, .slow = true},
    {.dims = {9, 3, 64}, .seqs = {{8191, 1}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true, .slow = true},
    {.dims = {32, 8, 64},
     .seqs = {{1000, 1}, {2000, 1}, {30, 1}},
     .n_seqs = 3,
     .dtype = TDL_DTYPE_F16,
     .bench = true,
     .slow = true},
    {.dims = {12, 12, 64}, .seqs = {{1023, 1}}, .n_seqs = 1, .dtype = TDL_DTYPE_F16, .bench = true, .slow = true},
};

static const op_case_set attention_cases = {.make = attention_make,
                                            .list = attention_list,
                                            .n = OP_CASE_COUNT(attention_list),
                                            .metric = OP_METRIC_ROW,
                                            .bound_abs = 1e-7,
                                            .bound_rel = 5e-6,
                                            .row_inputs = 0x9,
                                            .slice = attention_slice,
                                            .flops = attention_flops};

#endif
