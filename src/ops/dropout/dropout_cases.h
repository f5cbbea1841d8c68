// SPDX-License-Identifier: MIT
// dropout_cases.h - dims: rows, columns. Which elements are kept depends on their place in x.
#ifndef TDL_OPS_DROPOUT_CASES_H
#define TDL_OPS_DROPOUT_CASES_H

static void dropout_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    int32_t *seed = op_input_i32(f, 1, 1, (int64_t[]){2});
    for (int i = 0; i < 2; i++) seed[i] = (int32_t)tdl_rng_u32(&f->rng);
}

static const op_case dropout_list[] = {
    {.dims = {0, 8}, .attrs = {.rate = 0.1f}},
    {.dims = {1, 1}, .attrs = {.rate = 0.1f}},
    {.dims = {7, 33}, .note = "all kept"},
    {.dims = {7, 33}, .attrs = {.rate = 0.1f, .stream = 3}, .strided = true},
    {.dims = {7, 47}, .attrs = {.rate = 0.5f, .stream = -1}, .strided = true, .in_place = true},
    {.dims = {3, 5003}, .attrs = {.rate = 0.999f, .stream = 77}, .in_place = true},
    {.dims = {2, 9001}, .attrs = {.rate = 0.25f}},
    {.dims = {512, 768}, .attrs = {.rate = 0.1f}, .bench = true},
    {.dims = {8192, 768}, .attrs = {.rate = 0.1f}, .bench_gpu = true},
};

static const op_case_set dropout_cases = {.make = dropout_make,
                                          .list = dropout_list,
                                          .n = OP_CASE_COUNT(dropout_list),
                                          .metric = OP_METRIC_ELEMENT,
                                          .bound_abs = 1e-30,
                                          .bound_rel = 2.4e-7};

#endif
