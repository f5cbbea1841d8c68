// SPDX-License-Identifier: MIT
// matmul_webgpu.c - when and how matmul.wgsl runs, with a bias and without.
#include "ops/matmul/matmul_webgpu.h"
#include "wgsl.h"

enum { TILE = 64 };

static bool accepts(const tdl_call *call) { return call->n_in == 2 && tdl_matmul_takes(call); }

static bool accepts_bias(const tdl_call *call) { return call->n_in == 3 && tdl_matmul_takes(call); }

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    int64_t n_tiles = tdl_div_up(call->out[0].shape[1], TILE);
    tdl_matmul_put_params(call, offsets, n_tiles, out);
    tdl_dispatch_groups(out, tdl_div_up(call->out[0].shape[0], TILE) * n_tiles);
}

const tdl_kernel tdl_kernel_matmul_webgpu = {
    .name = "matmul_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_matmul_params, tdl_wgsl_matmul_args, tdl_wgsl_matmul, tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};

const tdl_kernel tdl_kernel_matmul_bias_webgpu = {
    .name = "matmul_bias_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_bias,
    .wgsl = {tdl_wgsl_matmul_params, tdl_wgsl_matmul_bias_args, tdl_wgsl_matmul, tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};
