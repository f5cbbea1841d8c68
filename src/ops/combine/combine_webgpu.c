// SPDX-License-Identifier: MIT
// combine_webgpu.c - when and how combine.wgsl runs, with weights and without.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts_sum(const tdl_call *call) {
    return call->n_in == 1 && tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]);
}

static bool accepts(const tdl_call *call) {
    return call->n_in == 2 && tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->in[1]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    tdl_put_rows(out, &call->in[0], offsets->in[0]);
    tdl_put_rows(out, y, offsets->out[0]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, tdl_tensor_n_elements(y));
    tdl_put_word(out, call->in[0].shape[1]);
    tdl_put_word(out, call->n_in > 1 ? offsets->in[1] : 0);
    tdl_put_word(out, call->n_in > 1 ? tdl_stride_words(&call->in[1], 0) : 0);
    tdl_dispatch_items(out, tdl_tensor_n_elements(y));
}

const tdl_kernel tdl_kernel_combine_webgpu = {
    .name = "combine_webgpu",
    .op = TDL_OP_COMBINE,
    .backend = TDL_BACKEND_WEBGPU,
    .one_order = true,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_combine, tdl_wgsl_combine_weights, tdl_wgsl_elements, tdl_wgsl_rows},
    .dispatch = dispatch};

const tdl_kernel tdl_kernel_combine_sum_webgpu = {
    .name = "combine_sum_webgpu",
    .op = TDL_OP_COMBINE,
    .backend = TDL_BACKEND_WEBGPU,
    .one_order = true,
    .accepts = accepts_sum,
    .wgsl = {tdl_wgsl_combine, tdl_wgsl_combine_sum, tdl_wgsl_elements, tdl_wgsl_rows},
    .dispatch = dispatch};
