// SPDX-License-Identifier: MIT
// add_rows_cases.h - dims: rows R, columns N. y is given, and added to.
#ifndef TDL_OPS_ADD_ROWS_CASES_H
#define TDL_OPS_ADD_ROWS_CASES_H

static void add_rows_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    op_given(f, 0, TDL_DTYPE_F32, 1, &c->dims[1], 0);
}

static const op_case add_rows_list[] = {
    {.dims = {0, 8}},
    {.dims = {1, 1}},
    {.dims = {7, 33}, .strided = true},
    {.dims = {67, 5003}},
    {.dims = {32, 4099}, .strided = true},
    {.dims = {32, 3072}, .bench = true},
    {.dims = {512, 768}, .bench_gpu = true},
};

static const op_case_set add_rows_cases = {.make = add_rows_make,
                                           .list = add_rows_list,
                                           .n = OP_CASE_COUNT(add_rows_list),
                                           .metric = OP_METRIC_ROW,
                                           .bound_abs = 3.3e-7,
                                           .bound_rel = 6.7e-7,
                                           .webgpu_abs = 1e-6,
                                           .webgpu_rel = 2e-6};

#endif
