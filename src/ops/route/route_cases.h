// SPDX-License-Identifier: MIT
// route_cases.h - dims: tokens T, experts X.
#ifndef TDL_OPS_ROUTE_CASES_H
#define TDL_OPS_ROUTE_CASES_H

static void route_make(op_fixture *f, const op_case *c) {
    tdl_tensor *logits = op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    if (!c->note) return; // "equal": numbers of which many are the same
    for (int64_t t = 0; t < c->dims[0]; t++)
        for (int64_t x = 0; x < c->dims[1]; x++)
            ((float *)(void *)(logits->data + t * logits->strides[0]))[x] = (float)op_random(f, 3);
}

static const op_case route_list[] = {
    {.dims = {0, 4}, .attrs = {.top_k = 2}},
    {.dims = {1, 1}, .attrs = {.top_k = 1}},
    {.dims = {7, 8}, .attrs = {.top_k = 2, .renorm = 1}, .strided = true},
    {.dims = {7, 8}, .attrs = {.top_k = 2}},
    {.dims = {3, 6}, .attrs = {.top_k = 6, .renorm = 1}},
    {.dims = {33, 128}, .attrs = {.top_k = 8, .renorm = 1}},
    {.dims = {5, 300}, .attrs = {.top_k = 10}, .strided = true},
    {.dims = {40, 9}, .attrs = {.top_k = 4}, .note = "equal"},
    {.dims = {512, 128}, .attrs = {.top_k = 8, .renorm = 1}, .bench = true},
    {.dims = {8192, 128}, .attrs = {.top_k = 8, .renorm = 1}, .bench_gpu = true},
};

static const op_case_set route_cases = {.make = route_make,
                                        .list = route_list,
                                        .n = OP_CASE_COUNT(route_list),
                                        .metric = OP_METRIC_ELEMENT,
                                        .bound_abs = 1e-7,
                                        .bound_rel = 4e-7,
                                        .webgpu_abs = 4e-7,
                                        .webgpu_rel = 4e-6,
                                        .row_inputs = 0x1};

#endif
