// SPDX-License-Identifier: MIT
// copy_webgpu.c - a copy is scale.wgsl with a scale of 1.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) { return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, y, offsets->out[0]);
    tdl_put_elements(out, x, tdl_tensor_contiguous(x) && tdl_tensor_contiguous(y));
    tdl_put_float(out, 1);
}

const tdl_kernel tdl_kernel_copy_webgpu = {.name = "copy_webgpu",
                                           .op = TDL_OP_COPY,
                                           .backend = TDL_BACKEND_WEBGPU,
                                           .accepts = accepts,
                                           .wgsl = {tdl_wgsl_scale, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
                                           .dispatch = dispatch};
