// SPDX-License-Identifier: MIT
// self_attention_grad_q_cpu.c - the queries' gradient, block by block (formula: self_attention_grad_q.c).
//
// A unit is a tile of query rows with one kv head. For each block of keys that some row sees, and each group of
// TDL_GEMM_ROWS rows:
//
//     s = (scale q) k^T,   dp = dy v^T,   ds_j = exp(s_j - lse) (dp_j - delta),   dq += ds k
//
// with dp through dropout, where there is one, and ds zero where a row does not see; at the end dq is multiplied by scale.
#include "ops/self_attention/self_attention_cpu.h"

// One thread's scratch, behind the tile's arrays.
typedef struct work {
    attention_tile tile;
    int64_t head_dim, padded;
    float *q, *dy, *acc; // [rows, padded]
    float *k, *v;        // [head_dim, ATTENTION_BLOCK], transposed
    float *k_rows;       // [ATTENTION_BLOCK, padded]
} work;

static size_t work_make(const tdl_call *call, void *scratch, work *w);
static void grad_tile(const tdl_call *call, work *w);

static bool accepts(const tdl_call *call) { return attention_accepts(call, &call->in[5]); }

static int64_t units(const tdl_call *call) { return attention_tiles(call); }

static size_t scratch_size(const tdl_call *call) {
    work w;
    return work_make(call, NULL, &w);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    work w;
    work_make(call, scratch, &w);
    for (int64_t unit = first; unit < first + count; unit++) {
        w.tile = attention_tile_at(call, &call->in[5], unit, scratch);
        grad_tile(call, &w);
    }
}

const tdl_kernel TDL_KERNEL_NAME(self_attention_grad_q) = {.name = "self_attention_grad_q",
                                                           .op = TDL_OP_SELF_ATTENTION_GRAD_Q,
                                                           TDL_KERNEL_CPU,
                                                           .accepts = accepts,
                                                           .units = units,
                                                           .run = run,
                                                           .scratch_size = scratch_size};

// Returns the scratch's size; with scratch NULL the pointers are left out.
static size_t work_make(const tdl_call *call, void *scratch, work *w) {
    int64_t head_dim = call->in[0].shape[2], padded = attention_padded(head_dim);
    size_t tile = (size_t)(attention_tile_rows(call) * padded), block = (size_t)(padded * ATTENTION_BLOCK);
    size_t head = attention_tile_size(call);
    *w = (work){.head_dim = head_dim, .padded = padded};
    if (scratch) {
        w->q = (float *)(void *)((uint8_t *)scratch + head);
        w->dy = w->q + tile;
        w->acc = w->dy + tile;
        w->k = w->acc + tile;
        w->v = w->k + block;
        w->k_rows = w->v + block;
    }
    return head + (3 * tile + 3 * block) * sizeof(float);
}

static void load_keys(const tdl_call *call, void *work_, int64_t block0, int64_t n);
static void grad_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0);

static void grad_tile(const tdl_call *call, work *w) {
    const attention_tile *tile = &w->tile;
    const tdl_tensor *dq = &call->out[0];
    attention_tile_load(tile, &call->in[0], call->attrs.scale, w->q);
    attention_tile_load(tile, &call->in[3], 1, w->dy);
    memset(w->acc, 0, (size_t)(tile->n_rows * w->padded) * sizeof *w->acc);
    attention_walk(call, w, tile->seen, tile->n_rows, load_keys, grad_group);
    for (int64_t r = 0; r < tile->n_rows; r++) {
        float *to = tdl_f32_row(dq, attention_token(tile, r) * dq->shape[1] + attention_query_head(tile, r));
        attention_put(w->acc + r * w->padded, w->head_dim, call->attrs.scale, to);
    }
}

static void load_keys(const tdl_call *call, void *work_, int64_t block0, int64_t n) {
    const work *w = work_;
    attention_load_columns(&call->in[1], block0, n, w->tile.kv_head, w->k);
    attention_load_columns(&call->in[2], block0, n, w->tile.kv_head, w->v);
    attention_load(&call->in[1], block0, n, w->tile.kv_head, 1, w->k_rows);
}

static void grad_row(const tdl_call *call, const work *w, int64_t row, float *scores, float *dp, tdl_range all,
                     int64_t block0);

static void grad_group(const tdl_call *call, void *work_, int64_t row, int64_t n_rows, int64_t block0) {
    const work *w = work_;
    float scores[TDL_GEMM_ROWS][ATTENTION_BLOCK], dp[TDL_GEMM_ROWS][ATTENTION_BLOCK];
    tdl_range all = attention_range_of(w->tile.seen + row, n_rows, block0);
    int64_t at = row * w->padded;
    attention_square(w->q + at, w->padded, n_rows, w->head_dim, w->k, all, scores);
    attention_square(w->dy + at, w->padded, n_rows, w->head_dim, w->v, all, dp);
    for (int64_t r = 0; r < n_rows; r++) grad_row(call, w, row + r, scores[r], dp[r], all, block0);
    attention_sum(scores, n_rows, all, w->k_rows, w->padded, w->acc + at);
}

// Turns a row's scores into their gradients.
static void grad_row(const tdl_call *call, const work *w, int64_t row, float *scores, float *dp, tdl_range all,
                     int64_t block0) {
    const tdl_tensor *stats = &call->in[4];
    int64_t first = all.first / TDL_VF_LANES * TDL_VF_LANES, end = tdl_div_up(all.end, TDL_VF_LANES) * TDL_VF_LANES;
    int64_t token = attention_token(&w->tile, row), head = attention_query_head(&w->tile, row);
    const float *stat = tdl_f32_row(stats, token * stats->shape[1] + head);
    vf lse = vf_set1(stat[0]), delta = vf_set1(stat[1]);
    if (w->tile.slope[row] > 0) attention_bias(scores, first, end, w->tile.slope[row], block0 - token);
    if (call->attrs.rate > 0) attention_drop(dp, first, end, w->tile.keys[row], block0, call->attrs.rate);
    for (int64_t j = first; j < end; j += TDL_VF_LANES) {
        vf p = vf_exp(vf_sub(vf_load(scores + j), lse));
        vf_store(scores + j, vf_mul(p, vf_sub(vf_load(dp + j), delta)));
    }
    attention_fill_outside(scores, first, end, attention_range(w->tile.seen[row], block0), 0);
}
