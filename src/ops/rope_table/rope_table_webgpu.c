// SPDX-License-Identifier: MIT
// rope_table_webgpu.c - when and how rope_table.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_indices(&call->in[0]) && tdl_webgpu_vector(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    int64_t half = call->in[1].shape[0], n = call->in[0].shape[0] * half;
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, half);
    tdl_put_word(out, n);
    tdl_put_float(out, call->attrs.scale != 0 ? call->attrs.scale : 1);
    tdl_dispatch_items(out, n);
}

const tdl_kernel tdl_kernel_rope_table_webgpu = {.name = "rope_table_webgpu",
                                                 .op = TDL_OP_ROPE_TABLE,
                                                 .backend = TDL_BACKEND_WEBGPU,
                                                 .one_order = true,
                                                 .accepts = accepts,
                                                 .wgsl = {tdl_wgsl_rope_table, tdl_wgsl_rows},
                                                 .dispatch = dispatch};
