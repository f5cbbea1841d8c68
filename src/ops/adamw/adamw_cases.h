// SPDX-License-Identifier: MIT
// adamw_cases.h - dims: rows, columns; 1: stats say that the gradients are no numbers. w, m and v are given.
#ifndef TDL_OPS_ADAMW_CASES_H
#define TDL_OPS_ADAMW_CASES_H

static void adamw_make(op_fixture *f, const op_case *c) {
    static const float stats_values[] = {3, 0.3f, 1, 0}, hyper_values[] = {1, 1, 1, 1e-2f, 2.5f, 7.5f, 0, 0};
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, 0);
    float *stats = (float *)(void *)op_input(f, 1, TDL_DTYPE_F32, 1, (int64_t[]){4}, 0)->data;
    float *hyper = (float *)(void *)op_input(f, 2, TDL_DTYPE_F32, 1, (int64_t[]){8}, 0)->data;
    memcpy(stats, stats_values, sizeof stats_values);
    memcpy(hyper, hyper_values, sizeof hyper_values);
    if (c->dims[2]) stats[2] = 0;
    for (int32_t i = 0; i < 3; i++) op_given(f, i, TDL_DTYPE_F32, 2, c->dims, 0);
    float *v = (float *)(void *)f->call.out[2].data;
    for (int64_t i = 0; i < c->dims[0] * c->dims[1]; i++) v[i] = 0.01f + v[i] * v[i];
}

static const op_case adamw_list[] = {
    {.dims = {0, 8}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.999f}},
    {.dims = {1, 1}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.999f}},
    {.dims = {7, 33}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.999f, .decay = 0.1f}},
    {.dims = {7, 47}, .attrs = {.eps = 1e-3f, .beta1 = 0.8f, .beta2 = 0.95f, .decay = 0.01f}},
    {.dims = {7, 33, 1}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.999f}, .note = "nothing to apply"},
    {.dims = {2, 9001}, .attrs = {.eps = 1e-8f, .decay = 0.1f}, .note = "no moments"},
    {.dims = {768, 3072}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.95f, .decay = 0.1f}, .bench = true},
    {.dims = {50257, 768}, .attrs = {.eps = 1e-8f, .beta1 = 0.9f, .beta2 = 0.95f, .decay = 0.1f}, .bench_gpu = true},
};

static const op_case_set adamw_cases = {.make = adamw_make,
                                        .list = adamw_list,
                                        .n = OP_CASE_COUNT(adamw_list),
                                        .metric = OP_METRIC_ELEMENT,
                                        .bound_abs = 2e-7,
                                        .bound_rel = 1e-6,
                                        .webgpu_abs =
                                            3e-6, // where v is small, a step is large, and so is m's rounding in it
                                        .webgpu_rel = 2e-6};

#endif
