// SPDX-License-Identifier: MIT
// take_rows.c - gathers rows:  out[i] = x[rows[i]]. Of a step's tokens only the last of each sequence, as a rule, needs
// logits; this picks them before the largest matrix of the model.
#include "ops/op_impl.h"

#include <assert.h>

tdl_status tdl_take_rows_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *rows = &call->in[1]; // [T, D], [n]
    tdl_status status = tdl_op_expect("take_rows", "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect("take_rows", "rows", rows, TDL_DTYPE_I32, 1, (int64_t[]){-1}, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){rows->shape[0], x->shape[1]}, NULL, &call->out[0], err);
}

void tdl_take_rows_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *rows = &call->in[1], *out = &call->out[0];
    for (int64_t i = 0; i < rows->shape[0]; i++) {
        int32_t row = tdl_index_at(rows, i);
        assert(row >= 0 && row < x->shape[0]);
        for (int64_t d = 0; d < x->shape[1]; d++) tdl_put(out, tdl_row(out, i), d, tdl_at(x, tdl_row(x, row), d));
    }
}
