// matmul_grad_x_webgpu.c - when and how matmul_grad_x.wgsl runs: with large tiles or small ones; rows of any length with
// small ones.
#include "ops/matmul/tiles_webgpu.h"
#include "ops/weight.h"
#include "wgsl.h"

static bool accepts_any(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_weight_decodes(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static bool accepts_small(const tdl_call *call) { return accepts_any(call) && call->in[1].shape[1] % 16 == 0; }

static bool accepts_large(const tdl_call *call) { return accepts_small(call) && tdl_tiles_large(&call->out[0]); }

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

static const char *row_decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_tiles(const tdl_call *call, const tdl_offsets *offsets, int64_t tile, tdl_dispatch *out) {
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    tdl_put_grad_params(dy, offsets->in[0], w, offsets->in[1], dx, offsets->out[0], w->shape[0], tile, out);
    tdl_dispatch_tiles(dx, tile, out);
}

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_LARGE, out);
}

const tdl_kernel tdl_kernel_matmul_grad_x_large_webgpu = {
    .name = "matmul_grad_x_large_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large,
    .wgsl = {tdl_wgsl_tile_large, tdl_wgsl_matmul_grad_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_quant_row},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_grad_x_small_webgpu = {
    .name = "matmul_grad_x_small_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_matmul_grad_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_quant_row},
    .wgsl_decoder = row_decoder,
    .dispatch = dispatch_small};

const tdl_kernel tdl_kernel_matmul_grad_x_any_webgpu = {
    .name = "matmul_grad_x_any_webgpu",
    .op = TDL_OP_MATMUL_GRAD_X,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_any,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_matmul_grad_tile, tdl_wgsl_matmul_grad_x, tdl_wgsl_weight16_any,
             tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch_small};
