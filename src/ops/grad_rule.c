// SPDX-License-Identifier: MIT
// grad_rule.c - the table of gradient rules, made from grads.def. See grad_rule.h.
#include "ops/grad_rule.h"

#include "base/checked.h"

static const tdl_grad_rule rules[TDL_OP_COUNT] = {
#define TDL_GRAD(id, name) [TDL_OP_##id] = tdl_##name##_backward,
#include "ops/grads.def"
#undef TDL_GRAD
};

tdl_grad_rule tdl_grad_rule_of(tdl_op op) { return rules[op]; }

int32_t tdl_grad_parts(const tdl_tensor *t) {
    enum { ROWS_PER_PART = 32, PARTS_MAX = 256 };
    int64_t rows = 1;
    for (int32_t d = 0; d < t->n_dims - 1; d++) rows *= t->shape[d];
    return (int32_t)tdl_max_i64(1, tdl_min_i64(PARTS_MAX, rows / ROWS_PER_PART));
}
