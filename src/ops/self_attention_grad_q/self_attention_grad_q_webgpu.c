// SPDX-License-Identifier: MIT
// self_attention_grad_q_webgpu.c - when and how self_attention_grad_q.wgsl runs.
#include "ops/self_attention/self_attention_webgpu.h"
#include "wgsl.h"

enum { SPANS_MAX = 4 };

static bool accepts(const tdl_call *call) { return attention_takes(call, 5, 5) && tdl_tensor_contiguous(&call->in[4]); }

static const char *constants(const tdl_call *call) { return attention_constants(call, SPANS_MAX); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    for (int i = 0; i < 4; i++) attention_put_heads(out, &call->in[i], offsets->in[i]);
    attention_put_heads(out, &call->out[0], offsets->out[0]);
    attention_put_stats(out, offsets);
    attention_put_shape(out, call, offsets, 4);
    attention_dispatch_tiles(out, &call->out[0], SPANS_MAX);
}

const tdl_kernel tdl_kernel_self_attention_grad_q_webgpu = {
    .name = "self_attention_grad_q_webgpu",
    .op = TDL_OP_SELF_ATTENTION_GRAD_Q,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_self_attention_grad_q, tdl_wgsl_attention_tiles, tdl_wgsl_rows, tdl_wgsl_dropout_hash,
             tdl_wgsl_attention_dropout, tdl_wgsl_attention_qkv, tdl_wgsl_attention_dy, tdl_wgsl_attention_queries},
    .wgsl_decoder = constants,
    .dispatch = dispatch};
