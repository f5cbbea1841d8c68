// SPDX-License-Identifier: MIT
// embed_grad_webgpu.c - when and how embed_grad.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

enum { CHUNK = 64, COLUMNS = 32 }; // places of the order, columns of a workgroup

static bool accepts(const tdl_call *call) {
    return tdl_webgpu_indices(&call->in[0]) && tdl_webgpu_indices(&call->in[1]) && tdl_webgpu_rows(&call->in[2]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *dy = &call->in[2], *dtable = &call->out[0];
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, tdl_stride_words(dy, 0));
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(dtable, 0));
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, dy->shape[0]);
    tdl_put_word(out, dy->shape[1]);
    tdl_put_word(out, call->attrs.part_first);
    tdl_put_word(out, dtable->shape[0]);
    tdl_dispatch_groups(out, tdl_div_up(dy->shape[0], CHUNK) * tdl_div_up(dy->shape[1], COLUMNS));
}

const tdl_kernel tdl_kernel_embed_grad_webgpu = {.name = "embed_grad_webgpu",
                                                 .op = TDL_OP_EMBED_GRAD,
                                                 .backend = TDL_BACKEND_WEBGPU,
                                                 .accepts = accepts,
                                                 .wgsl = {tdl_wgsl_embed_grad, tdl_wgsl_rows},
                                                 .dispatch = dispatch};
