// matmul_grad_w_webgpu.c - when and how matmul_grad_w.wgsl runs: with large tiles or small ones; where rows of dw are no whole
// quads, with small ones.
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

static bool accepts_any(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static bool accepts_small(const tdl_call *call) { return accepts_any(call) && tdl_whole_quads(&call->out[0]); }

static bool accepts_large(const tdl_call *call) { return accepts_small(call) && tdl_tiles_large(&call->out[0]); }

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[0], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[0], TDL_TILE_LARGE, out);
}

const tdl_kernel tdl_kernel_matmul_grad_w_large_webgpu = {
    .name = "matmul_grad_w_large_webgpu",
    .op = TDL_OP_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large,
    .wgsl = {tdl_wgsl_tile_large, tdl_wgsl_tile, tdl_wgsl_matmul_grad_w, tdl_wgsl_matmul_grad_w_y},
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_grad_w_small_webgpu = {
    .name = "matmul_grad_w_small_webgpu",
    .op = TDL_OP_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_tile, tdl_wgsl_matmul_grad_w, tdl_wgsl_matmul_grad_w_y},
    .dispatch = dispatch_small};

const tdl_kernel tdl_kernel_matmul_grad_w_any_webgpu = {
    .name = "matmul_grad_w_any_webgpu",
    .op = TDL_OP_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_any,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_tile, tdl_wgsl_matmul_grad_w, tdl_wgsl_matmul_grad_w_y_any},
    .dispatch = dispatch_small};
