// SPDX-License-Identifier: MIT
// embed_cases.h - dims: tokens T, vocabulary V, columns D. dtype: the table's.
#ifndef TDL_OPS_EMBED_CASES_H
#define TDL_OPS_EMBED_CASES_H

static void embed_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, c->dims + 1, 0);
    int32_t *ids = op_input_i32(f, 1, 1, c->dims);
    int64_t n_ids = c->attrs.part_of ? c->attrs.part_of : c->dims[1];
    for (int64_t t = 0; t < c->dims[0]; t++) ids[t] = (int32_t)op_random(f, n_ids);
    if (c->dims[0] > 1) {
        ids[0] = 0;
        ids[1] = (int32_t)n_ids - 1;
    }
    if (c->note && strstr(c->note, "picked")) { // every other token is one of three that were picked
        int32_t *picked = op_input_i32(f, 2, 1, (int64_t[]){3});
        for (int32_t s = 0; s < 3; s++) picked[s] = (int32_t)op_random(f, n_ids);
        if (strstr(c->note, "none")) picked[1] = -1; // as sample leaves it where logits are not finite
        for (int64_t t = 0; t < c->dims[0]; t += 2) ids[t] = -1 - (int32_t)(t / 2 % 3);
    }
    if (c->attrs.part_of) { // the part's own first and last
        ids[2] = c->attrs.part_first;
        ids[3] = c->attrs.part_first + (int32_t)c->dims[1] - 1;
    }
}

static const op_case embed_list[] = {
    {.dims = {0, 5, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {5, 11, 33}},
    {.dims = {5, 11, 33}, .dtype = TDL_DTYPE_F16},
    {.dims = {5, 11, 33}, .dtype = TDL_DTYPE_BF16},
    {.dims = {5, 11, 96}, .dtype = TDL_DTYPE_Q8_0},
    {.dims = {5, 11, 96}, .dtype = TDL_DTYPE_Q4_0},
    {.dims = {5, 11, 96}, .dtype = TDL_DTYPE_Q4_1},
    {.dims = {5, 11, 512}, .dtype = TDL_DTYPE_Q4_K},
    {.dims = {5, 11, 512}, .dtype = TDL_DTYPE_Q5_K},
    {.dims = {5, 11, 512}, .dtype = TDL_DTYPE_Q6_K},
    {.dims = {3, 7, 8192}, .dtype = TDL_DTYPE_F16},
    {.dims = {9, 4, 33}, .attrs = {.part_first = 0, .part_of = 11}, .note = "first part"},
    {.dims = {9, 4, 33}, .attrs = {.part_first = 4, .part_of = 11}, .note = "middle part"},
    {.dims = {9, 3, 96}, .dtype = TDL_DTYPE_Q8_0, .attrs = {.part_first = 8, .part_of = 11}, .note = "last part"},
    {.dims = {9, 11, 33}, .dtype = TDL_DTYPE_F16, .note = "some picked"},
    {.dims = {9, 3, 96},
     .dtype = TDL_DTYPE_Q8_0,
     .attrs = {.part_first = 8, .part_of = 11},
     .note = "last part, some picked"},
    {.dims = {9, 11, 33}, .note = "some picked, of which one is none"},
    {.dims = {512, 1000, 576}, .dtype = TDL_DTYPE_Q8_0, .bench = true},
    {.dims = {1, 1000, 2048}, .dtype = TDL_DTYPE_F16, .bench = true},
};

static const op_case_set embed_cases = {.make = embed_make,
                                        .list = embed_list,
                                        .n = OP_CASE_COUNT(embed_list),
                                        .metric = OP_METRIC_EXACT,
                                        .webgpu_abs = 3e-7,
                                        .webgpu_rel = 2e-7,
                                        .row_inputs = 0x2};

#endif
