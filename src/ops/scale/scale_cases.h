// SPDX-License-Identifier: MIT
// scale_cases.h - dims: rows, columns.
#ifndef TDL_OPS_SCALE_CASES_H
#define TDL_OPS_SCALE_CASES_H

static void scale_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
}

static const op_case scale_list[] = {
    {.dims = {0, 8}, .attrs = {.scale = 2}},
    {.dims = {1, 1}, .attrs = {.scale = -0.7f}},
    {.dims = {7, 33}, .attrs = {.scale = 27.712813f}, .strided = true},
    {.dims = {7, 47}, .attrs = {.scale = 0.3f}, .strided = true, .in_place = true},
    {.dims = {3, 5003}, .attrs = {.scale = 1e-30f}, .in_place = true},
    {.dims = {512, 768}, .attrs = {.scale = 27.712813f}, .in_place = true, .bench = true},
};

static const op_case_set scale_cases = {.make = scale_make,
                                        .list = scale_list,
                                        .n = OP_CASE_COUNT(scale_list),
                                        .metric = OP_METRIC_EXACT,
                                        .row_inputs = 0x1};

#endif
