// SPDX-License-Identifier: MIT
// graph.h - a graph is a list of ops over integer value ids; passes turn it into a plan.
//
//     tdl_graph g;
//     tdl_graph_init(&g, mem);
//     int32_t ids = tdl_graph_step(&g, TDL_STEP_IDS, TDL_ROWS_TOKENS, 512, 0, 0);
//     int32_t table = tdl_graph_weight(&g, "token_embd.weight", 0, &tensor);
//     int32_t x = tdl_graph_op(&g, "embd", TDL_OP_EMBED, NULL, 2, (int32_t[]){table, ids});
//     ...
//     tdl_status status = tdl_plan_create(&g, &(tdl_plan_desc){...}, &plan, err);
//
// The builder's error sticks: after a failed call every further one returns -1, and tdl_plan_create reports the first.
// It does not know what a model is, nor allocate any tensor's memory.
#ifndef TDL_GRAPH_H
#define TDL_GRAPH_H

#include "backend/backend.h"

#include <assert.h>

typedef struct tdl_graph {
    const tdl_allocator *mem;
    tdl_arena arena; // names
    tdl_vec values;  // tdl_value
    tdl_vec ops;     // tdl_plan_op, kernel and barrier not set yet
    int32_t output;
    int32_t step_values[TDL_STEP_INPUT_COUNT];
    tdl_error error; // the first
} tdl_graph;

void tdl_graph_init(tdl_graph *g, const tdl_allocator *mem);
void tdl_graph_deinit(tdl_graph *g);

// Each returns a value id, or -1. Names are copied.
// `weight` is the caller's number for the tensor, found again in tdl_value.weight.
int32_t tdl_graph_weight(tdl_graph *g, const char *name, int32_t weight, const tdl_tensor *tensor);
int32_t tdl_graph_state(tdl_graph *g, const char *name, int32_t state, const tdl_tensor *tensor);
// An input of the step, [rows_max + rows_add] or, where cols is not 0, [rows_max, cols].
int32_t tdl_graph_step(tdl_graph *g, tdl_step_input input, tdl_rows rows, int64_t rows_max, int32_t rows_add,
                       int64_t cols);
// A temp that ops are given to write into.
int32_t tdl_graph_temp(tdl_graph *g, const char *name, const tdl_tensor *tensor);
// The op's first output; further ones have the ids that follow it.
int32_t tdl_graph_op(tdl_graph *g, const char *name, tdl_op op, const tdl_attrs *attrs, int32_t n_in,
                     const int32_t *in);
// The same, into outputs that are there: given [n_out], of which -1 is made. An op whose outputs are given (ops.def) needs
// all of them.
int32_t tdl_graph_op_into(tdl_graph *g, const char *name, tdl_op op, const tdl_attrs *attrs, int32_t n_in,
                          const int32_t *in, const int32_t *given);
// A view of elements [first, first + count) of each row of a value, seen as [rows, shape...]; count is shape's product.
int32_t tdl_graph_view(tdl_graph *g, const char *name, int32_t value, int64_t first, int32_t n_dims,
                       const int64_t *shape);
// Rows [first, first + count) of a value whose number of rows is fixed.
int32_t tdl_graph_rows(tdl_graph *g, const char *name, int32_t value, int64_t first, int64_t count);
void tdl_graph_output(tdl_graph *g, int32_t value);

static inline tdl_value *tdl_graph_value(const tdl_graph *g, int32_t id) {
    assert(id >= 0 && (size_t)id < g->values.n);
    return tdl_vec_at(&g->values, tdl_value, id);
}
static inline tdl_plan_op *tdl_graph_op_at(const tdl_graph *g, int32_t i) {
    assert(i >= 0 && (size_t)i < g->ops.n);
    return tdl_vec_at(&g->ops, tdl_plan_op, i);
}

// A value as it stands, under this name; for passes.
int32_t tdl_graph_add_value(tdl_graph *g, const char *name, const tdl_value *value);

// The value that owns a view's memory.
int32_t tdl_graph_root(const tdl_graph *g, int32_t id);

#endif
