// SPDX-License-Identifier: MIT
// groups.h - how the ops of experts read what group makes: groups I32 [X + 1 + T k].
//
//     tdl_range places = tdl_group_of(groups, expert);              // may be none
//     for (int64_t place = places.first; place < places.end; place++)
//         ... row tdl_group_row(groups, n_experts, place) ...       // token * k + choice
//
// The tensor's length is that of the plan's maximum; in a step with fewer tokens the places end sooner.
#ifndef TDL_OPS_GROUPS_H
#define TDL_OPS_GROUPS_H

#include "ops/op_impl.h"

static inline tdl_range tdl_group_of(const tdl_tensor *groups, int64_t expert) {
    return (tdl_range){.first = tdl_index_at(groups, expert), .end = tdl_index_at(groups, expert + 1)};
}

static inline int64_t tdl_group_row(const tdl_tensor *groups, int64_t n_experts, int64_t place) {
    return tdl_index_at(groups, n_experts + 1 + place);
}

// Row `row` (token * k + choice) of [T, k, ...], or of [T, ...], which all of a token's choices share.
static inline uint8_t *tdl_choice_row(const tdl_tensor *t, int64_t row, int32_t k) {
    return tdl_row(t, t->n_dims == 2 ? row / k : row);
}

// For shape rules: ARGUMENT unless attrs say how many experts there are and are chosen, and groups is as long as T tokens make it.
tdl_status tdl_expect_groups(const char *op, const tdl_call *call, const tdl_tensor *groups, int64_t n_tokens,
                             tdl_error *err);

#endif
