// SPDX-License-Identifier: MIT
// split.c - weights and states with more bytes than the device gives a kernel at once become parts, each a value of its own,
// and what reads or writes them becomes an op for each part:
//
//     y = matmul(x, w)      ->  y[:, 0:n) = matmul(x, w[0:n)),  y[:, n:2n) = matmul(x, w[n:2n)), ...
//     y = embed(w, ids)     ->  an op for each part, which writes the rows of y whose ids are its own
//     attention(q, k, v)    ->  an op for each part of the heads: caches come in parts of those, which know nothing of each other
//     dx = dy w             ->  dy[:, 0:n) w[0:n) + dy[:, n:2n) w[n:2n) + ..., one after another
//
// How an op is divided is a row of a table. Where, is a matter of the tensor alone (tdl_part_rows), so a table that is both
// embedding and output matrix is in memory once, and a gradient, its weight and the moments meet part by part. This pass
// comes first: what it leaves are ops like any other. What it cannot mend (a row, an activation, other ops' weights) lower.c
// names as an error.
#include "base/checked.h"
#include "graph/parts.h"
#include "graph/plan_make.h"

#include <string.h>

// What an op for a part has of an operand.
typedef enum share {
    WHOLE = 0, // everything
    ROWS,      // places along dimension 0
    HEADS,     // places along dimension 1: heads of a cache, columns of a matrix
    QUADS,     // its share, in multiples of four elements
    SUM,       // written: everything, of which the parts' results are the summands
} share;

typedef struct division {
    tdl_op op;
    bool by_id; // ids choose among the rows: the op is told which of them it has
    share in[TDL_OP_IN_MAX], out[TDL_OP_OUT_MAX];
} division;

static const division divisions[] = {
    {TDL_OP_EMBED, true, {ROWS}, {WHOLE}},
    {TDL_OP_EMBED_GRAD, true, {WHOLE}, {ROWS}},
    {TDL_OP_MATMUL, false, {WHOLE, ROWS, ROWS}, {HEADS}},
    {TDL_OP_MATMUL_GRAD_X, false, {HEADS, ROWS}, {SUM}},
    {TDL_OP_MATMUL_GRAD_W, false, {HEADS, WHOLE}, {ROWS}},
    {TDL_OP_KV_APPEND, false, {HEADS, HEADS}, {HEADS, HEADS}},
    {TDL_OP_ATTENTION, false, {HEADS, HEADS, HEADS}, {HEADS}},
    {TDL_OP_SUM_SQUARES, false, {ROWS}, {QUADS}},
    {TDL_OP_ADAMW, false, {ROWS}, {ROWS, ROWS, ROWS}},
    {TDL_OP_FILL, false, {WHOLE}, {ROWS}},
};

// Some of the places along a dimension of what is divided.
typedef struct range {
    int64_t first, count, of;
} range;

typedef struct split {
    tdl_graph *g;
    uint64_t size_max;
    tdl_vec ops; // tdl_plan_op: those that are done
} split;

static int64_t find_division(const split *s, const tdl_plan_op *op, const division **how, int64_t *n_rows);
static void split_op(split *s, const tdl_plan_op *op, const division *how, int64_t n_all, int64_t n_rows);
static void push(split *s, const tdl_plan_op *op);
static int32_t share_of(split *s, int32_t id, share what, const range *r);
static bool divided(const split *s, int32_t id, share what, int64_t *n_rows);
static int32_t part_of(split *s, int32_t whole, int32_t dim, const range *r);
static int32_t view_of(split *s, int32_t id, int32_t dim, int64_t first, int64_t count);

void tdl_graph_split(tdl_graph *g, const tdl_plan_desc *desc) {
    split s = {.g = g, .size_max = desc->device->value_size_max, .ops = tdl_vec_make(g->mem, sizeof(tdl_plan_op))};
    if (s.size_max == 0) return;
    for (int32_t i = 0; i < (int32_t)g->ops.n && !g->error.code; i++) {
        const tdl_plan_op op = *tdl_graph_op_at(g, i);
        const division *how;
        int64_t n_rows, n_all = find_division(&s, &op, &how, &n_rows);
        if (n_all) split_op(&s, &op, how, n_all, n_rows);
        else push(&s, &op);
    }
    tdl_vec_deinit(&g->ops);
    g->ops = s.ops;
}

// How many rows (heads) there are to divide, and how many are a part; 0: nothing the op has comes in parts.
static int64_t find_division(const split *s, const tdl_plan_op *op, const division **how, int64_t *n_rows) {
    for (size_t i = 0; i < sizeof divisions / sizeof *divisions; i++) {
        const division *d = &divisions[i];
        if (d->op != op->op) continue;
        *how = d;
        for (int32_t j = 0; j < op->n_in + op->n_out; j++) {
            int32_t id = j < op->n_in ? op->in[j] : op->out[j - op->n_in];
            share what = j < op->n_in ? d->in[j] : d->out[j - op->n_in];
            if (divided(s, id, what, n_rows)) return tdl_graph_value(s->g, id)->tensor.shape[what == HEADS];
        }
    }
    return 0;
}

static void split_op(split *s, const tdl_plan_op *op, const division *how, int64_t n_all, int64_t n_rows) {
    int32_t sum = -1; // of the parts' results so far
    for (int64_t first = 0; first < n_all && !s->g->error.code; first += n_rows) {
        const range r = {first, tdl_min_i64(n_rows, n_all - first), n_all};
        tdl_plan_op part = *op;
        if (how->by_id) {
            part.attrs.part_first = (int32_t)first;
            part.attrs.part_of = (int32_t)n_all;
        }
        for (int32_t i = 0; i < op->n_in; i++) part.in[i] = share_of(s, op->in[i], how->in[i], &r);
        for (int32_t i = 0; i < op->n_out; i++) {
            part.out[i] = share_of(s, op->out[i], how->out[i], &r);
            if (how->out[i] == WHOLE && part.out[i] >= 0) // made in parts: no op makes all of it
                part.out[i] = view_of(s, op->out[i], 0, 0, tdl_graph_value(s->g, op->out[i])->tensor.shape[0]);
        }
        push(s, &part);
        if (how->out[0] != SUM) continue;
        if (sum >= 0) {
            tdl_plan_op add = {.op = TDL_OP_ADD, .n_in = 2, .n_out = 1, .in = {sum, part.out[0]}};
            add.out[0] = first + r.count < n_all ? share_of(s, op->out[0], SUM, &r) : op->out[0];
            push(s, &add);
            sum = add.out[0];
        } else {
            sum = part.out[0];
        }
    }
}

static void push(split *s, const tdl_plan_op *op) {
    if (!s->g->error.code && !tdl_vec_push(&s->ops, op, 1))
        tdl_fail(&s->g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", s->ops.n + 1);
}

// What the op for part r has of an operand: a value.
static int32_t share_of(split *s, int32_t id, share what, const range *r) {
    if (s->g->error.code) return -1;
    const tdl_value *value = tdl_graph_value(s->g, id);
    int32_t dim = what == HEADS;
    int64_t n = value->tensor.shape[dim], n_rows;
    switch (what) {
    case WHOLE: break;
    case SUM: {
        tdl_value summand = *value;
        summand.base = -1;
        summand.base_offset = 0;
        tdl_status status = tdl_part_tensor(&value->tensor, 0, n, &summand.tensor, &s->g->error);
        return status == TDL_OK ? tdl_graph_add_value(s->g, value->name, &summand) : -1;
    }
    case QUADS: {
        int64_t first = n * r->first / r->of / 4 * 4, end = n * (r->first + r->count) / r->of / 4 * 4;
        return view_of(s, id, 0, first, (r->first + r->count == r->of ? n : end) - first);
    }
    case ROWS:
    case HEADS:
        if (divided(s, id, what, &n_rows)) return part_of(s, id, dim, r);
        // As many places for each of what is divided: query heads share a head of the cache.
        return view_of(s, id, dim, r->first * n / r->of, r->count * n / r->of);
    }
    return id;
}

// Whether a value comes in parts, and of how many rows (heads).
static bool divided(const split *s, int32_t id, share what, int64_t *n_rows) {
    const tdl_value *value = tdl_graph_value(s->g, id);
    if ((what != ROWS && what != HEADS) || value->base >= 0) return false;
    if (value->kind != TDL_VALUE_WEIGHT && value->kind != TDL_VALUE_STATE) return false;
    *n_rows = tdl_part_rows(&value->tensor, what == HEADS, s->size_max);
    return *n_rows < value->tensor.shape[what == HEADS];
}

// A part of a weight or state, which is one like any other.
static int32_t part_of(split *s, int32_t whole, int32_t dim, const range *r) {
    tdl_value value = *tdl_graph_value(s->g, whole);
    for (int32_t i = 0; i < (int32_t)s->g->values.n; i++) {
        const tdl_value *other = tdl_graph_value(s->g, i);
        if (other->kind == value.kind && other->base < 0 && other->weight == value.weight &&
            other->first_row == r->first && other->tensor.shape[dim] == r->count)
            return i;
    }
    if (tdl_part_tensor(&value.tensor, dim, r->count, &value.tensor, &s->g->error) != TDL_OK) return -1;
    value.first_row = r->first;
    return tdl_graph_add_value(s->g, value.name, &value);
}

static int32_t view_of(split *s, int32_t id, int32_t dim, int64_t first, int64_t count) {
    tdl_value value = *tdl_graph_value(s->g, id);
    value.base = id;
    value.base_offset = (size_t)(first * value.tensor.strides[dim]);
    value.tensor = tdl_tensor_slice(&value.tensor, dim, first, count);
    return tdl_graph_add_value(s->g, value.name, &value);
}
