// SPDX-License-Identifier: MIT
// self_attention_grad_kv_cases.h - dims and seqs: as self_attention_cases.h has them.
#ifndef TDL_OPS_SELF_ATTENTION_GRAD_KV_CASES_H
#define TDL_OPS_SELF_ATTENTION_GRAD_KV_CASES_H

#include "ops/self_attention/self_attention_cases.h"

static double self_attention_grad_kv_flops(const tdl_call *call) {
    return 8 * self_attention_pairs(call, &call->in[5]);
}

static const op_case self_attention_grad_kv_list[] = {
    SELF_ATTENTION_CASES,
};

static const op_case_set self_attention_grad_kv_cases = {
    .make = self_attention_grad_make,
    .list = self_attention_grad_kv_list,
    .n = OP_CASE_COUNT(self_attention_grad_kv_list),
    .metric = OP_METRIC_ROW,
    .bound_abs = 4e-6,
    .bound_rel = 1e-5,
    .scores_slack = 32, // queries are 100 times as large, and what cancels in a gradient is multiplied by them
    .webgpu_abs = 1e-5,
    .webgpu_rel = 1e-5,
    .flops = self_attention_grad_kv_flops};

#endif
