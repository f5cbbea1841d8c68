// SPDX-License-Identifier: MIT
// cross_entropy_cpu.h - the softmax's denominator of a row in one pass over it (Milakov, Gimelshein 2018): block by block, so
// that each is in the first cache for its maximum and its sum; the sums of blocks are added in double.
#ifndef TDL_OPS_CROSS_ENTROPY_CPU_H
#define TDL_OPS_CROSS_ENTROPY_CPU_H

#include "backend/cpu/simd.h"
#include "base/checked.h"

#include <float.h>
#include <math.h>

typedef struct tdl_softmax_sums {
    float max;
    double sum; // of exp(x - max)
} tdl_softmax_sums;

static inline float tdl_block_max(const float *x, int64_t n) {
    vf max[2] = {vf_set1(-FLT_MAX), vf_set1(-FLT_MAX)};
    int64_t i = 0;
    for (; i + 2 * TDL_VF_LANES <= n; i += 2 * TDL_VF_LANES)
        TDL_UNROLL for (int j = 0; j < 2; j++) max[j] = vf_max(max[j], vf_load(x + i + j * TDL_VF_LANES));
    float largest = vf_hmax(vf_max(max[0], max[1]));
    for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

static inline float tdl_block_exp_sum(const float *x, int64_t n, float shift) {
    vf sums[2] = {vf_zero(), vf_zero()}, minus = vf_set1(shift);
    int64_t i = 0;
    for (; i + 2 * TDL_VF_LANES <= n; i += 2 * TDL_VF_LANES)
        TDL_UNROLL for (int j = 0; j < 2; j++) sums[j] =
            vf_add(sums[j], vf_exp(vf_sub(vf_load(x + i + j * TDL_VF_LANES), minus)));
    for (; i < n; i += TDL_VF_LANES) {
        float lanes[TDL_VF_LANES]; // the lanes beyond n give nothing
        int64_t count = tdl_min_i64(TDL_VF_LANES, n - i);
        vf_store(lanes, vf_set1(-INFINITY));
        vf_store_n(lanes, vf_load_n(x + i, count), count);
        sums[0] = vf_add(sums[0], vf_exp(vf_sub(vf_load(lanes), minus)));
    }
    return vf_sum(vf_add(sums[0], sums[1]));
}

static inline tdl_softmax_sums tdl_softmax_sums_of(const float *x, int64_t n) {
    enum { BLOCK = 2048 };
    tdl_softmax_sums s = {.max = -FLT_MAX};
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t count = tdl_min_i64(BLOCK, n - i);
        float max = tdl_block_max(x + i, count);
        if (max > s.max) {
            s.sum *= exp((double)s.max - (double)max);
            s.max = max;
        }
        s.sum += (double)tdl_block_exp_sum(x + i, count, s.max);
    }
    return s;
}

static inline double tdl_softmax_loss(const tdl_softmax_sums *s, float target_logit) {
    return log(s->sum) + ((double)s->max - (double)target_logit);
}

#endif
