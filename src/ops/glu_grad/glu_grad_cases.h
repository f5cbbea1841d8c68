// SPDX-License-Identifier: MIT
// glu_grad_cases.h - dims: rows T, columns F.
#ifndef TDL_OPS_GLU_GRAD_CASES_H
#define TDL_OPS_GLU_GRAD_CASES_H

static void glu_grad_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 2, c->dims, c->strided ? 7 : 0);
}

static const op_case glu_grad_list[] = {
    {.dims = {0, 8}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {1, 1}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {7, 33}, .attrs = {.act = TDL_ACT_SILU}, .strided = true},
    {.dims = {7, 33}, .attrs = {.act = TDL_ACT_GELU}},
    {.dims = {7, 47}, .attrs = {.act = TDL_ACT_GELU_TANH}, .strided = true},
    {.dims = {7, 65}, .attrs = {.act = TDL_ACT_RELU}},
    {.dims = {2, 9001}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {512, 768}, .attrs = {.act = TDL_ACT_SILU}, .bench = true},
    {.dims = {8192, 2048}, .attrs = {.act = TDL_ACT_SILU}, .bench_gpu = true},
};

static const op_case_set glu_grad_cases = {.make = glu_grad_make,
                                           .list = glu_grad_list,
                                           .n = OP_CASE_COUNT(glu_grad_list),
                                           .metric = OP_METRIC_ELEMENT,
                                           .bound_abs = 1e-6,
                                           .bound_rel = 3.3e-7,
                                           .webgpu_abs = 3e-6,
                                           .webgpu_rel = 1e-6,
                                           .row_inputs = 0x7};

#endif
