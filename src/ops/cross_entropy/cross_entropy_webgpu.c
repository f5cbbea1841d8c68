// SPDX-License-Identifier: MIT
// cross_entropy_webgpu.c - when and how cross_entropy.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_indices(&call->in[1]) && tdl_webgpu_vector(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *logits = &call->in[0];
    tdl_put_rows(out, logits, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, logits->shape[1]);
    tdl_put_word(out, logits->shape[0]);
    tdl_dispatch_groups(out, logits->shape[0]);
}

const tdl_kernel tdl_kernel_cross_entropy_webgpu = {
    .name = "cross_entropy_webgpu",
    .op = TDL_OP_CROSS_ENTROPY,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_cross_entropy, tdl_wgsl_log_sum_exp, tdl_wgsl_reduce, tdl_wgsl_rows},
    .dispatch = dispatch};
