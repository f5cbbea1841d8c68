// SPDX-License-Identifier: MIT
// act_grad_webgpu.c - when and how act_grad.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *dy = &call->in[1], *dx = &call->out[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, dy, offsets->in[1]);
    tdl_put_rows(out, dx, offsets->out[0]);
    tdl_put_elements(out, x, tdl_tensor_contiguous(x) && tdl_tensor_contiguous(dy) && tdl_tensor_contiguous(dx));
    tdl_put_word(out, call->attrs.act);
}

const tdl_kernel tdl_kernel_act_grad_webgpu = {
    .name = "act_grad_webgpu",
    .op = TDL_OP_ACT_GRAD,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_act_grad, tdl_wgsl_activate_slope, tdl_wgsl_activate, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
    .dispatch = dispatch};
