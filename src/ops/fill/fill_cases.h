// SPDX-License-Identifier: MIT
// fill_cases.h - dims: rows, columns. out is given.
#ifndef TDL_OPS_FILL_CASES_H
#define TDL_OPS_FILL_CASES_H

static void fill_make(op_fixture *f, const op_case *c) {
    op_given(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
}

static const op_case fill_list[] = {
    {.dims = {0, 8}, .attrs = {.value = 1}},
    {.dims = {1, 1}},
    {.dims = {7, 33}, .attrs = {.value = -1.5f}, .strided = true},
    {.dims = {3, 5003}, .attrs = {.value = 1e30f}},
    {.dims = {5, 4099}, .strided = true},
    {.dims = {768, 3072}, .bench = true, .note = "a GPT-2 matrix"},
    {.dims = {50257, 768}, .bench_gpu = true},
};

static const op_case_set fill_cases = {
    .make = fill_make, .list = fill_list, .n = OP_CASE_COUNT(fill_list), .metric = OP_METRIC_EXACT};

#endif
