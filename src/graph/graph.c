// SPDX-License-Identifier: MIT
// graph.c - builds a graph: values, ops with inferred shapes, views. See graph.h.
#include "graph/graph.h"

#include "base/checked.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool row_packed(const tdl_tensor *t);
static void call_of(const tdl_graph *g, const tdl_plan_op *op, tdl_call *call);

void tdl_graph_init(tdl_graph *g, const tdl_allocator *mem) {
    *g = (tdl_graph){.mem = mem, .output = -1};
    tdl_arena_init(&g->arena, mem);
    g->values = tdl_vec_make(mem, sizeof(tdl_value));
    g->ops = tdl_vec_make(mem, sizeof(tdl_plan_op));
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) g->step_values[i] = -1;
}

void tdl_graph_deinit(tdl_graph *g) {
    tdl_vec_deinit(&g->values);
    tdl_vec_deinit(&g->ops);
    tdl_arena_deinit(&g->arena);
}

int32_t tdl_graph_weight(tdl_graph *g, const char *name, int32_t weight, const tdl_tensor *tensor) {
    for (int32_t i = 0; i < (int32_t)g->values.n; i++) // one value a weight, however often it is used (tied embeddings)
        if (tdl_graph_value(g, i)->kind == TDL_VALUE_WEIGHT && tdl_graph_value(g, i)->weight == weight) return i;
    tdl_value value = {.kind = TDL_VALUE_WEIGHT, .tensor = *tensor, .base = -1, .weight = weight, .buffer = -1};
    return tdl_graph_add_value(g, name, &value);
}

int32_t tdl_graph_state(tdl_graph *g, const char *name, int32_t state, const tdl_tensor *tensor) {
    tdl_value value = {.kind = TDL_VALUE_STATE, .tensor = *tensor, .base = -1, .weight = state, .buffer = -1};
    return tdl_graph_add_value(g, name, &value);
}

int32_t tdl_graph_step(tdl_graph *g, tdl_step_input input, tdl_rows rows, int64_t rows_max, int32_t rows_add,
                       int64_t cols) {
    static const char *const names[TDL_STEP_INPUT_COUNT] = {
#define TDL_STEP(id, name) #name,
#include "backend/step_inputs.def"
#undef TDL_STEP
    };
    if (g->error.code) return -1;
    if (g->step_values[input] >= 0) return g->step_values[input];
    tdl_value value = {
        .kind = TDL_VALUE_STEP, .rows = rows, .rows_add = rows_add, .base = -1, .weight = input, .buffer = -1};
    int64_t shape[2] = {rows_max + rows_add, cols};
    tdl_dtype dtype = input == TDL_STEP_HYPER ? TDL_DTYPE_F32 : TDL_DTYPE_I32;
    if (tdl_tensor_make(dtype, cols ? 2 : 1, shape, NULL, &value.tensor, &g->error) != TDL_OK) return -1;
    return g->step_values[input] = tdl_graph_add_value(g, names[input], &value);
}

int32_t tdl_graph_temp(tdl_graph *g, const char *name, const tdl_tensor *tensor) {
    tdl_value value = {.kind = TDL_VALUE_TEMP, .tensor = *tensor, .base = -1, .buffer = -1};
    return tdl_graph_add_value(g, name, &value);
}

int32_t tdl_graph_op(tdl_graph *g, const char *name, tdl_op op, const tdl_attrs *attrs, int32_t n_in,
                     const int32_t *in) {
    static const int32_t none[TDL_OP_OUT_MAX] = {-1, -1, -1};
    return tdl_graph_op_into(g, name, op, attrs, n_in, in, none);
}

int32_t tdl_graph_op_into(tdl_graph *g, const char *name, tdl_op op, const tdl_attrs *attrs, int32_t n_in,
                          const int32_t *in, const int32_t *given) {
    if (g->error.code) return -1;
    const tdl_op_info *info = tdl_op_get(op);
    assert(n_in >= info->n_in_min && n_in <= info->n_in_max);
    tdl_plan_op made = {.op = op, .n_in = n_in, .n_out = info->n_out};
    if (attrs) made.attrs = *attrs;
    if (n_in) memcpy(made.in, in, (size_t)n_in * sizeof *in);
    tdl_call call;
    call_of(g, &made, &call);
    for (int32_t i = 0; i < info->n_out && info->outs_given; i++) call.out[i] = tdl_graph_value(g, given[i])->tensor;
    tdl_error why = {0};
    if (info->infer(&call, &why) != TDL_OK) {
        tdl_fail(&g->error, why.code, "graph: %s '%s': %s", info->name, name, why.message);
        return -1;
    }
    tdl_rows rows = info->rows_from >= 0 ? tdl_graph_value(g, in[info->rows_from])->rows : TDL_ROWS_FIXED;
    for (int32_t i = 0; i < info->n_out; i++) {
        tdl_value value = {.kind = TDL_VALUE_TEMP, .tensor = call.out[i], .rows = rows, .base = -1, .buffer = -1};
        made.out[i] = given[i] >= 0 ? given[i] : tdl_graph_add_value(g, name, &value);
        assert(made.out[i] < 0 || tdl_tensor_same_shape(&tdl_graph_value(g, made.out[i])->tensor, &call.out[i]));
    }
    if (g->error.code || !tdl_vec_push(&g->ops, &made, 1)) {
        tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", g->ops.n + 1);
        return -1;
    }
    return made.out[0];
}

int32_t tdl_graph_view(tdl_graph *g, const char *name, int32_t id, int64_t first, int32_t n_dims,
                       const int64_t *shape) {
    if (g->error.code) return -1;
    const tdl_value *base = tdl_graph_value(g, id);
    const tdl_tensor *t = &base->tensor;
    int64_t element = t->strides[t->n_dims - 1];
    bool fits = tdl_dtype_get(t->dtype)->block_n == 1 && t->n_dims >= 2 && row_packed(t);
    assert(fits);
    (void)fits;
    tdl_value value = *base;
    value.base = id;
    value.base_offset = (size_t)(first * element);
    value.tensor.n_dims = n_dims + 1;
    int64_t stride = element;
    for (int32_t i = n_dims; i > 0; i--) {
        value.tensor.shape[i] = shape[i - 1];
        value.tensor.strides[i] = stride;
        stride *= shape[i - 1];
    }
    value.tensor.strides[0] = t->strides[0];
    return tdl_graph_add_value(g, name, &value);
}

int32_t tdl_graph_rows(tdl_graph *g, const char *name, int32_t id, int64_t first, int64_t count) {
    if (g->error.code) return -1;
    tdl_value value = *tdl_graph_value(g, id);
    assert(value.rows == TDL_ROWS_FIXED && first >= 0 && first + count <= value.tensor.shape[0]);
    value.base = id;
    value.base_offset = (size_t)(first * value.tensor.strides[0]);
    value.tensor.shape[0] = count;
    return tdl_graph_add_value(g, name, &value);
}

void tdl_graph_output(tdl_graph *g, int32_t value) { g->output = value; }

int32_t tdl_graph_root(const tdl_graph *g, int32_t id) {
    while (tdl_graph_value(g, id)->base >= 0) id = tdl_graph_value(g, id)->base;
    return id;
}

int32_t tdl_graph_add_value(tdl_graph *g, const char *name, const tdl_value *from) {
    if (g->error.code) return -1;
    tdl_value value = *from;
    value.name = tdl_arena_strndup(&g->arena, name, strlen(name));
    if (!value.name || !tdl_vec_push(&g->values, &value, 1)) {
        tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu values", g->values.n + 1);
        return -1;
    }
    return (int32_t)g->values.n - 1;
}

// Whether the elements of t[i] lie side by side.
static bool row_packed(const tdl_tensor *t) {
    int64_t size = t->strides[t->n_dims - 1];
    for (int32_t i = t->n_dims - 1; i > 0; size *= t->shape[i--])
        if (t->strides[i] != size) return false;
    return true;
}

// The op as a call over its inputs' shapes at the maximum.
static void call_of(const tdl_graph *g, const tdl_plan_op *op, tdl_call *call) {
    *call = (tdl_call){.attrs = op->attrs, .n_in = op->n_in, .n_out = op->n_out};
    for (int32_t i = 0; i < op->n_in; i++) call->in[i] = tdl_graph_value(g, op->in[i])->tensor;
}
