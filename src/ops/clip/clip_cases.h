// SPDX-License-Identifier: MIT
// clip_cases.h - dims: parts n; which of hypers; one part 1 infinite, 2 no number, or 3 all of them zero.
#ifndef TDL_OPS_CLIP_CASES_H
#define TDL_OPS_CLIP_CASES_H

// What hyper's entries 1 and 2 are.
typedef struct clip_hyper {
    float undo, norm_max;
} clip_hyper;

static void clip_make(op_fixture *f, const op_case *c) {
    static const clip_hyper hypers[] = {{1, 1}, {1, 0}, {0.125f, 1}, {1, 1e30f}, {1.0f / 1024, 0.01f}};
    const clip_hyper *chosen = &hypers[c->dims[1]];
    float *parts = (float *)(void *)op_input(f, 0, TDL_DTYPE_F32, 1, c->dims, 0)->data;
    float *hyper = (float *)(void *)op_input(f, 1, TDL_DTYPE_F32, 1, (int64_t[]){8}, 0)->data;
    for (int64_t i = 0; i < c->dims[0]; i++) parts[i] = fabsf(parts[i]);
    if (c->dims[2] == 1) parts[c->dims[0] / 2] = INFINITY;
    if (c->dims[2] == 2) parts[c->dims[0] / 2] = NAN;
    if (c->dims[2] == 3) memset(parts, 0, (size_t)c->dims[0] * sizeof *parts);
    hyper[1] = chosen->undo;
    hyper[2] = chosen->norm_max;
}

static const op_case clip_list[] = {
    {.dims = {0, 0}, .note = "no parts"},
    {.dims = {1, 0}},
    {.dims = {77, 0}},
    {.dims = {77, 1}, .note = "no clipping"},
    {.dims = {300, 2}},
    {.dims = {300, 3}, .note = "below the bound"},
    {.dims = {4099, 4}},
    {.dims = {77, 0, 1}, .note = "infinite"},
    {.dims = {77, 0, 2}, .note = "not a number"},
    {.dims = {77, 0, 3}, .note = "zero"},
    {.dims = {9000, 0}, .bench = true},
};

static const op_case_set clip_cases = {.make = clip_make,
                                       .list = clip_list,
                                       .n = OP_CASE_COUNT(clip_list),
                                       .metric = OP_METRIC_ELEMENT,
                                       .bound_abs = 1e-9,
                                       .bound_rel = 1e-6};

#endif
