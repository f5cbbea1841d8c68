// SPDX-License-Identifier: MIT
// embed_grad_cases.h - dims: tokens T, vocabulary V, columns D. dtable is given, and added to. Where noted, all ids are the same.
#ifndef TDL_OPS_EMBED_GRAD_CASES_H
#define TDL_OPS_EMBED_GRAD_CASES_H

static void embed_grad_make(op_fixture *f, const op_case *c) {
    int64_t n = c->dims[0], n_vocab = c->attrs.part_of ? c->attrs.part_of : c->dims[1];
    int32_t *ids = op_input_i32(f, 0, 1, &n), *order = op_input_i32(f, 1, 1, &n);
    for (int64_t t = 0; t < n; t++) ids[t] = c->note ? (int32_t)n_vocab - 1 : (int32_t)op_random(f, n_vocab);
    int64_t place = 0; // a stable sort, by counting through the vocabulary's ids that there are
    for (int64_t id = 0; id < n_vocab && place < n; id++)
        for (int64_t t = 0; t < n; t++)
            if (ids[t] == id) order[place++] = (int32_t)t;
    op_input(f, 2, TDL_DTYPE_F32, 2, (int64_t[]){n, c->dims[2]}, c->strided ? 5 : 0);
    op_given(f, 0, TDL_DTYPE_F32, 2, c->dims + 1, c->strided ? 3 : 0);
}

static const op_case embed_grad_list[] = {
    {.dims = {0, 5, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {5, 11, 33}, .strided = true},
    {.dims = {40, 7, 19}},
    {.dims = {131, 5, 67}, .strided = true, .note = "one id"},
    {.dims = {200, 3, 129}},
    {.dims = {3, 7, 8192}},
    {.dims = {150, 4, 33}, .attrs = {.part_first = 0, .part_of = 11}},
    {.dims = {150, 4, 33}, .attrs = {.part_first = 4, .part_of = 11}, .strided = true},
    {.dims = {150, 4, 33}, .attrs = {.part_first = 4, .part_of = 11}, .note = "one id, of another part"},
    {.dims = {90, 3, 40}, .attrs = {.part_first = 8, .part_of = 11}, .note = "one id"},
    {.dims = {512, 4096, 256}, .bench = true},
    {.dims = {512, 5000, 768}, .bench = true},
    {.dims = {8192, 50257, 768}, .bench_gpu = true},
    {.dims = {8192, 3, 768}, .bench_gpu = true},
};

static const op_case_set embed_grad_cases = {.make = embed_grad_make,
                                             .list = embed_grad_list,
                                             .n = OP_CASE_COUNT(embed_grad_list),
                                             .metric = OP_METRIC_ROW,
                                             .bound_abs = 4e-7,
                                             .bound_rel = 8e-7,
                                             .webgpu_abs = 1e-6,
                                             .webgpu_rel = 2e-6};

#endif
