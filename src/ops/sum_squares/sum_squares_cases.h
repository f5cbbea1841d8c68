// SPDX-License-Identifier: MIT
// sum_squares_cases.h - dims: rows, columns, parts. parts is given.
#ifndef TDL_OPS_SUM_SQUARES_CASES_H
#define TDL_OPS_SUM_SQUARES_CASES_H

static void sum_squares_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, 0);
    op_given(f, 0, TDL_DTYPE_F32, 1, &c->dims[2], 0);
}

static const op_case sum_squares_list[] = {
    {.dims = {0, 8, 2}},
    {.dims = {1, 1, 1}},
    {.dims = {1, 1, 3}, .note = "empty parts"},
    {.dims = {7, 33, 3}},
    {.dims = {7, 33, 1}},
    {.dims = {5, 47, 64}},
    {.dims = {3, 5003, 2}},
    {.dims = {1, 9001, 4}},
    {.dims = {768, 3072, 64}, .bench = true, .note = "a GPT-2 matrix"},
    {.dims = {50257, 768, 1024}, .bench_gpu = true},
    {.dims = {70001, 3, 70001}, .slow = true, .note = "more workgroups than a dispatch is wide"},
};

static const op_case_set sum_squares_cases = {.make = sum_squares_make,
                                              .list = sum_squares_list,
                                              .n = OP_CASE_COUNT(sum_squares_list),
                                              .metric = OP_METRIC_ELEMENT,
                                              .bound_abs = 1e-7,
                                              .bound_rel = 4e-7,
                                              .webgpu_abs = 1e-6,
                                              .webgpu_rel = 4e-6};

#endif
