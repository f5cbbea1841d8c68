// SPDX-License-Identifier: MIT
// layer_norm_webgpu.c - when and how layer_norm.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_vector(&call->in[1]) && tdl_webgpu_vector(&call->in[2]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_put_rows(out, &call->in[0], offsets->in[0]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, tdl_last_dim(&call->in[0]));
    tdl_put_word(out, tdl_tensor_n_rows(&call->in[0]));
    tdl_put_float(out, call->attrs.eps);
    tdl_dispatch_groups(out, tdl_tensor_n_rows(&call->in[0]));
}

const tdl_kernel tdl_kernel_layer_norm_webgpu = {
    .name = "layer_norm_webgpu",
    .op = TDL_OP_LAYER_NORM,
    .backend = TDL_BACKEND_WEBGPU,
    .one_order = true,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_layer_norm, tdl_wgsl_norm_layer, tdl_wgsl_reduce, tdl_wgsl_rows},
    .dispatch = dispatch};
