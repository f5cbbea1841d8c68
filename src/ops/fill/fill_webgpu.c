// SPDX-License-Identifier: MIT
// fill_webgpu.c - when and how fill.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) { return tdl_webgpu_rows(&call->out[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    tdl_put_rows(out, y, offsets->out[0]);
    tdl_put_elements(out, y, tdl_tensor_contiguous(y));
    tdl_put_float(out, call->attrs.value);
}

const tdl_kernel tdl_kernel_fill_webgpu = {.name = "fill_webgpu",
                                           .op = TDL_OP_FILL,
                                           .backend = TDL_BACKEND_WEBGPU,
                                           .accepts = accepts,
                                           .wgsl = {tdl_wgsl_fill, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
                                           .dispatch = dispatch};
