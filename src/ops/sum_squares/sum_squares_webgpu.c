// SPDX-License-Identifier: MIT
// sum_squares_webgpu.c - when and how sum_squares.wgsl runs.
#include "ops/dispatch.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *parts = &call->out[0];
    return x->dtype == TDL_DTYPE_F32 && tdl_tensor_contiguous(x) && tdl_words_fit(x) && tdl_webgpu_vector(parts) &&
           tdl_tensor_n_elements(x) + parts->shape[0] < UINT32_MAX; // where the last piece would begin
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    int64_t n = tdl_tensor_n_elements(&call->in[0]), n_parts = call->out[0].shape[0];
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, n);
    tdl_put_word(out, n_parts);
    tdl_put_word(out, tdl_div_up(n, n_parts));
    tdl_dispatch_groups(out, n_parts);
}

const tdl_kernel tdl_kernel_sum_squares_webgpu = {.name = "sum_squares_webgpu",
                                                  .op = TDL_OP_SUM_SQUARES,
                                                  .backend = TDL_BACKEND_WEBGPU,
                                                  .accepts = accepts,
                                                  .wgsl = {tdl_wgsl_sum_squares, tdl_wgsl_reduce, tdl_wgsl_rows},
                                                  .dispatch = dispatch};
