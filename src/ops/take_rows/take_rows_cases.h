// SPDX-License-Identifier: MIT
// take_rows_cases.h - dims: rows taken n, rows T, columns D.
#ifndef TDL_OPS_TAKE_ROWS_CASES_H
#define TDL_OPS_TAKE_ROWS_CASES_H

static void take_rows_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims + 1, c->strided ? 3 : 0);
    int32_t *rows = op_input_i32(f, 1, 1, c->dims);
    for (int64_t i = 0; i < c->dims[0]; i++) rows[i] = (int32_t)op_random(f, c->dims[1]);
    if (c->dims[0] > 0) rows[0] = (int32_t)c->dims[1] - 1;
}

static const op_case take_rows_list[] = {
    {.dims = {0, 5, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {9, 5, 33}, .note = "some twice"},
    {.dims = {4, 7, 65}, .strided = true},
    {.dims = {3, 4, 8192}},
    {.dims = {64, 512, 576}, .bench = true},
};

static const op_case_set take_rows_cases = {.make = take_rows_make,
                                            .list = take_rows_list,
                                            .n = OP_CASE_COUNT(take_rows_list),
                                            .metric = OP_METRIC_EXACT,
                                            .row_inputs = 0x2};

#endif
