// SPDX-License-Identifier: MIT
// combine_cases.h - dims: tokens T, choices k, columns N; where the fourth is 1, without weights.
#ifndef TDL_OPS_COMBINE_CASES_H
#define TDL_OPS_COMBINE_CASES_H

static void combine_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, c->dims, c->strided ? 5 : 0);
    if (!c->dims[3]) op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
}

static const op_case combine_list[] = {
    {.dims = {0, 2, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {7, 2, 33}, .strided = true},
    {.dims = {5, 8, 47, 1}, .strided = true},
    {.dims = {3, 4, 5003}},
    {.dims = {2, 1, 65, 1}},
    {.dims = {512, 8, 2048}, .bench = true},
    {.dims = {8192, 8, 2048}, .bench_gpu = true},
};

static const op_case_set combine_cases = {.make = combine_make,
                                          .list = combine_list,
                                          .n = OP_CASE_COUNT(combine_list),
                                          .metric = OP_METRIC_ROW,
                                          .bound_abs = 4e-7,
                                          .bound_rel = 8e-7,
                                          .webgpu_abs = 1e-6,
                                          .webgpu_rel = 2e-6,
                                          .row_inputs = 0x3};

#endif
