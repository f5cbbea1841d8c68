// SPDX-License-Identifier: MIT
// embed_grad.c - the gradient of the embedding look-up, added to what is there:  dtable[ids[t]] += dy[t].
//
// order [T] lists the rows of dy sorted by their id, equal ids in the order of their rows: so a kernel sums a run of equal
// ids with one worker, in one order. Ids are checked by the caller, as in embed; order is made by the trainer. Where dtable is
// only a part of one (graph/split.c), ids of other parts are left to their ops.
#include "ops/op_impl.h"

#include <assert.h>

tdl_status tdl_embed_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "embed_grad";
    const tdl_tensor *ids = &call->in[0], *order = &call->in[1], *dy = &call->in[2];
    tdl_status status = tdl_op_expect(op, "ids", ids, TDL_DTYPE_I32, 1, (int64_t[]){-1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "order", order, TDL_DTYPE_I32, 1, ids->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 2, (int64_t[]){ids->shape[0], -1}, err);
    if (status != TDL_OK) return status;
    return tdl_op_expect(op, "dtable", &call->out[0], TDL_DTYPE_F32, 2, (int64_t[]){-1, dy->shape[1]}, err);
}

void tdl_embed_grad_reference(const tdl_call *call) {
    const tdl_tensor *ids = &call->in[0], *order = &call->in[1], *dy = &call->in[2], *dtable = &call->out[0];
    int64_t n = ids->shape[0], end;
    for (int64_t first = 0; first < n; first = end) {
        int32_t run_id = tdl_index_at(ids, tdl_index_at(order, first)), id = run_id - call->attrs.part_first;
        for (end = first; end < n && tdl_index_at(ids, tdl_index_at(order, end)) == run_id; end++) {
        }
        if (call->attrs.part_of && (id < 0 || id >= dtable->shape[0])) continue;
        assert(id >= 0 && id < dtable->shape[0]);
        for (int64_t i = 0; i < dy->shape[1]; i++) {
            double sum = tdl_at(dtable, tdl_row(dtable, id), i);
            for (int64_t at = first; at < end; at++) sum += tdl_at(dy, tdl_row(dy, tdl_index_at(order, at)), i);
            tdl_put(dtable, tdl_row(dtable, id), i, sum);
        }
    }
}
