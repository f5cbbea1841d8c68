// SPDX-License-Identifier: MIT
// cross_entropy_grad_cases.h - dims: rows n, vocabulary V.
#ifndef TDL_OPS_CROSS_ENTROPY_GRAD_CASES_H
#define TDL_OPS_CROSS_ENTROPY_GRAD_CASES_H

#include "ops/cross_entropy/cross_entropy_cases.h"

static void cross_entropy_grad_make(op_fixture *f, const op_case *c) {
    cross_entropy_make(f, c);
    float *hyper = (float *)(void *)op_input(f, 2, TDL_DTYPE_F32, 1, (int64_t[]){8}, 0)->data;
    hyper[0] = 0.37f;
}

static const op_case cross_entropy_grad_list[] = {
    {.dims = {0, 8}},
    {.dims = {1, 1}},
    {.dims = {7, 33}, .strided = true},
    {.dims = {6, 47}, .strided = true, .in_place = true},
    {.dims = {4, 100}, .in_place = true, .note = "far apart"},
    {.dims = {3, 5003}},
    {.dims = {5, 50257}},
    {.dims = {512, 4096}, .bench = true, .slow = true},
    {.dims = {64, 50257}, .bench = true, .slow = true},
    {.dims = {2048, 50257}, .bench_gpu = true},
    {.dims = {70001, 3}, .slow = true},
};

static const op_case_set cross_entropy_grad_cases = {.make = cross_entropy_grad_make,
                                                     .list = cross_entropy_grad_list,
                                                     .n = OP_CASE_COUNT(cross_entropy_grad_list),
                                                     .metric = OP_METRIC_ELEMENT,
                                                     .bound_abs = 2e-7,
                                                     .bound_rel = 4e-7,
                                                     .webgpu_abs = 1e-6,
                                                     .webgpu_rel = 4e-6,
                                                     .row_inputs = 0x3};

#endif
