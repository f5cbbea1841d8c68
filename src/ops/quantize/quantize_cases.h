// SPDX-License-Identifier: MIT
// quantize_cases.h - dims: rows T, columns K; or, where there is a third, rows [T, k] and columns K. Where K is large enough, the first row has a block of zeros, one of ties,
// and as far as they fit blocks of what is hard to divide by or to round.
#ifndef TDL_OPS_QUANTIZE_CASES_H
#define TDL_OPS_QUANTIZE_CASES_H

static void quantize_make(op_fixture *f, const op_case *c) {
    float *x = (float *)(void *)op_input(f, 0, TDL_DTYPE_F32, c->dims[2] ? 3 : 2, c->dims, c->strided ? 5 : 0)->data;
    if (c->dims[2]) return;
    if (c->dims[0] == 0 || c->dims[1] < 96) return;
    memset(x, 0, 32 * sizeof *x);
    const float hard[] = {0x1p-149f, 0x1p-126f, 0x1p-120f, 0x1p-119f, 0x1.fffffep127f, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof hard / sizeof *hard && 96 + 32 * (int64_t)i <= c->dims[1]; i++) {
        for (int j = 0; j < 32; j++) x[64 + 32 * i + (size_t)j] *= hard[i] < 1 ? hard[i] / 8 : 1;
        x[64 + 32 * i + 5] = hard[i];
    }
    for (int j = 0; j < 32; j++) x[32 + j] = j == 8 ? 127 : (float)j + 0.5f; // ties
}

static const op_case quantize_list[] = {
    {.dims = {0, 64}},
    {.dims = {1, 32}},
    {.dims = {7, 96}},
    {.dims = {5, 160}, .strided = true},
    {.dims = {2, 8192}},
    {.dims = {5, 2, 64}, .strided = true},
    {.dims = {1, 2048}, .bench = true},
    {.dims = {512, 576}, .bench = true},
};

static const op_case_set quantize_cases = {.make = quantize_make,
                                           .list = quantize_list,
                                           .n = OP_CASE_COUNT(quantize_list),
                                           .metric = OP_METRIC_EXACT,
                                           .row_inputs = 0x1};

#endif
