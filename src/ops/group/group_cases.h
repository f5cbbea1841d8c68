// SPDX-License-Identifier: MIT
// group_cases.h - dims: tokens T, choices k. Where noted, all rows are one expert's, the last.
#ifndef TDL_OPS_GROUP_CASES_H
#define TDL_OPS_GROUP_CASES_H

static void group_make(op_fixture *f, const op_case *c) {
    int32_t *ids = op_input_i32(f, 0, 2, c->dims);
    for (int64_t i = 0; i < c->dims[0] * c->dims[1]; i++)
        ids[i] = c->note ? c->attrs.experts - 1 : (int32_t)op_random(f, c->attrs.experts);
}

// For the ops that read groups: in[i], the groups of n_tokens tokens with random experts; where the case is noted, one expert has
// all rows, so the others have none.
static void group_input(op_fixture *f, int32_t i, int64_t n_tokens) {
    int32_t n_experts = f->c->attrs.experts, k = f->c->attrs.top_k;
    int64_t n = n_tokens * k, size = n_experts + 1 + n;
    int32_t *groups = op_input_i32(f, i, 1, &size), place = 0;
    tdl_rng first = f->rng; // the same experts in every round
    for (int32_t expert = 0; expert < n_experts; expert++) {
        groups[expert] = place;
        tdl_rng rng = first;
        for (int32_t row = 0; row < n; row++) {
            int32_t of_row = f->c->note ? n_experts / 2 : (int32_t)(tdl_rng_u32(&rng) % (uint32_t)n_experts);
            if (of_row == expert) groups[n_experts + 1 + place++] = row;
        }
        f->rng = rng;
    }
    groups[n_experts] = place;
}

static const op_case group_list[] = {
    {.dims = {0, 2}, .attrs = {.experts = 4}},
    {.dims = {1, 1}, .attrs = {.experts = 1}},
    {.dims = {7, 2}, .attrs = {.experts = 5}},
    {.dims = {100, 3}, .attrs = {.experts = 300}},
    {.dims = {67, 8}, .attrs = {.experts = 128}},
    {.dims = {300, 2}, .attrs = {.experts = 8}, .note = "one expert"},
    {.dims = {512, 8}, .attrs = {.experts = 128}, .bench = true},
    {.dims = {8192, 8}, .attrs = {.experts = 128}, .bench_gpu = true},
};

static const op_case_set group_cases = {
    .make = group_make, .list = group_list, .n = OP_CASE_COUNT(group_list), .metric = OP_METRIC_EXACT};

#endif
