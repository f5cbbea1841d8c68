// rope_attention_cases.h - dims: query heads H, kv heads, head_dim, elements that are turned (0: all). seqs: positions in the
// cache before, and new tokens. In the caches all positions that no token sees are NaN, as attention's cases have it.
//
// Included after attention_cases.h.
#ifndef TDL_OPS_ROPE_ATTENTION_CASES_H
#define TDL_OPS_ROPE_ATTENTION_CASES_H

#include "ops/attention/attention_cases.h"

static void rope_attention_make(op_fixture *f, const op_case *c) {
    int64_t pages_max, n_pages = cache_pages(c, &pages_max) + 1, n_tokens = step_tokens(c);
    int64_t n_heads = c->dims[0], n_kv_heads = c->dims[1], head_dim = c->dims[2];
    f->call.attrs.scale = 1 / sqrtf((float)head_dim);
    // The caches are outputs: made as inputs, where attention has them, then moved.
    op_input(f, 1, TDL_DTYPE_F32, 4, (int64_t[]){n_pages, n_kv_heads, head_dim, TDL_KV_PAGE}, 0);
    op_input(f, 2, TDL_DTYPE_F32, 4, (int64_t[]){n_pages, n_kv_heads, TDL_KV_PAGE, head_dim}, 0);
    cache_page_table(f, 5, c, n_pages, pages_max);
    attention_fill(f, c, pages_max);
    f->call.out[1] = f->call.in[1];
    f->call.out[2] = f->call.in[2];
    op_input(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){n_tokens, (n_heads + c->attrs.gap + n_kv_heads) * head_dim},
             c->strided ? 9 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 3, (int64_t[]){n_tokens, n_kv_heads, head_dim}, c->strided ? 5 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 2, (int64_t[]){n_tokens, c->dims[3] ? c->dims[3] : head_dim}, 0);
    int32_t *positions = op_input_i32(f, 3, 1, &n_tokens);
    int32_t *seq_start = op_input_i32(f, 4, 1, (int64_t[]){c->n_seqs + 1}), token = 0;
    for (int32_t s = 0; s < c->n_seqs; s++) {
        for (int32_t i = 0; i < c->seqs[s][1]; i++) positions[token++] = c->seqs[s][0] + i;
        seq_start[s + 1] = token;
    }
}

static const op_case rope_attention_list[] = {
    {.dims = {1, 1, 2}, .seqs = {{0, 1}}, .n_seqs = 1},
    {.dims = {2, 1, 8}, .seqs = {{0, 0}}, .n_seqs = 1, .note = "no tokens"},
    {.dims = {4, 2, 64}, .seqs = {{70, 1}}, .n_seqs = 1},
    {.dims = {4, 2, 64}, .attrs = {.rope_pairs = 1}, .seqs = {{63, 2}}, .n_seqs = 1},
    {.dims = {9, 3, 64}, .seqs = {{0, 3}, {63, 1}, {0, 0}, {200, 2}}, .n_seqs = 4, .strided = true},
    {.dims = {14, 2, 64}, .seqs = {{0, 8}}, .n_seqs = 1, .note = "heads in two blocks"},
    {.dims = {6, 2, 80, 20}, .seqs = {{100, 4}, {64, 1}}, .n_seqs = 2, .note = "a quarter is turned"},
    {.dims = {3, 3, 37, 36}, .attrs = {.rope_pairs = 1}, .seqs = {{90, 1}, {1, 1}}, .n_seqs = 2},
    {.dims = {8, 1, 128}, .seqs = {{127, 3}}, .n_seqs = 1},
    {.dims = {2, 2, 100}, .seqs = {{60, 5}}, .n_seqs = 1},
    {.dims = {4, 2, 64}, .attrs = {.gap = 3}, .seqs = {{400, 2}, {7, 1}}, .n_seqs = 2, .note = "a part of the heads"},
    {.dims = {4, 2, 64}, .attrs = {.window = 33}, .seqs = {{150, 3}, {5, 1}, {300, 1}}, .n_seqs = 3},
    {.dims = {2, 1, 16}, .attrs = {.window = 1}, .seqs = {{130, 4}}, .n_seqs = 1},
    {.dims = {2, 1, 16},
     .attrs = {.window = 70},
     .seqs = {{700, 2}, {3, 1}},
     .n_seqs = 2,
     .note = "parts that see nothing"},
    {.dims = {4, 1, 32}, .seqs = {{256, 1}}, .n_seqs = 1, .note = "five pages, in parts"},
    {.dims = {4, 1, 64}, .seqs = {{319, 2}, {0, 1}}, .n_seqs = 2},
    {.dims = {2, 1, 32}, .seqs = {{4090, 8}}, .n_seqs = 1},
    {.dims = {2, 1, 8}, .seqs = {{8191, 2}}, .n_seqs = 1, .note = "longer than any workgroup"},
    {.dims = {8, 1, 64}, .seqs = {{8300, 1}}, .n_seqs = 1, .note = "parts of three pages"},
};

static const op_case_set rope_attention_cases = {.make = rope_attention_make,
                                                 .list = rope_attention_list,
                                                 .n = OP_CASE_COUNT(rope_attention_list),
                                                 .metric = OP_METRIC_ROW,
                                                 .bound_abs = 5e-7,
                                                 .bound_rel = 5e-6};

#endif
