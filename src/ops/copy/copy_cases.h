// SPDX-License-Identifier: MIT
// copy_cases.h - dims: rows, columns. Where strided, both are, with gaps of their own.
#ifndef TDL_OPS_COPY_CASES_H
#define TDL_OPS_COPY_CASES_H

static void copy_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    op_given(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 7 : 0);
}

static const op_case copy_list[] = {
    {.dims = {0, 8}},
    {.dims = {1, 1}},
    {.dims = {7, 33}, .strided = true},
    {.dims = {3, 5003}},
    {.dims = {2, 9001}, .strided = true},
    {.dims = {512, 768}, .strided = true, .bench = true},
    {.dims = {8192, 768}, .strided = true, .bench_gpu = true},
};

static const op_case_set copy_cases = {
    .make = copy_make, .list = copy_list, .n = OP_CASE_COUNT(copy_list), .metric = OP_METRIC_EXACT, .row_inputs = 0x1};

#endif
