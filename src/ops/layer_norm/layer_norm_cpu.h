// SPDX-License-Identifier: MIT
// layer_norm_cpu.h - one row of layer norm, shared by layer_norm and add_layer_norm: fused or not, the bits are the
// same.
#ifndef TDL_OPS_LAYER_NORM_CPU_H
#define TDL_OPS_LAYER_NORM_CPU_H

#include "backend/cpu/simd.h"

#include <math.h>

// Sum of (x - shift), or of its squares. Four sums, so that an addition need not wait for the one before.
static inline __attribute__((always_inline)) float tdl_sum_shifted(const float *x, int64_t n, float shift,
                                                                   bool squared) {
    vf sums[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()}, minus = vf_set1(shift);
    int64_t i = 0;
    for (; i + 4 * TDL_VF_LANES <= n; i += 4 * TDL_VF_LANES)
        for (int j = 0; j < 4; j++) {
            vf a = vf_sub(vf_load(x + i + j * TDL_VF_LANES), minus);
            sums[j] = squared ? vf_fma(a, a, sums[j]) : vf_add(a, sums[j]);
        }
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        vf a = vf_sub(vf_load(x + i), minus);
        sums[0] = squared ? vf_fma(a, a, sums[0]) : vf_add(a, sums[0]);
    }
    float total = vf_sum(vf_add(vf_add(sums[0], sums[1]), vf_add(sums[2], sums[3])));
    for (; i < n; i++) {
        float a = x[i] - shift;
        total += squared ? a * a : a;
    }
    return total;
}

// y = (x - mean(x)) / sqrt(var(x) + eps) * w + b; x, w, b, y [n]. y may be x.
static inline void tdl_layer_norm_row(const float *x, const float *w, const float *b, float *y, int64_t n, float eps) {
    float mean = tdl_sum_shifted(x, n, 0, false) / (float)n;
    float variance = tdl_sum_shifted(x, n, mean, true) / (float)n;
    vf minus = vf_set1(mean), scale = vf_set1(1 / sqrtf(variance + eps));
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        vf a = vf_mul(vf_sub(vf_load(x + i), minus), scale);
        vf_store(y + i, vf_fma(a, vf_load(w + i), vf_load(b + i)));
    }
    if (i < n) {
        vf a = vf_mul(vf_sub(vf_load_n(x + i, n - i), minus), scale);
        vf_store_n(y + i, vf_fma(a, vf_load_n(w + i, n - i), vf_load_n(b + i, n - i)), n - i);
    }
}

#endif
