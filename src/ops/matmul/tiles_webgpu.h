// tiles_webgpu.h - how the matmul kernels divide a result into tiles (tile_large.wgsl, tile_small.wgsl), and when large ones
// are enough to keep a GPU busy.
#ifndef TDL_OPS_TILES_WEBGPU_H
#define TDL_OPS_TILES_WEBGPU_H

#include "ops/dispatch.h"

enum { TDL_TILE_LARGE = 128, TDL_TILE_SMALL = 64, TDL_LARGE_TILES_MIN = 192 };

static inline bool tdl_tiles_large(const tdl_tensor *y) {
    return tdl_div_up(y->shape[0], TDL_TILE_LARGE) * tdl_div_up(y->shape[1], TDL_TILE_LARGE) >= TDL_LARGE_TILES_MIN;
}

static inline void tdl_dispatch_tiles(const tdl_tensor *y, int64_t tile, tdl_dispatch *out) {
    tdl_dispatch_groups(out, tdl_div_up(y->shape[0], tile) * tdl_div_up(y->shape[1], tile));
}

// The uniforms of matmul_grad_tile.wgsl. Where the sums are of nothing, b_stride and a_stride are not used.
static inline void tdl_put_grad_params(const tdl_tensor *a, uint32_t a_offset, const tdl_tensor *b, uint32_t b_offset,
                                       const tdl_tensor *y, uint32_t y_offset, int64_t depth, int64_t tile,
                                       tdl_dispatch *out) {
    assert(a_offset % 4 == 0 && b_offset % 4 == 0);
    tdl_put_word(out, a_offset);
    tdl_put_word(out, tdl_stride_words(a, 0));
    tdl_put_word(out, b_offset);
    tdl_put_word(out, tdl_stride_words(b, 0));
    tdl_put_word(out, y_offset);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, depth);
    tdl_put_word(out, tdl_div_up(y->shape[1], tile));
}

#endif
