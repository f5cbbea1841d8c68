// SPDX-License-Identifier: MIT
// route_grad_webgpu.c - when and how route_grad.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_tensor_contiguous(&call->in[1]) && tdl_webgpu_rows(&call->in[2]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *logits = &call->in[0];
    tdl_put_rows(out, logits, offsets->in[0]);
    tdl_put_rows(out, &call->in[2], offsets->in[2]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, logits->shape[0]);
    tdl_put_word(out, logits->shape[1]);
    tdl_put_word(out, call->in[1].shape[1]);
    tdl_put_word(out, call->attrs.renorm);
    tdl_dispatch_groups(out, logits->shape[0]);
}

const tdl_kernel tdl_kernel_route_grad_webgpu = {.name = "route_grad_webgpu",
                                                 .op = TDL_OP_ROUTE_GRAD,
                                                 .backend = TDL_BACKEND_WEBGPU,
                                                 .accepts = accepts,
                                                 .wgsl = {tdl_wgsl_route_grad, tdl_wgsl_reduce, tdl_wgsl_rows},
                                                 .dispatch = dispatch};
