// SPDX-License-Identifier: MIT
// self_attention_grad_kv_cpu.c - the gradients of keys and values, block by block (formula: self_attention_grad_kv.c).
//
// A unit is a tile of key rows of one kv head. For each query head that shares it, in order, each block of queries that see
// some row, and each group of TDL_GEMM_ROWS rows:
//
//     s = k (scale q)^T,   p_i = exp(s_i - lse_i),   ds_i = p_i (dp_i - delta_i) with dp = v dy^T
//     dv += p dy,          dk += ds (scale q)                                        columns are the block's queries
//
// with dp, and p where dv is made, through dropout, where there is one, and p and ds zero where a query does not see the row.
#include "ops/self_attention/self_attention_cpu.h"

// One thread's scratch.
typedef struct work {
    int64_t head_dim, padded, row0, n_rows, kv_head;
    int64_t head;                  // of the queries at hand
    float slope;                   // its
    tdl_range *seers;              // [ATTENTION_ROWS]: the queries that see the row
    float *dk, *dv;                // [ATTENTION_ROWS, padded]
    float *q_columns, *dy_columns; // [head_dim, ATTENTION_BLOCK], transposed
    float *q, *dy;                 // [ATTENTION_BLOCK, padded]
    float *lse, *delta;            // [ATTENTION_BLOCK]
    tdl_dropout_key key;           // of the call
    tdl_dropout_key *keys;         // [ATTENTION_BLOCK]
} work;

static size_t work_make(const tdl_call *call, void *scratch, work *w);
static void grad_tile(const tdl_call *call, work *w);

static bool accepts(const tdl_call *call) { return attention_accepts(call, &call->in[5]); }

static int64_t units(const tdl_call *call) {
    const tdl_tensor *k = &call->in[1];
    return tdl_div_up(k->shape[0], ATTENTION_ROWS) * k->shape[1];
}

static size_t scratch_size(const tdl_call *call) {
    work w;
    return work_make(call, NULL, &w);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t n = call->in[1].shape[0], per_head = tdl_div_up(n, ATTENTION_ROWS);
    work w;
    work_make(call, scratch, &w);
    for (int64_t unit = first; unit < first + count; unit++) {
        w.kv_head = unit / per_head;
        w.row0 = unit % per_head * ATTENTION_ROWS;
        w.n_rows = tdl_min_i64(ATTENTION_ROWS, n - w.row0);
        grad_tile(call, &w);
    }
}

const tdl_kernel TDL_KERNEL_NAME(self_attention_grad_kv) = {.name = "self_attention_grad_kv",
                                                            .op = TDL_OP_SELF_ATTENTION_GRAD_KV,
                                                            TDL_KERNEL_CPU,
                                                            .accepts = accepts,
                                                            .units = units,
                                                            .run = run,
                                                            .scratch_size = scratch_size};

// Returns the scratch's size; with scratch NULL the pointers are left out.
static size_t work_make(const tdl_call *call, void *scratch, work *w) {
    int64_t head_dim = call->in[0].shape[2], padded = attention_padded(head_dim);
    size_t tile = (size_t)(ATTENTION_ROWS * padded), block = (size_t)(padded * ATTENTION_BLOCK);
    *w = (work){.head_dim = head_dim, .padded = padded};
    if (scratch) {
        w->dk = scratch;
        w->dv = w->dk + tile;
        w->q_columns = w->dv + tile;
        w->dy_columns = w->q_columns + block;
        w->q = w->dy_columns + block;
        w->dy = w->q + block;
        w->lse = w->dy + block;
        w->delta = w->lse + ATTENTION_BLOCK;
        w->seers = (tdl_range *)(void *)(w->delta + ATTENTION_BLOCK);
        w->keys = (tdl_dropout_key *)(void *)(w->seers + ATTENTION_ROWS);
        if (call->attrs.rate > 0) w->key = tdl_self_attention_key(call, &call->in[5]);
    }
    return (2 * tile + 4 * block + 2 * ATTENTION_BLOCK) * sizeof(float) + ATTENTION_ROWS * sizeof(tdl_range) +
           ATTENTION_BLOCK * sizeof(tdl_dropout_key);
}

static void find_seers(const tdl_call *call, const work *w);
static void load_queries(const tdl_call *call, void *work_, int64_t block0, int64_t n);
static void grad_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0);

static void grad_tile(const tdl_call *call, work *w) {
    const tdl_tensor *dk = &call->out[0], *dv = &call->out[1];
    int64_t n_heads = call->in[0].shape[1], group = n_heads / dk->shape[1];
    memset(w->dk, 0, (size_t)(ATTENTION_ROWS * w->padded) * sizeof *w->dk);
    memset(w->dv, 0, (size_t)(ATTENTION_ROWS * w->padded) * sizeof *w->dv);
    find_seers(call, w);
    for (w->head = w->kv_head * group; w->head < (w->kv_head + 1) * group; w->head++) {
        w->slope = (float)tdl_alibi_slope(call->attrs.alibi, w->head, n_heads);
        attention_walk(call, w, w->seers, w->n_rows, load_queries, grad_group);
    }
    for (int64_t r = 0; r < w->n_rows; r++) {
        int64_t at = (w->row0 + r) * dk->shape[1] + w->kv_head;
        attention_put(w->dk + r * w->padded, w->head_dim, 1, tdl_f32_row(dk, at));
        attention_put(w->dv + r * w->padded, w->head_dim, 1, tdl_f32_row(dv, at));
    }
}

// A row is seen by itself and by those after it whose first row is not behind it.
static void find_seers(const tdl_call *call, const work *w) {
    const tdl_tensor *positions = &call->in[5];
    int64_t end = w->row0;
    for (int64_t r = 0; r < w->n_rows; r++) {
        int64_t token = w->row0 + r;
        while (end < positions->shape[0] && tdl_self_attention_first(positions, end, call->attrs.window) <= token)
            end++;
        w->seers[r] = (tdl_range){.first = token, .end = end};
    }
}

static void load_queries(const tdl_call *call, void *work_, int64_t block0, int64_t n) {
    const work *w = work_;
    const tdl_tensor *stats = &call->in[4];
    attention_load(&call->in[0], block0, n, w->head, call->attrs.scale, w->q);
    attention_load(&call->in[3], block0, n, w->head, 1, w->dy);
    tdl_gemm_transpose(w->q, w->padded, n, w->head_dim, w->q_columns, ATTENTION_BLOCK);
    tdl_gemm_transpose(w->dy, w->padded, n, w->head_dim, w->dy_columns, ATTENTION_BLOCK);
    for (int64_t i = 0; i < n; i++) {
        const float *stat = tdl_f32_row(stats, (block0 + i) * stats->shape[1] + w->head);
        w->lse[i] = stat[0];
        w->delta[i] = stat[1];
        if (call->attrs.rate > 0) w->keys[i] = tdl_self_attention_row_key(w->key, block0 + i, w->head, stats->shape[1]);
    }
}

static void grad_row(const work *w, int64_t row, float *scores, float *dp, tdl_range all, int64_t block0, float rate);

static void grad_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0) {
    const work *w = work_;
    const tdl_tensor *k = &call->in[1], *v = &call->in[2];
    float p[TDL_GEMM_ROWS][ATTENTION_BLOCK], ds[TDL_GEMM_ROWS][ATTENTION_BLOCK];
    tdl_range all = attention_range_of(w->seers + row, n_rows, block0);
    attention_square(attention_head(k, w->row0 + row, w->kv_head), k->strides[0] / (int64_t)sizeof(float), n_rows,
                     w->head_dim, w->q_columns, all, p);
    attention_square(attention_head(v, w->row0 + row, w->kv_head), v->strides[0] / (int64_t)sizeof(float), n_rows,
                     w->head_dim, w->dy_columns, all, ds);
    for (int64_t r = 0; r < n_rows; r++) grad_row(w, row + r, p[r], ds[r], all, block0, call->attrs.rate);
    attention_sum(p, n_rows, all, w->dy, w->padded, w->dv + row * w->padded);
    attention_sum(ds, n_rows, all, w->q, w->padded, w->dk + row * w->padded);
}

// What dropout multiplies the weights of the block's queries with a row by.
static void draw_kept(const work *w, int64_t row, int64_t first, int64_t end, float rate, float *kept) {
    uint32_t threshold = tdl_dropout_threshold(rate);
    float scale = tdl_dropout_scale(rate);
    for (int64_t i = first; i < end; i++)
        kept[i] = tdl_dropout_hash(w->keys[i], (uint32_t)(w->row0 + row)) >= threshold ? scale : 0;
}

static void multiply(float *row, const float *by, int64_t first, int64_t end) {
    for (int64_t i = first; i < end; i += TDL_VF_LANES) vf_store(row + i, vf_mul(vf_load(row + i), vf_load(by + i)));
}

// Turns a row's scores into weights, and the weights' gradients into those of the scores.
static void grad_row(const work *w, int64_t row, float *scores, float *dp, tdl_range all, int64_t block0, float rate) {
    int64_t first = all.first / TDL_VF_LANES * TDL_VF_LANES, end = tdl_div_up(all.end, TDL_VF_LANES) * TDL_VF_LANES;
    tdl_range seers = attention_range(w->seers[row], block0);
    float kept[ATTENTION_BLOCK];
    if (w->slope > 0) attention_bias(scores, first, end, -w->slope, block0 - (w->row0 + row));
    if (rate > 0) {
        draw_kept(w, row, first, end, rate, kept);
        multiply(dp, kept, first, end);
    }
    for (int64_t i = first; i < end; i += TDL_VF_LANES) {
        vf p = vf_exp(vf_sub(vf_load(scores + i), vf_load(w->lse + i)));
        vf_store(scores + i, p);
        vf_store(dp + i, vf_mul(p, vf_sub(vf_load(dp + i), vf_load(w->delta + i))));
    }
    if (rate > 0) multiply(scores, kept, first, end);
    attention_fill_outside(scores, first, end, seers, 0);
    attention_fill_outside(dp, first, end, seers, 0);
}
