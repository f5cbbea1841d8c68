// SPDX-License-Identifier: MIT
// expert_matmul_webgpu.c - when and how expert_matmul_few.wgsl and expert_matmul.wgsl run.
#include "ops/expert_matmul/experts_webgpu.h"
#include "wgsl.h"

enum { OUTPUTS = 8, FEW_TOKENS = 8 };

static void put_params(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    tdl_put_experts(call, offsets, tdl_tensor_n_rows(y), y->shape[2], call->in[1].shape[1], out);
}

static void dispatch_few(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    put_params(call, offsets, out);
    tdl_put_word(out, 0);
    tdl_dispatch_groups(out, tdl_div_up(call->out[0].shape[2], OUTPUTS));
    out->groups[2] = (uint32_t)tdl_tensor_n_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    put_params(call, offsets, out);
    tdl_dispatch_expert_rows(out, call, tdl_tensor_n_rows(&call->out[0]), call->out[0].shape[2]);
}

const tdl_kernel tdl_kernel_expert_matmul_few_webgpu = {
    .name = "expert_matmul_few_webgpu",
    .op = TDL_OP_EXPERT_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .rows_max = FEW_TOKENS,
    .accepts = tdl_experts_take,
    .wgsl = {tdl_wgsl_expert_params, tdl_wgsl_expert_weight, tdl_wgsl_expert_matmul_few, tdl_wgsl_quant_block},
    .wgsl_decoder = tdl_experts_decoder,
    .dispatch = dispatch_few};

const tdl_kernel tdl_kernel_expert_matmul_webgpu = {.name = "expert_matmul_webgpu",
                                                    .op = TDL_OP_EXPERT_MATMUL,
                                                    .backend = TDL_BACKEND_WEBGPU,
                                                    .one_order = true,
                                                    .accepts = tdl_experts_take,
                                                    .wgsl = {tdl_wgsl_expert_params, tdl_wgsl_expert_weight,
                                                             tdl_wgsl_expert_tile, tdl_wgsl_expert_matmul,
                                                             tdl_wgsl_quant_block},
                                                    .wgsl_decoder = tdl_experts_decoder,
                                                    .dispatch = dispatch};
