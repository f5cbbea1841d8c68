// SPDX-License-Identifier: MIT
// scale_webgpu.c - when and how scale.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) { return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, y, offsets->out[0]);
    tdl_put_elements(out, x, tdl_tensor_contiguous(x) && tdl_tensor_contiguous(y));
    tdl_put_float(out, call->attrs.scale);
}

const tdl_kernel tdl_kernel_scale_webgpu = {.name = "scale_webgpu",
                                            .op = TDL_OP_SCALE,
                                            .backend = TDL_BACKEND_WEBGPU,
                                            .accepts = accepts,
                                            .wgsl = {tdl_wgsl_scale, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
                                            .dispatch = dispatch};
