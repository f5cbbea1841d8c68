// SPDX-License-Identifier: MIT
// matmul_few_webgpu.c - when and how matmul_few.wgsl runs, with a bias and without.
#include "ops/matmul/matmul_webgpu.h"
#include "wgsl.h"

enum { OUTPUTS = 8 };

static bool takes(const tdl_call *call) { return tdl_matmul_takes(call) && call->out[0].shape[0] <= TDL_GROUPS_MAX; }

static bool accepts(const tdl_call *call) { return call->n_in == 2 && takes(call); }

static bool accepts_bias(const tdl_call *call) { return call->n_in == 3 && takes(call); }

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_matmul_put_params(call, offsets, 0, out);
    tdl_dispatch_groups(out, tdl_div_up(call->out[0].shape[1], OUTPUTS));
    out->groups[2] = (uint32_t)call->out[0].shape[0];
}

const tdl_kernel tdl_kernel_matmul_few_webgpu = {
    .name = "matmul_few_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .rows_max = 7,
    .one_order = true,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_matmul_params, tdl_wgsl_matmul_args, tdl_wgsl_matmul_few, tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};

const tdl_kernel tdl_kernel_matmul_few_bias_webgpu = {
    .name = "matmul_few_bias_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .rows_max = 7,
    .one_order = true,
    .accepts = accepts_bias,
    .wgsl = {tdl_wgsl_matmul_params, tdl_wgsl_matmul_bias_args, tdl_wgsl_matmul_few, tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};
