// fuse_attention.c - makes one op of what stands between a block's projections: rope of q and of k, the append to the cache,
// attention (ops/rope_attention). Where queries and keys lie side by side and the device has a kernel for it.
//
//     rope, rope, kv_append, attention              ->  rope_attention
//     rope, rope, n kv_appends, n attentions        ->  n rope_attentions: a cache in parts, each with some of the heads
#include "graph/plan_make.h"

static int32_t count_parts(const tdl_graph *g, int32_t first);
static bool fuse_part(tdl_graph *g, const tdl_plan_desc *desc, int32_t first, int32_t n_parts, int32_t part,
                      tdl_plan_op *made);
static int64_t column_of(const tdl_graph *g, int32_t view, int32_t base);

void tdl_graph_fuse_attention(tdl_graph *g, const tdl_plan_desc *desc) {
    if (desc->keep_values) return;
    tdl_vec ops = tdl_vec_make(g->mem, sizeof(tdl_plan_op));
    for (int32_t i = 0, n; i < (int32_t)g->ops.n && !g->error.code; i += n) {
        int32_t n_parts = count_parts(g, i), n_fused = 0;
        size_t n_before = ops.n;
        bool kept = true;
        tdl_plan_op made;
        while (n_fused < n_parts && kept && fuse_part(g, desc, i, n_parts, n_fused, &made)) {
            kept = tdl_vec_push(&ops, &made, 1);
            n_fused++;
        }
        n = n_parts && n_fused == n_parts ? 2 + 2 * n_parts : 1;
        if (n == 1) {
            ops.n = n_before;
            kept = kept && tdl_vec_push(&ops, tdl_graph_op_at(g, i), 1);
        }
        if (!kept) tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", ops.n + 1);
    }
    tdl_vec_deinit(&g->ops);
    g->ops = ops;
}

static bool is_op(const tdl_graph *g, int32_t i, tdl_op op) {
    return i < (int32_t)g->ops.n && tdl_graph_op_at(g, i)->op == op;
}

// Parts of the cache where the pattern begins at this op; 0: it does not.
static int32_t count_parts(const tdl_graph *g, int32_t first) {
    int32_t n = 0;
    if (!is_op(g, first, TDL_OP_ROPE) || !is_op(g, first + 1, TDL_OP_ROPE)) return 0;
    while (is_op(g, first + 2 + n, TDL_OP_KV_APPEND)) n++;
    for (int32_t i = 0; i < n; i++)
        if (!is_op(g, first + 2 + n + i, TDL_OP_ATTENTION)) return 0;
    return n;
}

// x has, from column 0 on: queries of other parts, this part's, a gap of other heads, this part's keys.
static bool fuse_part(tdl_graph *g, const tdl_plan_desc *desc, int32_t first, int32_t n_parts, int32_t part,
                      tdl_plan_op *made) {
    const tdl_plan_op *q = tdl_graph_op_at(g, first), *k = tdl_graph_op_at(g, first + 1),
                      *append = tdl_graph_op_at(g, first + 2 + part),
                      *attention = tdl_graph_op_at(g, first + 2 + n_parts + part);
    bool chained = q->in[1] == k->in[1] && attention->in[1] == append->out[0] && attention->in[2] == append->out[1] &&
                   attention->in[3] == append->in[2] && attention->in[5] == append->in[4] &&
                   q->attrs.rope_pairs == k->attrs.rope_pairs;
    int32_t base = tdl_graph_root(g, q->in[0]);
    const tdl_tensor *x = &tdl_graph_value(g, base)->tensor, *all = &tdl_graph_value(g, q->in[0])->tensor;
    int64_t n_heads = all->shape[1], head_dim = all->shape[2], q_size = n_heads * head_dim;
    int64_t q_first = column_of(g, attention->in[0], q->out[0]), k_first = column_of(g, append->in[0], k->out[0]);
    int64_t n_q = tdl_graph_value(g, attention->in[0])->tensor.shape[1],
            n_k = tdl_graph_value(g, append->in[0])->tensor.shape[1];
    int64_t n_columns = q_size - q_first + k_first + n_k * head_dim;
    if (!chained || q_first < 0 || k_first < 0 || x->n_dims != 2 || x->shape[1] < q_first + n_columns ||
        column_of(g, q->in[0], base) != 0 || column_of(g, k->in[0], base) != q_size)
        return false;
    *made = (tdl_plan_op){.op = TDL_OP_ROPE_ATTENTION,
                          .attrs = {.scale = attention->attrs.scale,
                                    .window = attention->attrs.window,
                                    .rope_pairs = q->attrs.rope_pairs,
                                    .gap = (int32_t)(n_heads - n_q + (k_first - q_first) / head_dim)},
                          .n_in = 6,
                          .n_out = 3,
                          .in = {base, append->in[1], q->in[1], attention->in[3], attention->in[4], attention->in[5]},
                          .out = {attention->out[0], append->out[0], append->out[1]}};
    tdl_call call = {.attrs = made->attrs, .n_in = 6, .n_out = 3};
    for (int32_t i = 0; i < 6; i++) call.in[i] = tdl_graph_value(g, made->in[i])->tensor;
    call.in[0].shape[1] = n_columns;
    for (int32_t i = 0; i < 3; i++) call.out[i] = tdl_graph_value(g, made->out[i])->tensor;
    if (tdl_op_get(TDL_OP_ROPE_ATTENTION)->infer(&call, NULL) != TDL_OK) return false;
    if (!tdl_kernel_find(TDL_OP_ROPE_ATTENTION, desc->device->backend->id, desc->device->features,
                         desc->precision != TDL_PRECISION_F32, &call))
        return false;
    if (x->shape[1] > n_columns)
        made->in[0] = tdl_graph_view(g, tdl_graph_value(g, base)->name, base, q_first, 1, &n_columns);
    return made->in[0] >= 0;
}

// Where in each row of the base a view of columns begins, in elements of F32; -1: it is no view of it.
static int64_t column_of(const tdl_graph *g, int32_t view, int32_t base) {
    size_t offset = 0;
    for (; view != base; view = tdl_graph_value(g, view)->base) {
        if (tdl_graph_value(g, view)->base < 0) return -1;
        offset += tdl_graph_value(g, view)->base_offset;
    }
    return (int64_t)(offset / sizeof(float));
}
