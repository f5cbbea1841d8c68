// SPDX-License-Identifier: MIT
// op.c - the op table, made from ops.def, and the activation functions' scalar definitions.
//
//     silu(x)      = x / (1 + exp(-x))                          Elfwing, Uchibe, Doya 2018; Ramachandran et al. 2017
//     gelu(x)      = x * Phi(x) = x / 2 * erfc(-x / sqrt(2))    Hendrycks, Gimpel 2016
//     gelu_tanh(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))       the same paper's approximation
//     relu(x)      = max(x, 0)                                  Nair, Hinton 2010
//
// and their derivatives; Phi' is the normal density, exp(-x^2 / 2) / sqrt(2 pi).
#include "ops/op_impl.h"

#include <assert.h>
#include <math.h>

static const tdl_op_info ops[TDL_OP_COUNT] = {
    [TDL_OP_NONE] = {.name = "none", .rows_from = -1, .in_place = -1},
#define TDL_OP(id, name_, n_in_min_, n_in_max_, n_out_, rows_from_, in_place_, given_) \
    [TDL_OP_##id] = {.name = #name_,                                                   \
                     .n_in_min = n_in_min_,                                            \
                     .n_in_max = n_in_max_,                                            \
                     .n_out = n_out_,                                                  \
                     .rows_from = rows_from_,                                          \
                     .in_place = in_place_,                                            \
                     .outs_given = given_,                                             \
                     .infer = tdl_##name_##_infer,                                     \
                     .reference = tdl_##name_##_reference},
#include "ops/ops.def"
#undef TDL_OP
};

const tdl_op_info *tdl_op_get(tdl_op op) {
    assert(op >= TDL_OP_NONE && op < TDL_OP_COUNT);
    return &ops[op];
}

const char *tdl_act_name(tdl_act act) {
    static const char *const names[TDL_ACT_COUNT] = {"none", "silu", "gelu", "gelu_tanh", "relu"};
    assert(act >= TDL_ACT_NONE && act < TDL_ACT_COUNT);
    return names[act];
}

static const double sqrt_half = 0.70710678118654752440, sqrt_2_pi = 0.79788456080286535588;

double tdl_act_apply(tdl_act act, double x) {
    switch (act) {
    case TDL_ACT_SILU: return x / (1 + exp(-x));
    case TDL_ACT_GELU: return x / 2 * erfc(-x * sqrt_half);
    case TDL_ACT_GELU_TANH: return x / 2 * (1 + tanh(sqrt_2_pi * (x + 0.044715 * x * x * x)));
    case TDL_ACT_RELU: return x > 0 ? x : 0;
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break;
    }
    return x;
}

double tdl_act_slope(tdl_act act, double x) {
    switch (act) {
    case TDL_ACT_SILU: {
        double s = 1 / (1 + exp(-x));
        return s * (1 + x * (1 - s));
    }
    case TDL_ACT_GELU: return erfc(-x * sqrt_half) / 2 + x * sqrt_2_pi / 2 * exp(-x * x / 2);
    case TDL_ACT_GELU_TANH: {
        double t = tanh(sqrt_2_pi * (x + 0.044715 * x * x * x));
        return (1 + t) / 2 + x / 2 * (1 - t * t) * sqrt_2_pi * (1 + 3 * 0.044715 * x * x);
    }
    case TDL_ACT_RELU: return x > 0 ? 1 : 0;
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break;
    }
    return 1;
}
