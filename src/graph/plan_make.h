// SPDX-License-Identifier: MIT
// plan_make.h - graph to plan: fuse, choose kernels, place every value, find the barriers, print.
#ifndef TDL_GRAPH_PLAN_MAKE_H
#define TDL_GRAPH_PLAN_MAKE_H

#include "base/str.h"
#include "graph/graph.h"

typedef struct tdl_plan_desc {
    const tdl_device *device; // whose kernels are chosen; borrowed for the call
    tdl_precision precision;
    bool invariant; // one kernel an op, whatever the number of rows: a row's bits follow from the row alone
    tdl_step_counts max;
    bool keep_values; // no value's memory is used again: tests look at every intermediate
    bool trains;      // weights change and are bound one by one; what the forward pass computes is read again
} tdl_plan_desc;

// The graph is used up: passes rewrite it. Errors: MEMORY, LIMIT, and whatever the graph's builder met.
tdl_status tdl_plan_create(tdl_graph *g, const tdl_plan_desc *desc, tdl_plan **out, tdl_error *err);
void tdl_plan_destroy(tdl_plan *plan);

// The best kernel of such a plan for the call, or NULL.
const tdl_kernel *tdl_plan_kernel(const tdl_plan_desc *desc, tdl_op op, const tdl_call *call);

// One line an op, after a line about the plan; appended to text.
tdl_status tdl_plan_print(const tdl_plan *plan, tdl_str *text, tdl_error *err);

// The passes, in order. Each sets g->error on failure.
void tdl_graph_split(tdl_graph *g, const tdl_plan_desc *desc);       // split.c: what is too large for one binding
void tdl_graph_join(tdl_graph *g, const tdl_plan_desc *desc);        // join.c: matmuls of one x into one
void tdl_graph_fuse_linear(tdl_graph *g, const tdl_plan_desc *desc); // fuse_linear.c: matmuls with what is round them
void tdl_graph_fuse_attention(
    tdl_graph *g,
    const tdl_plan_desc *desc);    // fuse_attention.c: what stands between projections into one op
void tdl_graph_fuse(tdl_graph *g); // fuse.c: pairs of ops into the op that does both
void tdl_graph_lower(tdl_graph *g, const tdl_plan_desc *desc); // lower.c: kernels, layouts, quantize ops

// For passes (join.c). Makes a value that owns its memory a view of columns [column, ...) of another, and its views with it.
void tdl_graph_put_inside(tdl_graph *g, int32_t part, int32_t whole, int64_t column);
// Weights of one type, rows or elements after one another, as one value of layout JOINED; -1 and the error on failure.
int32_t tdl_graph_join_weights(tdl_graph *g, const int32_t *weights, int32_t count);

tdl_status tdl_plan_place(tdl_plan *plan, const tdl_plan_desc *desc, const tdl_allocator *mem,
                          tdl_error *err); // place.c: memory
void tdl_plan_sync(tdl_plan *plan);        // sync.c: barriers

#endif
