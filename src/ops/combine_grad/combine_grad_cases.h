// SPDX-License-Identifier: MIT
// combine_grad_cases.h - dims: tokens T, choices k, columns N.
#ifndef TDL_OPS_COMBINE_GRAD_CASES_H
#define TDL_OPS_COMBINE_GRAD_CASES_H

static void combine_grad_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[2]}, c->strided ? 7 : 0);
}

static const op_case combine_grad_list[] = {
    {.dims = {0, 2, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {7, 2, 33}, .strided = true},
    {.dims = {3, 4, 5003}},
    {.dims = {67, 8, 65}, .strided = true},
    {.dims = {512, 8, 2048}, .bench = true},
    {.dims = {8192, 8, 2048}, .bench_gpu = true},
};

static const op_case_set combine_grad_cases = {.make = combine_grad_make,
                                               .list = combine_grad_list,
                                               .n = OP_CASE_COUNT(combine_grad_list),
                                               .metric = OP_METRIC_ROW,
                                               .bound_abs = 2e-5,
                                               .bound_rel = 5e-6,
                                               .row_inputs = 0x7};

#endif
