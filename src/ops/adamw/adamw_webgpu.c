// SPDX-License-Identifier: MIT
// adamw_webgpu.c - when and how adamw.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 3; i++)
        if (!tdl_webgpu_rows(&call->out[i])) return false;
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_vector(&call->in[1]) && tdl_webgpu_vector(&call->in[2]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_attrs *attrs = &call->attrs;
    bool flat = tdl_tensor_contiguous(&call->in[0]);
    tdl_put_rows(out, &call->in[0], offsets->in[0]);
    for (int i = 0; i < 3; i++) {
        tdl_put_rows(out, &call->out[i], offsets->out[i]);
        flat &= tdl_tensor_contiguous(&call->out[i]);
    }
    tdl_put_elements(out, &call->in[0], flat);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_float(out, attrs->beta1);
    tdl_put_float(out, attrs->beta2);
    tdl_put_float(out, (float)(1 - (double)attrs->beta1));
    tdl_put_float(out, (float)(1 - (double)attrs->beta2));
    tdl_put_float(out, attrs->eps);
    tdl_put_float(out, attrs->decay);
}

const tdl_kernel tdl_kernel_adamw_webgpu = {.name = "adamw_webgpu",
                                            .op = TDL_OP_ADAMW,
                                            .backend = TDL_BACKEND_WEBGPU,
                                            .accepts = accepts,
                                            .wgsl = {tdl_wgsl_adamw, tdl_wgsl_elements_by_four, tdl_wgsl_rows},
                                            .dispatch = dispatch};
