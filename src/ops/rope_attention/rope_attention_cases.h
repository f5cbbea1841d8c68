// SPDX-License-Identifier: MIT
// rope_attention_cases.h - dims: query heads H, kv heads, head_dim, elements that are turned (0: all, where the op turns). seqs:
// positions in the cache before, and new tokens. In the caches all positions that no token sees are NaN, as attention's cases have it.
//
// Included after attention_cases.h.
#ifndef TDL_OPS_ROPE_ATTENTION_CASES_H
#define TDL_OPS_ROPE_ATTENTION_CASES_H

#include "ops/attention/attention_cases.h"
#include "ops/rope_attention/rope_attention.h"

static void rope_attention_scores(op_fixture *f, const op_case *c, int32_t token, int32_t pos);

static void rope_attention_make(op_fixture *f, const op_case *c) {
    int64_t pages_max, n_pages = cache_pages(c, &pages_max) + 1, n_tokens = step_tokens(c);
    int64_t n_heads = c->dims[0], n_kv_heads = c->dims[1], head_dim = c->dims[2];
    if (c->attrs.scale <= 0) f->call.attrs.scale = 1 / sqrtf((float)head_dim);
    if (c->attrs.eps <= 0) f->call.attrs.eps = 1e-5f;
    // The caches are outputs: made as inputs, where attention has them, then moved.
    op_input(f, 1, TDL_DTYPE_F32, 4, (int64_t[]){n_pages, n_kv_heads, head_dim, TDL_KV_PAGE}, 0);
    op_input(f, 2, TDL_DTYPE_F32, 4, (int64_t[]){n_pages, n_kv_heads, TDL_KV_PAGE, head_dim}, 0);
    cache_page_table(f, 5, c, n_pages, pages_max);
    attention_fill(f, c, pages_max);
    attention_scores(f, c, pages_max);
    f->call.out[1] = f->call.in[1];
    f->call.out[2] = f->call.in[2];
    f->call.in[3] = f->call.in[5];
    f->call.n_in = 4;
    int32_t turn = tdl_heads_input(&c->attrs, TDL_HEADS_TURN), norm = tdl_heads_input(&c->attrs, TDL_HEADS_NORM);
    op_input(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){n_tokens, (n_heads + 2 * n_kv_heads) * head_dim}, c->strided ? 9 : 0);
    if (turn >= 0) op_input(f, turn, TDL_DTYPE_F32, 2, (int64_t[]){n_tokens, c->dims[3] ? c->dims[3] : head_dim}, 0);
    if (norm >= 0) op_input(f, norm, TDL_DTYPE_F32, 1, (int64_t[]){2 * head_dim}, 0);
    int32_t *positions = op_input_i32(f, 1, 1, &n_tokens);
    int32_t *seq_start = op_input_i32(f, 2, 1, (int64_t[]){c->n_seqs + 1}), token = 0;
    for (int32_t s = 0; s < c->n_seqs; s++) {
        for (int32_t i = 0; i < c->seqs[s][1]; i++) {
            if (c->scores) rope_attention_scores(f, c, token, c->seqs[s][0] + i);
            positions[token++] = c->seqs[s][0] + i;
        }
        seq_start[s + 1] = token;
    }
}

// A token's query and key of the case's scores; not turned.
static void rope_attention_scores(op_fixture *f, const op_case *c, int32_t token, int32_t pos) {
    float *x = tdl_f32_row(&f->call.in[0], token);
    for (int64_t i = 0; i < c->dims[0] * c->dims[2]; i++)
        x[i] = op_score_query(c, token + i / c->dims[2], i % c->dims[2]);
    x += c->dims[0] * c->dims[2];
    for (int64_t i = 0; i < c->dims[1] * c->dims[2]; i++) x[i] = op_score_key(c, pos, i % c->dims[2]);
}

enum { NORM_TURN = TDL_HEADS_TURN | TDL_HEADS_NORM };

static const op_case rope_attention_list[] = {
    {.dims = {1, 1, 2}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{0, 1}}, .n_seqs = 1},
    {.dims = {2, 1, 8}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{0, 0}}, .n_seqs = 1, .note = "no tokens"},
    {.dims = {4, 2, 64}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{70, 1}}, .n_seqs = 1},
    {.dims = {4, 2, 64}, .attrs = {.heads = TDL_HEADS_TURN, .rope_pairs = 1}, .seqs = {{63, 2}}, .n_seqs = 1},
    {.dims = {9, 3, 64},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{0, 3}, {63, 1}, {0, 0}, {200, 2}},
     .n_seqs = 4,
     .strided = true},
    {.dims = {14, 2, 64},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{0, 8}},
     .n_seqs = 1,
     .note = "heads in two blocks"},
    {.dims = {6, 2, 80, 20},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{100, 4}, {64, 1}},
     .n_seqs = 2,
     .note = "a quarter is turned"},
    {.dims = {3, 3, 37, 36},
     .attrs = {.heads = TDL_HEADS_TURN, .rope_pairs = 1},
     .seqs = {{90, 1}, {1, 1}},
     .n_seqs = 2},
    {.dims = {8, 1, 128}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{127, 3}}, .n_seqs = 1},
    {.dims = {2, 2, 100}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{60, 5}}, .n_seqs = 1},
    {.dims = {4, 2, 64},
     .attrs = {.heads = TDL_HEADS_TURN, .window = 33},
     .seqs = {{150, 3}, {5, 1}, {300, 1}},
     .n_seqs = 3},
    {.dims = {2, 1, 16}, .attrs = {.heads = TDL_HEADS_TURN, .window = 1}, .seqs = {{130, 4}}, .n_seqs = 1},
    {.dims = {2, 1, 16},
     .attrs = {.heads = TDL_HEADS_TURN, .window = 70},
     .seqs = {{700, 2}, {3, 1}},
     .n_seqs = 2,
     .note = "parts that see nothing"},
    {.dims = {4, 1, 32},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{256, 1}},
     .n_seqs = 1,
     .note = "five pages, in parts"},
    {.dims = {4, 1, 64}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{319, 2}, {0, 1}}, .n_seqs = 2},
    {.dims = {2, 1, 32}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{4090, 8}}, .n_seqs = 1},
    {.dims = {2, 1, 8},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{8191, 2}},
     .n_seqs = 1,
     .note = "longer than any workgroup"},
    {.dims = {8, 1, 64},
     .attrs = {.heads = TDL_HEADS_TURN},
     .seqs = {{8300, 1}},
     .n_seqs = 1,
     .note = "parts of three pages"},
    {.dims = {2, 2, 256}, .attrs = {.heads = TDL_HEADS_TURN}, .seqs = {{70, 5}, {0, 3}}, .n_seqs = 2, .strided = true},
    {.dims = {5, 1, 160, 40}, .attrs = {.heads = TDL_HEADS_TURN, .rope_pairs = 1}, .seqs = {{130, 8}}, .n_seqs = 1},
    {.dims = {2, 1, 192}, .attrs = {.heads = TDL_HEADS_TURN, .window = 70}, .seqs = {{700, 2}}, .n_seqs = 1},
    {.dims = {2, 1, 2}, .attrs = {.heads = NORM_TURN}, .seqs = {{0, 2}}, .n_seqs = 1},
    {.dims = {4, 2, 64}, .attrs = {.heads = NORM_TURN, .eps = 0.3f}, .seqs = {{70, 2}}, .n_seqs = 1},
    {.dims = {4, 2, 128}, .attrs = {.heads = NORM_TURN}, .seqs = {{70, 1}}, .n_seqs = 1},
    {.dims = {9, 3, 64}, .attrs = {.heads = NORM_TURN}, .seqs = {{0, 3}, {63, 1}, {0, 0}, {200, 2}}, .n_seqs = 4},
    {.dims = {7, 1, 80, 20}, .attrs = {.heads = NORM_TURN, .rope_pairs = 1}, .seqs = {{10, 8}}, .n_seqs = 1},
    {.dims = {4, 1, 32}, .attrs = {.heads = NORM_TURN}, .seqs = {{319, 2}, {0, 1}}, .n_seqs = 2, .strided = true},
    {.dims = {2, 1, 256}, .attrs = {.heads = NORM_TURN}, .seqs = {{319, 7}, {0, 1}}, .n_seqs = 2, .strided = true},
    {.dims = {3, 3, 132}, .attrs = {.heads = NORM_TURN, .rope_pairs = 1}, .seqs = {{0, 8}}, .n_seqs = 1},
    {.dims = {1, 1, 1}, .seqs = {{0, 2}}, .n_seqs = 1, .note = "nothing is turned"},
    {.dims = {12, 12, 64}, .seqs = {{150, 1}}, .n_seqs = 1},
    {.dims = {4, 2, 37}, .seqs = {{319, 2}, {0, 1}}, .n_seqs = 2, .strided = true},
    {.dims = {2, 2, 200}, .seqs = {{64, 1}, {62, 6}}, .n_seqs = 2},
    {.dims = {2, 1, 256}, .attrs = {.window = 33}, .seqs = {{300, 3}}, .n_seqs = 1},
    {.dims = {4, 2, 32}, .attrs = {.heads = TDL_HEADS_TURN, .scale = 0.3f}, .seqs = {{5, 2}, {300, 1}}, .n_seqs = 2},
    {.dims = {4, 2, 64}, .seqs = {{69, 2}, {500, 1}}, .n_seqs = 2, .scores = OP_SCORES_LARGE, .note = "large scores"},
    {.dims = {3, 1, 16}, .seqs = {{0, 8}, {319, 1}}, .n_seqs = 2, .scores = OP_SCORES_HUGE, .note = "one huge score"},
    {.dims = {2, 1, 256}, .seqs = {{319, 3}}, .n_seqs = 1, .scores = OP_SCORES_LOWEST, .note = "lowest scores"},
    {.dims = {2, 2, 64}, .seqs = {{300, 4}}, .n_seqs = 1, .scores = OP_SCORES_EQUAL, .note = "equal scores"},
    {.dims = {2, 1, 16},
     .attrs = {.window = 70},
     .seqs = {{700, 2}, {3, 1}},
     .n_seqs = 2,
     .scores = OP_SCORES_LOWEST,
     .note = "lowest scores, parts that see nothing"},
    {.dims = {2, 1, 32},
     .attrs = {.heads = TDL_HEADS_NORM},
     .seqs = {{20, 2}},
     .n_seqs = 1,
     .note = "the reference's alone"},
};

static const op_case_set rope_attention_cases = {.make = rope_attention_make,
                                                 .list = rope_attention_list,
                                                 .n = OP_CASE_COUNT(rope_attention_list),
                                                 .metric = OP_METRIC_ROW,
                                                 .bound_abs = 5e-7,
                                                 .bound_rel = 5e-6};

#endif
