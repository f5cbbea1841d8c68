// SPDX-License-Identifier: MIT
// rms_norm_cpu.h - one row of RMS norm, shared by rms_norm and add_rms_norm: fused or not, the bits are the same.
#ifndef TDL_OPS_RMS_NORM_CPU_H
#define TDL_OPS_RMS_NORM_CPU_H

#include "backend/cpu/simd.h"

#include <math.h>

// y = x / sqrt(mean(x^2) + eps) * w; x, w, y [n]. y may be x.
static inline void tdl_rms_norm_row(const float *x, const float *w, float *y, int64_t n, float eps) {
    // Four sums, so that an addition need not wait for the one before.
    vf sums[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int64_t i = 0;
    for (; i + 4 * TDL_VF_LANES <= n; i += 4 * TDL_VF_LANES)
        for (int j = 0; j < 4; j++) {
            vf a = vf_load(x + i + j * TDL_VF_LANES);
            sums[j] = vf_fma(a, a, sums[j]);
        }
    for (; i < n; i += TDL_VF_LANES) {
        vf a = n - i < TDL_VF_LANES ? vf_load_n(x + i, n - i) : vf_load(x + i);
        sums[0] = vf_fma(a, a, sums[0]);
    }
    float squares = vf_sum(vf_add(vf_add(sums[0], sums[1]), vf_add(sums[2], sums[3])));
    vf scale = vf_set1(1 / sqrtf(squares / (float)n + eps));
    for (i = 0; i + TDL_VF_LANES <= n; i += TDL_VF_LANES)
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), scale), vf_load(w + i)));
    if (i < n) vf_store_n(y + i, vf_mul(vf_mul(vf_load_n(x + i, n - i), scale), vf_load_n(w + i, n - i)), n - i);
}

#endif
