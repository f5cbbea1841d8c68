// SPDX-License-Identifier: MIT
// sample_webgpu.c - when and how sample.wgsl and sample_merge.wgsl run: workgroups that find the best of a part of a row each,
// then one a row that finds the best of those, and draws.
#include "ops/dispatch.h"
#include "ops/sample/sample.h"
#include "wgsl.h"

enum { PART_SIZE = 2048, PARTS_MAX = 64, HEADER_WORDS = TDL_SAMPLE_WORDS };

static int64_t count_parts(const tdl_call *call) {
    return tdl_max_i64(1, tdl_min_i64(PARTS_MAX, tdl_div_up(call->in[0].shape[1], PART_SIZE)));
}

// A row's words of scratch: its settings, then the candidates of each part, a key and an id each.
static int64_t row_words(const tdl_call *call) { return HEADER_WORDS + count_parts(call) * TDL_SAMPLE_K_MAX * 2; }

static bool accepts(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0];
    return tdl_webgpu_rows(logits) && tdl_webgpu_indices(&call->in[1]) && tdl_tensor_contiguous(&call->in[1]) &&
           tdl_webgpu_indices(&call->out[0]) && logits->shape[0] <= TDL_GROUPS_MAX && logits->shape[1] < INT32_MAX;
}

static size_t scratch_size(const tdl_call *call) {
    return (size_t)(call->in[0].shape[0] * row_words(call)) * sizeof(uint32_t);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *logits = &call->in[0];
    int64_t n_parts = count_parts(call);
    tdl_put_rows(out, logits, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, logits->shape[1]);
    tdl_put_word(out, tdl_div_up(logits->shape[1], n_parts));
    tdl_put_word(out, row_words(call));
    out->groups[0] = (uint32_t)n_parts;
    out->groups[1] = (uint32_t)logits->shape[0];
    out->groups[2] = 1;
}

static void dispatch_merge(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, count_parts(call));
    tdl_put_word(out, row_words(call));
    tdl_put_word(out, tdl_sample_scale_of(1).mantissa);
    tdl_put_word(out, (uint32_t)tdl_sample_scale_of(1).exponent);
    out->groups[0] = (uint32_t)call->in[0].shape[0];
    out->groups[1] = out->groups[2] = 1;
}

static const tdl_kernel merge = {.name = "sample_merge_webgpu",
                                 .op = TDL_OP_SAMPLE,
                                 .backend = TDL_BACKEND_WEBGPU,
                                 .is_merge = true,
                                 .wgsl = {tdl_wgsl_sample_merge, tdl_wgsl_sample_best},
                                 .dispatch = dispatch_merge};

const tdl_kernel tdl_kernel_sample_webgpu = {.name = "sample_webgpu",
                                             .op = TDL_OP_SAMPLE,
                                             .backend = TDL_BACKEND_WEBGPU,
                                             .one_order = true,
                                             .accepts = accepts,
                                             .scratch_size = scratch_size,
                                             .wgsl = {tdl_wgsl_sample, tdl_wgsl_sample_best, tdl_wgsl_rows},
                                             .dispatch = dispatch,
                                             .merge = &merge};
