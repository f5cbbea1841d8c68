// SPDX-License-Identifier: MIT
// dropout_webgpu.c - when and how dropout.wgsl runs.
#include "ops/dispatch.h"
#include "ops/dropout/dropout.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_indices(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, y, offsets->out[0]);
    tdl_put_elements(out, x, tdl_tensor_contiguous(x) && tdl_tensor_contiguous(y));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, (uint32_t)call->attrs.stream);
    tdl_put_word(out, tdl_dropout_threshold(call->attrs.rate));
    tdl_put_float(out, tdl_dropout_scale(call->attrs.rate));
}

const tdl_kernel tdl_kernel_dropout_webgpu = {
    .name = "dropout_webgpu",
    .op = TDL_OP_DROPOUT,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_dropout, tdl_wgsl_dropout_hash, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
    .dispatch = dispatch};
