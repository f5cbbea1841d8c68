// SPDX-License-Identifier: MIT
// sum_parts_cpu.h - sums over rows, column by column, shared by sum_parts and add_rows.
#ifndef TDL_OPS_SUM_PARTS_CPU_H
#define TDL_OPS_SUM_PARTS_CPU_H

#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

// Columns of a unit: eight vectors of sums in registers go over the rows at a time.
enum { TDL_SUM_COLUMNS = 256, TDL_SUM_VECTORS = 8 };

// y[i] = sum of rows of x at column `column` + i, i < n; added to y where `add`.
static inline __attribute__((always_inline)) void tdl_sum_rows(const tdl_tensor *x, tdl_range rows, int64_t column,
                                                               int64_t n, bool add, float *y) {
    enum { WIDTH = TDL_SUM_VECTORS * TDL_VF_LANES };
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        vf sums[TDL_SUM_VECTORS];
        TDL_UNROLL for (int j = 0; j < TDL_SUM_VECTORS; j++) sums[j] = vf_zero();
        for (int64_t row = rows.first; row < rows.end; row++) {
            const float *from = tdl_f32_row(x, row) + column + i;
            TDL_UNROLL for (int j = 0; j < TDL_SUM_VECTORS; j++) sums[j] =
                vf_add(sums[j], vf_load(from + j * TDL_VF_LANES));
        }
        TDL_UNROLL for (int j = 0; j < TDL_SUM_VECTORS; j++) {
            float *to = y + i + j * TDL_VF_LANES;
            vf_store(to, add ? vf_add(vf_load(to), sums[j]) : sums[j]);
        }
    }
    for (; i < n; i += TDL_VF_LANES) {
        int64_t lanes = tdl_min_i64(TDL_VF_LANES, n - i);
        vf sum = vf_zero();
        for (int64_t row = rows.first; row < rows.end; row++)
            sum = vf_add(sum, vf_load_n(tdl_f32_row(x, row) + column + i, lanes));
        vf_store_n(y + i, add ? vf_add(vf_load_n(y + i, lanes), sum) : sum, lanes);
    }
}

#endif
