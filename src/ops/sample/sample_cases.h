// SPDX-License-Identifier: MIT
// sample_cases.h - dims: rows n, vocabulary V, slots S, candidates k (0: rows of every kind, in turn). Row r writes slot
// S - 1 - r % S; the last of several rows of a slot may be any, so there are as many slots as rows.
#ifndef TDL_OPS_SAMPLE_CASES_H
#define TDL_OPS_SAMPLE_CASES_H

#include "ops/sample/sample.h"

enum { SAMPLE_KINDS = 11 };

// Few different logits, so that many are equal; the smallest and the largest there are; tokens that cannot come; rows that are not
// finite, by one logit or by all.
static void sample_odd_logits(op_fixture *f, float *values, int64_t n, int64_t kind) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f, 3e38f, -3e38f, 1e-38f};
    for (int64_t v = 0; v < n; v++) {
        if (kind == 0) values[v] = (float)op_random(f, 3);
        if (kind == 1) values[v] = NAN;
        if (kind == 2) values[v] = odd[2 + op_random(f, 8)];
        if (kind == 3) values[v] = v % 2 ? -INFINITY : NAN;
        if (kind == 4) values[v] = 7;
        if (kind == 5) values[v] = odd[3 + op_random(f, 4)];
        if (kind == 6) values[v] = (float)-v; // all of the best in one part
        if (kind == 7) values[v] = -INFINITY;
    }
    if (kind == 8) values[op_random(f, n)] = NAN;
    if (kind == 9) values[op_random(f, n)] = INFINITY;
    if (kind == 10) values[op_random(f, n)] = -NAN;
}

static void sample_make(op_fixture *f, const op_case *c) {
    int64_t n = c->dims[0], n_vocab = c->dims[1];
    tdl_tensor *logits = op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 7 : 0);
    uint32_t *picks = (uint32_t *)op_input_i32(f, 1, 2, (int64_t[]){n, TDL_SAMPLE_WORDS});
    op_given(f, 0, TDL_DTYPE_I32, 1, &c->dims[2], 0);
    for (int64_t row = 0; row < n; row++, picks += TDL_SAMPLE_WORDS) {
        static const float temperatures[] = {1.0f, 0.7f, 3.0f, 1e-38f, 3e38f, 20.0f};
        static const uint32_t top_ks[] = {1, 40, 0, 64, 2, 7};
        float *values = (float *)(void *)tdl_row(logits, row);
        for (int64_t v = 0; v < n_vocab; v++) values[v] *= 2;
        if (c->note) sample_odd_logits(f, values, n_vocab, row % SAMPLE_KINDS);
        tdl_sample_scale scale = tdl_sample_scale_of(temperatures[row / 2 % 6]);
        picks[TDL_SAMPLE_SLOT] = (uint32_t)(c->dims[2] - 1 - row);
        picks[TDL_SAMPLE_TOP_K] = c->dims[3] ? (uint32_t)c->dims[3] : top_ks[row % 6];
        picks[TDL_SAMPLE_RANDOM] = row % 5 == 4 ? UINT32_MAX : row % 5 == 3 ? 0 : tdl_rng_u32(&f->rng);
        picks[TDL_SAMPLE_MANTISSA] = scale.mantissa;
        picks[TDL_SAMPLE_EXPONENT] = (uint32_t)scale.exponent;
        picks[TDL_SAMPLE_TOP_P] = row % 3 == 1 ? 3865470566u : 0; // 0.9
        picks[TDL_SAMPLE_MIN_P] = row % 4 == 1 ? 107374182u : 0;  // 0.05
    }
}

static const op_case sample_list[] = {
    {.dims = {0, 8, 1, 1}},
    {.dims = {1, 1, 1, 1}},
    {.dims = {1, 1, 1, 64}},
    {.dims = {24, 33, 24}},
    {.dims = {31, 700, 40}, .strided = true},
    {.dims = {24, 5003, 24}},
    {.dims = {48, 900, 48}, .note = "odd logits"},
    {.dims = {48, 4100, 48, 64}, .note = "odd logits"},
    {.dims = {16, 4100, 16, 1}, .note = "odd logits"},
    {.dims = {3, 128256, 3, 40}},
    {.dims = {2, 256000, 2, 1}},
    {.dims = {1, 128256, 1, 1}, .bench_gpu = true},
    {.dims = {1, 128256, 1, 40}, .bench_gpu = true},
    {.dims = {3, 262144, 3, 64}, .slow = true},
};

static const op_case_set sample_cases = {
    .make = sample_make, .list = sample_list, .n = OP_CASE_COUNT(sample_list), .metric = OP_METRIC_EXACT};

#endif
