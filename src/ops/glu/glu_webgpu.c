// SPDX-License-Identifier: MIT
// glu_webgpu.c - when and how glu.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *gate = &call->in[0];
    tdl_put_rows(out, gate, offsets->in[0]);
    tdl_put_rows(out, &call->in[1], offsets->in[1]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, tdl_last_dim(gate));
    tdl_put_word(out, tdl_tensor_n_elements(gate));
    tdl_put_word(out, call->attrs.act);
    tdl_dispatch_items(out, tdl_tensor_n_elements(gate));
}

const tdl_kernel tdl_kernel_glu_webgpu = {.name = "glu_webgpu",
                                          .op = TDL_OP_GLU,
                                          .backend = TDL_BACKEND_WEBGPU,
                                          .one_order = true,
                                          .accepts = accepts,
                                          .wgsl = {tdl_wgsl_glu, tdl_wgsl_elements, tdl_wgsl_activate, tdl_wgsl_rows},
                                          .dispatch = dispatch};
