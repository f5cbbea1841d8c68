// SPDX-License-Identifier: MIT
// add_cpu.h - one row of an addition, shared by add and by the norms that are fused with it.
#ifndef TDL_OPS_ADD_CPU_H
#define TDL_OPS_ADD_CPU_H

#include "backend/cpu/simd.h"

// out = a + b; a, b, out [n]. out may be a or b.
static inline void tdl_add_row(const float *a, const float *b, float *out, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(out + i, vf_add(vf_load(a + i), vf_load(b + i)));
    if (i < n) vf_store_n(out + i, vf_add(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i)), n - i);
}

#endif
