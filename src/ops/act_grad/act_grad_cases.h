// SPDX-License-Identifier: MIT
// act_grad_cases.h - dims: rows, columns. The first values of x are special ones.
#ifndef TDL_OPS_ACT_GRAD_CASES_H
#define TDL_OPS_ACT_GRAD_CASES_H

static void act_grad_make(op_fixture *f, const op_case *c) {
    static const float special[] = {0.0f,   -0.0f,   1e-30f, -1e-30f, 20.0f, -20.0f,
                                    100.0f, -100.0f, 3e4f,   -3e4f,   0.75f, -5.5f};
    float *x = (float *)(void *)op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0)->data;
    for (int64_t i = 0; c->dims[0] > 0 && i < c->dims[1] && i < (int64_t)OP_CASE_COUNT(special); i++) x[i] = special[i];
    op_input(f, 1, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
}

#define ACT_GRAD_CASES(function)                                                                                   \
    {.dims = {7, 33}, .attrs = {.act = function}}, {.dims = {5, 47}, .attrs = {.act = function}, .strided = true}, \
        {.dims = {3, 5003}, .attrs = {.act = function}, .in_place = true}, {                                       \
        .dims = {512, 3072}, .attrs = {.act = function}, .bench = true                                             \
    }

static const op_case act_grad_list[] = {
    {.dims = {0, 8}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {1, 1}, .attrs = {.act = TDL_ACT_GELU}},
    {.dims = {2, 9000}, .attrs = {.act = TDL_ACT_GELU_TANH}, .strided = true, .in_place = true},
    ACT_GRAD_CASES(TDL_ACT_SILU),
    ACT_GRAD_CASES(TDL_ACT_GELU),
    ACT_GRAD_CASES(TDL_ACT_GELU_TANH),
    ACT_GRAD_CASES(TDL_ACT_RELU),
    {.dims = {8192, 3072}, .attrs = {.act = TDL_ACT_GELU_TANH}, .bench_gpu = true},
};

static const op_case_set act_grad_cases = {.make = act_grad_make,
                                           .list = act_grad_list,
                                           .n = OP_CASE_COUNT(act_grad_list),
                                           .metric = OP_METRIC_ELEMENT,
                                           .bound_abs = 5e-7,
                                           .bound_rel = 3.3e-7,
                                           .webgpu_abs = 1.5e-6,
                                           .webgpu_rel = 1e-6,
                                           .row_inputs = 0x3};

#endif
