// SPDX-License-Identifier: MIT
// rope_webgpu.c - when and how rope.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *table = &call->in[1];
    int64_t half = table->shape[1] / 2, n_items = x->shape[2] - half, n = tdl_tensor_n_rows(x) * n_items;
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, table, offsets->in[1]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, x->shape[1]);
    tdl_put_word(out, half);
    tdl_put_word(out, n_items);
    tdl_put_word(out, n);
    tdl_put_word(out, call->attrs.inverse);
    tdl_put_word(out, call->attrs.rope_pairs);
    tdl_dispatch_items(out, n);
}

const tdl_kernel tdl_kernel_rope_webgpu = {.name = "rope_webgpu",
                                           .op = TDL_OP_ROPE,
                                           .backend = TDL_BACKEND_WEBGPU,
                                           .one_order = true,
                                           .accepts = accepts,
                                           .wgsl = {tdl_wgsl_rope, tdl_wgsl_rows},
                                           .dispatch = dispatch};
