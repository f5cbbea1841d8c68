// SPDX-License-Identifier: MIT
// fill.c - y = attrs.value, whatever y held: gradients start from zero in memory that is used again.
#include "ops/op_impl.h"

tdl_status tdl_fill_infer(tdl_call *call, tdl_error *err) {
    return tdl_op_expect("fill", "y", &call->out[0], TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
}

void tdl_fill_reference(const tdl_call *call) {
    const tdl_tensor *y = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(y); row++)
        for (int64_t i = 0; i < tdl_last_dim(y); i++) tdl_put(y, tdl_row(y, row), i, call->attrs.value);
}
