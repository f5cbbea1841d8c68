// matmul_grad_w_webgpu.c - when and how matmul_grad_w.wgsl runs: with large tiles or small ones.
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

static bool accepts_small(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static bool accepts_large(const tdl_call *call) { return accepts_small(call) && tdl_tiles_large(&call->out[0]); }

static void dispatch_tiles(const tdl_call *call, const tdl_offsets *offsets, int64_t tile, tdl_dispatch *out) {
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1], *dw = &call->out[0];
    tdl_put_grad_params(dy, offsets->in[0], x, offsets->in[1], dw, offsets->out[0], x->shape[0], tile, out);
    tdl_dispatch_tiles(dw, tile, out);
}

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_LARGE, out);
}

const tdl_kernel tdl_kernel_matmul_grad_w_large_webgpu = {
    .name = "matmul_grad_w_large_webgpu",
    .op = TDL_OP_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large,
    .wgsl = {tdl_wgsl_tile_large, tdl_wgsl_matmul_grad_tile, tdl_wgsl_matmul_grad_w},
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_grad_w_small_webgpu = {
    .name = "matmul_grad_w_small_webgpu",
    .op = TDL_OP_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small,
    .wgsl = {tdl_wgsl_tile_small, tdl_wgsl_matmul_grad_tile, tdl_wgsl_matmul_grad_w},
    .dispatch = dispatch_small};
