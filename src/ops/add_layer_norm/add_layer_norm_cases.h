// SPDX-License-Identifier: MIT
// add_layer_norm_cases.h - dims: rows T, columns D.
#ifndef TDL_OPS_ADD_LAYER_NORM_CASES_H
#define TDL_OPS_ADD_LAYER_NORM_CASES_H

static void add_layer_norm_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 1, c->dims + 1, 0);
    op_input(f, 3, TDL_DTYPE_F32, 1, c->dims + 1, 0);
}

static const op_case add_layer_norm_list[] = {
    {.dims = {0, 8}, .attrs = {.eps = 1e-5f}},
    {.dims = {1, 1}, .attrs = {.eps = 1e-5f}},
    {.dims = {7, 33}, .attrs = {.eps = 1e-5f}, .strided = true},
    {.dims = {3, 66}, .attrs = {.eps = 0.3f}},
    {.dims = {7, 65}, .attrs = {.eps = 1e-5f}, .in_place = true},
    {.dims = {3, 47}, .attrs = {.eps = 1e-5f}, .strided = true, .in_place = true},
    {.dims = {2, 5003}, .attrs = {.eps = 1e-5f}},
    {.dims = {512, 768}, .attrs = {.eps = 1e-5f}, .bench = true},
    {.dims = {1, 768}, .attrs = {.eps = 1e-5f}, .in_place = true, .bench = true},
};

static const op_case_set add_layer_norm_cases = {.make = add_layer_norm_make,
                                                 .list = add_layer_norm_list,
                                                 .n = OP_CASE_COUNT(add_layer_norm_list),
                                                 .metric = OP_METRIC_ELEMENT,
                                                 .bound_abs = 1e-6,
                                                 .bound_rel = 1e-6,
                                                 .row_inputs = 0x3};

#endif
