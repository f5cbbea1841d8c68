// SPDX-License-Identifier: MIT
// sum_parts_cases.h - dims: rows R, columns N.
#ifndef TDL_OPS_SUM_PARTS_CASES_H
#define TDL_OPS_SUM_PARTS_CASES_H

static void sum_parts_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
}

static const op_case sum_parts_list[] = {
    {.dims = {0, 8}, .attrs = {.parts = 2}},
    {.dims = {1, 1}, .attrs = {.parts = 1}},
    {.dims = {7, 33}, .attrs = {.parts = 3}, .strided = true},
    {.dims = {7, 33}, .attrs = {.parts = 5}, .note = "an empty part"},
    {.dims = {3, 17}, .attrs = {.parts = 9}},
    {.dims = {67, 5003}, .attrs = {.parts = 1}},
    {.dims = {130, 4099}, .attrs = {.parts = 4}, .strided = true},
    {.dims = {512, 3072}, .attrs = {.parts = 32}, .bench = true},
    {.dims = {8192, 3072}, .attrs = {.parts = 128}, .bench_gpu = true},
    {.dims = {70001, 3}, .attrs = {.parts = 70001}, .slow = true, .note = "more workgroups than a dispatch is wide"},
};

static const op_case_set sum_parts_cases = {.make = sum_parts_make,
                                            .list = sum_parts_list,
                                            .n = OP_CASE_COUNT(sum_parts_list),
                                            .metric = OP_METRIC_ROW,
                                            .bound_abs = 3.3e-7,
                                            .bound_rel = 6.7e-7,
                                            .webgpu_abs = 1e-6,
                                            .webgpu_rel = 2e-6};

#endif
