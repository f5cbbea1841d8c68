// SPDX-License-Identifier: MIT
// weight_webgpu.c - the decoders of weights, by type. See weight.h.
#include "ops/weight.h"

#include "wgsl.h"

static const char *const decoders[TDL_DTYPE_COUNT] = {
    [TDL_DTYPE_F32] = tdl_wgsl_f32,   [TDL_DTYPE_F16] = tdl_wgsl_f16,   [TDL_DTYPE_BF16] = tdl_wgsl_bf16,
    [TDL_DTYPE_Q8_0] = tdl_wgsl_q8_0, [TDL_DTYPE_Q4_0] = tdl_wgsl_q4_0, [TDL_DTYPE_Q4_1] = tdl_wgsl_q4_1,
    [TDL_DTYPE_Q4_K] = tdl_wgsl_q4_k, [TDL_DTYPE_Q5_K] = tdl_wgsl_q5_k, [TDL_DTYPE_Q6_K] = tdl_wgsl_q6_k,
};

static const char *const row_decoders[TDL_DTYPE_COUNT] = {
    [TDL_DTYPE_F32] = tdl_wgsl_f32_row,   [TDL_DTYPE_F16] = tdl_wgsl_f16_row,   [TDL_DTYPE_BF16] = tdl_wgsl_bf16_row,
    [TDL_DTYPE_Q8_0] = tdl_wgsl_q8_0_row, [TDL_DTYPE_Q4_0] = tdl_wgsl_q4_0_row, [TDL_DTYPE_Q4_1] = tdl_wgsl_q4_1_row,
    [TDL_DTYPE_Q4_K] = tdl_wgsl_q4_k_row, [TDL_DTYPE_Q5_K] = tdl_wgsl_q5_k_row, [TDL_DTYPE_Q6_K] = tdl_wgsl_q6_k_row,
};

bool tdl_weight_decodes(const tdl_tensor *w) {
    return decoders[w->dtype] && w->n_dims == 2 && tdl_tensor_contiguous(w) && tdl_tensor_n_elements(w) < UINT32_MAX &&
           tdl_tensor_size(w) < UINT32_MAX;
}

const char *tdl_weight_decoder(const tdl_tensor *w) { return decoders[w->dtype]; }

const char *tdl_weight_row_decoder(const tdl_tensor *w) { return row_decoders[w->dtype]; }
