// SPDX-License-Identifier: MIT
// act_cpu.h - the activation functions on vectors, shared by act and glu. Formulas and papers: ops/op.c.
#ifndef TDL_OPS_ACT_CPU_H
#define TDL_OPS_ACT_CPU_H

#include "backend/cpu/simd.h"
#include "ops/op.h"

// Elements of a row that make a unit: enough to be worth handing out, small enough to share one long row.
enum { TDL_ACT_UNIT = 4096 };

// `act` is a constant where this is inlined.
static inline __attribute__((always_inline)) vf tdl_act_vf(tdl_act act, vf x) {
    const float sqrt_half = 0.70710678118654752440f, twice_sqrt_2_pi = 1.59576912160573071176f;
    switch (act) {
    case TDL_ACT_SILU: return vf_div(x, vf_add(vf_set1(1), vf_exp(vf_neg(x))));
    case TDL_ACT_GELU: {
        vf half = vf_mul(x, vf_set1(0.5f));
        return vf_fma(half, vf_erf(vf_mul(x, vf_set1(sqrt_half))), half);
    }
    case TDL_ACT_GELU_TANH: {
        // (1 + tanh u) / 2 = 1 / (1 + exp(-2u))
        vf u = vf_mul(vf_mul(x, vf_set1(twice_sqrt_2_pi)), vf_fma(vf_mul(x, x), vf_set1(0.044715f), vf_set1(1)));
        return vf_div(x, vf_add(vf_set1(1), vf_exp(vf_neg(u))));
    }
    case TDL_ACT_RELU: return vf_max(vf_zero(), x);
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break;
    }
    return x;
}

#endif
