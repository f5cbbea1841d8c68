// SPDX-License-Identifier: MIT
// act_webgpu.c - when and how act.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) { return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, tdl_last_dim(x));
    tdl_put_word(out, tdl_tensor_n_elements(x));
    tdl_put_word(out, call->attrs.act);
    tdl_dispatch_items(out, tdl_tensor_n_elements(x));
}

const tdl_kernel tdl_kernel_act_webgpu = {.name = "act_webgpu",
                                          .op = TDL_OP_ACT,
                                          .backend = TDL_BACKEND_WEBGPU,
                                          .one_order = true,
                                          .accepts = accepts,
                                          .wgsl = {tdl_wgsl_act, tdl_wgsl_elements, tdl_wgsl_activate, tdl_wgsl_rows},
                                          .dispatch = dispatch};
