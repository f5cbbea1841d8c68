// SPDX-License-Identifier: MIT
// embed.c - looks tokens up in the embedding table (Bengio et al. 2003):  out[t] = table[ids[t]], as F32.
//
// The table may be of any type that dtype.h decodes. Ids come from the caller's tokens, who has checked them against
// the table before the step; here a wrong one is our bug. Where the table is only a part of one (graph/split.c), the tokens of
// other parts are left as they are: there is an op for each part.
//
// With `picked`, the ids that steps before have drawn (ops/sample), an id of -1 - s stands for picked[s]: a token that the host
// has not seen yet. Where that is none (TDL_SAMPLE_NOT_FINITE), the row is left as it is: nobody takes what the step makes of it.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

#include <assert.h>

enum { CHUNK = 256 }; // columns decoded at a time; every block size divides it

tdl_status tdl_embed_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *table = &call->in[0], *ids = &call->in[1]; // [V, D], [T]
    tdl_status status = tdl_op_expect("embed", "table", table, TDL_DTYPE_NONE, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect("embed", "ids", ids, TDL_DTYPE_I32, 1, (int64_t[]){-1}, err);
    if (status == TDL_OK && call->n_in > 2)
        status = tdl_op_expect("embed", "picked", &call->in[2], TDL_DTYPE_I32, 1, (int64_t[]){-1}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(table->dtype)->decode)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "embed: table is of type %s, expected one that holds real numbers",
                        tdl_dtype_get(table->dtype)->name);
    const tdl_attrs *a = &call->attrs;
    if (a->part_of && (a->part_first < 0 || a->part_first + table->shape[0] > a->part_of))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "embed: rows from %d on, %lld of them, of a table of %d",
                        a->part_first, (long long)table->shape[0], a->part_of);
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){ids->shape[0], table->shape[1]}, NULL, &call->out[0], err);
}

void tdl_embed_reference(const tdl_call *call) {
    const tdl_tensor *table = &call->in[0], *ids = &call->in[1], *out = &call->out[0];
    double columns[CHUNK];
    for (int64_t t = 0; t < ids->shape[0]; t++) {
        int64_t id = tdl_index_at(ids, t);
        if (call->n_in > 2 && id < 0 && (id = tdl_index_at(&call->in[2], -1 - id)) < 0) continue;
        id -= call->attrs.part_first;
        if (call->attrs.part_of && (id < 0 || id >= table->shape[0])) continue;
        assert(id >= 0 && id < table->shape[0]);
        for (int64_t first = 0; first < table->shape[1]; first += CHUNK) {
            int64_t n = tdl_min_i64(CHUNK, table->shape[1] - first);
            tdl_decode_columns(table, id, first, n, columns);
            for (int64_t i = 0; i < n; i++) tdl_put(out, tdl_row(out, t), first + i, columns[i]);
        }
    }
}

// dtable[ids[t]] += dy[t]
void tdl_embed_backward(tdl_grad *g) {
    if (g->wants[0])
        g->add_to(g, 0, TDL_OP_EMBED_GRAD, NULL, 3, (int32_t[]){g->in[1], g->order_of(g, g->in[1]), g->d_out[0]});
}
