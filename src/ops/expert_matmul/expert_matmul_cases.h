// SPDX-License-Identifier: MIT
// expert_matmul_cases.h - dims: tokens T, columns K, rows N of an expert; where the fourth is 1, x has a row for each choice.
// dtype: the weight's. Where noted, one expert has all rows.
#ifndef TDL_OPS_EXPERT_MATMUL_CASES_H
#define TDL_OPS_EXPERT_MATMUL_CASES_H

#include "ops/group/group_cases.h"

// in[i]: a row for each token, or for each of its choices.
static void expert_rows(op_fixture *f, int32_t i, bool choices, int64_t n_tokens, int64_t n_columns, int64_t pad) {
    if (choices) op_input(f, i, TDL_DTYPE_F32, 3, (int64_t[]){n_tokens, f->c->attrs.top_k, n_columns}, pad);
    else op_input(f, i, TDL_DTYPE_F32, 2, (int64_t[]){n_tokens, n_columns}, pad);
}

static void expert_matmul_make(op_fixture *f, const op_case *c) {
    expert_rows(f, 0, c->dims[3], c->dims[0], c->dims[1], c->strided ? 5 : 0);
    op_input(f, 1, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, (int64_t[]){c->attrs.experts * c->dims[2], c->dims[1]}, 0);
    group_input(f, 2, c->dims[0]);
}

static double expert_matmul_flops(const tdl_call *call) {
    return 2 * (double)tdl_tensor_n_elements(&call->out[0]) * (double)call->in[1].shape[1];
}

static const op_case expert_matmul_list[] = {
    {.dims = {0, 32, 8}, .attrs = {.experts = 4, .top_k = 2}},
    {.dims = {1, 1, 1}, .attrs = {.experts = 1, .top_k = 1}},
    {.dims = {1, 33, 7}, .attrs = {.experts = 8, .top_k = 2}},
    {.dims = {1, 64, 130, 1}, .attrs = {.experts = 8, .top_k = 2}, .dtype = TDL_DTYPE_F16},
    {.dims = {7, 35, 19, 1}, .attrs = {.experts = 3, .top_k = 2}, .strided = true},
    {.dims = {8, 100, 67}, .attrs = {.experts = 300, .top_k = 5}, .strided = true},
    {.dims = {70, 33, 71}, .attrs = {.experts = 4, .top_k = 2}},
    {.dims = {150, 72, 140, 1}, .attrs = {.experts = 5, .top_k = 2}, .strided = true},
    {.dims = {150, 40, 33, 1}, .attrs = {.experts = 6, .top_k = 1}, .note = "one expert"},
    {.dims = {9, 1537, 5}, .attrs = {.experts = 2, .top_k = 2}, .note = "one expert"},
    {.dims = {3, 65, 31}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_BF16},
    {.dims = {40, 64, 96}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_Q8_0},
    {.dims = {5, 96, 17, 1}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_Q4_0},
    {.dims = {20, 32, 70}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q4_1},
    {.dims = {20, 256, 70}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q4_K},
    {.dims = {4, 512, 9}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q5_K},
    {.dims = {30, 512, 40}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q6_K},
    {.dims = {1, 2048, 768}, .attrs = {.experts = 64, .top_k = 8}, .dtype = TDL_DTYPE_Q8_0, .bench = true},
    {.dims = {256, 512, 1024}, .attrs = {.experts = 8, .top_k = 2}, .bench = true, .slow = true, .note = "training"},
    {.dims = {2048, 2048, 768}, .attrs = {.experts = 64, .top_k = 8}, .bench_gpu = true},
};

static const op_case_set expert_matmul_cases = {.make = expert_matmul_make,
                                                .list = expert_matmul_list,
                                                .n = OP_CASE_COUNT(expert_matmul_list),
                                                .metric = OP_METRIC_ROW,
                                                .bound_abs = 2e-5,
                                                .bound_rel = 5e-6,
                                                .flops = expert_matmul_flops};

#endif
