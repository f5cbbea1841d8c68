// SPDX-License-Identifier: MIT
// sum_parts.c - sums of groups of rows:  y[p] = sum of x[r] over group p of attrs.parts (tdl_part_of); an empty group's sum
// is zero. The first half of a bias's gradient, made by many workers.
#include "ops/op_impl.h"

tdl_status tdl_sum_parts_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0]; // [R, N]
    tdl_status status = tdl_op_expect("sum_parts", "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect_parts("sum_parts", call, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){call->attrs.parts, x->shape[1]}, NULL, &call->out[0], err);
}

void tdl_sum_parts_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    for (int64_t p = 0; p < y->shape[0]; p++) {
        tdl_range rows = tdl_part_of(x->shape[0], y->shape[0], p);
        for (int64_t i = 0; i < x->shape[1]; i++) {
            double sum = 0;
            for (int64_t row = rows.first; row < rows.end; row++) sum += tdl_at(x, tdl_row(x, row), i);
            tdl_put(y, tdl_row(y, p), i, sum);
        }
    }
}
