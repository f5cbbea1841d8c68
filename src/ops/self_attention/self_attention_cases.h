// SPDX-License-Identifier: MIT
// self_attention_cases.h - dims: query heads H, kv heads, head_dim. seqs: the documents, {0, tokens}.
// The cases are those of its gradients too, which include this file.
#ifndef TDL_OPS_SELF_ATTENTION_CASES_H
#define TDL_OPS_SELF_ATTENTION_CASES_H

static int64_t document_tokens(const op_case *c) {
    int64_t n = 0;
    for (int32_t s = 0; s < c->n_seqs; s++) n += c->seqs[s][1];
    return n;
}

static void document_positions(op_fixture *f, int32_t i, const op_case *c) {
    int32_t *positions = op_input_i32(f, i, 1, (int64_t[]){document_tokens(c)});
    for (int32_t s = 0; s < c->n_seqs; s++)
        for (int32_t pos = 0; pos < c->seqs[s][1]; pos++) *positions++ = pos;
}

static void dropout_seed(op_fixture *f, int32_t i, const op_case *c) {
    if (c->attrs.rate <= 0) return;
    int32_t *seed = op_input_i32(f, i, 1, (int64_t[]){2});
    for (int k = 0; k < 2; k++) seed[k] = (int32_t)tdl_rng_u32(&f->rng);
}

static void self_attention_make(op_fixture *f, const op_case *c) {
    const int64_t n = document_tokens(c), q_shape[] = {n, c->dims[0], c->dims[2]},
                  k_shape[] = {n, c->dims[1], c->dims[2]};
    if (c->attrs.scale <= 0) f->call.attrs.scale = 1 / sqrtf((float)c->dims[2]);
    op_input(f, 0, TDL_DTYPE_F32, 3, q_shape, c->strided ? 9 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 3, k_shape, c->strided ? 5 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 3, k_shape, c->strided ? 3 : 0);
    document_positions(f, 3, c);
    dropout_seed(f, 4, c);
    const int32_t *positions = (const int32_t *)(const void *)f->call.in[3].data;
    for (int64_t t = 0; t < n && c->scores; t++)
        for (int32_t i = 0; i < 2; i++)
            for (int64_t h = 0; h < c->dims[i]; h++)
                for (int64_t d = 0; d < c->dims[2]; d++)
                    tdl_f32_row(&f->call.in[i], t * c->dims[i] + h)[d] =
                        i == 0 ? op_score_query(c, t + h, d) : op_score_key(c, positions[t], d);
}

// What the forward references make of q, k and v.
static void self_attention_stats_fill(op_fixture *f) {
    tdl_call forward = f->call, stats = {.n_in = 3, .n_out = 1};
    forward.in[3] = f->call.in[5];
    forward.in[4] = f->call.in[6];
    forward.n_in = f->call.n_in - 2;
    forward.n_out = 2;
    tdl_self_attention_infer(&forward, NULL);
    for (int i = 0; i < 2; i++) forward.out[i].data = op_memory(f, tdl_tensor_size(&forward.out[i]));
    tdl_self_attention_reference(&forward);
    stats.in[0] = forward.out[0];
    stats.in[1] = f->call.in[3];
    stats.in[2] = forward.out[1];
    stats.out[0] = f->call.in[4];
    tdl_self_attention_stats_reference(&stats);
}

// The inputs of the gradients: q, k, v, dy, stats, positions, seed. Where nothing is checked, stats is any numbers.
static void self_attention_grad_make(op_fixture *f, const op_case *c) {
    self_attention_make(f, c);
    const int64_t *shape = f->call.in[0].shape;
    op_input(f, 3, TDL_DTYPE_F32, 3, shape, c->strided ? 7 : 0);
    op_input(f, 4, TDL_DTYPE_F32, 3, (int64_t[]){shape[0], shape[1], 2}, 0);
    document_positions(f, 5, c);
    dropout_seed(f, 6, c);
    if (f->checked) self_attention_stats_fill(f);
}

// Pairs of a query and a position that it sees, over all heads, times head_dim.
static double self_attention_pairs(const tdl_call *call, const tdl_tensor *positions) {
    double visible = 0;
    for (int64_t t = 0; t < positions->shape[0]; t++) {
        int64_t n = (int64_t)tdl_index_at(positions, t) + 1, window = call->attrs.window;
        visible += (double)(window > 0 && n > window ? window : n);
    }
    return visible * (double)(call->in[0].shape[1] * call->in[0].shape[2]);
}

static double self_attention_flops(const tdl_call *call) { return 4 * self_attention_pairs(call, &call->in[3]); }

#define SELF_ATTENTION_CASES                                                                                           \
    {.dims = {1, 1, 1}, .seqs = {{0, 1}}, .n_seqs = 1},                                                                \
        {.dims = {2, 1, 8}, .seqs = {{0, 0}}, .n_seqs = 1, .note = "no tokens"},                                       \
        {.dims = {2, 2, 16}, .seqs = {{0, 1}, {0, 1}, {0, 1}}, .n_seqs = 3},                                           \
        {.dims = {4, 2, 8}, .seqs = {{0, 70}}, .n_seqs = 1},                                                           \
        {.dims = {3, 3, 33}, .seqs = {{0, 5}, {0, 66}, {0, 1}, {0, 17}}, .n_seqs = 4, .strided = true},                \
        {.dims = {6, 2, 80}, .seqs = {{0, 63}, {0, 65}}, .n_seqs = 2, .strided = true},                                \
        {.dims = {4, 1, 64}, .attrs = {.window = 19}, .seqs = {{0, 30}, {0, 91}}, .n_seqs = 2},                        \
        {.dims = {2, 1, 16}, .attrs = {.window = 1}, .seqs = {{0, 40}}, .n_seqs = 1},                                  \
        {.dims = {8, 8, 32}, .attrs = {.alibi = 8}, .seqs = {{0, 75}, {0, 20}}, .n_seqs = 2},                          \
        {.dims = {6, 3, 40}, .attrs = {.alibi = 8, .window = 33}, .seqs = {{0, 80}}, .n_seqs = 1, .note = "6 slopes"}, \
        {.dims = {8, 1, 128}, .seqs = {{0, 35}}, .n_seqs = 1}, {.dims = {1, 1, 256}, .seqs = {{0, 67}}, .n_seqs = 1},  \
        {.dims = {2, 1, 16}, .attrs = {.window = 70}, .seqs = {{0, 300}}, .n_seqs = 1, .note = "blocks out of sight"}, \
        {.dims = {135, 1, 9}, .seqs = {{0, 6}}, .n_seqs = 1, .note = "more heads than a tile has rows"},               \
        {.dims = {1, 1, 1024}, .seqs = {{0, 3}}, .n_seqs = 1}, {.dims = {1, 1, 4}, .seqs = {{0, 1100}}, .n_seqs = 1},  \
        {.dims = {4, 2, 32}, .attrs = {.scale = 0.3f, .alibi = 4}, .seqs = {{0, 9}, {0, 70}}, .n_seqs = 2},            \
        {.dims = {4, 2, 64}, .seqs = {{0, 70}}, .n_seqs = 1, .scores = OP_SCORES_LARGE, .note = "large scores"},       \
        {.dims = {3, 1, 16}, .seqs = {{0, 9}, {0, 75}}, .n_seqs = 2, .scores = OP_SCORES_HUGE, .note = "one is huge"}, \
        {.dims = {2, 1, 64}, .seqs = {{0, 67}}, .n_seqs = 1, .scores = OP_SCORES_LOWEST, .note = "lowest scores"},     \
        {.dims = {2, 2, 64}, .seqs = {{0, 130}}, .n_seqs = 1, .scores = OP_SCORES_EQUAL, .note = "equal scores"},      \
        {.dims = {2, 1, 16},                                                                                           \
         .attrs = {.window = 33},                                                                                      \
         .seqs = {{0, 70}},                                                                                            \
         .n_seqs = 1,                                                                                                  \
         .scores = OP_SCORES_LOWEST,                                                                                   \
         .note = "lowest scores, a window"},                                                                           \
        {.dims = {2, 1, 64}, .seqs = {{0, 130}, {0, 126}}, .n_seqs = 2},                                               \
        {.dims = {1, 1, 4}, .attrs = {.rate = 0.5f}, .seqs = {{0, 1}}, .n_seqs = 1},                                   \
        {.dims = {4, 2, 8}, .attrs = {.rate = 0.1f, .stream = 3}, .seqs = {{0, 70}, {0, 75}}, .n_seqs = 2},            \
        {.dims = {3, 3, 33},                                                                                           \
         .attrs = {.rate = 0.25f, .stream = -5},                                                                       \
         .seqs = {{0, 5}, {0, 66}},                                                                                    \
         .n_seqs = 2,                                                                                                  \
         .strided = true},                                                                                             \
        {.dims = {2, 1, 160}, .attrs = {.rate = 0.5f, .alibi = 8, .window = 33}, .seqs = {{0, 97}}, .n_seqs = 1},      \
        {.dims = {135, 1, 9}, .attrs = {.rate = 0.3f}, .seqs = {{0, 6}}, .n_seqs = 1},                                 \
        {.dims = {1, 1, 16}, .attrs = {.rate = 0.999f}, .seqs = {{0, 90}}, .n_seqs = 1, .note = "rows without any"},   \
        {.dims = {12, 12, 64},                                                                                         \
         .attrs = {.rate = 0.1f},                                                                                      \
         .seqs = {{0, 1024}},                                                                                          \
         .n_seqs = 1,                                                                                                  \
         .bench = true,                                                                                                \
         .slow = true},                                                                                                \
        {.dims = {12, 12, 64},                                                                                         \
         .attrs = {.rate = 0.1f},                                                                                      \
         .seqs = {{0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}},                                   \
         .n_seqs = 6,                                                                                                  \
         .bench_gpu = true},                                                                                           \
        {.dims = {4, 2, 64}, .seqs = {{0, 512}}, .n_seqs = 1, .bench = true, .slow = true, .note = "novelist"},        \
        {.dims = {12, 12, 64}, .seqs = {{0, 1024}}, .n_seqs = 1, .bench = true, .slow = true, .note = "GPT-2"},        \
        {.dims = {12, 12, 64},                                                                                         \
         .seqs = {{0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}, {0, 1024}},                                   \
         .n_seqs = 6,                                                                                                  \
         .bench_gpu = true},                                                                                           \
        {.dims = {4, 2, 64},                                                                                           \
         .seqs = {{0, 4096}, {0, 4096}, {0, 4096}, {0, 4096}, {0, 4096}, {0, 4096}},                                   \
         .n_seqs = 6,                                                                                                  \
         .bench_gpu = true,                                                                                            \
         .attrs = {.window = 512}},                                                                                    \
    {                                                                                                                  \
        .dims = {8, 8, 128}, .seqs = {{0, 2048}, {0, 2048}, {0, 2048}}, .n_seqs = 3, .bench_gpu = true                 \
    }

static const op_case self_attention_list[] = {
    SELF_ATTENTION_CASES,
};

static const op_case_set self_attention_cases = {.make = self_attention_make,
                                                 .list = self_attention_list,
                                                 .n = OP_CASE_COUNT(self_attention_list),
                                                 .metric = OP_METRIC_ROW,
                                                 .bound_abs = 1e-6,
                                                 .bound_rel = 5e-6,
                                                 .flops = self_attention_flops};

#endif
