// SPDX-License-Identifier: MIT
// not_finite.c - see not_finite.h.
#include "graph/not_finite.h"

#include <math.h>
#include <stdio.h>

// -1: none.
static int64_t find(const float *values, int64_t n, bool masked) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i]) && !(masked && values[i] == -INFINITY)) return i;
    return -1;
}

// The value whose memory a view lies in.
static const tdl_value *root_of(const tdl_plan *plan, const tdl_value *v) {
    while (v->base >= 0) v = &plan->values[v->base];
    return v;
}

// Begins to read the next value that can be looked at, from op and out on. DONE: there is none.
static tdl_status read_value(tdl_finite_search *s, tdl_error *err) {
    for (; s->op < s->plan->n_ops; s->op++, s->out = 0)
        for (const tdl_plan_op *op = &s->plan->ops[s->op]; s->out < op->n_out; s->out++) {
            int32_t id = op->out[s->out];
            const tdl_value *v = &s->plan->values[id];
            size_t size = tdl_tensor_size(&v->tensor);
            if (v->tensor.dtype != TDL_DTYPE_F32 || !tdl_tensor_contiguous(&v->tensor))
                continue; // a part: seen as a whole later
            if (s->skips_states && root_of(s->plan, v)->kind == TDL_VALUE_STATE) continue;
            s->values = tdl_alloc(s->mem, size, 1);
            if (!s->values) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory to look at '%s'", v->name);
            return tdl_exec_read(s->exec, id, 0, size, s->values, err);
        }
    return TDL_DONE;
}

tdl_status tdl_finite_search_next(tdl_finite_search *s, char *text, size_t text_size, tdl_error *err) {
    text[0] = '\0';
    if (s->values) {
        const tdl_plan_op *op = &s->plan->ops[s->op];
        int32_t id = op->out[s->out++];
        const tdl_value *v = &s->plan->values[id];
        int64_t at = find(s->values, tdl_tensor_n_elements(&v->tensor), id == s->masked);
        if (at >= 0)
            snprintf(text, text_size, "op %d, %s, first made %s in '%s'", s->op, tdl_op_get(op->op)->name,
                     isnan(s->values[at]) ? "NaN" : "an infinite value", v->name);
        tdl_free(s->mem, s->values);
        s->values = NULL;
    }
    tdl_status status = text[0] ? TDL_DONE : read_value(s, err);
    return status == TDL_OK ? TDL_PENDING : status == TDL_DONE ? TDL_OK : status;
}

void tdl_finite_search_end(tdl_finite_search *s) {
    if (s->values) tdl_free(s->mem, s->values);
    s->values = NULL;
}
