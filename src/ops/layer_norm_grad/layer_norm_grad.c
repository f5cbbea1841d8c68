// SPDX-License-Identifier: MIT
// layer_norm_grad.c - the gradient of layer norm y = n w + b, with n = (x - mean(x)) r and r = 1 / sqrt(var(x) + eps):
//
//     dx = r (dy w - mean(dy w) - n mean(dy w n)),    dw = sum over rows of dy n,    db = sum over rows of dy
//
// dw and db are summed in attrs.parts groups of rows, as in rms_norm_grad: dw_parts, db_parts [P, D].
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_layer_norm_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "layer_norm_grad";
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *dy = &call->in[2];
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect_floats(op, "w", w, 1, &x->shape[x->n_dims - 1], err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, x->n_dims, x->shape, err);
    if (status == TDL_OK) status = tdl_op_expect_parts(op, call, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, x, err);
    const int64_t parts[] = {call->attrs.parts, status == TDL_OK ? tdl_last_dim(x) : 0};
    for (int32_t i = 1; i <= 2 && status == TDL_OK; i++)
        status = tdl_tensor_make(TDL_DTYPE_F32, 2, parts, NULL, &call->out[i], err);
    return status;
}

typedef struct row_norm {
    double mean, scale;
} row_norm;

static row_norm norm_of(const tdl_tensor *x, int64_t row, double eps) {
    const uint8_t *x_row = tdl_row(x, row);
    int64_t n = tdl_last_dim(x);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += tdl_at(x, x_row, i);
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (tdl_at(x, x_row, i) - mean) * (tdl_at(x, x_row, i) - mean);
    return (row_norm){.mean = mean, .scale = 1 / sqrt(squares / (double)n + eps)};
}

void tdl_layer_norm_grad_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *dy = &call->in[2];
    const tdl_tensor *dx = &call->out[0], *dw_parts = &call->out[1], *db_parts = &call->out[2];
    int64_t n = tdl_last_dim(x), n_rows = tdl_tensor_n_rows(x);
    for (int64_t row = 0; row < n_rows; row++) {
        const uint8_t *x_row = tdl_row(x, row), *dy_row = tdl_row(dy, row);
        row_norm norm = norm_of(x, row, call->attrs.eps);
        double mean = 0, mean_normed = 0; // of dy w, of dy w n
        for (int64_t i = 0; i < n; i++) {
            double dn = tdl_at(dy, dy_row, i) * tdl_at(w, w->data, i);
            mean += dn / (double)n;
            mean_normed += dn * (tdl_at(x, x_row, i) - norm.mean) * norm.scale / (double)n;
        }
        for (int64_t i = 0; i < n; i++) {
            double normed = (tdl_at(x, x_row, i) - norm.mean) * norm.scale;
            double dn = tdl_at(dy, dy_row, i) * tdl_at(w, w->data, i);
            tdl_put(dx, tdl_row(dx, row), i, norm.scale * (dn - mean - normed * mean_normed));
        }
    }
    for (int64_t p = 0; p < dw_parts->shape[0]; p++) {
        tdl_range rows = tdl_part_of(n_rows, dw_parts->shape[0], p);
        for (int64_t i = 0; i < n; i++) {
            double dw = 0, db = 0;
            for (int64_t row = rows.first; row < rows.end; row++) {
                row_norm norm = norm_of(x, row, call->attrs.eps);
                double d = tdl_at(dy, tdl_row(dy, row), i);
                dw += d * (tdl_at(x, tdl_row(x, row), i) - norm.mean) * norm.scale;
                db += d;
            }
            tdl_put(dw_parts, tdl_row(dw_parts, p), i, dw);
            tdl_put(db_parts, tdl_row(db_parts, p), i, db);
        }
    }
}
