// SPDX-License-Identifier: MIT
// matmul_grad_x_webgpu.c - when and how matmul_grad_x.wgsl runs: with large tiles, small or tiny ones, by how many results there are;
// where rows are no whole quads, with small ones.
#include "ops/matmul/tiles_webgpu.h"
#include "ops/weight.h"
#include "wgsl.h"

static bool accepts_any(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_weight_decodes(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static bool accepts_small(const tdl_call *call) { return accepts_any(call) && tdl_whole_quads(&call->out[0]); }

// As in the matmul itself, blocks of 256 columns are for small tiles.
static bool accepts_large(const tdl_call *call) {
    return accepts_small(call) && tdl_tiles_large(&call->out[0]) && tdl_dtype_get(call->in[1].dtype)->block_n < 256;
}

// Few tokens, sums as long as the vocabulary.
static bool accepts_tiny(const tdl_call *call) { return accepts_small(call) && tdl_tiles_tiny(&call->out[0]); }

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

static const char *row_decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static bool accepts_matrix_small(const tdl_call *call) { return accepts_small(call) && tdl_quad_rows(&call->in[0]); }

static bool accepts_matrix_large(const tdl_call *call) {
    return accepts_matrix_small(call) && tdl_matrices_large(&call->out[0]);
}

static tdl_shares shares(const tdl_call *call) { return tdl_matrix_grad_shares(&call->out[0], call->in[0].shape[1]); }

// Few tiles, long sums.
static bool accepts_matrix_shared(const tdl_call *call) { return accepts_matrix_small(call) && shares(call).n > 1; }

static size_t shares_size(const tdl_call *call) {
    return tdl_matrix_shares_size(&call->out[0], call->out[0].shape[0], TDL_TILE_LARGE);
}

static void dispatch_shared(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles_shared(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, shares(call), out);
}

static void dispatch_merge(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_merge(call, offsets, shares(call), false, out);
}

static void dispatch_tiny(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_TINY, out);
}

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, out);
}

static const tdl_kernel merge = {.name = "matmul_grad_x_merge_webgpu",
                                 .op = TDL_OP_MATMUL_GRAD_X,
                                 .backend = TDL_BACKEND_WEBGPU,
                                 .wgsl = {tdl_wgsl_matrix_merge},
                                 .dispatch = dispatch_merge,
                                 .is_merge = true};

const tdl_kernel tdl_kernel_matmul_grad_x_matrix_shared_webgpu = {
    .name = "matmul_grad_x_matrix_shared_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .needs = TDL_FEATURE_GPU_MATRIX,
    .rounds = true,
    .accepts = accepts_matrix_shared,
    .scratch_size = shares_size,
    .wgsl = {tdl_wgsl_matrix_large, tdl_wgsl_tile_matrix, tdl_wgsl_matmul_grad_x_matrix, tdl_wgsl_matrix_b_across,
             tdl_wgsl_matrix_y_share},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_shared,
    .merge = &merge};

const tdl_kernel tdl_kernel_matmul_grad_x_matrix_large_webgpu = {.name = "matmul_grad_x_matrix_large_webgpu",
                                                                 .op = TDL_OP_MATMUL_GRAD_X,
                                                                 .backend = TDL_BACKEND_WEBGPU,
                                                                 .needs = TDL_FEATURE_GPU_MATRIX,
                                                                 .rounds = true,
                                                                 .accepts = accepts_matrix_large,
                                                                 .wgsl = {tdl_wgsl_matrix_large, tdl_wgsl_tile_matrix,
                                                                          tdl_wgsl_matmul_grad_x_matrix,
                                                                          tdl_wgsl_matrix_b_across, tdl_wgsl_matmul_y},
                                                                 .wgsl_decoder = row_decoder,
                                                                 .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_grad_x_matrix_small_webgpu = {.name = "matmul_grad_x_matrix_small_webgpu",
                                                                 .op = TDL_OP_MATMUL_GRAD_X,
                                                                 .backend = TDL_BACKEND_WEBGPU,
                                                                 .needs = TDL_FEATURE_GPU_MATRIX,
                                                                 .rounds = true,
                                                                 .accepts = accepts_matrix_small,
                                                                 .wgsl = {tdl_wgsl_matrix_small, tdl_wgsl_tile_matrix,
                                                                          tdl_wgsl_matmul_grad_x_matrix,
                                                                          tdl_wgsl_matrix_b_across, tdl_wgsl_matmul_y},
                                                                 .wgsl_decoder = row_decoder,
                                                                 .dispatch = dispatch_small};

const tdl_kernel tdl_kernel_matmul_grad_x_large_webgpu = {
    .name = "matmul_grad_x_large_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large,
    .wgsl = {tdl_wgsl_tile_large, tdl_wgsl_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_matmul_y},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_grad_x_tiny_webgpu = {
    .name = "matmul_grad_x_tiny_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_tiny,
    .wgsl = {tdl_wgsl_tile_tiny, tdl_wgsl_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_matmul_y},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_tiny};

const tdl_kernel tdl_kernel_matmul_grad_x_small_webgpu = {
    .name = "matmul_grad_x_small_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_matmul_y},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_small};

const tdl_kernel tdl_kernel_matmul_grad_x_any_webgpu = {.name = "matmul_grad_x_any_webgpu",
                                                        .op = TDL_OP_MATMUL_GRAD_X,
                                                        .backend = TDL_BACKEND_WEBGPU,
                                                        .accepts = accepts_any,
                                                        .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_tile,
                                                                 tdl_wgsl_matmul_grad_x, tdl_wgsl_matmul_y_any,
                                                                 tdl_wgsl_row4_any, tdl_wgsl_quant_block},
                                                        .wgsl_decoder = decoder,
                                                        .dispatch = dispatch_small};
