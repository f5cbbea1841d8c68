// SPDX-License-Identifier: MIT
// clip_webgpu.c - when and how clip.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_vector(&call->in[0]) && tdl_webgpu_vector(&call->in[1]) && tdl_webgpu_vector(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, call->in[0].shape[0]);
    tdl_dispatch_groups(out, 1);
}

const tdl_kernel tdl_kernel_clip_webgpu = {.name = "clip_webgpu",
                                           .op = TDL_OP_CLIP,
                                           .backend = TDL_BACKEND_WEBGPU,
                                           .accepts = accepts,
                                           .wgsl = {tdl_wgsl_clip, tdl_wgsl_reduce},
                                           .dispatch = dispatch};
