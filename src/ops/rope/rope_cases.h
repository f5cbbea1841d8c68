// SPDX-License-Identifier: MIT
// rope_cases.h - dims: tokens T, heads H, head_dim, R. The table holds real angles: cos^2 + sin^2 = 1.
#ifndef TDL_OPS_ROPE_CASES_H
#define TDL_OPS_ROPE_CASES_H

static void rope_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 3, c->dims, c->strided ? 2 * c->dims[2] + 1 : 0);
    float *table = (float *)(void *)op_input(f, 1, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[3]}, 0)->data;
    int64_t half = c->dims[3] / 2;
    for (int64_t i = 0; i < c->dims[0] * half; i++) {
        double angle = tdl_rng_uniform(&f->rng) * 7;
        table[i / half * 2 * half + i % half] = (float)cos(angle);
        table[i / half * 2 * half + half + i % half] = (float)sin(angle);
    }
}

static const op_case rope_list[] = {
    {.dims = {0, 2, 8, 8}},
    {.dims = {1, 1, 2, 2}},
    {.dims = {1, 1, 2, 2}, .attrs = {.rope_pairs = 1}},
    {.dims = {5, 3, 64, 64}},
    {.dims = {5, 3, 64, 64}, .attrs = {.rope_pairs = 1}},
    {.dims = {5, 3, 80, 32}, .strided = true, .note = "partial"},
    {.dims = {5, 3, 80, 34}, .attrs = {.rope_pairs = 1}, .strided = true, .note = "partial"},
    {.dims = {3, 2, 22, 22}, .in_place = true},
    {.dims = {3, 2, 67, 22}, .attrs = {.rope_pairs = 1}, .in_place = true, .note = "partial"},
    {.dims = {3, 2, 128, 128}, .strided = true, .in_place = true},
    {.dims = {3, 2, 128, 128}, .attrs = {.rope_pairs = 1}, .strided = true, .in_place = true},
    {.dims = {2, 2, 16, 0}, .note = "no turned elements"},
    {.dims = {5, 3, 80, 34}, .attrs = {.inverse = 1}, .strided = true, .note = "partial"},
    {.dims = {5, 3, 67, 66}, .attrs = {.inverse = 1, .rope_pairs = 1}, .in_place = true, .note = "partial"},
    {.dims = {2, 4, 1024, 1024}},
    {.dims = {512, 9, 64, 64}, .strided = true, .in_place = true, .bench = true},
    {.dims = {512, 9, 64, 64}, .attrs = {.rope_pairs = 1}, .strided = true, .in_place = true, .bench = true},
};

static const op_case_set rope_cases = {.make = rope_make,
                                       .list = rope_list,
                                       .n = OP_CASE_COUNT(rope_list),
                                       .metric = OP_METRIC_ELEMENT,
                                       .bound_abs = 3e-7,
                                       .bound_rel = 3e-7,
                                       .row_inputs = 0x3};

#endif
