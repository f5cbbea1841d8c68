// SPDX-License-Identifier: MIT
// expert_matmul_grad_w_webgpu.c - when and how expert_matmul_grad_w.wgsl runs.
#include "ops/expert_matmul/experts_webgpu.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *dy = &call->in[0], *dw = &call->out[0];
    int64_t n_outputs = dy->shape[2], n_tiles = tdl_div_up(dw->shape[1], TDL_EXPERT_TILE);
    tdl_put_experts(call, offsets, tdl_tensor_n_rows(dy), n_outputs, dw->shape[1], out);
    tdl_put_word(out, n_tiles);
    tdl_dispatch_groups(out, call->attrs.experts * tdl_div_up(n_outputs, TDL_EXPERT_TILE) * n_tiles);
}

const tdl_kernel tdl_kernel_expert_matmul_grad_w_webgpu = {
    .name = "expert_matmul_grad_w_webgpu",
    .op = TDL_OP_EXPERT_MATMUL_GRAD_W,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_expert_params, tdl_wgsl_expert_tile, tdl_wgsl_expert_matmul_grad_w},
    .dispatch = dispatch};
