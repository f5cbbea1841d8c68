// SPDX-License-Identifier: MIT
// route_webgpu.c - when and how route.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

enum { TOP_K_MAX = 64 }; // the shader's memory for them

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && call->attrs.top_k <= TOP_K_MAX && tdl_tensor_contiguous(&call->out[0]) &&
           tdl_tensor_contiguous(&call->out[1]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *logits = &call->in[0];
    tdl_put_rows(out, logits, offsets->in[0]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, offsets->out[1]);
    tdl_put_word(out, logits->shape[0]);
    tdl_put_word(out, logits->shape[1]);
    tdl_put_word(out, call->attrs.top_k);
    tdl_put_word(out, call->attrs.renorm);
    tdl_dispatch_groups(out, logits->shape[0]);
}

const tdl_kernel tdl_kernel_route_webgpu = {.name = "route_webgpu",
                                            .op = TDL_OP_ROUTE,
                                            .backend = TDL_BACKEND_WEBGPU,
                                            .one_order = true,
                                            .accepts = accepts,
                                            .wgsl = {tdl_wgsl_route, tdl_wgsl_reduce, tdl_wgsl_rows},
                                            .dispatch = dispatch};
