// SPDX-License-Identifier: MIT
// rms_norm_cases.h - dims: rows T, heads H (0: x is [T, D]), columns D.
#ifndef TDL_OPS_RMS_NORM_CASES_H
#define TDL_OPS_RMS_NORM_CASES_H

static void rms_norm_make(op_fixture *f, const op_case *c) {
    const int64_t heads[] = {c->dims[0], c->dims[1], c->dims[2]}, rows[] = {c->dims[0], c->dims[2]};
    op_input(f, 0, TDL_DTYPE_F32, c->dims[1] ? 3 : 2, c->dims[1] ? heads : rows, c->strided ? 7 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 1, &c->dims[2], 0);
}

static const op_case rms_norm_list[] = {
    {.dims = {0, 0, 8}, .attrs = {.eps = 1e-5f}},
    {.dims = {1, 0, 1}, .attrs = {.eps = 1e-5f}},
    {.dims = {7, 0, 33}, .attrs = {.eps = 1e-5f}},
    {.dims = {3, 0, 65}, .attrs = {.eps = 0.3f}},
    {.dims = {4, 2, 36}, .attrs = {.eps = 1e-12f}},
    {.dims = {3, 0, 128}, .attrs = {.eps = 1e-6f}, .in_place = true},
    {.dims = {5, 3, 80}, .attrs = {.eps = 1e-6f}, .strided = true},
    {.dims = {5, 3, 67}, .attrs = {.eps = 1e-6f}, .strided = true, .in_place = true},
    {.dims = {2, 0, 8192}, .attrs = {.eps = 1e-5f}},
    {.dims = {2, 0, 5003}, .attrs = {.eps = 1e-5f}},
    {.dims = {70001, 0, 3}, .attrs = {.eps = 1e-5f}, .slow = true, .note = "more rows than a dispatch is wide"},
    {.dims = {512, 0, 576}, .attrs = {.eps = 1e-5f}, .bench = true},
    {.dims = {1, 0, 2048}, .attrs = {.eps = 1e-5f}, .bench = true},
};

static const op_case_set rms_norm_cases = {.make = rms_norm_make,
                                           .list = rms_norm_list,
                                           .n = OP_CASE_COUNT(rms_norm_list),
                                           .metric = OP_METRIC_ELEMENT,
                                           .bound_abs = 1e-9,
                                           .bound_rel = 6e-7,
                                           .row_inputs = 0x1};

#endif
