// SPDX-License-Identifier: MIT
// expert_matmul_grad_x_webgpu.c - when and how expert_matmul_grad_x.wgsl runs.
#include "ops/expert_matmul/experts_webgpu.h"
#include "wgsl.h"

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *dy = &call->in[0];
    tdl_put_experts(call, offsets, tdl_tensor_n_rows(dy), dy->shape[2], call->in[1].shape[1], out);
    tdl_dispatch_expert_rows(out, call, tdl_tensor_n_rows(dy), call->in[1].shape[1]);
}

const tdl_kernel tdl_kernel_expert_matmul_grad_x_webgpu = {.name = "expert_matmul_grad_x_webgpu",
                                                           .op = TDL_OP_EXPERT_MATMUL_GRAD_X,
                                                           .backend = TDL_BACKEND_WEBGPU,
                                                           .accepts = tdl_experts_take,
                                                           .wgsl = {tdl_wgsl_expert_params, tdl_wgsl_expert_weight,
                                                                    tdl_wgsl_expert_tile, tdl_wgsl_expert_matmul_grad_x,
                                                                    tdl_wgsl_quant_block},
                                                           .wgsl_decoder = tdl_experts_decoder,
                                                           .dispatch = dispatch};
