// SPDX-License-Identifier: MIT
// add_webgpu.c - when and how add.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *a = &call->in[0];
    tdl_put_rows(out, a, offsets->in[0]);
    tdl_put_rows(out, &call->in[1], offsets->in[1]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, tdl_last_dim(a));
    tdl_put_word(out, tdl_tensor_n_elements(a));
    tdl_dispatch_items(out, tdl_tensor_n_elements(a));
}

const tdl_kernel tdl_kernel_add_webgpu = {.name = "add_webgpu",
                                          .op = TDL_OP_ADD,
                                          .backend = TDL_BACKEND_WEBGPU,
                                          .one_order = true,
                                          .accepts = accepts,
                                          .wgsl = {tdl_wgsl_add, tdl_wgsl_elements, tdl_wgsl_rows},
                                          .dispatch = dispatch};
