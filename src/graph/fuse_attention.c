// fuse_attention.c - makes one op of what stands between a block's projections: rope of q and of k, the append to the cache,
// attention (ops/rope_attention). Where queries and keys lie side by side and the device has a kernel for it.
#include "graph/plan_make.h"

#include <string.h>

enum { PATTERN = 4 };

static bool fuse_at(tdl_graph *g, const tdl_plan_desc *desc, int32_t first, tdl_plan_op *made);
static bool lies_at(const tdl_graph *g, int32_t view, int32_t base, int64_t column);

void tdl_graph_fuse_attention(tdl_graph *g, const tdl_plan_desc *desc) {
    int32_t kept = 0;
    if (desc->keep_values) return;
    for (int32_t i = 0; i < (int32_t)g->ops.n;) {
        tdl_plan_op made;
        bool fused = fuse_at(g, desc, i, &made);
        *tdl_graph_op_at(g, kept++) = fused ? made : *tdl_graph_op_at(g, i);
        i += fused ? PATTERN : 1;
    }
    g->ops.n = (size_t)kept;
}

static bool fuse_at(tdl_graph *g, const tdl_plan_desc *desc, int32_t first, tdl_plan_op *made) {
    static const tdl_op pattern[PATTERN] = {TDL_OP_ROPE, TDL_OP_ROPE, TDL_OP_KV_APPEND, TDL_OP_ATTENTION};
    const tdl_plan_op *ops[PATTERN];
    for (int32_t i = 0; i < PATTERN; i++) {
        if (first + i >= (int32_t)g->ops.n) return false;
        ops[i] = tdl_graph_op_at(g, first + i);
        if (ops[i]->op != pattern[i]) return false;
    }
    const tdl_plan_op *q = ops[0], *k = ops[1], *append = ops[2], *attention = ops[3];
    bool chained = append->in[0] == k->out[0] && attention->in[0] == q->out[0] && q->in[1] == k->in[1] &&
                   attention->in[1] == append->out[0] && attention->in[2] == append->out[1] &&
                   attention->in[3] == append->in[2] && attention->in[5] == append->in[4] &&
                   q->attrs.rope_pairs == k->attrs.rope_pairs;
    int32_t base = tdl_graph_root(g, q->in[0]);
    const tdl_tensor *queries = &tdl_graph_value(g, q->in[0])->tensor, *x = &tdl_graph_value(g, base)->tensor,
                     *keys = &tdl_graph_value(g, k->in[0])->tensor;
    int64_t q_size = queries->shape[1] * queries->shape[2], k_size = keys->shape[1] * keys->shape[2];
    int64_t n_columns = q_size + k_size;
    if (!chained || x->n_dims != 2 || x->shape[1] < n_columns || !lies_at(g, q->in[0], base, 0) ||
        !lies_at(g, k->in[0], base, q_size))
        return false;
    *made = (tdl_plan_op){.op = TDL_OP_ROPE_ATTENTION,
                          .attrs = {.scale = attention->attrs.scale,
                                    .window = attention->attrs.window,
                                    .rope_pairs = q->attrs.rope_pairs},
                          .n_in = 6,
                          .n_out = 3,
                          .in = {base, append->in[1], q->in[1], attention->in[3], attention->in[4], attention->in[5]},
                          .out = {attention->out[0], append->out[0], append->out[1]}};
    tdl_call call = {.attrs = made->attrs, .n_in = 6, .n_out = 3};
    for (int32_t i = 0; i < 6; i++) call.in[i] = tdl_graph_value(g, made->in[i])->tensor;
    call.in[0].shape[1] = n_columns;
    for (int32_t i = 0; i < 3; i++) call.out[i] = tdl_graph_value(g, made->out[i])->tensor;
    if (tdl_op_get(TDL_OP_ROPE_ATTENTION)->infer(&call, NULL) != TDL_OK) return false;
    if (!tdl_plan_kernel(desc, TDL_OP_ROPE_ATTENTION, &call)) return false;
    if (x->shape[1] > n_columns)
        made->in[0] = tdl_graph_view(g, tdl_graph_value(g, base)->name, base, 0, 1, &n_columns);
    return made->in[0] >= 0;
}

// Whether a view is columns of the base from this one on.
static bool lies_at(const tdl_graph *g, int32_t view, int32_t base, int64_t column) {
    size_t offset = 0;
    if (tdl_graph_root(g, view) != base) return false;
    for (int32_t v = view; v != base; v = tdl_graph_value(g, v)->base) offset += tdl_graph_value(g, v)->base_offset;
    return offset == (size_t)column * sizeof(float);
}
