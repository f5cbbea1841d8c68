// SPDX-License-Identifier: MIT
// act_cases.h - dims: rows T, columns D. The first values are special ones.
#ifndef TDL_OPS_ACT_CASES_H
#define TDL_OPS_ACT_CASES_H

static void act_make(op_fixture *f, const op_case *c) {
    static const float special[] = {0.0f,   -0.0f,   1e-30f, -1e-30f, 20.0f, -20.0f,
                                    100.0f, -100.0f, 3e4f,   -3e4f,   0.75f, -5.5f};
    float *x = (float *)(void *)op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0)->data;
    for (int64_t i = 0; c->dims[0] > 0 && i < c->dims[1] && i < (int64_t)OP_CASE_COUNT(special); i++) x[i] = special[i];
}

#define ACT_CASES(function)                                                                                        \
    {.dims = {7, 33}, .attrs = {.act = function}}, {.dims = {5, 47}, .attrs = {.act = function}, .strided = true}, \
        {.dims = {3, 5003}, .attrs = {.act = function}, .in_place = true}, {                                       \
        .dims = {512, 1536}, .attrs = {.act = function}, .bench = true                                             \
    }

static const op_case act_list[] = {
    {.dims = {0, 8}, .attrs = {.act = TDL_ACT_SILU}},
    {.dims = {1, 1}, .attrs = {.act = TDL_ACT_GELU}},
    {.dims = {2, 9000}, .attrs = {.act = TDL_ACT_GELU_TANH}, .strided = true, .in_place = true},
    ACT_CASES(TDL_ACT_SILU),
    ACT_CASES(TDL_ACT_GELU),
    ACT_CASES(TDL_ACT_GELU_TANH),
    ACT_CASES(TDL_ACT_RELU),
};

static const op_case_set act_cases = {.make = act_make,
                                      .list = act_list,
                                      .n = OP_CASE_COUNT(act_list),
                                      .metric = OP_METRIC_ELEMENT,
                                      .bound_abs = 4e-7,
                                      .bound_rel = 4e-7,
                                      .row_inputs = 0x1};

#endif
