// SPDX-License-Identifier: MIT
// plan_make.c - runs the passes over a graph and packs the result into a plan.
#include "graph/plan_make.h"

#include <string.h>

static tdl_status pack(const tdl_graph *g, const tdl_plan_desc *desc, tdl_plan *plan, tdl_error *err);
static void mark_used(tdl_plan *plan);

tdl_status tdl_plan_create(tdl_graph *g, const tdl_plan_desc *desc, tdl_plan **out, tdl_error *err) {
    if (!g->error.code) tdl_graph_split(g, desc);
    if (!g->error.code && !desc->trains) tdl_graph_join(g, desc);
    if (!g->error.code && !desc->trains) tdl_graph_fuse_linear(g, desc);
    if (!g->error.code && !desc->trains) tdl_graph_fuse_attention(g, desc);
    if (!g->error.code) tdl_graph_fuse(g);
    if (!g->error.code) tdl_graph_lower(g, desc);
    if (g->error.code) return tdl_fail(err, g->error.code, "%s", g->error.message);
    tdl_plan *plan = tdl_alloc(g->mem, 1, sizeof *plan);
    if (!plan) return tdl_fail(err, TDL_ERROR_MEMORY, "plan: no memory");
    tdl_arena_init(&plan->arena, g->mem);
    tdl_status status = pack(g, desc, plan, err);
    if (status == TDL_OK) status = tdl_plan_place(plan, desc, g->mem, err);
    if (status != TDL_OK) {
        tdl_plan_destroy(plan);
        return status;
    }
    tdl_plan_sync(plan);
    *out = plan;
    return TDL_OK;
}

void tdl_plan_destroy(tdl_plan *plan) {
    if (!plan) return;
    const tdl_allocator *mem = plan->arena.mem;
    tdl_arena_deinit(&plan->arena);
    tdl_free(mem, plan);
}

const tdl_kernel *tdl_plan_kernel(const tdl_plan_desc *desc, tdl_op op, const tdl_call *call) {
    const tdl_kernel_want want = {.backend = desc->device->backend->id,
                                  .features = desc->device->features,
                                  .may_round = desc->precision != TDL_PRECISION_F32,
                                  .trains = desc->trains,
                                  .invariant = desc->invariant};
    return tdl_kernel_find(op, &want, call);
}

static tdl_status pack(const tdl_graph *g, const tdl_plan_desc *desc, tdl_plan *plan, tdl_error *err) {
    size_t n_values = g->values.n, n_ops = g->ops.n;
    plan->values = tdl_arena_alloc(&plan->arena, n_values, sizeof *plan->values);
    plan->ops = tdl_arena_alloc(&plan->arena, n_ops, sizeof *plan->ops);
    plan->buffer_sizes = tdl_arena_alloc(&plan->arena, n_values + TDL_BUFFER_BOUND, sizeof *plan->buffer_sizes);
    plan->buffer_value = tdl_arena_alloc(&plan->arena, n_values + TDL_BUFFER_BOUND, sizeof *plan->buffer_value);
    if (!plan->values || !plan->ops || !plan->buffer_sizes || !plan->buffer_value)
        return tdl_fail(err, TDL_ERROR_MEMORY, "plan: no memory for %zu values and %zu ops", n_values, n_ops);
    memcpy(plan->values, g->values.data, n_values * sizeof *plan->values);
    memcpy(plan->ops, g->ops.data, n_ops * sizeof *plan->ops);
    for (size_t i = 0; i < n_values; i++) {
        plan->values[i].name = tdl_arena_strndup(&plan->arena, plan->values[i].name, strlen(plan->values[i].name));
        if (!plan->values[i].name) return tdl_fail(err, TDL_ERROR_MEMORY, "plan: no memory for %zu names", n_values);
    }
    plan->n_values = (int32_t)n_values;
    plan->n_ops = (int32_t)n_ops;
    plan->n_buffers = TDL_BUFFER_BOUND;
    plan->buffer_value[TDL_BUFFER_ARENA] = plan->buffer_value[TDL_BUFFER_STEP] = -1;
    plan->output = g->output;
    plan->max = desc->max;
    memcpy(plan->step_values, g->step_values, sizeof plan->step_values);
    mark_used(plan);
    return TDL_OK;
}

// Weights and states that an op reads or writes will be bound; a weight that only its prepared form replaced is not.
static void mark_used(tdl_plan *plan) {
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        for (int32_t j = 0; j < op->n_in + op->n_out; j++) {
            tdl_value *value = &plan->values[j < op->n_in ? op->in[j] : op->out[j - op->n_in]];
            while (value->base >= 0) value = &plan->values[value->base];
            if (value->kind == TDL_VALUE_WEIGHT || value->kind == TDL_VALUE_STATE) value->buffer = TDL_BUFFER_BOUND;
        }
    }
}
