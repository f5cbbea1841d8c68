// SPDX-License-Identifier: MIT
// act_grad_cpu.h - the activation functions' derivatives on vectors, shared by act_grad and glu_grad. Formulas: ops/op.c.
#ifndef TDL_OPS_ACT_GRAD_CPU_H
#define TDL_OPS_ACT_GRAD_CPU_H

#include "backend/cpu/simd.h"
#include "ops/op.h"

// 1 / (1 + e^-u), and its derivative without the cancellation of 1 - sigmoid.
static inline __attribute__((always_inline)) vf tdl_sigmoid_vf(vf u, vf *slope) {
    vf e = vf_exp(vf_neg(vf_abs(u))), r = vf_div(vf_set1(1), vf_add(vf_set1(1), e));
    *slope = vf_mul(vf_mul(e, r), r);
    return vf_select(vf_lt(u, vf_zero()), vf_mul(e, r), r);
}

// f(x) and f'(x). `act` is a constant where this is inlined.
static inline __attribute__((always_inline)) vf tdl_act_slope_vf(tdl_act act, vf x, vf *slope) {
    const float sqrt_half = 0.70710678118654752440f, density_0 = 0.39894228040143267794f, // 1 / sqrt(2 pi)
        twice_sqrt_2_pi = 1.59576912160573071176f, cubic = 0.044715f;
    switch (act) {
    case TDL_ACT_SILU: {
        vf sigmoid = tdl_sigmoid_vf(x, slope);
        *slope = vf_fma(x, *slope, sigmoid);
        return vf_mul(x, sigmoid);
    }
    case TDL_ACT_GELU: {
        vf half = vf_set1(0.5f), phi = vf_fma(half, vf_erf(vf_mul(x, vf_set1(sqrt_half))), half);
        vf density = vf_mul(vf_set1(density_0), vf_exp(vf_mul(vf_mul(x, x), vf_set1(-0.5f))));
        *slope = vf_fma(x, density, phi);
        return vf_mul(x, phi);
    }
    case TDL_ACT_GELU_TANH: {
        // (1 + tanh u) / 2 = sigmoid(2u)
        vf square = vf_mul(x, x),
           twice_u = vf_mul(vf_mul(x, vf_set1(twice_sqrt_2_pi)), vf_fma(square, vf_set1(cubic), vf_set1(1)));
        vf twice_du = vf_mul(vf_set1(twice_sqrt_2_pi), vf_fma(square, vf_set1(3 * cubic), vf_set1(1)));
        vf sigmoid = tdl_sigmoid_vf(twice_u, slope);
        *slope = vf_fma(vf_mul(x, *slope), twice_du, sigmoid);
        return vf_mul(x, sigmoid);
    }
    case TDL_ACT_RELU: *slope = vf_select(vf_lt(vf_zero(), x), vf_set1(1), vf_zero()); return vf_max(vf_zero(), x);
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break;
    }
    *slope = vf_set1(1);
    return x;
}

#endif
