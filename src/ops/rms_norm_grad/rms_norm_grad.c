// SPDX-License-Identifier: MIT
// rms_norm_grad.c - the gradient of RMS norm y = n w, with n = x r and r = 1 / sqrt(mean(x^2) + eps):
//
//     dx = r (dy w - n mean(dy w n)),    dw = sum over rows of dy n
//
// dw is summed in attrs.parts groups of rows, each of its own worker: dw_parts [P, D]. Rows are all dimensions but the last,
// group p is tdl_part_of(rows, P, p). sum_parts or add_rows makes dw of them.
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_rms_norm_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "rms_norm_grad";
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *dy = &call->in[2];
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect_floats(op, "w", w, 1, &x->shape[x->n_dims - 1], err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, x->n_dims, x->shape, err);
    if (status == TDL_OK) status = tdl_op_expect_parts(op, call, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, x, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){call->attrs.parts, tdl_last_dim(x)}, NULL, &call->out[1], err);
}

// 1 / sqrt(mean(x^2) + eps) of a row.
static double scale_of(const tdl_tensor *x, int64_t row, double eps) {
    int64_t n = tdl_last_dim(x);
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += tdl_at(x, tdl_row(x, row), i) * tdl_at(x, tdl_row(x, row), i);
    return 1 / sqrt(squares / (double)n + eps);
}

void tdl_rms_norm_grad_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *dy = &call->in[2];
    const tdl_tensor *dx = &call->out[0], *dw_parts = &call->out[1];
    int64_t n = tdl_last_dim(x), n_rows = tdl_tensor_n_rows(x);
    for (int64_t row = 0; row < n_rows; row++) {
        const uint8_t *x_row = tdl_row(x, row), *dy_row = tdl_row(dy, row);
        double scale = scale_of(x, row, call->attrs.eps), mean = 0; // of dy w n
        for (int64_t i = 0; i < n; i++)
            mean += tdl_at(dy, dy_row, i) * tdl_at(w, w->data, i) * tdl_at(x, x_row, i) * scale;
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) {
            double normed = tdl_at(x, x_row, i) * scale, dn = tdl_at(dy, dy_row, i) * tdl_at(w, w->data, i);
            tdl_put(dx, tdl_row(dx, row), i, scale * (dn - normed * mean));
        }
    }
    for (int64_t p = 0; p < dw_parts->shape[0]; p++) {
        tdl_range rows = tdl_part_of(n_rows, dw_parts->shape[0], p);
        for (int64_t i = 0; i < n; i++) {
            double sum = 0;
            for (int64_t row = rows.first; row < rows.end; row++)
                sum +=
                    tdl_at(dy, tdl_row(dy, row), i) * tdl_at(x, tdl_row(x, row), i) * scale_of(x, row, call->attrs.eps);
            tdl_put(dw_parts, tdl_row(dw_parts, p), i, sum);
        }
    }
}
