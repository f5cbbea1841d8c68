// SPDX-License-Identifier: MIT
// self_attention_cpu.h - what the CPU kernels of training's attention share: blocks, the rows of a tile, and moving heads.
//
// All three kernels walk over squares: a tile of rows by a block of ATTENTION_BLOCK columns that begins at a multiple of
// it. Documents lie one behind another, so what a row sees, and who sees it, is one range of rows, and the ranges' ends
// only grow from row to row. So a tile's rows that a block concerns are neighbours, and a group of them, one tile of
// gemm_cpu.h, concerns one range of the block's columns; what is beyond is left out.
#ifndef TDL_OPS_SELF_ATTENTION_CPU_H
#define TDL_OPS_SELF_ATTENTION_CPU_H

#include "base/checked.h"
#include "ops/gemm_cpu.h"
#include "ops/self_attention/self_attention.h"

enum {
    ATTENTION_BLOCK = 64,
    ATTENTION_ROWS = 128, // of a tile; where more query heads than these share a kv head, one token's
};

// The range of block columns [first, end) that a row concerns, from its range of tokens.
static inline tdl_range attention_range(tdl_range tokens, int64_t block0) {
    return (tdl_range){.first = tdl_max_i64(0, tokens.first - block0),
                       .end = tdl_min_i64(ATTENTION_BLOCK, tokens.end - block0)};
}

// Of a group of rows whose ranges only grow.
static inline tdl_range attention_range_of(const tdl_range *rows, int64_t n, int64_t block0) {
    return attention_range((tdl_range){.first = rows[0].first, .end = rows[n - 1].end}, block0);
}

static inline int64_t attention_padded(int64_t head_dim) { return tdl_div_up(head_dim, TDL_VF_LANES) * TDL_VF_LANES; }

static inline const float *attention_head(const tdl_tensor *t, int64_t token, int64_t head) {
    return (const float *)(const void *)(t->data + token * t->strides[0] + head * t->strides[1]);
}

// dst = factor * src, zeros up to whole vectors.
static inline void attention_scale(const float *src, int64_t n, float factor, float *dst) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(dst + i, vf_mul(vf_load(src + i), vf_set1(factor)));
    if (i < n) vf_store(dst + i, vf_mul(vf_load_n(src + i, n - i), vf_set1(factor)));
}

// dst = factor * src, n elements and no more.
static inline void attention_put(const float *src, int64_t n, float factor, float *dst) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(dst + i, vf_mul(vf_load(src + i), vf_set1(factor)));
    if (i < n) vf_store_n(dst + i, vf_mul(vf_load_n(src + i, n - i), vf_set1(factor)), n - i);
}

// One head of tokens [token0, token0 + n), times factor, as rows of whole vectors: dst [n, attention_padded].
static inline void attention_load(const tdl_tensor *t, int64_t token0, int64_t n, int64_t head, float factor,
                                  float *dst) {
    int64_t head_dim = t->shape[2], padded = attention_padded(head_dim);
    for (int64_t i = 0; i < n; i++)
        attention_scale(attention_head(t, token0 + i, head), head_dim, factor, dst + i * padded);
}

// The same the other way round: dst [head_dim, ATTENTION_BLOCK].
static inline void attention_load_columns(const tdl_tensor *t, int64_t token0, int64_t n, int64_t head, float *dst) {
    tdl_gemm_transpose(attention_head(t, token0, head), t->strides[0] / (int64_t)sizeof(float), n, t->shape[2], dst,
                       ATTENTION_BLOCK);
}

static inline bool attention_accepts(const tdl_call *call, const tdl_tensor *positions) {
    bool rows = positions->strides[0] == (int64_t)sizeof(int32_t);
    for (const tdl_tensor *t = call->in; t < positions; t++) rows = rows && tdl_f32_rows(t);
    for (int i = 0; i < call->n_out; i++) rows = rows && tdl_f32_rows(&call->out[i]);
    return rows;
}

// ---- a tile of query rows: token by token, in each the heads that share a kv head --------------------------------------

typedef struct attention_tile {
    int64_t token0, kv_head;
    int64_t group; // query heads a kv head
    int64_t n_rows;
    tdl_range *seen;       // [n_rows]
    float *slope;          // [n_rows]
    tdl_dropout_key *keys; // [n_rows], where weights are dropped
} attention_tile;

static inline int64_t attention_group(const tdl_call *call) { return call->in[0].shape[1] / call->in[1].shape[1]; }

static inline int64_t attention_tile_tokens(const tdl_call *call) {
    return tdl_max_i64(1, ATTENTION_ROWS / tdl_max_i64(1, attention_group(call)));
}

static inline int64_t attention_tile_rows(const tdl_call *call) {
    return attention_tile_tokens(call) * attention_group(call);
}

static inline int64_t attention_tiles(const tdl_call *call) {
    return tdl_div_up(call->in[0].shape[0], attention_tile_tokens(call)) * call->in[1].shape[1];
}

// Bytes of scratch for a tile's arrays; what follows them is aligned.
static inline size_t attention_tile_size(const tdl_call *call) {
    size_t size = (size_t)attention_tile_rows(call) * (sizeof(tdl_range) + sizeof(float) + sizeof(tdl_dropout_key));
    return (size + 63) / 64 * 64;
}

static inline int64_t attention_token(const attention_tile *tile, int64_t row) {
    return tile->token0 + row / tile->group;
}

static inline int64_t attention_query_head(const attention_tile *tile, int64_t row) {
    return tile->kv_head * tile->group + row % tile->group;
}

// The last tokens of a head, which see the most, go first.
static inline attention_tile attention_tile_at(const tdl_call *call, const tdl_tensor *positions, int64_t unit,
                                               void *scratch) {
    const tdl_tensor *q = &call->in[0];
    int64_t n_tokens = attention_tile_tokens(call), per_head = tdl_div_up(q->shape[0], n_tokens);
    attention_tile tile = {.token0 = (per_head - 1 - unit % per_head) * n_tokens,
                           .kv_head = unit / per_head,
                           .group = attention_group(call),
                           .seen = scratch};
    tile.n_rows = tdl_min_i64(n_tokens, q->shape[0] - tile.token0) * tile.group;
    tile.slope = (float *)(void *)(tile.seen + attention_tile_rows(call));
    tile.keys = (tdl_dropout_key *)(void *)(tile.slope + attention_tile_rows(call));
    tdl_dropout_key key = {0};
    if (call->attrs.rate > 0) key = tdl_self_attention_key(call, positions);
    for (int64_t r = 0; r < tile.n_rows; r++) {
        int64_t token = attention_token(&tile, r), head = attention_query_head(&tile, r);
        tile.seen[r] =
            (tdl_range){.first = tdl_self_attention_first(positions, token, call->attrs.window), .end = token + 1};
        tile.slope[r] = (float)tdl_alibi_slope(call->attrs.alibi, head, q->shape[1]);
        if (call->attrs.rate > 0) tile.keys[r] = tdl_self_attention_row_key(key, token, head, q->shape[1]);
    }
    return tile;
}

// The rows of a tensor like q, times factor: dst [n_rows, attention_padded].
static inline void attention_tile_load(const attention_tile *tile, const tdl_tensor *t, float factor, float *dst) {
    int64_t padded = attention_padded(t->shape[2]);
    for (int64_t r = 0; r < tile->n_rows; r++)
        attention_scale(attention_head(t, attention_token(tile, r), attention_query_head(tile, r)), t->shape[2], factor,
                        dst + r * padded);
}

// ---- squares --------------------------------------------------------------------------------------------------------

// Makes the block's columns ready: n of them from block0 on.
typedef void (*attention_load_fn)(const tdl_call *call, void *work, int64_t block0, int64_t n);
// Computes a group of at most TDL_GEMM_ROWS rows with the block.
typedef void (*attention_group_fn)(const tdl_call *call, void *work, int64_t row, int64_t n_rows, int64_t block0);

// All blocks that rows [n_rows] concern by their ranges, in order; of each the groups of rows, in order.
static inline void attention_walk(const tdl_call *call, void *work, const tdl_range *rows, int64_t n_rows,
                                  attention_load_fn load, attention_group_fn group) {
    int64_t end_column = rows[n_rows - 1].end, first = 0;
    for (int64_t block0 = rows[0].first / ATTENTION_BLOCK * ATTENTION_BLOCK; block0 < end_column;
         block0 += ATTENTION_BLOCK) {
        while (first < n_rows && rows[first].end <= block0) first++;
        int64_t end = first;
        while (end < n_rows && rows[end].first < block0 + ATTENTION_BLOCK) end++;
        load(call, work, block0, tdl_min_i64(ATTENTION_BLOCK, end_column - block0));
        for (int64_t r = first; r < end; r += TDL_GEMM_ROWS)
            group(call, work, r, tdl_min_i64(TDL_GEMM_ROWS, end - r), block0);
    }
}

// square[r, j] = sum over d of a[r, d] columns[d, j], for the columns of `all` and those before them in their vector.
static inline void attention_square(const float *a, int64_t a_row, int64_t n_rows, int64_t head_dim,
                                    const float *columns, tdl_range all, float (*square)[ATTENTION_BLOCK]) {
    int64_t lane0 = all.first / TDL_VF_LANES * TDL_VF_LANES;
    tdl_gemm_run(&(tdl_gemm){.rows = n_rows,
                             .columns = all.end - lane0,
                             .depth = head_dim,
                             .a = a,
                             .a_row = a_row,
                             .a_step = 1,
                             .b = columns + lane0,
                             .b_row = ATTENTION_BLOCK,
                             .c = square[0] + lane0,
                             .c_row = ATTENTION_BLOCK});
}

// sums[r, d] += sum over j of all of square[r, j] block[j, d]
static inline void attention_sum(float (*square)[ATTENTION_BLOCK], int64_t n_rows, tdl_range all, const float *block,
                                 int64_t padded, float *sums) {
    tdl_gemm_run(&(tdl_gemm){.rows = n_rows,
                             .columns = padded,
                             .depth = all.end - all.first,
                             .a = square[0] + all.first,
                             .a_row = ATTENTION_BLOCK,
                             .a_step = 1,
                             .b = block + all.first * padded,
                             .b_row = padded,
                             .c = sums,
                             .c_row = padded,
                             .add = true});
}

// ---- a row of scores ------------------------------------------------------------------------------------------------

// Adds slope * (column - token) to the columns' scores, whole vectors from `first` on.
static inline void attention_bias(float *scores, int64_t first, int64_t end, float slope, int64_t distance) {
    static const float ramp[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int64_t j = first; j < end; j += TDL_VF_LANES) {
        vf away = vf_add(vf_load(ramp), vf_set1((float)(j + distance)));
        vf_store(scores + j, vf_fma(vf_set1(slope), away, vf_load(scores + j)));
    }
}

// Dropout of a query's weights, or their gradients, with columns [first, end) of the block. The loop is plain: compilers make
// vectors of it.
static inline void attention_drop(float *row, int64_t first, int64_t end, tdl_dropout_key key, int64_t block0,
                                  float rate) {
    uint32_t threshold = tdl_dropout_threshold(rate);
    float scale = tdl_dropout_scale(rate);
    for (int64_t j = first; j < end; j++) {
        float kept = row[j] * scale;
        row[j] = tdl_dropout_hash(key, (uint32_t)(block0 + j)) >= threshold ? kept : 0;
    }
}

// Sets what lies in [first, end), but not in the range, to value.
static inline void attention_fill_outside(float *row, int64_t first, int64_t end, tdl_range range, float value) {
    for (int64_t j = first; j < range.first; j++) row[j] = value;
    for (int64_t j = range.end; j < end; j++) row[j] = value;
}

#endif
