// SPDX-License-Identifier: MIT
// sum_squares.c - sums of squares of P pieces of a tensor:  parts[p] = sum over piece p of x^2, P the size of parts, piece p
// tdl_part_of(elements, P, p) in row-major order. The first half of the gradients' norm.
#include "ops/op_impl.h"

tdl_status tdl_sum_squares_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *parts = &call->out[0];
    tdl_status status = tdl_op_expect("sum_squares", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect("sum_squares", "parts", parts, TDL_DTYPE_F32, 1, (int64_t[]){-1}, err);
    if (status != TDL_OK) return status;
    if (parts->shape[0] < 1 || !tdl_tensor_contiguous(x))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sum_squares: %s, expected a contiguous x and parts of it",
                        parts->shape[0] < 1 ? "no parts" : "x has gaps between its rows");
    return TDL_OK;
}

void tdl_sum_squares_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *parts = &call->out[0];
    int64_t n = tdl_tensor_n_elements(x), columns = tdl_last_dim(x);
    for (int64_t p = 0; p < parts->shape[0]; p++) {
        tdl_range piece = tdl_part_of(n, parts->shape[0], p);
        double sum = 0;
        for (int64_t i = piece.first; i < piece.end; i++) {
            double value = tdl_at(x, tdl_row(x, i / columns), i % columns);
            sum += value * value;
        }
        tdl_put(parts, parts->data, p, sum);
    }
}
