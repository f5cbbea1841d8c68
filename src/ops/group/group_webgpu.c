// SPDX-License-Identifier: MIT
// group_webgpu.c - when and how group.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) { return tdl_tensor_contiguous(&call->in[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_tensor_n_elements(&call->in[0]));
    tdl_put_word(out, call->attrs.experts);
    tdl_dispatch_groups(out, 1);
}

const tdl_kernel tdl_kernel_group_webgpu = {.name = "group_webgpu",
                                            .op = TDL_OP_GROUP,
                                            .backend = TDL_BACKEND_WEBGPU,
                                            .one_order = true,
                                            .accepts = accepts,
                                            .wgsl = {tdl_wgsl_group},
                                            .dispatch = dispatch};
