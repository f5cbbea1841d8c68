// SPDX-License-Identifier: MIT
// matmul_tile_webgpu.c - when and how matmul_tile.wgsl and, on devices that multiply matrices by hardware, matmul_matrix.wgsl run:
// with large tiles where they are enough to keep a GPU busy, with small ones otherwise; with a bias and without; with rows of
// results that are no whole quads.
//
// Tiles of matrices that are few, with long sums, are each shared by several workgroups. Behind every kernel with matrices runs
// matmul_mend.wgsl, which adds up the shares and computes rows anew that F16 cannot hold. A plan for long prompts
// also runs steps of some dozens of sequences with a token each: those get small tiles, of which they fill one row.
#include "ops/matmul/matmul_webgpu.h"
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

enum { FEW_ROWS = TDL_TILE_SMALL, MEND_ROWS_MIN = 128, MEND_BLOCK = 1024 };

static bool takes(const tdl_call *call, int32_t n_in) {
    return call->n_in == n_in && tdl_matmul_takes(call) && tdl_whole_quads(&call->in[0]);
}

// Blocks of 256 columns lie so far apart that a large tile's rows of them do not stay in a processor's cache.
static bool large(const tdl_call *call) {
    return tdl_tiles_large(&call->out[0]) && tdl_dtype_get(call->in[1].dtype)->block_n < 256;
}

static bool matrix_large(const tdl_call *call) { return tdl_matrices_large(&call->out[0]); }

static bool accepts_small(const tdl_call *call) { return takes(call, 2) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_bias(const tdl_call *call) { return takes(call, 3) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_any(const tdl_call *call) { return takes(call, 2); }
static bool accepts_large(const tdl_call *call) { return accepts_small(call) && large(call); }
static bool accepts_large_bias(const tdl_call *call) { return accepts_small_bias(call) && large(call); }
static bool accepts_large_any(const tdl_call *call) { return accepts_small_any(call) && large(call); }
static bool accepts_matrix(const tdl_call *call) { return accepts_small(call) && matrix_large(call); }
static bool accepts_matrix_bias(const tdl_call *call) { return accepts_small_bias(call) && matrix_large(call); }
static bool accepts_matrix_any(const tdl_call *call) { return accepts_small_any(call) && matrix_large(call); }

static tdl_shares shares(const tdl_call *call, int64_t tile) {
    return tdl_matrix_shares(&call->out[0], call->in[0].shape[1], tile);
}

static bool shared(const tdl_call *call) { return shares(call, TDL_TILE_LARGE).n > 1; }
static bool shared_few(const tdl_call *call) { return shares(call, TDL_TILE_SMALL).n > 1; }

static bool accepts_shared(const tdl_call *call) { return accepts_small(call) && shared(call); }
static bool accepts_shared_bias(const tdl_call *call) { return accepts_small_bias(call) && shared(call); }
static bool accepts_shared_few(const tdl_call *call) { return accepts_small(call) && shared_few(call); }
static bool accepts_shared_few_bias(const tdl_call *call) { return accepts_small_bias(call) && shared_few(call); }

static size_t shares_size(const tdl_call *call) {
    return tdl_matrix_shares_size(&call->out[0], call->out[0].shape[0], TDL_TILE_LARGE);
}

static size_t shares_size_few(const tdl_call *call) {
    int64_t rows = tdl_min_i64(call->out[0].shape[0], FEW_ROWS);
    return tdl_matrix_shares_size(&call->out[0], rows, TDL_TILE_SMALL);
}

static const char *decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, out);
}

static void dispatch_shares(const tdl_call *call, const tdl_offsets *offsets, int64_t tile, tdl_dispatch *out) {
    tdl_dispatch_tiles_shared(call, offsets, call->in[0].shape[1], tile, shares(call, tile), out);
}

static void dispatch_shared(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_shares(call, offsets, TDL_TILE_LARGE, out);
}

static void dispatch_shared_few(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_shares(call, offsets, TDL_TILE_SMALL, out);
}

// What runs behind each kernel with matrices: matmul_mend.wgsl. n_shares: that the kernel left of each sum.
static void dispatch_mend(const tdl_call *call, const tdl_offsets *offsets, int64_t n_shares, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    // Where it only looks at x, few workgroups do, each at all of a row; where it adds up, there are enough for that.
    bool few = y->shape[0] < MEND_ROWS_MIN || n_shares > 1;
    int64_t n_columns = y->shape[1], n_block = few ? MEND_BLOCK : n_columns, n_blocks = tdl_div_up(n_columns, n_block);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, n_columns);
    tdl_put_word(out, x->shape[1]);
    tdl_put_word(out, n_block);
    tdl_put_word(out, n_blocks);
    tdl_put_word(out, n_shares);
    tdl_dispatch_groups(out, y->shape[0] * n_blocks);
}

static void dispatch_mend_whole(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_mend(call, offsets, 1, out);
}

static void dispatch_mend_shared(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_mend(call, offsets, shares(call, TDL_TILE_LARGE).n, out);
}

static void dispatch_mend_few(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_mend(call, offsets, shares(call, TDL_TILE_SMALL).n, out);
}

#define MEND(id, how, y, sums, ...)                                                              \
    static const tdl_kernel id = {.name = "matmul_mend_webgpu",                                  \
                                  .op = TDL_OP_MATMUL,                                           \
                                  .backend = TDL_BACKEND_WEBGPU,                                 \
                                  .wgsl = {tdl_wgsl_matmul_mend, tdl_wgsl_##y, tdl_wgsl_##sums}, \
                                  .wgsl_decoder = decoder,                                       \
                                  .dispatch = dispatch_mend_##how,                               \
                                  __VA_ARGS__};
MEND(mend, whole, matmul_mend_y, matmul_mend_whole)
MEND(mend_bias, whole, matmul_mend_y_bias, matmul_mend_whole)
MEND(mend_shared, shared, matmul_mend_y, matmul_mend_shares, .scratch_size = shares_size)
MEND(mend_shared_bias, shared, matmul_mend_y_bias, matmul_mend_shares_bias, .scratch_size = shares_size)
MEND(mend_shared_few, few, matmul_mend_y, matmul_mend_shares, .scratch_size = shares_size_few)
MEND(mend_shared_few_bias, few, matmul_mend_y_bias, matmul_mend_shares_bias, .scratch_size = shares_size_few)

#define KERNEL(kind, size, takes, ...)                                                       \
    const tdl_kernel tdl_kernel_matmul_##kind##_webgpu = {.name = "matmul_" #kind "_webgpu", \
                                                          .op = TDL_OP_MATMUL,               \
                                                          .backend = TDL_BACKEND_WEBGPU,     \
                                                          .accepts = accepts_##takes,        \
                                                          .wgsl_decoder = decoder,           \
                                                          .dispatch = dispatch_##size,       \
                                                          __VA_ARGS__};
#define TILES(size, suffix, y)               \
    KERNEL(size##suffix, size, size##suffix, \
           .wgsl = {tdl_wgsl_tile_##size, tdl_wgsl_tile, tdl_wgsl_matmul_tile, tdl_wgsl_##y})
#define OF_MATRICES(size, y)                         \
    .needs = TDL_FEATURE_GPU_MATRIX, .rounds = true, \
    .wgsl = {tdl_wgsl_matrix_##size, tdl_wgsl_tile_matrix, tdl_wgsl_matmul_matrix, tdl_wgsl_##y}
#define MATRICES(size, suffix, takes, y, mender) \
    KERNEL(matrix_##size##suffix, size, takes, .merge = &mender, OF_MATRICES(size, y))
#define FEW(suffix, y, mender) \
    KERNEL(matrix_few##suffix, small, small##suffix, .rows_max = FEW_ROWS, .merge = &mender, OF_MATRICES(small, y))
#define SHARED(suffix, y)                                                                                             \
    KERNEL(matrix_shared##suffix, shared, shared##suffix, .scratch_size = shares_size, .merge = &mend_shared##suffix, \
           OF_MATRICES(large, y))                                                                                     \
    KERNEL(matrix_shared_few##suffix, shared_few, shared_few##suffix, .scratch_size = shares_size_few,                \
           .merge = &mend_shared_few##suffix, .rows_max = FEW_ROWS, OF_MATRICES(small, y))

TILES(large, , matmul_y)
TILES(large, _bias, matmul_y_bias)
TILES(large, _any, matmul_y_any)
TILES(small, , matmul_y)
TILES(small, _bias, matmul_y_bias)
TILES(small, _any, matmul_y_any)
SHARED(, matrix_y_share)
SHARED(_bias, matrix_y_share_bias)
FEW(, matmul_y, mend)
FEW(_bias, matmul_y_bias, mend_bias)
MATRICES(large, , matrix, matmul_y, mend)
MATRICES(large, _bias, matrix_bias, matmul_y_bias, mend_bias)
MATRICES(large, _any, matrix_any, matmul_y_any, mend)
MATRICES(small, , small, matmul_y, mend)
MATRICES(small, _bias, small_bias, matmul_y_bias, mend_bias)
MATRICES(small, _any, small_any, matmul_y_any, mend)
