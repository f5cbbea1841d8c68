// SPDX-License-Identifier: MIT
// kv_append_webgpu.c - when and how kv_append.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 2; i++) {
        const tdl_tensor *cache = &call->out[i];
        if (cache->dtype != TDL_DTYPE_F32 || !tdl_tensor_contiguous(cache) || !tdl_words_fit(cache)) return false;
        if (!tdl_webgpu_rows(&call->in[i])) return false;
    }
    return tdl_webgpu_indices(&call->in[2]) && tdl_webgpu_indices(&call->in[3]) && tdl_webgpu_indices(&call->in[4]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *k = &call->in[0];
    int64_t n = tdl_tensor_n_elements(k);
    tdl_put_rows(out, k, offsets->in[0]);
    tdl_put_rows(out, &call->in[1], offsets->in[1]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, offsets->out[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, offsets->in[3]);
    tdl_put_word(out, offsets->in[4]);
    tdl_put_word(out, tdl_stride_words(&call->in[4], 0));
    tdl_put_word(out, k->shape[1]);
    tdl_put_word(out, k->shape[2]);
    tdl_put_word(out, n);
    tdl_dispatch_items(out, n);
}

const tdl_kernel tdl_kernel_kv_append_webgpu = {.name = "kv_append_webgpu",
                                                .op = TDL_OP_KV_APPEND,
                                                .backend = TDL_BACKEND_WEBGPU,
                                                .one_order = true,
                                                .accepts = accepts,
                                                .wgsl = {tdl_wgsl_kv_append, tdl_wgsl_rows},
                                                .dispatch = dispatch};
