// SPDX-License-Identifier: MIT
// cross_entropy_cases.h - dims: rows n, vocabulary V.
#ifndef TDL_OPS_CROSS_ENTROPY_CASES_H
#define TDL_OPS_CROSS_ENTROPY_CASES_H

// Normal logits, times 1 to 30 from row to row; every third target does not count: -1, or beyond the vocabulary.
static void cross_entropy_make(op_fixture *f, const op_case *c) {
    tdl_tensor *logits = op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    int32_t *targets = op_input_i32(f, 1, 1, c->dims), n_vocab = (int32_t)c->dims[1];
    for (int64_t row = 0; row < c->dims[0]; row++) {
        float *values = (float *)(void *)tdl_row(logits, row);
        for (int64_t v = 0; v < n_vocab; v++) values[v] *= (float)(1 + row % 5 * 7);
        targets[row] = row % 3 == 1 ? (row % 2 ? -1 : n_vocab) : (int32_t)op_random(f, n_vocab);
    }
    if (c->note) // the largest and the smallest that there are, far apart
        for (int64_t row = 0; row < c->dims[0]; row++) {
            float *values = (float *)(void *)tdl_row(logits, row);
            values[n_vocab / 2] = 3e4f;
            values[n_vocab - 1] = -3e4f;
        }
}

static const op_case cross_entropy_list[] = {
    {.dims = {0, 8}},
    {.dims = {1, 1}},
    {.dims = {7, 33}, .strided = true},
    {.dims = {6, 47}, .strided = true},
    {.dims = {4, 100}, .note = "far apart"},
    {.dims = {3, 5003}},
    {.dims = {5, 50257}},
    {.dims = {512, 4096}, .bench = true, .slow = true},
    {.dims = {64, 50257}, .bench = true, .slow = true},
    {.dims = {2048, 50257}, .bench_gpu = true},
    {.dims = {70001, 3}, .slow = true},
};

static const op_case_set cross_entropy_cases = {.make = cross_entropy_make,
                                                .list = cross_entropy_list,
                                                .n = OP_CASE_COUNT(cross_entropy_list),
                                                .metric = OP_METRIC_ELEMENT,
                                                .bound_abs = 2.5e-7,
                                                .bound_rel = 2.5e-7,
                                                .webgpu_abs = 2e-6,
                                                .webgpu_rel = 2e-6,
                                                .row_inputs = 0x3};

#endif
