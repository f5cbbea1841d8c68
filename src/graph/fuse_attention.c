// SPDX-License-Identifier: MIT
// fuse_attention.c - makes one op of what stands between a block's projections (ops/rope_attention): norms of the heads of q and
// of k and rope, where the model has them, the append to the cache, attention.
//
// The op reads queries, keys and values side by side. Where joined matmuls, or one of all three, did not make them so, their
// values become views of one. Only where the device has a kernel for it.
#include "graph/plan_make.h"
#include "ops/rope_attention/rope_attention.h"

// Queries or keys on their way from their projection.
typedef struct heads {
    int32_t norm, rope; // ops; -1: none
    int32_t from;       // value: as the projection left them
} heads;

static void fuse_at(tdl_graph *g, const tdl_plan_desc *desc, int32_t index);
static int32_t maker_of(const tdl_graph *g, int32_t value, int32_t before);
static heads trace(const tdl_graph *g, int32_t value, int32_t before);
static bool alike(const tdl_graph *g, const heads *q, const heads *k);
static bool side_by_side(const tdl_graph *g, const int32_t parts[3], int32_t roots[3], int32_t *n_roots,
                         int64_t *n_columns);
static int32_t put_side_by_side(tdl_graph *g, const int32_t *roots, int32_t n_roots, const tdl_tensor *whole);

void tdl_graph_fuse_attention(tdl_graph *g, const tdl_plan_desc *desc) {
    int32_t kept = 0;
    if (desc->keep_values) return;
    for (int32_t i = 0; i < (int32_t)g->ops.n && !g->error.code; i++)
        if (tdl_graph_op_at(g, i)->op == TDL_OP_ATTENTION) fuse_at(g, desc, i);
    for (int32_t i = 0; i < (int32_t)g->ops.n; i++)
        if (tdl_graph_op_at(g, i)->op != TDL_OP_NONE) *tdl_graph_op_at(g, kept++) = *tdl_graph_op_at(g, i);
    g->ops.n = (size_t)kept;
}

static void drop(tdl_graph *g, int32_t index) {
    if (index >= 0) tdl_graph_op_at(g, index)->op = TDL_OP_NONE;
}

static void fuse_at(tdl_graph *g, const tdl_plan_desc *desc, int32_t index) {
    const tdl_plan_op attention = *tdl_graph_op_at(g, index);
    int32_t append_at = maker_of(g, attention.in[1], index);
    if (append_at < 0 || tdl_graph_op_at(g, append_at)->op != TDL_OP_KV_APPEND) return;
    const tdl_plan_op append = *tdl_graph_op_at(g, append_at);
    heads q = trace(g, attention.in[0], index), k = trace(g, append.in[0], append_at);
    int32_t roots[3], n_roots;
    int64_t n_columns;
    if (attention.in[2] != append.out[1] || attention.in[3] != append.in[2] || attention.in[5] != append.in[4] ||
        !alike(g, &q, &k) || !side_by_side(g, (int32_t[]){q.from, k.from, append.in[1]}, roots, &n_roots, &n_columns))
        return;
    tdl_plan_op made = {.op = TDL_OP_ROPE_ATTENTION,
                        .attrs = {.scale = attention.attrs.scale, .window = attention.attrs.window},
                        .n_in = 4,
                        .n_out = 3,
                        .in = {roots[0], attention.in[3], attention.in[4], attention.in[5]},
                        .out = {attention.out[0], append.out[0], append.out[1]}};
    tdl_call call = {.n_out = 3};
    if (q.rope >= 0) {
        made.attrs.heads |= TDL_HEADS_TURN;
        made.attrs.rope_pairs = tdl_graph_op_at(g, q.rope)->attrs.rope_pairs;
        made.in[made.n_in++] = tdl_graph_op_at(g, q.rope)->in[1];
    }
    for (int32_t i = 0; i < made.n_in; i++) call.in[i] = tdl_graph_value(g, made.in[i])->tensor;
    for (int32_t i = 0; i < 3; i++) call.out[i] = tdl_graph_value(g, made.out[i])->tensor;
    call.in[0].shape[1] = n_columns;
    if (n_roots > 1 && tdl_tensor_make(TDL_DTYPE_F32, 2, call.in[0].shape, NULL, &call.in[0], NULL)) return;
    int32_t norms[2] = {-1, -1};
    if (q.norm >= 0) {
        norms[0] = tdl_graph_op_at(g, q.norm)->in[1];
        norms[1] = tdl_graph_op_at(g, k.norm)->in[1];
        made.attrs.heads |= TDL_HEADS_NORM;
        made.attrs.eps = tdl_graph_op_at(g, q.norm)->attrs.eps;
        call.in[made.n_in] = tdl_graph_value(g, norms[0])->tensor;
        call.in[made.n_in++].shape[0] *= 2;
    }
    call.attrs = made.attrs;
    call.n_in = made.n_in;
    if (tdl_op_get(TDL_OP_ROPE_ATTENTION)->infer(&call, NULL) != TDL_OK ||
        !tdl_plan_kernel(desc, TDL_OP_ROPE_ATTENTION, &call))
        return;
    if (q.norm >= 0) made.in[made.n_in - 1] = tdl_graph_join_weights(g, norms, 2);
    if (n_roots > 1) made.in[0] = put_side_by_side(g, roots, n_roots, &call.in[0]);
    else if (tdl_graph_value(g, roots[0])->tensor.shape[1] > n_columns)
        made.in[0] = tdl_graph_view(g, tdl_graph_value(g, roots[0])->name, roots[0], 0, 1, &n_columns);
    if (g->error.code) return;
    const int32_t dropped[] = {q.norm, q.rope, k.norm, k.rope, append_at};
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++) drop(g, dropped[i]);
    *tdl_graph_op_at(g, index) = made;
}

// The last op before this one that writes the value; -1: none.
static int32_t maker_of(const tdl_graph *g, int32_t value, int32_t before) {
    for (int32_t i = before - 1; i >= 0; i--) {
        const tdl_plan_op *op = tdl_graph_op_at(g, i);
        for (int32_t j = 0; j < op->n_out && op->op != TDL_OP_NONE; j++)
            if (op->out[j] == value) return i;
    }
    return -1;
}

static heads trace(const tdl_graph *g, int32_t value, int32_t before) {
    heads made = {.norm = -1, .rope = -1, .from = value};
    int32_t at = maker_of(g, value, before);
    if (at >= 0 && tdl_graph_op_at(g, at)->op == TDL_OP_ROPE) {
        made.rope = at;
        made.from = tdl_graph_op_at(g, at)->in[0];
        at = maker_of(g, made.from, at);
    }
    if (at >= 0 && tdl_graph_op_at(g, at)->op == TDL_OP_RMS_NORM) {
        made.norm = at;
        made.from = tdl_graph_op_at(g, at)->in[0];
    }
    return made;
}

// Whether the same is done to queries and to keys, and weights of norms can be joined.
static bool alike(const tdl_graph *g, const heads *q, const heads *k) {
    if ((q->rope < 0) != (k->rope < 0) || (q->norm < 0) != (k->norm < 0)) return false;
    if (q->rope >= 0) {
        const tdl_plan_op *a = tdl_graph_op_at(g, q->rope), *b = tdl_graph_op_at(g, k->rope);
        if (a->in[1] != b->in[1] || a->attrs.rope_pairs != b->attrs.rope_pairs) return false;
    }
    if (q->norm < 0) return true;
    const tdl_plan_op *a = tdl_graph_op_at(g, q->norm), *b = tdl_graph_op_at(g, k->norm);
    const tdl_value *w = tdl_graph_value(g, a->in[1]), *v = tdl_graph_value(g, b->in[1]);
    bool weights = w->kind == TDL_VALUE_WEIGHT && v->kind == TDL_VALUE_WEIGHT && w->layout == TDL_LAYOUT_ROWS &&
                   v->layout == TDL_LAYOUT_ROWS;
    return weights && a->attrs.eps == b->attrs.eps && tdl_tensor_same_shape(&w->tensor, &v->tensor) &&
           w->tensor.dtype == TDL_DTYPE_F32 && v->tensor.dtype == TDL_DTYPE_F32 &&
           tdl_tensor_size(&w->tensor) % 16 == 0;
}

// Whether the parts would lie one after another if the values that own their memory did; each in turn, and how many columns
// the parts have.
static bool side_by_side(const tdl_graph *g, const int32_t parts[3], int32_t roots[3], int32_t *n_roots,
                         int64_t *n_columns) {
    int64_t begin = 0; // of the last root
    *n_roots = 0;
    *n_columns = 0;
    for (int32_t i = 0; i < 3; i++) {
        int32_t root = tdl_graph_root(g, parts[i]);
        const tdl_tensor *part = &tdl_graph_value(g, parts[i])->tensor, *t = &tdl_graph_value(g, root)->tensor;
        size_t offset = 0;
        for (int32_t v = parts[i]; v != root; v = tdl_graph_value(g, v)->base)
            offset += tdl_graph_value(g, v)->base_offset;
        if (*n_roots == 0 || roots[*n_roots - 1] != root) {
            if (*n_roots > 0) begin += tdl_graph_value(g, roots[*n_roots - 1])->tensor.shape[1];
            roots[(*n_roots)++] = root;
        }
        if (t->n_dims != 2 || begin % 4 != 0 || tdl_graph_value(g, root)->kind != TDL_VALUE_TEMP ||
            (size_t)(*n_columns - begin) * sizeof(float) != offset)
            return false;
        *n_columns += part->shape[1] * part->shape[2];
    }
    return *n_roots == 1 || begin + tdl_graph_value(g, roots[*n_roots - 1])->tensor.shape[1] == *n_columns;
}

static int32_t put_side_by_side(tdl_graph *g, const int32_t *roots, int32_t n_roots, const tdl_tensor *whole) {
    tdl_value value = *tdl_graph_value(g, roots[0]);
    value.tensor = *whole;
    int32_t made = tdl_graph_add_value(g, value.name, &value);
    int64_t column = 0;
    for (int32_t i = 0; i < n_roots && !g->error.code; i++) {
        int64_t n = tdl_graph_value(g, roots[i])->tensor.shape[1];
        tdl_graph_put_inside(g, roots[i], made, column);
        column += n;
    }
    return made;
}
