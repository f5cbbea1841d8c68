// SPDX-License-Identifier: MIT
// grad.c - reverse mode over the op list. See grad.h and ops/grad_rule.h.
//
// Values have at most one gradient at a time in d[]; a second contribution is added to the first by an op. Gradients of views
// are gathered when the walk reaches the op that made what they are views of: by then every reader has given its part.
#include "graph/grad.h"

#include "ops/grad_rule.h"

#include <stdio.h>
#include <string.h>

typedef struct backward {
    tdl_grad grad; // first: rules get a pointer to it
    tdl_graph *g;
    const tdl_grad_desc *desc;
    int32_t n_values;      // how many the forward pass has; the arrays below are as long
    bool *needs;           // a parameter's gradient leads through this value
    int32_t *d;            // its gradient so far; -1: none
    int32_t *param;        // the state that its gradient is added to; -1: it is no parameter
    int32_t *again;        // the value computed again for it in the segment at hand; -1: itself
    int32_t *first_view;   // the first view of it; -1: none
    int32_t *next_view;    // of a view: the next one of the same value
    const tdl_plan_op *op; // at hand, as the forward pass has it
    char name[64];         // of what is appended
} backward;

static void find_needs(backward *b);
static void list_views(backward *b);
static void walk(backward *b, int32_t first, int32_t end);
static void compute_again(backward *b, int32_t first, int32_t end);
static void op_backward(backward *b, const tdl_plan_op *op);
static int32_t gather(backward *b, int32_t value);
static void prune(backward *b);

static int32_t rule_emit(tdl_grad *grad, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in);
static void rule_give(tdl_grad *grad, int32_t i, int32_t value);
static void rule_add_to(tdl_grad *grad, int32_t i, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in);
static const tdl_tensor *rule_tensor(tdl_grad *grad, int32_t value);
static int32_t rule_order_of(tdl_grad *grad, int32_t ids);

void tdl_graph_grad(tdl_graph *g, const tdl_grad_desc *desc) {
    if (g->error.code) return;
    backward b = {.g = g, .desc = desc, .n_values = (int32_t)g->values.n};
    b.grad = (tdl_grad){
        .emit = rule_emit, .give = rule_give, .add_to = rule_add_to, .tensor = rule_tensor, .order_of = rule_order_of};
    size_t n = (size_t)b.n_values;
    b.needs = tdl_alloc(g->mem, n, sizeof *b.needs);
    b.d = tdl_alloc(g->mem, n, sizeof *b.d);
    b.param = tdl_alloc(g->mem, n, sizeof *b.param);
    b.again = tdl_alloc(g->mem, n, sizeof *b.again);
    b.first_view = tdl_alloc(g->mem, n, sizeof *b.first_view);
    b.next_view = tdl_alloc(g->mem, n, sizeof *b.next_view);
    if (!b.needs || !b.d || !b.param || !b.again || !b.first_view || !b.next_view) {
        tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for the gradients of %zu values", n);
        goto cleanup;
    }
    for (size_t i = 0; i < n; i++) b.d[i] = b.param[i] = b.again[i] = b.first_view[i] = -1;
    find_needs(&b);
    list_views(&b);
    b.d[desc->value] = desc->gradient;
    int32_t end = desc->n_ops;
    for (int32_t s = desc->n_segments - 1; s >= 0 && !g->error.code; end = desc->segments[s--]) {
        // What the last segment computed is still there.
        if (s < desc->n_segments - 1) compute_again(&b, desc->segments[s], end);
        walk(&b, desc->segments[s], end);
    }
    walk(&b, 0, end);
    prune(&b);
cleanup:
    tdl_free(g->mem, b.needs);
    tdl_free(g->mem, b.d);
    tdl_free(g->mem, b.param);
    tdl_free(g->mem, b.again);
    tdl_free(g->mem, b.first_view);
    tdl_free(g->mem, b.next_view);
}

// Marks what depends on a parameter. Views follow what they are views of, which has a smaller id.
static void find_needs(backward *b) {
    for (int32_t i = 0; i < b->desc->n_params; i++) {
        b->needs[b->desc->params[i]] = true;
        b->param[b->desc->params[i]] = b->desc->grads[i];
    }
    for (int32_t i = 0; i < b->desc->n_ops; i++) {
        const tdl_plan_op *op = tdl_graph_op_at(b->g, i);
        bool needs = false;
        for (int32_t j = 0; j < op->n_in; j++) needs |= b->needs[tdl_graph_root(b->g, op->in[j])];
        for (int32_t j = 0; j < op->n_out; j++) b->needs[tdl_graph_root(b->g, op->out[j])] |= needs;
    }
    for (int32_t i = 0; i < b->n_values; i++) b->needs[i] = b->needs[tdl_graph_root(b->g, i)];
}

// In the order of their ids: the last is put in front first.
static void list_views(backward *b) {
    for (int32_t i = b->n_values; i-- > 0;) {
        int32_t base = tdl_graph_value(b->g, i)->base;
        if (base < 0) continue;
        b->next_view[i] = b->first_view[base];
        b->first_view[base] = i;
    }
}

static void walk(backward *b, int32_t first, int32_t end) {
    for (int32_t i = end - 1; i >= first && !b->g->error.code; i--) {
        tdl_plan_op op = *tdl_graph_op_at(b->g, i); // a copy: rules make the list grow
        op_backward(b, &op);
    }
}

static void op_backward(backward *b, const tdl_plan_op *op) {
    tdl_grad *grad = &b->grad;
    bool wanted = false;
    for (int32_t i = 0; i < op->n_out; i++) {
        grad->d_out[i] = b->needs[op->out[i]] ? gather(b, op->out[i]) : -1;
        wanted |= grad->d_out[i] >= 0;
    }
    if (!wanted || b->g->error.code) return;
    tdl_grad_rule rule = tdl_grad_rule_of(op->op);
    const char *name = tdl_graph_value(b->g, op->out[0])->name;
    if (!rule) {
        tdl_fail(&b->g->error, TDL_ERROR_UNSUPPORTED, "graph: op %s, which makes '%s', has no gradient rule",
                 tdl_op_get(op->op)->name, name);
        return;
    }
    snprintf(b->name, sizeof b->name, "d.%s", name);
    b->op = op;
    grad->attrs = &op->attrs;
    grad->n_in = op->n_in;
    for (int32_t i = 0; i < op->n_in; i++) {
        grad->wants[i] = b->needs[op->in[i]];
        grad->in[i] = b->again[op->in[i]] >= 0 ? b->again[op->in[i]] : op->in[i];
    }
    for (int32_t i = 0; i < op->n_out; i++)
        grad->out[i] = b->again[op->out[i]] >= 0 ? b->again[op->out[i]] : op->out[i];
    rule(grad);
}

static void add_gradient(backward *b, int32_t value, int32_t gradient) {
    if (b->d[value] >= 0)
        gradient = tdl_graph_op(b->g, b->name, TDL_OP_ADD, NULL, 2, (int32_t[]){b->d[value], gradient});
    b->d[value] = gradient;
}

// The gradient of an op's output: its own, and what its views were given. -1: none.
static int32_t gather(backward *b, int32_t id) {
    tdl_graph *g = b->g;
    const tdl_tensor whole = tdl_graph_value(g, id)->tensor;
    snprintf(b->name, sizeof b->name, "d.%s", tdl_graph_value(g, id)->name);
    int32_t parts = -1; // a gradient that views of some columns are copied into
    for (int32_t i = b->first_view[id]; i >= 0 && !g->error.code; i = b->next_view[i]) {
        tdl_value view = *tdl_graph_value(g, i); // a copy: the list grows
        if (b->d[i] < 0) continue;
        if (tdl_tensor_n_elements(&view.tensor) == tdl_tensor_n_elements(&whole)) {
            add_gradient(b, id, tdl_graph_view(g, b->name, b->d[i], 0, whole.n_dims - 1, &whole.shape[1]));
            continue;
        }
        if (parts < 0) {
            parts = tdl_graph_temp(g, b->name, &whole);
            tdl_graph_op_into(g, b->name, TDL_OP_FILL, NULL, 0, NULL, &parts);
        }
        int32_t part = tdl_graph_view(g, b->name, parts, (int64_t)(view.base_offset / sizeof(float)),
                                      view.tensor.n_dims - 1, &view.tensor.shape[1]);
        tdl_graph_op_into(g, b->name, TDL_OP_COPY, NULL, 1, &b->d[i], &part);
    }
    if (parts >= 0) add_gradient(b, id, parts);
    return g->error.code ? -1 : b->d[id];
}

// ---- segments computed again -----------------------------------------------------------------------------------------

// The value that stands for `id` while this segment's gradients are made: what is computed again, or a view of that.
static int32_t again(backward *b, int32_t id) {
    tdl_value value = *tdl_graph_value(b->g, id);
    if (b->again[id] >= 0 || value.base < 0 || b->g->error.code) return b->again[id] >= 0 ? b->again[id] : id;
    int32_t base = again(b, value.base);
    if (base == value.base) return id;
    int32_t element = (int32_t)sizeof(float);
    return b->again[id] = tdl_graph_view(b->g, value.name, base, (int64_t)value.base_offset / element,
                                         value.tensor.n_dims - 1, &value.tensor.shape[1]);
}

static void compute_again(backward *b, int32_t first, int32_t end) {
    for (int32_t i = first; i < end && !b->g->error.code; i++) {
        tdl_plan_op op = *tdl_graph_op_at(b->g, i);
        int32_t in[TDL_OP_IN_MAX];
        for (int32_t j = 0; j < op.n_in; j++) in[j] = again(b, op.in[j]);
        char name[64];
        snprintf(name, sizeof name, "%s", tdl_graph_value(b->g, op.out[0])->name);
        int32_t out = tdl_graph_op(b->g, name, op.op, &op.attrs, op.n_in, in);
        for (int32_t j = 0; j < op.n_out; j++) b->again[op.out[j]] = out + j;
    }
    for (int32_t i = 0; i < b->n_values; i++) // views that only rules read
        if (tdl_graph_value(b->g, i)->base >= 0) again(b, i);
}

// Takes out ops nobody needs: those whose outputs are temps that no later op reads. Computing a segment again makes some.
static void prune(backward *b) {
    tdl_graph *g = b->g;
    if (g->error.code) return;
    bool *read = tdl_alloc(g->mem, g->values.n, sizeof *read); // by root
    if (!read) {
        tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu values", g->values.n);
        return;
    }
    if (g->output >= 0) read[tdl_graph_root(g, g->output)] = true;
    size_t kept = g->ops.n; // from the end: the list is packed towards it, then moved
    for (size_t i = g->ops.n; i-- > 0;) {
        tdl_plan_op op = *tdl_graph_op_at(g, (int32_t)i);
        bool needed = false;
        for (int32_t j = 0; j < op.n_out; j++) {
            int32_t root = tdl_graph_root(g, op.out[j]);
            needed |= read[root] || tdl_graph_value(g, root)->kind != TDL_VALUE_TEMP;
        }
        if (!needed) continue;
        for (int32_t j = 0; j < op.n_in; j++) read[tdl_graph_root(g, op.in[j])] = true;
        *tdl_graph_op_at(g, (int32_t)--kept) = op;
    }
    size_t n = g->ops.n - kept;
    memmove(g->ops.data, tdl_graph_op_at(g, (int32_t)kept), n * sizeof(tdl_plan_op));
    g->ops.n = n;
    tdl_free(g->mem, read);
}

// ---- what rules may do -----------------------------------------------------------------------------------------------

static int32_t rule_emit(tdl_grad *grad, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in) {
    backward *b = (backward *)grad;
    return tdl_graph_op(b->g, b->name, op, attrs, n_in, in);
}

static void rule_give(tdl_grad *grad, int32_t i, int32_t value) {
    backward *b = (backward *)grad;
    int32_t id = b->op->in[i];
    if (b->g->error.code) return;
    if (b->param[id] >= 0) {
        tdl_fail(&b->g->error, TDL_ERROR_UNSUPPORTED, "graph: '%s' is a parameter that op %s cannot train",
                 tdl_graph_value(b->g, id)->name, tdl_op_get(b->op->op)->name);
        return;
    }
    add_gradient(b, id, value);
}

static void rule_add_to(tdl_grad *grad, int32_t i, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in) {
    backward *b = (backward *)grad;
    int32_t id = b->op->in[i];
    if (b->g->error.code) return;
    if (b->param[id] < 0) {
        tdl_fail(&b->g->error, TDL_ERROR_UNSUPPORTED, "graph: op %s: '%s' must be a parameter to have a gradient",
                 tdl_op_get(b->op->op)->name, tdl_graph_value(b->g, id)->name);
        return;
    }
    tdl_graph_op_into(b->g, b->name, op, attrs, n_in, in, &b->param[id]);
}

static const tdl_tensor *rule_tensor(tdl_grad *grad, int32_t value) {
    return &tdl_graph_value(((backward *)grad)->g, value)->tensor;
}

static int32_t rule_order_of(tdl_grad *grad, int32_t ids) {
    tdl_graph *g = ((backward *)grad)->g;
    if (g->error.code) return -1;
    const tdl_value *value = tdl_graph_value(g, ids);
    tdl_step_input order = value->weight == TDL_STEP_POSITIONS ? TDL_STEP_POSITION_ORDER : TDL_STEP_ID_ORDER;
    return tdl_graph_step(g, order, value->rows, value->tensor.shape[0], 0, 0);
}
