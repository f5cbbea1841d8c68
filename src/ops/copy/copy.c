// SPDX-License-Identifier: MIT
// copy.c - y = x, where y is memory that is there already: a part of a wider tensor's rows (the gradients of q, k and v side
// by side), or a state.
#include "ops/op_impl.h"

tdl_status tdl_copy_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect("copy", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    return status == TDL_OK ? tdl_op_expect("copy", "y", &call->out[0], TDL_DTYPE_F32, x->n_dims, x->shape, err)
                            : status;
}

void tdl_copy_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++)
        for (int64_t i = 0; i < tdl_last_dim(x); i++) tdl_put(y, tdl_row(y, row), i, tdl_at(x, tdl_row(x, row), i));
}
