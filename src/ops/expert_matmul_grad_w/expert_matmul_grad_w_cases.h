// SPDX-License-Identifier: MIT
// expert_matmul_grad_w_cases.h - dims: tokens T, rows N of an expert, columns K; where the fourth is 1, x has a row for each
// choice. Where noted, one expert has all rows. dw is given, and added to.
#ifndef TDL_OPS_EXPERT_MATMUL_GRAD_W_CASES_H
#define TDL_OPS_EXPERT_MATMUL_GRAD_W_CASES_H

#include "ops/expert_matmul/expert_matmul_cases.h"

static void expert_matmul_grad_w_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, (int64_t[]){c->dims[0], c->attrs.top_k, c->dims[1]}, c->strided ? 5 : 0);
    expert_rows(f, 1, c->dims[3], c->dims[0], c->dims[2], c->strided ? 3 : 0);
    group_input(f, 2, c->dims[0]);
    op_given(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){c->attrs.experts * c->dims[1], c->dims[2]}, 0);
}

static double expert_matmul_grad_w_flops(const tdl_call *call) {
    return 2 * (double)tdl_tensor_n_elements(&call->in[0]) * (double)call->out[0].shape[1];
}

static const op_case expert_matmul_grad_w_list[] = {
    {.dims = {0, 32, 8}, .attrs = {.experts = 4, .top_k = 2}},
    {.dims = {1, 1, 1}, .attrs = {.experts = 1, .top_k = 1}},
    {.dims = {7, 33, 19}, .attrs = {.experts = 3, .top_k = 2}, .strided = true},
    {.dims = {9, 67, 100, 1}, .attrs = {.experts = 70, .top_k = 5}},
    {.dims = {150, 300, 140, 1}, .attrs = {.experts = 5, .top_k = 2}, .strided = true},
    {.dims = {150, 70, 131}, .attrs = {.experts = 6, .top_k = 2}, .note = "one expert"},
    {.dims = {256, 1024, 512}, .attrs = {.experts = 8, .top_k = 2}, .bench = true, .slow = true, .note = "training"},
    {.dims = {2048, 768, 2048}, .attrs = {.experts = 64, .top_k = 8}, .bench_gpu = true},
};

static const op_case_set expert_matmul_grad_w_cases = {.make = expert_matmul_grad_w_make,
                                                       .list = expert_matmul_grad_w_list,
                                                       .n = OP_CASE_COUNT(expert_matmul_grad_w_list),
                                                       .metric = OP_METRIC_ROW,
                                                       .bound_abs = 2e-5,
                                                       .bound_rel = 5e-6,
                                                       .flops = expert_matmul_grad_w_flops};

#endif
