// SPDX-License-Identifier: MIT
// glu_cases.h - dims: rows T, columns F.
#ifndef TDL_OPS_GLU_CASES_H
#define TDL_OPS_GLU_CASES_H

static void glu_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
}

static const op_case glu_list[] = {
    {.dims = {0, 8}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {1, 1}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {7, 33}, .attrs = {.act = TDL_ACT_SILU}, .strided = true},
    {.dims = {7, 33}, .attrs = {.act = TDL_ACT_GELU}, .in_place = true},
    {.dims = {7, 47}, .attrs = {.act = TDL_ACT_GELU_TANH}, .strided = true, .in_place = true},
    {.dims = {7, 65}, .attrs = {.act = TDL_ACT_RELU}},
    {.dims = {2, 9001}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {512, 1536}, .attrs = {.act = TDL_ACT_SILU}, .bench = true},
    {.dims = {1, 8192}, .attrs = {.act = TDL_ACT_SILU}, .bench = true},
    {.dims = {512, 1536}, .attrs = {.act = TDL_ACT_GELU_TANH}, .bench = true},
};

static const op_case_set glu_cases = {.make = glu_make,
                                      .list = glu_list,
                                      .n = OP_CASE_COUNT(glu_list),
                                      .metric = OP_METRIC_ELEMENT,
                                      .bound_abs = 8e-7,
                                      .bound_rel = 4e-7,
                                      .row_inputs = 0x3};

#endif
