// SPDX-License-Identifier: MIT
// add_cases.h - dims: rows T, columns D; where the third is 1, b is one row for all.
#ifndef TDL_OPS_ADD_CASES_H
#define TDL_OPS_ADD_CASES_H

static void add_make(op_fixture *f, const op_case *c) {
    const int64_t *shape = c->dims;
    op_input(f, 0, TDL_DTYPE_F32, 2, shape, c->strided ? 5 : 0);
    if (c->dims[2]) op_input(f, 1, TDL_DTYPE_F32, 1, shape + 1, 0);
    else op_input(f, 1, TDL_DTYPE_F32, 2, shape, c->strided ? 3 : 0);
}

static void add_slice(op_fixture *f, int64_t first, int64_t count, tdl_call *part) {
    (void)f;
    if (part->in[1].n_dims == 2) part->in[1] = tdl_tensor_slice(&part->in[1], 0, first, count);
}

static const op_case add_list[] = {
    {.dims = {0, 8}},
    {.dims = {3, 0}},
    {.dims = {1, 1}},
    {.dims = {7, 33}},
    {.dims = {7, 33}, .strided = true},
    {.dims = {7, 33}, .in_place = true},
    {.dims = {5, 47}, .strided = true, .in_place = true},
    {.dims = {9, 100, 1}},
    {.dims = {3, 5003}},
    {.dims = {3, 5600000}, .slow = true, .note = "more workgroups than a dispatch is wide"},
    {.dims = {512, 576}, .bench = true},
    {.dims = {1, 2048}, .bench = true},
};

static const op_case_set add_cases = {.make = add_make,
                                      .list = add_list,
                                      .n = OP_CASE_COUNT(add_list),
                                      .metric = OP_METRIC_EXACT,
                                      .row_inputs = 0x1,
                                      .slice = add_slice};

#endif
