// SPDX-License-Identifier: MIT
// self_attention_stats_webgpu.c - when and how self_attention_stats.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

enum { ROWS = 16 }; // of a workgroup

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 3; i++)
        if (!tdl_webgpu_rows(&call->in[i])) return false;
    return tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *y = &call->in[0];
    int64_t n_rows = tdl_tensor_n_rows(y);
    tdl_put_rows(out, y, offsets->in[0]);
    tdl_put_rows(out, &call->in[1], offsets->in[1]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, tdl_stride_words(&call->in[2], 0));
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, y->shape[2]);
    tdl_put_word(out, n_rows);
    tdl_dispatch_groups(out, tdl_div_up(n_rows, ROWS));
}

const tdl_kernel tdl_kernel_self_attention_stats_webgpu = {.name = "self_attention_stats_webgpu",
                                                           .op = TDL_OP_SELF_ATTENTION_STATS,
                                                           .backend = TDL_BACKEND_WEBGPU,
                                                           .accepts = accepts,
                                                           .wgsl = {tdl_wgsl_self_attention_stats, tdl_wgsl_rows},
                                                           .dispatch = dispatch};
