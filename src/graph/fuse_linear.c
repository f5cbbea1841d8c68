// SPDX-License-Identifier: MIT
// fuse_linear.c - makes linear ops of matmuls: with the norm before them, and the gate or the residual connection behind.
//
//     norm -> matmul -> glu or act,    norm -> matmul,    matmul -> add
//
// Only where the device has a kernel for the whole: that is where dispatches are dear and tokens few. A norm whose readers all
// took it in is dropped.
#include "graph/plan_make.h"
#include "ops/linear/linear.h"

#include <string.h>

static void fuse_op(tdl_graph *g, const tdl_plan_desc *desc, int32_t index);
static bool make(const tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *matmul, const tdl_plan_op *norm,
                 const tdl_plan_op *after, tdl_plan_op *made);
static bool is_norm(const tdl_plan_op *op);
static int32_t reader_of(const tdl_graph *g, int32_t value, int32_t *n_readers);

void tdl_graph_fuse_linear(tdl_graph *g, const tdl_plan_desc *desc) {
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(TDL_OP_LINEAR, &n_kernels);
    bool any = false;
    for (size_t i = 0; i < n_kernels; i++) any |= kernels[i]->backend == desc->device->backend->id;
    if (!any || desc->keep_values) return;
    for (int32_t i = 0; i < (int32_t)g->ops.n; i++)
        if (tdl_graph_op_at(g, i)->op == TDL_OP_MATMUL) fuse_op(g, desc, i);
    int32_t kept = 0, n_readers;
    for (int32_t i = 0; i < (int32_t)g->ops.n; i++) {
        const tdl_plan_op *op = tdl_graph_op_at(g, i);
        if (is_norm(op)) reader_of(g, op->out[0], &n_readers);
        if (op->op == TDL_OP_NONE || (is_norm(op) && n_readers == 0)) continue;
        *tdl_graph_op_at(g, kept++) = *op;
    }
    g->ops.n = (size_t)kept;
}

// The matmul with as much of its surroundings as some kernel takes.
static void fuse_op(tdl_graph *g, const tdl_plan_desc *desc, int32_t index) {
    tdl_plan_op *matmul = tdl_graph_op_at(g, index), made;
    const tdl_plan_op *norm = NULL;
    int32_t n_readers;
    for (int32_t i = 0; i < index; i++) {
        const tdl_plan_op *op = tdl_graph_op_at(g, i);
        if (is_norm(op) && op->out[0] == matmul->in[0]) norm = op;
    }
    int32_t reader = reader_of(g, matmul->out[0], &n_readers);
    tdl_plan_op *after =
        n_readers == 1 && reader >= 0 ? tdl_graph_op_at(g, reader) : NULL; // not where that is the plan's output
    if (make(g, desc, matmul, norm, after, &made) || make(g, desc, matmul, NULL, after, &made)) {
        if (made.out[0] != matmul->out[0]) after->op = TDL_OP_NONE;
        *matmul = made;
    } else if (make(g, desc, matmul, norm, NULL, &made)) {
        *matmul = made;
    }
}

// False where that is nothing more than the matmul, or where there is no kernel for it.
static bool make(const tdl_graph *g, const tdl_plan_desc *desc, const tdl_plan_op *matmul, const tdl_plan_op *norm,
                 const tdl_plan_op *after, tdl_plan_op *made) {
    *made = (tdl_plan_op){.op = TDL_OP_LINEAR, .n_in = 2, .n_out = 1, .in = {matmul->in[0], matmul->in[1]}};
    made->out[0] = matmul->out[0];
    if (norm) {
        made->in[0] = norm->in[0];
        made->in[made->n_in++] = norm->in[1];
        made->attrs.linear |= TDL_LINEAR_NORM;
        made->attrs.eps = norm->attrs.eps;
        if (norm->op == TDL_OP_LAYER_NORM) {
            made->in[made->n_in++] = norm->in[2];
            made->attrs.linear |= TDL_LINEAR_SHIFT;
        }
    }
    if (matmul->n_in == 3) {
        made->in[made->n_in++] = matmul->in[2];
        made->attrs.linear |= TDL_LINEAR_BIAS;
    }
    if (after && after->op == TDL_OP_ADD && after->in[1] == matmul->out[0] && after->in[0] != matmul->out[0]) {
        made->in[made->n_in++] = after->in[0];
        made->attrs.linear |= TDL_LINEAR_RESIDUAL;
        made->out[0] = after->out[0];
    } else if (after && after->op == TDL_OP_GLU) {
        const tdl_value *gate = tdl_graph_value(g, after->in[0]), *up = tdl_graph_value(g, after->in[1]);
        if (gate->base != matmul->out[0] || up->base != matmul->out[0] || gate->base_offset != 0 ||
            up->base_offset != (size_t)gate->tensor.shape[1] * sizeof(float))
            return false;
        made->attrs.linear |= TDL_LINEAR_GATE;
        made->attrs.act = after->attrs.act;
        made->out[0] = after->out[0];
    } else if (after && after->op == TDL_OP_ACT && after->in[0] == matmul->out[0]) {
        made->attrs.act = after->attrs.act;
        made->out[0] = after->out[0];
    } else if (after || !norm) {
        return false;
    }
    tdl_call call = {.attrs = made->attrs, .n_in = made->n_in, .n_out = 1};
    for (int32_t i = 0; i < made->n_in; i++) call.in[i] = tdl_graph_value(g, made->in[i])->tensor;
    if (tdl_op_get(TDL_OP_LINEAR)->infer(&call, NULL) != TDL_OK) return false;
    return tdl_plan_kernel(desc, TDL_OP_LINEAR, &call) != NULL;
}

static bool is_norm(const tdl_plan_op *op) { return op->op == TDL_OP_RMS_NORM || op->op == TDL_OP_LAYER_NORM; }

// An op that reads the value, or a view of it, and how many do; the plan's output is read once more. -1: no op does.
static int32_t reader_of(const tdl_graph *g, int32_t value, int32_t *n_readers) {
    int32_t reader = -1;
    *n_readers = tdl_graph_root(g, g->output) == value;
    for (int32_t i = 0; i < (int32_t)g->ops.n; i++) {
        const tdl_plan_op *op = tdl_graph_op_at(g, i);
        bool reads = false;
        for (int32_t j = 0; j < op->n_in && op->op != TDL_OP_NONE; j++) reads |= tdl_graph_root(g, op->in[j]) == value;
        if (!reads) continue;
        reader = i;
        ++*n_readers;
    }
    return reader;
}
