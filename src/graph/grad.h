// SPDX-License-Identifier: MIT
// grad.h - reverse mode: the ops that compute gradients, appended to the list that computed the values.
//
//     int32_t n_ops = g.ops.n;                       // the forward pass
//     ... the loss's ops, which make the gradient of `hidden` ...
//     tdl_graph_grad(&g, &(tdl_grad_desc){.n_ops = n_ops, .value = hidden, .gradient = d_hidden, ...});
//
// Gradients of parameters are states that ops add to, so that several steps accumulate; those of other values are temps.
// A view's gradient becomes part of the gradient of what it is a view of. Nothing is computed that leads to no parameter.
#ifndef TDL_GRAPH_GRAD_H
#define TDL_GRAPH_GRAD_H

#include "graph/graph.h"

typedef struct tdl_grad_desc {
    int32_t n_ops;           // the forward ops are the graph's first n_ops
    int32_t value, gradient; // where the walk begins: a value and its gradient
    const int32_t *params;   // [n_params] values whose gradient is wanted
    const int32_t *grads;    // [n_params] the states to add them to
    int32_t n_params;
    // Activation checkpointing (Chen et al. 2016): segments[i] is the first op of segment i, the last ends at n_ops. What a
    // segment computes for itself alone is computed again before its backward pass instead of being kept. NULL: all is kept.
    const int32_t *segments; // [n_segments]
    int32_t n_segments;
} tdl_grad_desc;

// Errors stick to the graph, as the builder's do: UNSUPPORTED (an op without a gradient rule, by name), MEMORY.
void tdl_graph_grad(tdl_graph *g, const tdl_grad_desc *desc);

#endif
