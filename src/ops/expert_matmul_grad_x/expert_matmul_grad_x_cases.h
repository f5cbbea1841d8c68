// SPDX-License-Identifier: MIT
// expert_matmul_grad_x_cases.h - dims: tokens T, rows N of an expert, columns K. dtype: the weight's. Where noted, one expert has
// all rows.
#ifndef TDL_OPS_EXPERT_MATMUL_GRAD_X_CASES_H
#define TDL_OPS_EXPERT_MATMUL_GRAD_X_CASES_H

#include "ops/group/group_cases.h"

static void expert_matmul_grad_x_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, (int64_t[]){c->dims[0], c->attrs.top_k, c->dims[1]}, c->strided ? 5 : 0);
    op_input(f, 1, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, (int64_t[]){c->attrs.experts * c->dims[1], c->dims[2]}, 0);
    group_input(f, 2, c->dims[0]);
}

static double expert_matmul_grad_x_flops(const tdl_call *call) {
    return 2 * (double)tdl_tensor_n_elements(&call->out[0]) * (double)call->in[0].shape[2];
}

static const op_case expert_matmul_grad_x_list[] = {
    {.dims = {0, 32, 8}, .attrs = {.experts = 4, .top_k = 2}},
    {.dims = {1, 1, 1}, .attrs = {.experts = 1, .top_k = 1}},
    {.dims = {7, 33, 19}, .attrs = {.experts = 3, .top_k = 2}, .strided = true},
    {.dims = {9, 67, 100}, .attrs = {.experts = 300, .top_k = 5}},
    {.dims = {150, 72, 140}, .attrs = {.experts = 5, .top_k = 2}, .strided = true},
    {.dims = {150, 300, 131}, .attrs = {.experts = 6, .top_k = 2}, .note = "one expert"},
    {.dims = {3, 31, 65}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_BF16},
    {.dims = {12, 33, 64}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_F16},
    {.dims = {40, 31, 160}, .attrs = {.experts = 4, .top_k = 2}, .dtype = TDL_DTYPE_Q8_0},
    {.dims = {20, 17, 512}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q4_K},
    {.dims = {20, 9, 256}, .attrs = {.experts = 3, .top_k = 2}, .dtype = TDL_DTYPE_Q6_K},
    {.dims = {256, 1024, 512}, .attrs = {.experts = 8, .top_k = 2}, .bench = true, .slow = true, .note = "training"},
    {.dims = {2048, 768, 2048}, .attrs = {.experts = 64, .top_k = 8}, .bench_gpu = true},
};

static const op_case_set expert_matmul_grad_x_cases = {.make = expert_matmul_grad_x_make,
                                                       .list = expert_matmul_grad_x_list,
                                                       .n = OP_CASE_COUNT(expert_matmul_grad_x_list),
                                                       .metric = OP_METRIC_ROW,
                                                       .bound_abs = 2e-5,
                                                       .bound_rel = 5e-6,
                                                       .flops = expert_matmul_grad_x_flops};

#endif
