// SPDX-License-Identifier: MIT
// sync.c - marks the ops before which all threads must meet.
//
// Since the last barrier the plan remembers what was read and written. An op needs a barrier where it reads what was
// written since, or writes what was read or written since; ops that have nothing to do with each other (the q, k and v
// projections) follow without one.
#include "graph/plan_make.h"

// Whether two values share bytes. Extents are those of the plan's maximum.
static bool overlap(const tdl_plan *plan, int32_t a, int32_t b) {
    const tdl_value *x = &plan->values[a], *y = &plan->values[b];
    if (x->buffer != y->buffer) return false;
    // A view's rows lie a stride apart, so its extent is not its size; columns of one row side by side are apart.
    size_t end[2];
    const tdl_value *v[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        const tdl_tensor *t = &v[i]->tensor;
        end[i] = v[i]->offset + (t->n_dims > 0 ? (size_t)(t->shape[0] * t->strides[0]) : tdl_tensor_size(t));
    }
    return x->offset < end[1] && y->offset < end[0];
}

static bool conflict(const tdl_plan *plan, const tdl_plan_op *earlier, const tdl_plan_op *later) {
    for (int32_t w = 0; w < earlier->n_out; w++) {
        for (int32_t i = 0; i < later->n_in; i++)
            if (overlap(plan, earlier->out[w], later->in[i])) return true;
        for (int32_t i = 0; i < later->n_out; i++)
            if (overlap(plan, earlier->out[w], later->out[i])) return true;
    }
    for (int32_t r = 0; r < earlier->n_in; r++)
        for (int32_t i = 0; i < later->n_out; i++)
            if (overlap(plan, earlier->in[r], later->out[i])) return true;
    return false;
}

void tdl_plan_sync(tdl_plan *plan) {
    int32_t since = 0; // the first op after the last barrier
    for (int32_t i = 1; i < plan->n_ops; i++)
        for (int32_t j = since; j < i; j++)
            if (conflict(plan, &plan->ops[j], &plan->ops[i])) {
                plan->ops[i].barrier = true;
                since = i;
                break;
            }
}
