// SPDX-License-Identifier: MIT
// rope_table_cases.h - dims: tokens T, pairs R / 2, first position.
#ifndef TDL_OPS_ROPE_TABLE_CASES_H
#define TDL_OPS_ROPE_TABLE_CASES_H

static void rope_table_make(op_fixture *f, const op_case *c) {
    int32_t *positions = op_input_i32(f, 0, 1, c->dims);
    for (int64_t t = 0; t < c->dims[0]; t++) positions[t] = (int32_t)(c->dims[2] + t);
    float *inv_freq = (float *)(void *)op_input(f, 1, TDL_DTYPE_F32, 1, c->dims + 1, 0)->data;
    for (int64_t i = 0; i < c->dims[1]; i++) inv_freq[i] = (float)pow(10000, -(double)i / (double)c->dims[1]);
}

static const op_case rope_table_list[] = {
    {.dims = {0, 4}},
    {.dims = {1, 1}},
    {.dims = {7, 5}},
    {.dims = {3, 32, 100000}},
    {.dims = {3, 32, 8190}, .attrs = {.scale = 1.25f}},
    {.dims = {2, 512}},
    {.dims = {512, 32}, .bench = true},
};

static const op_case_set rope_table_cases = {.make = rope_table_make,
                                             .list = rope_table_list,
                                             .n = OP_CASE_COUNT(rope_table_list),
                                             .metric = OP_METRIC_EXACT,
                                             .webgpu_abs = 3e-7,
                                             .webgpu_rel = 3e-7,
                                             .row_inputs = 0x1};

#endif
