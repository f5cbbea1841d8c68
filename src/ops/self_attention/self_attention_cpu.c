// SPDX-License-Identifier: MIT
// self_attention_cpu.c - training's attention, block by block with a running softmax (formula: self_attention.c; Milakov,
// Gimelshein 2018; Dao et al. 2022, FlashAttention).
//
// A unit is a tile of query rows with one kv head. For each block of keys that some row sees, and each group of
// TDL_GEMM_ROWS rows:
//
//     s = (scale q) k^T                               columns are the block's keys, transposed
//     m' = max(m, max_j s_j),  a = exp(m - m'),  p_j = exp(s_j - m'),  l' = l a + sum_j p_j
//     o' = o a + p v                                  columns are the elements of the head
//
// and at the end y = o / l, lse = m + log l. Dropout is between l and o. Scores that a row does not see become zero weights.
#include "ops/self_attention/self_attention_cpu.h"

// One thread's scratch, behind the tile's arrays.
typedef struct work {
    attention_tile tile;
    int64_t head_dim, padded;
    float *max, *sum; // [rows]
    float *q, *acc;   // [rows, padded]
    float *k, *v;     // [head_dim, ATTENTION_BLOCK], [ATTENTION_BLOCK, padded]
} work;

static size_t work_make(const tdl_call *call, void *scratch, work *w);
static void attend_tile(const tdl_call *call, work *w);

static bool accepts(const tdl_call *call) { return attention_accepts(call, &call->in[3]); }

static int64_t units(const tdl_call *call) { return attention_tiles(call); }

static size_t scratch_size(const tdl_call *call) {
    work w;
    return work_make(call, NULL, &w);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    work w;
    work_make(call, scratch, &w);
    for (int64_t unit = first; unit < first + count; unit++) {
        w.tile = attention_tile_at(call, &call->in[3], unit, scratch);
        attend_tile(call, &w);
    }
}

const tdl_kernel TDL_KERNEL_NAME(self_attention) = {.name = "self_attention",
                                                    .op = TDL_OP_SELF_ATTENTION,
                                                    TDL_KERNEL_CPU,
                                                    .accepts = accepts,
                                                    .units = units,
                                                    .run = run,
                                                    .scratch_size = scratch_size};

// Returns the scratch's size; with scratch NULL the pointers are left out.
static size_t work_make(const tdl_call *call, void *scratch, work *w) {
    int64_t head_dim = call->in[0].shape[2], padded = attention_padded(head_dim), rows = attention_tile_rows(call);
    *w = (work){.head_dim = head_dim, .padded = padded};
    size_t n_rows = (size_t)rows, dim = (size_t)padded, head = attention_tile_size(call);
    if (scratch) {
        w->q = (float *)(void *)((uint8_t *)scratch + head);
        w->acc = w->q + n_rows * dim;
        w->k = w->acc + n_rows * dim;
        w->v = w->k + dim * ATTENTION_BLOCK;
        w->max = w->v + dim * ATTENTION_BLOCK;
        w->sum = w->max + n_rows;
    }
    return head + (2 * n_rows * dim + 2 * dim * ATTENTION_BLOCK + 2 * n_rows) * sizeof(float);
}

static void load_keys(const tdl_call *call, void *work_, int64_t block0, int64_t n);
static void attend_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0);
static void put_rows(const tdl_call *call, const work *w);

static void attend_tile(const tdl_call *call, work *w) {
    const attention_tile *tile = &w->tile;
    attention_tile_load(tile, &call->in[0], call->attrs.scale, w->q);
    memset(w->acc, 0, (size_t)(tile->n_rows * w->padded) * sizeof *w->acc);
    for (int64_t r = 0; r < tile->n_rows; r++) {
        w->max[r] = -INFINITY;
        w->sum[r] = 0;
    }
    attention_walk(call, w, tile->seen, tile->n_rows, load_keys, attend_group);
    put_rows(call, w);
}

static void load_keys(const tdl_call *call, void *work_, int64_t block0, int64_t n) {
    const work *w = work_;
    attention_load_columns(&call->in[1], block0, n, w->tile.kv_head, w->k);
    attention_load(&call->in[2], block0, n, w->tile.kv_head, 1, w->v);
}

static float softmax_row(const work *w, int64_t row, float *scores, tdl_range all, int64_t block0, float rate);

static void attend_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0) {
    const work *w = work_;
    float scores[TDL_GEMM_ROWS][ATTENTION_BLOCK];
    tdl_range all = attention_range_of(w->tile.seen + row, n_rows, block0);
    attention_square(w->q + row * w->padded, w->padded, n_rows, w->head_dim, w->k, all, scores);
    for (int64_t r = 0; r < n_rows; r++) {
        float factor = softmax_row(w, row + r, scores[r], all, block0, call->attrs.rate);
        float *acc = w->acc + (row + r) * w->padded;
        for (int64_t d = 0; d < w->padded; d += TDL_VF_LANES)
            vf_store(acc + d, vf_mul(vf_load(acc + d), vf_set1(factor)));
    }
    attention_sum(scores, n_rows, all, w->v, w->padded, w->acc + row * w->padded);
}

// Turns a row's scores into weights, zeros where it does not see; returns the factor for what it has summed so far.
static float softmax_row(const work *w, int64_t row, float *scores, tdl_range all, int64_t block0, float rate) {
    int64_t first = all.first / TDL_VF_LANES * TDL_VF_LANES, end = tdl_div_up(all.end, TDL_VF_LANES) * TDL_VF_LANES;
    attention_fill_outside(scores, first, end, attention_range(w->tile.seen[row], block0), -INFINITY);
    if (w->tile.slope[row] > 0)
        attention_bias(scores, first, end, w->tile.slope[row], block0 - attention_token(&w->tile, row));
    vf max = vf_set1(w->max[row]), total = vf_zero();
    for (int64_t j = first; j < end; j += TDL_VF_LANES) max = vf_max(max, vf_load(scores + j));
    float new_max = vf_hmax(max), factors[TDL_VF_LANES];
    vf_store(factors, vf_exp(vf_set1(w->max[row] - new_max)));
    for (int64_t j = first; j < end; j += TDL_VF_LANES) {
        vf weights = vf_exp(vf_sub(vf_load(scores + j), vf_set1(new_max)));
        vf_store(scores + j, weights);
        total = vf_add(total, weights);
    }
    w->sum[row] = w->sum[row] * factors[0] + vf_sum(total);
    w->max[row] = new_max;
    if (rate > 0) attention_drop(scores, first, end, w->tile.keys[row], block0, rate);
    return factors[0];
}

static void put_rows(const tdl_call *call, const work *w) {
    const tdl_tensor *y = &call->out[0], *lse = &call->out[1];
    for (int64_t r = 0; r < w->tile.n_rows; r++) {
        int64_t token = attention_token(&w->tile, r), head = attention_query_head(&w->tile, r), d = 0;
        float *to = tdl_f32_row(y, token * y->shape[1] + head), *acc = w->acc + r * w->padded;
        for (; d + TDL_VF_LANES <= w->head_dim; d += TDL_VF_LANES)
            vf_store(to + d, vf_div(vf_load(acc + d), vf_set1(w->sum[r])));
        if (d < w->head_dim) vf_store_n(to + d, vf_div(vf_load(acc + d), vf_set1(w->sum[r])), w->head_dim - d);
        tdl_f32_row(lse, token)[head] = w->max[r] + logf(w->sum[r]);
    }
}
