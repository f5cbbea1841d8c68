// SPDX-License-Identifier: MIT
// take_rows_webgpu.c - when and how take_rows.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_indices(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    int64_t n = tdl_tensor_n_elements(&call->out[0]);
    tdl_put_rows(out, &call->in[0], offsets->in[0]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, tdl_last_dim(&call->in[0]));
    tdl_put_word(out, n);
    tdl_dispatch_items(out, n);
}

const tdl_kernel tdl_kernel_take_rows_webgpu = {.name = "take_rows_webgpu",
                                                .op = TDL_OP_TAKE_ROWS,
                                                .backend = TDL_BACKEND_WEBGPU,
                                                .one_order = true,
                                                .accepts = accepts,
                                                .wgsl = {tdl_wgsl_take_rows, tdl_wgsl_elements, tdl_wgsl_rows},
                                                .dispatch = dispatch};
