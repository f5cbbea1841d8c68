// SPDX-License-Identifier: MIT
// route_grad_cases.h - dims: tokens T, experts X. The ids are k different ones, the first that of the largest logit, as route
// leaves them.
#ifndef TDL_OPS_ROUTE_GRAD_CASES_H
#define TDL_OPS_ROUTE_GRAD_CASES_H

static void route_grad_make(op_fixture *f, const op_case *c) {
    int64_t n_experts = c->dims[1], shape[2] = {c->dims[0], c->attrs.top_k};
    tdl_tensor *logits = op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 3 : 0);
    int32_t *ids = op_input_i32(f, 1, 2, shape);
    op_input(f, 2, TDL_DTYPE_F32, 2, shape, c->strided ? 5 : 0);
    for (int64_t t = 0; t < shape[0]; t++) {
        float *row = (float *)(void *)(logits->data + t * logits->strides[0]);
        int64_t first = op_random(f, n_experts);
        row[first] = 5;
        for (int64_t j = 0; j < shape[1]; j++) ids[t * shape[1] + j] = (int32_t)((first + j) % n_experts);
    }
}

static const op_case route_grad_list[] = {
    {.dims = {0, 4}, .attrs = {.top_k = 2}},
    {.dims = {1, 1}, .attrs = {.top_k = 1}},
    {.dims = {7, 8}, .attrs = {.top_k = 2, .renorm = 1}, .strided = true},
    {.dims = {7, 8}, .attrs = {.top_k = 2}},
    {.dims = {33, 128}, .attrs = {.top_k = 8, .renorm = 1}},
    {.dims = {5, 300}, .attrs = {.top_k = 10}, .strided = true},
    {.dims = {512, 128}, .attrs = {.top_k = 8, .renorm = 1}, .bench = true},
};

static const op_case_set route_grad_cases = {.make = route_grad_make,
                                             .list = route_grad_list,
                                             .n = OP_CASE_COUNT(route_grad_list),
                                             .metric = OP_METRIC_ROW,
                                             .bound_abs = 2e-7,
                                             .bound_rel = 1e-6,
                                             .webgpu_abs = 1e-6,
                                             .webgpu_rel = 4e-6,
                                             .row_inputs = 0x7};

#endif
