// SPDX-License-Identifier: MIT
// fuse.c - replaces a pair of ops by the one op that does both. A fusion is a row here; its reference is the composition of
// the two references (ops/add_rms_norm), so a fused plan is tested against the unfused one.
//
// A row fits where `first` makes out[0] from two temps, and the very next op is `second` with that output as in[0].
#include "graph/plan_make.h"

#include <string.h>

static const struct {
    tdl_op first, second, fused;
} fusions[] = {
    {TDL_OP_ADD, TDL_OP_RMS_NORM, TDL_OP_ADD_RMS_NORM},
    {TDL_OP_ADD, TDL_OP_LAYER_NORM, TDL_OP_ADD_LAYER_NORM},
};

static bool fuse_pair(const tdl_graph *g, const tdl_plan_op *a, const tdl_plan_op *b, tdl_plan_op *fused) {
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++) {
        if (a->op != fusions[i].first || b->op != fusions[i].second || b->in[0] != a->out[0]) continue;
        const tdl_tensor *x = &tdl_graph_value(g, a->in[0])->tensor, *y = &tdl_graph_value(g, a->in[1])->tensor;
        if (!tdl_tensor_same_shape(x, y)) return false; // a broadcast add stays alone
        *fused = (tdl_plan_op){.op = fusions[i].fused, .attrs = b->attrs, .n_in = b->n_in + 1, .n_out = 2};
        fused->in[0] = a->in[0];
        fused->in[1] = a->in[1];
        memcpy(&fused->in[2], &b->in[1], (size_t)(b->n_in - 1) * sizeof *b->in);
        fused->out[0] = a->out[0];
        fused->out[1] = b->out[0];
        return true;
    }
    return false;
}

void tdl_graph_fuse(tdl_graph *g) {
    int32_t kept = 0;
    for (int32_t i = 0; i < (int32_t)g->ops.n; i++) {
        tdl_plan_op fused;
        if (i + 1 < (int32_t)g->ops.n && fuse_pair(g, tdl_graph_op_at(g, i), tdl_graph_op_at(g, i + 1), &fused)) {
            *tdl_graph_op_at(g, kept++) = fused;
            i++;
        } else {
            *tdl_graph_op_at(g, kept++) = *tdl_graph_op_at(g, i);
        }
    }
    g->ops.n = (size_t)kept;
}
