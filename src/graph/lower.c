// SPDX-License-Identifier: MIT
// lower.c - chooses a kernel for every op, and gives each kernel its inputs the way it wants them.
//
// Where a matmul's kernel wants int8 activations, a quantize op makes them, once for all matmuls that read the same value.
// Where it wants its weight in a prepared layout, the weight gets a second value in that layout; the first stays for whoever
// else reads the rows (a tied embedding), or is dropped as unused. Where some kernels take few rows only, the op keeps the
// best one for each range of rows.
#include "graph/plan_make.h"

#include <stdio.h>
#include <string.h>

static void add_op(tdl_vec *ops, const tdl_plan_op *op, tdl_graph *g);
static int32_t quantized(tdl_graph *g, tdl_vec *ops, const tdl_plan_desc *desc, int32_t x);
static int32_t prepared(tdl_graph *g, int32_t weight, tdl_layout layout);
static const tdl_kernel *find_kernel(const tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *op,
                                     int32_t rows);
static void find_few(const tdl_graph *g, const tdl_plan_desc *desc, tdl_plan_op *op);
static void check_op(tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *op);

void tdl_graph_lower(tdl_graph *g, const tdl_plan_desc *desc) {
    tdl_vec ops = tdl_vec_make(g->mem, sizeof(tdl_plan_op));
    for (int32_t i = 0; i < (int32_t)g->ops.n && !g->error.code; i++) {
        tdl_plan_op op = *tdl_graph_op_at(g, i);
        op.kernel = find_kernel(g, desc, &op, 0);
        find_few(g, desc, &op);
        check_op(g, desc, &op);
        if (op.kernel && op.kernel->x == TDL_DTYPE_A8) op.in[0] = quantized(g, &ops, desc, op.in[0]);
        if (op.kernel && op.kernel->layout != TDL_LAYOUT_ROWS) op.in[1] = prepared(g, op.in[1], op.kernel->layout);
        if (!g->error.code) add_op(&ops, &op, g);
    }
    tdl_vec_deinit(&g->ops);
    g->ops = ops;
}

// The A8 form of value x: made by an op already there, or by one added now.
static int32_t quantized(tdl_graph *g, tdl_vec *ops, const tdl_plan_desc *desc, int32_t x) {
    for (size_t i = ops->n; i-- > 0;) {
        const tdl_plan_op *op = tdl_vec_at(ops, tdl_plan_op, i);
        if (op->op == TDL_OP_QUANTIZE && op->in[0] == x) return op->out[0];
    }
    // tdl_graph_op appends to the graph's own list, which is being replaced: take it back from there.
    size_t n_before = g->ops.n;
    int32_t made = tdl_graph_op(g, tdl_graph_value(g, x)->name, TDL_OP_QUANTIZE, NULL, 1, &x);
    if (made < 0) return -1;
    tdl_plan_op op = *tdl_graph_op_at(g, (int32_t)n_before);
    g->ops.n = n_before;
    op.kernel = find_kernel(g, desc, &op, 0);
    add_op(ops, &op, g);
    return made;
}

static int32_t prepared(tdl_graph *g, int32_t weight, tdl_layout layout) {
    tdl_value value = *tdl_graph_value(g, weight);
    for (int32_t i = 0; i < (int32_t)g->values.n; i++) {
        const tdl_value *other = tdl_graph_value(g, i);
        if (other->kind == TDL_VALUE_WEIGHT && other->weight == value.weight && other->layout == layout &&
            other->first_row == value.first_row && other->tensor.shape[0] == value.tensor.shape[0])
            return i;
    }
    value.layout = layout;
    if (tdl_vec_push(&g->values, &value, 1)) return (int32_t)g->values.n - 1;
    tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu values", g->values.n + 1);
    return -1;
}

// The best kernel where what follows out[0]'s rows has so many; rows 0: the plan's maximum.
static const tdl_kernel *find_kernel(const tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *op,
                                     int32_t rows) {
    tdl_call call = {.attrs = op->attrs, .n_in = op->n_in, .n_out = op->n_out};
    tdl_rows followed = tdl_graph_value(g, op->out[0])->rows;
    for (int32_t i = 0; i < op->n_in + op->n_out; i++) {
        const tdl_value *value = tdl_graph_value(g, i < op->n_in ? op->in[i] : op->out[i - op->n_in]);
        tdl_tensor *t = i < op->n_in ? &call.in[i] : &call.out[i - op->n_in];
        *t = value->tensor;
        if (rows && value->rows == followed) t->shape[0] = rows + value->rows_add;
    }
    return tdl_plan_kernel(desc, op->op, &call);
}

// Kernels that take less than the plan's maximum; they want their inputs as op->kernel does.
static void find_few(const tdl_graph *g, const tdl_plan_desc *desc, tdl_plan_op *op) {
    const tdl_value *out = tdl_graph_value(g, op->out[0]);
    if (!op->kernel || out->rows == TDL_ROWS_FIXED || out->rows_add) return;
    int32_t n = 0, rows = 1;
    while (n < TDL_PLAN_FEW_MAX && rows < out->tensor.shape[0]) {
        const tdl_kernel *kernel = find_kernel(g, desc, op, rows);
        if (!kernel || kernel == op->kernel || !kernel->rows_max || kernel->x != op->kernel->x ||
            kernel->layout != op->kernel->layout)
            return;
        op->few[n++] = kernel;
        rows = kernel->rows_max + 1;
    }
}

// Whether the device can compute the op: some have no reference to fall back on, and a limit on what a kernel is given.
static void check_op(tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *op) {
    const tdl_backend *backend = desc->device->backend;
    char text[96], types[TDL_OP_IN_MAX * 8] = "";
    if (!op->kernel && !backend->has_reference) {
        for (int32_t i = 0, n = 0; i < op->n_in; i++)
            n += snprintf(types + n, sizeof types - (size_t)n, "%s%s", i ? ", " : "",
                          tdl_dtype_get(tdl_graph_value(g, op->in[i])->tensor.dtype)->name);
        tdl_fail(&g->error, TDL_ERROR_UNSUPPORTED, "plan: %s has no kernel for op %s of %s, which makes '%s'",
                 backend->name, tdl_op_get(op->op)->name, types, tdl_graph_value(g, op->out[0])->name);
    }
    uint64_t size_max = desc->device->value_size_max;
    for (int32_t i = 0; size_max && i < op->n_in + op->n_out && !g->error.code; i++) {
        int32_t id = i < op->n_in ? op->in[i] : op->out[i - op->n_in];
        const tdl_value *value = tdl_graph_value(g, tdl_graph_root(g, id));
        if (tdl_tensor_extent(&value->tensor) > size_max)
            tdl_fail(&g->error, TDL_ERROR_LIMIT, "plan: '%s', %s, has %zu bytes, this device binds at most %llu",
                     value->name, tdl_tensor_describe(&value->tensor, text), tdl_tensor_size(&value->tensor),
                     (unsigned long long)size_max);
    }
}

static void add_op(tdl_vec *ops, const tdl_plan_op *op, tdl_graph *g) {
    if (!tdl_vec_push(ops, op, 1)) tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", ops->n + 1);
}
