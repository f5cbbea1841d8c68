// SPDX-License-Identifier: MIT
// glu_grad_webgpu.c - when and how glu_grad.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 3; i++)
        if (!tdl_webgpu_rows(&call->in[i])) return false;
    return tdl_webgpu_rows(&call->out[0]) && tdl_webgpu_rows(&call->out[1]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    bool flat = tdl_tensor_contiguous(&call->out[0]) && tdl_tensor_contiguous(&call->out[1]);
    for (int i = 0; i < 3; i++) {
        tdl_put_rows(out, &call->in[i], offsets->in[i]);
        flat &= tdl_tensor_contiguous(&call->in[i]);
    }
    for (int i = 0; i < 2; i++) tdl_put_rows(out, &call->out[i], offsets->out[i]);
    tdl_put_elements(out, &call->in[0], flat);
    tdl_put_word(out, call->attrs.act);
}

const tdl_kernel tdl_kernel_glu_grad_webgpu = {
    .name = "glu_grad_webgpu",
    .op = TDL_OP_GLU_GRAD,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_glu_grad, tdl_wgsl_activate_slope, tdl_wgsl_activate, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
    .dispatch = dispatch};
