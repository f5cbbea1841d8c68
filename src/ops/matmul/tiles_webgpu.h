// SPDX-License-Identifier: MIT
// tiles_webgpu.h - how the matmul kernels divide a result into tiles (tile_large.wgsl, tile_small.wgsl, tile_tiny.wgsl,
// matrix_large.wgsl, matrix_small.wgsl), and when large ones, or small ones, are enough to keep a GPU busy.
#ifndef TDL_OPS_TILES_WEBGPU_H
#define TDL_OPS_TILES_WEBGPU_H

#include "ops/dispatch.h"

enum {
    TDL_TILE_LARGE = 128,
    TDL_TILE_SMALL = 64,
    TDL_TILE_TINY = 32,
    TDL_LARGE_TILES_MIN = 256,
    TDL_SMALL_TILES_MIN = 200,
    TDL_LARGE_MATRICES_MIN = 128,
    TDL_MATRIX_DEPTH_LARGE = 32, // DEPTH of matrix_large.wgsl, and of matrix_small.wgsl
    TDL_MATRIX_DEPTH_SMALL = 64,
    TDL_SHARED_GROUPS = 264,     // workgroups wanted where sums are shared out: two a processor
    TDL_SHARED_STEPS_MIN = 1024, // of sums that are worth a dispatch more, which merges
    TDL_SHARE_STEPS_MIN = 256
};

static inline int64_t tdl_n_tiles(const tdl_tensor *y, int64_t tile) {
    return tdl_div_up(y->shape[0], tile) * tdl_div_up(y->shape[1], tile);
}

// Two workgroups of large tiles a processor of the largest GPU measured.
static inline bool tdl_tiles_large(const tdl_tensor *y) {
    return tdl_n_tiles(y, TDL_TILE_LARGE) >= TDL_LARGE_TILES_MIN;
}

// The same for tiles of matrices (tile_matrix.wgsl): one workgroup a processor.
static inline bool tdl_matrices_large(const tdl_tensor *y) {
    return tdl_n_tiles(y, TDL_TILE_LARGE) >= TDL_LARGE_MATRICES_MIN;
}

// Less than that: where the sums are long they had better be divided among more workgroups.
static inline bool tdl_tiles_tiny(const tdl_tensor *y) { return tdl_n_tiles(y, TDL_TILE_SMALL) < TDL_SMALL_TILES_MIN; }

// Whether the rows of F32 begin at whole quads; what follows the last element of one is there, whatever it is.
static inline bool tdl_quad_rows(const tdl_tensor *t) { return tdl_stride_words(t, 0) % 4 == 0; }

// Whether the rows of a matrix are whole quads, so that the shaders may read or write it by quads.
static inline bool tdl_whole_quads(const tdl_tensor *t) {
    return t->shape[1] % 4 == 0 && (tdl_dtype_get(t->dtype)->block_n > 1 || tdl_quad_rows(t));
}

// Into how many shares the sums of y, of so many steps, are divided where its tiles of matrices are few, and the steps of one: whole
// DEPTHs. One share: not worth it.
typedef struct tdl_shares {
    int64_t n, depth;
} tdl_shares;

// wanted: shares of a tile that keep a GPU busy.
static inline tdl_shares tdl_shares_of(int64_t wanted, int64_t steps, int64_t tile) {
    int64_t n = tdl_max_i64(1, tdl_min_i64(wanted, steps / TDL_SHARE_STEPS_MIN));
    if (n == 1 || steps < TDL_SHARED_STEPS_MIN) return (tdl_shares){.n = 1, .depth = steps};
    int64_t depth = tile == TDL_TILE_LARGE ? TDL_MATRIX_DEPTH_LARGE : TDL_MATRIX_DEPTH_SMALL;
    int64_t share = tdl_div_up(tdl_div_up(steps, n), depth) * depth;
    return (tdl_shares){.n = tdl_div_up(steps, share), .depth = share};
}

// No more workgroups than run at once: others would come after all of these.
static inline tdl_shares tdl_matrix_shares(const tdl_tensor *y, int64_t steps, int64_t tile) {
    return tdl_shares_of(TDL_SHARED_GROUPS / tdl_max_i64(1, tdl_n_tiles(y, tile)), steps, tile);
}

// Of sums over a batch's tokens or a layer's width, in large tiles, rather some more than run at once: with shorter ones processors
// end closer together.
static inline tdl_shares tdl_matrix_grad_shares(const tdl_tensor *y, int64_t steps) {
    int64_t n_tiles = tdl_max_i64(1, tdl_n_tiles(y, TDL_TILE_LARGE));
    return tdl_shares_of(tdl_div_up(TDL_SHARED_GROUPS, n_tiles), steps, TDL_TILE_LARGE);
}

// Bytes for the shares of all tiles of so many rows, or fewer; sums may be shorter.
static inline size_t tdl_matrix_shares_size(const tdl_tensor *y, int64_t rows, int64_t tile) {
    int64_t n_tiles = tdl_div_up(rows, tile) * tdl_div_up(y->shape[1], tile);
    return (size_t)((TDL_SHARED_GROUPS + n_tiles) * tile * tile) * sizeof(float);
}

// The uniforms of tile.wgsl, and the dispatch: in[0] is a, in[1] is b, in[2] a bias, out[0] is y.
static inline void tdl_dispatch_tiles_shared(const tdl_call *call, const tdl_offsets *offsets, int64_t depth,
                                             int64_t tile, tdl_shares shares, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    assert(offsets->in[0] % 4 == 0 && offsets->in[1] % 4 == 0 && offsets->out[0] % 4 == 0);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(&call->in[0], 0));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, tdl_stride_words(&call->in[1], 0));
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, depth);
    tdl_put_word(out, tdl_div_up(y->shape[1], tile));
    tdl_put_word(out, shares.depth);
    tdl_put_word(out, shares.n);
    tdl_dispatch_groups(out, tdl_n_tiles(y, tile) * shares.n);
}

static inline void tdl_dispatch_tiles(const tdl_call *call, const tdl_offsets *offsets, int64_t depth, int64_t tile,
                                      tdl_dispatch *out) {
    tdl_dispatch_tiles_shared(call, offsets, depth, tile, (tdl_shares){.n = 1, .depth = depth}, out);
}

// The uniforms of matrix_merge.wgsl, and the dispatch.
static inline void tdl_dispatch_merge(const tdl_call *call, const tdl_offsets *offsets, tdl_shares shares, bool adds,
                                      tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, tdl_tensor_n_elements(y));
    tdl_put_word(out, shares.n);
    tdl_put_word(out, adds);
    tdl_dispatch_groups(out, tdl_div_up(tdl_tensor_n_elements(y), 4 * TDL_GROUP_ITEMS));
}

#endif
