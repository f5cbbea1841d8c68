// tiles_webgpu.h - how the matmul kernels divide a result into tiles (tile_large.wgsl, tile_small.wgsl, tile_tiny.wgsl,
// matrix_large.wgsl, matrix_small.wgsl), and
// when large ones, or small ones, are enough to keep a GPU busy.
#ifndef TDL_OPS_TILES_WEBGPU_H
#define TDL_OPS_TILES_WEBGPU_H

#include "ops/dispatch.h"

enum {
    TDL_TILE_LARGE = 128,
    TDL_TILE_SMALL = 64,
    TDL_TILE_TINY = 32,
    TDL_LARGE_TILES_MIN = 256,
    TDL_SMALL_TILES_MIN = 200,
    TDL_LARGE_MATRICES_MIN = 128
};

// Two workgroups of large tiles a processor of the largest GPU measured.
static inline bool tdl_tiles_large(const tdl_tensor *y) {
    return tdl_div_up(y->shape[0], TDL_TILE_LARGE) * tdl_div_up(y->shape[1], TDL_TILE_LARGE) >= TDL_LARGE_TILES_MIN;
}

// The same for tiles of matrices (tile_matrix.wgsl): one workgroup a processor.
static inline bool tdl_matrices_large(const tdl_tensor *y) {
    return tdl_div_up(y->shape[0], TDL_TILE_LARGE) * tdl_div_up(y->shape[1], TDL_TILE_LARGE) >= TDL_LARGE_MATRICES_MIN;
}

// Less than that: where the sums are long they had better be divided among more workgroups.
static inline bool tdl_tiles_tiny(const tdl_tensor *y) {
    return tdl_div_up(y->shape[0], TDL_TILE_SMALL) * tdl_div_up(y->shape[1], TDL_TILE_SMALL) < TDL_SMALL_TILES_MIN;
}

// Whether the rows of a matrix are whole quads, so that the shaders may read or write it by quads.
static inline bool tdl_whole_quads(const tdl_tensor *t) {
    return t->shape[1] % 4 == 0 && (tdl_dtype_get(t->dtype)->block_n > 1 || tdl_stride_words(t, 0) % 4 == 0);
}

// Whether the rows of F32 begin at whole quads; what follows the last element of one is there, whatever it is.
static inline bool tdl_quad_rows(const tdl_tensor *t) { return tdl_stride_words(t, 0) % 4 == 0; }

// The uniforms of tile.wgsl, and the dispatch: in[0] is a, in[1] is b, in[2] a bias, out[0] is y.
static inline void tdl_dispatch_tiles(const tdl_call *call, const tdl_offsets *offsets, int64_t depth, int64_t tile,
                                      tdl_dispatch *out) {
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
    tdl_dispatch_groups(out, tdl_div_up(y->shape[0], tile) * tdl_div_up(y->shape[1], tile));
}

#endif
