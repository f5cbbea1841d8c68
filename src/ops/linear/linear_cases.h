// SPDX-License-Identifier: MIT
// linear_cases.h - dims: tokens T, columns K, rows N; attrs: which parts, the function. dtype: the weight's.
#ifndef TDL_OPS_LINEAR_CASES_H
#define TDL_OPS_LINEAR_CASES_H

#include "ops/linear/linear.h"

static void linear_make(op_fixture *f, const op_case *c) {
    if (c->attrs.eps <= 0) f->call.attrs.eps = 1e-5f;
    op_input(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[1]}, c->strided ? 4 : 0);
    op_input(f, 1, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, (int64_t[]){c->dims[2], c->dims[1]}, 0);
    int32_t norm = tdl_linear_input(&c->attrs, TDL_LINEAR_NORM), shift = tdl_linear_input(&c->attrs, TDL_LINEAR_SHIFT),
            bias = tdl_linear_input(&c->attrs, TDL_LINEAR_BIAS),
            residual = tdl_linear_input(&c->attrs, TDL_LINEAR_RESIDUAL);
    if (norm >= 0) op_input(f, norm, TDL_DTYPE_F32, 1, c->dims + 1, 0);
    if (shift >= 0) op_input(f, shift, TDL_DTYPE_F32, 1, c->dims + 1, 0);
    if (bias >= 0) op_input(f, bias, TDL_DTYPE_F32, 1, c->dims + 2, 0);
    if (residual >= 0) op_input(f, residual, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[2]}, c->strided ? 3 : 0);
}

static double linear_flops(const tdl_call *call) {
    return 2 * (double)call->in[0].shape[0] * (double)tdl_tensor_n_elements(&call->in[1]);
}

enum { LAYER_NORM = TDL_LINEAR_NORM | TDL_LINEAR_SHIFT };

// Each combination of parts that models have, for one token and several.
#define LINEAR_CASES(type, k)                                                                                          \
    {.dims = {1, k, 61}, .dtype = type, .attrs = {.linear = TDL_LINEAR_NORM}},                                         \
        {.dims = {5, 2 * (k), 33}, .dtype = type, .attrs = {.linear = TDL_LINEAR_NORM}, .strided = true},              \
        {.dims = {1, 3 * (k), 38}, .dtype = type, .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_BIAS}},             \
        {.dims = {8, k, 6}, .dtype = type, .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_BIAS}},                    \
        {.dims = {1, k, 46},                                                                                           \
         .dtype = type,                                                                                                \
         .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_GATE, .act = TDL_ACT_SILU}},                                 \
        {.dims = {3, k, 18},                                                                                           \
         .dtype = type,                                                                                                \
         .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_GATE, .act = TDL_ACT_GELU_TANH}},                            \
        {.dims = {1, 3 * (k), 14}, .dtype = type, .attrs = {.linear = LAYER_NORM}, .strided = true},                   \
        {.dims = {6, k, 35}, .dtype = type, .attrs = {.linear = LAYER_NORM}},                                          \
        {.dims = {1, k, 57}, .dtype = type, .attrs = {.linear = LAYER_NORM | TDL_LINEAR_BIAS}},                        \
        {.dims = {8, k, 9}, .dtype = type, .attrs = {.linear = LAYER_NORM | TDL_LINEAR_BIAS}, .strided = true},        \
        {.dims = {1, k, 21}, .dtype = type, .attrs = {.linear = LAYER_NORM | TDL_LINEAR_BIAS, .act = TDL_ACT_GELU}},   \
        {.dims = {5, k, 11}, .dtype = type, .attrs = {.linear = LAYER_NORM | TDL_LINEAR_BIAS, .act = TDL_ACT_RELU}},   \
        {.dims = {1, k, 131}, .dtype = type, .attrs = {.linear = TDL_LINEAR_RESIDUAL}},                                \
        {.dims = {7, 3 * (k), 15}, .dtype = type, .attrs = {.linear = TDL_LINEAR_RESIDUAL}, .strided = true},          \
        {.dims = {1, 2 * (k), 5}, .dtype = type, .attrs = {.linear = TDL_LINEAR_BIAS | TDL_LINEAR_RESIDUAL}}, {        \
        .dims = {2, k, 29}, .dtype = type, .attrs = {.linear = TDL_LINEAR_BIAS | TDL_LINEAR_RESIDUAL}, .strided = true \
    }

// matmul's cases have every type with the plain kernels: here some of the others.
#define LINEAR_FEW_CASES(type, k)                                                                          \
    {.dims = {1, 3 * (k), 61}, .dtype = type, .attrs = {.linear = TDL_LINEAR_NORM}},                       \
        {.dims = {3, k, 18},                                                                               \
         .dtype = type,                                                                                    \
         .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_GATE, .act = TDL_ACT_SILU}},                     \
    {                                                                                                      \
        .dims = {8, 2 * (k), 29}, .dtype = type, .attrs = {.linear = TDL_LINEAR_RESIDUAL}, .strided = true \
    }

static const op_case linear_list[] = {
    {.dims = {0, 32, 8}, .attrs = {.linear = TDL_LINEAR_NORM}},
    {.dims = {1, 7, 3}, .attrs = {.linear = TDL_LINEAR_NORM}, .note = "no multiple of a chunk"},
    {.dims = {1, 64, 13}, .dtype = TDL_DTYPE_F16, .attrs = {.linear = TDL_LINEAR_NORM, .eps = 0.3f}},
    {.dims = {5, 64, 13}, .dtype = TDL_DTYPE_Q8_0, .attrs = {.linear = TDL_LINEAR_NORM, .eps = 0.3f}},
    {.dims = {1, 64, 13}, .dtype = TDL_DTYPE_F16, .attrs = {.linear = LAYER_NORM, .eps = 0.3f}},
    {.dims = {5, 64, 13}, .dtype = TDL_DTYPE_Q8_0, .attrs = {.linear = LAYER_NORM, .eps = 0.3f}},
    {.dims = {2, 64, 9}},
    {.dims = {9, 64, 22}, .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_GATE, .act = TDL_ACT_SILU}},
    {.dims = {21, 96, 34}, .dtype = TDL_DTYPE_Q8_0, .attrs = {.linear = TDL_LINEAR_RESIDUAL}, .strided = true},
    {.dims = {1, 1600, 33}, .dtype = TDL_DTYPE_F16, .attrs = {.linear = LAYER_NORM}},
    {.dims = {8, 1600, 33}, .attrs = {.linear = LAYER_NORM}, .strided = true},
    {.dims = {17, 32, 12}, .dtype = TDL_DTYPE_F16, .attrs = {.linear = LAYER_NORM | TDL_LINEAR_BIAS}},
    {.dims = {1, 8192, 33}, .dtype = TDL_DTYPE_F16, .attrs = {.linear = TDL_LINEAR_RESIDUAL}},
    {.dims = {1, 576, 3072},
     .dtype = TDL_DTYPE_F16,
     .attrs = {.linear = TDL_LINEAR_NORM | TDL_LINEAR_GATE, .act = TDL_ACT_SILU}},
    // Beyond what kernels keep of x at a time.
    {.dims = {1, 8192 + 256, 21}, .dtype = TDL_DTYPE_Q6_K, .attrs = {.linear = TDL_LINEAR_RESIDUAL}},
    {.dims = {1, 16384 + 192, 10}, .dtype = TDL_DTYPE_Q8_0, .attrs = {.linear = TDL_LINEAR_NORM}},
    {.dims = {7, 2048 + 256, 33}, .dtype = TDL_DTYPE_Q4_K, .attrs = {.linear = TDL_LINEAR_NORM}},
    LINEAR_CASES(TDL_DTYPE_F16, 104),
    LINEAR_CASES(TDL_DTYPE_Q8_0, 96),
    LINEAR_CASES(TDL_DTYPE_Q6_K, 768),
    LINEAR_FEW_CASES(TDL_DTYPE_F32, 52),
    LINEAR_FEW_CASES(TDL_DTYPE_BF16, 72),
    LINEAR_FEW_CASES(TDL_DTYPE_Q4_0, 160),
    LINEAR_FEW_CASES(TDL_DTYPE_Q4_1, 32),
    LINEAR_FEW_CASES(TDL_DTYPE_Q4_K, 256),
    LINEAR_FEW_CASES(TDL_DTYPE_Q5_K, 512),
};

static const op_case_set linear_cases = {.make = linear_make,
                                         .list = linear_list,
                                         .n = OP_CASE_COUNT(linear_list),
                                         .metric = OP_METRIC_ROW,
                                         .bound_abs = 2e-5,
                                         .bound_rel = 5e-6,
                                         .row_inputs = 0x1,
                                         .flops = linear_flops};

#endif
