// SPDX-License-Identifier: MIT
// add_rows.c - y += the sum of all rows of x, in their order: parts of a gradient into the gradient.
#include "ops/op_impl.h"

tdl_status tdl_add_rows_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0]; // [R, N]
    tdl_status status = tdl_op_expect("add_rows", "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    return status == TDL_OK ? tdl_op_expect("add_rows", "y", &call->out[0], TDL_DTYPE_F32, 1, &x->shape[1], err)
                            : status;
}

void tdl_add_rows_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    for (int64_t i = 0; i < x->shape[1]; i++) {
        double sum = tdl_at(y, y->data, i);
        for (int64_t row = 0; row < x->shape[0]; row++) sum += tdl_at(x, tdl_row(x, row), i);
        tdl_put(y, y->data, i, sum);
    }
}
