// SPDX-License-Identifier: MIT
// join.c - makes one matmul of those that multiply the same x: q, k and v, gate and up.
//
// Their weights become one whose rows lie one after another in one buffer (TDL_LAYOUT_JOINED), their outputs views of its
// columns. A GPU then has one dispatch where it had three, and a larger one. Weights are joined where they are of one type
// and fill whole units of 16 bytes.
#include "base/checked.h"
#include "graph/plan_make.h"

#include <stdio.h>

static int32_t count_joinable(const tdl_graph *g, const tdl_plan_desc *desc, int32_t first);
static void join(tdl_graph *g, int32_t first, int32_t count);

void tdl_graph_join(tdl_graph *g, const tdl_plan_desc *desc) {
    if (!desc->device->backend->joins_weights) return;
    int32_t kept = 0;
    for (int32_t i = 0; i < (int32_t)g->ops.n && !g->error.code;) {
        int32_t count = count_joinable(g, desc, i);
        if (count > 1) join(g, i, count);
        *tdl_graph_op_at(g, kept++) = *tdl_graph_op_at(g, i);
        i += count;
    }
    g->ops.n = (size_t)kept;
}

// How many ops from `first` on can become one.
static int32_t count_joinable(const tdl_graph *g, const tdl_plan_desc *desc, int32_t first) {
    const tdl_plan_op *op = tdl_graph_op_at(g, first);
    if (op->op != TDL_OP_MATMUL) return 1;
    uint64_t size = 0, out_size = 0, size_max = desc->device->value_size_max;
    int32_t count = 0;
    for (; count < TDL_JOINED_MAX && first + count < (int32_t)g->ops.n; count++) {
        const tdl_plan_op *next = tdl_graph_op_at(g, first + count);
        if (tdl_graph_value(g, next->out[0])->base >= 0) break; // a part of one that was too large
        if (next->op != TDL_OP_MATMUL || next->in[0] != op->in[0] || next->n_in != op->n_in) break;
        bool fits = tdl_graph_value(g, next->out[0])->tensor.shape[1] % 4 == 0; // views begin at multiples of 16 bytes
        for (int32_t i = 1; i < op->n_in; i++) {
            const tdl_value *value = tdl_graph_value(g, next->in[i]);
            fits &= value->kind == TDL_VALUE_WEIGHT && value->layout == TDL_LAYOUT_ROWS &&
                    tdl_tensor_contiguous(&value->tensor) && tdl_tensor_size(&value->tensor) % 16 == 0 &&
                    value->tensor.dtype == tdl_graph_value(g, op->in[i])->tensor.dtype;
        }
        size += tdl_tensor_size(&tdl_graph_value(g, next->in[1])->tensor);
        out_size += tdl_tensor_size(&tdl_graph_value(g, next->out[0])->tensor);
        if (!fits || (size_max && (size > size_max || out_size > size_max))) break;
    }
    return count ? count : 1;
}

// Ops [first, first + count) in place of the first of them.
static void join(tdl_graph *g, int32_t first, int32_t count) {
    tdl_plan_op made = *tdl_graph_op_at(g, first);
    int64_t n = 0, column = 0;
    for (int32_t i = 0; i < count; i++) n += tdl_graph_value(g, tdl_graph_op_at(g, first + i)->out[0])->tensor.shape[1];
    tdl_value whole = *tdl_graph_value(g, made.out[0]);
    if (tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){whole.tensor.shape[0], n}, NULL, &whole.tensor, &g->error))
        return;
    for (int32_t i = 1; i < made.n_in; i++) {
        int32_t weights[TDL_JOINED_MAX];
        for (int32_t j = 0; j < count; j++) weights[j] = tdl_graph_op_at(g, first + j)->in[i];
        made.in[i] = tdl_graph_join_weights(g, weights, count);
    }
    made.out[0] = tdl_graph_add_value(g, whole.name, &whole);
    if (g->error.code) return;
    for (int32_t i = 0; i < count; i++) {
        int32_t part = tdl_graph_op_at(g, first + i)->out[0];
        tdl_graph_put_inside(g, part, made.out[0], column);
        column += tdl_graph_value(g, part)->tensor.shape[1];
    }
    *tdl_graph_op_at(g, first) = made;
}

void tdl_graph_put_inside(tdl_graph *g, int32_t part, int32_t whole, int64_t column) {
    int64_t stride = tdl_graph_value(g, whole)->tensor.strides[0];
    for (int32_t v = 0; v < (int32_t)g->values.n; v++) // the views of it
        if (tdl_graph_root(g, v) == part) tdl_graph_value(g, v)->tensor.strides[0] = stride;
    tdl_graph_value(g, part)->base = whole;
    tdl_graph_value(g, part)->base_offset = (size_t)column * sizeof(float);
}

int32_t tdl_graph_join_weights(tdl_graph *g, const int32_t *weights, int32_t count) {
    tdl_value joined = *tdl_graph_value(g, weights[0]);
    joined.layout = TDL_LAYOUT_JOINED;
    joined.n_joined = count;
    int64_t shape[2] = {0, joined.tensor.shape[1]};
    for (int32_t i = 0; i < count; i++) {
        const tdl_value *value = tdl_graph_value(g, weights[i]);
        joined.joined[i] = value->weight;
        shape[0] += value->tensor.shape[0];
    }
    if (tdl_tensor_make(joined.tensor.dtype, joined.tensor.n_dims, shape, NULL, &joined.tensor, &g->error)) return -1;
    return tdl_graph_add_value(g, joined.name, &joined);
}
