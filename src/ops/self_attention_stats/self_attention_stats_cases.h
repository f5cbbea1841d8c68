// SPDX-License-Identifier: MIT
// self_attention_stats_cases.h - dims: tokens T, heads H, head_dim.
#ifndef TDL_OPS_SELF_ATTENTION_STATS_CASES_H
#define TDL_OPS_SELF_ATTENTION_STATS_CASES_H

static void self_attention_stats_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 3, c->dims, c->strided ? 3 : 0);
    op_input(f, 2, TDL_DTYPE_F32, 2, c->dims, 0);
}

static const op_case self_attention_stats_list[] = {
    {.dims = {0, 2, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {7, 3, 33}, .strided = true},
    {.dims = {5, 2, 80}},
    {.dims = {2, 1, 1024}},
    {.dims = {3, 71, 9}, .strided = true},
    {.dims = {512, 12, 64}, .bench = true},
    {.dims = {8192, 12, 64}, .bench_gpu = true},
};

static const op_case_set self_attention_stats_cases = {.make = self_attention_stats_make,
                                                       .list = self_attention_stats_list,
                                                       .n = OP_CASE_COUNT(self_attention_stats_list),
                                                       .metric = OP_METRIC_ROW,
                                                       .bound_abs = 4e-6,
                                                       .bound_rel = 4e-6,
                                                       .row_inputs = 0x7};

#endif
