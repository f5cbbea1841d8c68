// SPDX-License-Identifier: MIT
// attention_webgpu.c - when and how attention.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static_assert(TDL_HEAD_DIM_MAX == 1024 && TDL_KV_PAGE == 64, "attention.wgsl has these sizes too");

static bool accepts(const tdl_call *call) {
    for (int i = 1; i <= 2; i++) {
        const tdl_tensor *cache = &call->in[i];
        if (cache->dtype != TDL_DTYPE_F32 || !tdl_tensor_contiguous(cache) || !tdl_words_fit(cache)) return false;
    }
    for (int i = 3; i <= 5; i++)
        if (!tdl_webgpu_indices(&call->in[i])) return false;
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *q = &call->in[0], *pages = &call->in[5];
    int64_t n_rows = tdl_tensor_n_rows(q);
    tdl_put_rows(out, q, offsets->in[0]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    for (int i = 1; i <= 5; i++) tdl_put_word(out, offsets->in[i]);
    tdl_put_word(out, tdl_stride_words(pages, 0));
    tdl_put_word(out, pages->shape[0]);
    tdl_put_word(out, n_rows);
    tdl_put_word(out, q->shape[1]);
    tdl_put_word(out, call->in[1].shape[1]);
    tdl_put_word(out, q->shape[2]);
    tdl_put_word(out, call->attrs.window);
    tdl_put_float(out, call->attrs.scale);
    tdl_dispatch_groups(out, n_rows);
}

const tdl_kernel tdl_kernel_attention_webgpu = {.name = "attention_webgpu",
                                                .op = TDL_OP_ATTENTION,
                                                .backend = TDL_BACKEND_WEBGPU,
                                                .one_order = true,
                                                .accepts = accepts,
                                                .wgsl = {tdl_wgsl_attention, tdl_wgsl_rows},
                                                .dispatch = dispatch};
