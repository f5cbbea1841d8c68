// quantize_cases.h - dims: rows T, columns K. Where K is large enough, one block is zero and one has a single large number.
#ifndef TDL_OPS_QUANTIZE_CASES_H
#define TDL_OPS_QUANTIZE_CASES_H

static void quantize_make(op_fixture *f, const op_case *c) {
    float *x = (float *)(void *)op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0)->data;
    if (c->dims[0] == 0 || c->dims[1] < 96) return;
    memset(x, 0, 32 * sizeof *x);
    x[40] = -1e6f;
}

static const op_case quantize_list[] = {
    {.dims = {0, 64}},
    {.dims = {1, 32}},
    {.dims = {7, 96}},
    {.dims = {5, 160}, .strided = true},
    {.dims = {2, 8192}},
    {.dims = {1, 2048}, .bench = true},
    {.dims = {512, 576}, .bench = true},
};

static const op_case_set quantize_cases = {.make = quantize_make,
                                           .list = quantize_list,
                                           .n = OP_CASE_COUNT(quantize_list),
                                           .metric = OP_METRIC_EXACT,
                                           .row_inputs = 0x1};

#endif
