// SPDX-License-Identifier: MIT
// matmul_grad_x.c - the gradient of y = x w^T by x:  dx[t, k] = sum over n of dy[t, n] w[n, k].
//
// dy [T, N] F32, w [N, K] of any dtype that decodes (frozen weights under an adapter may be quantized), dx [T, K].
#include "ops/op_impl.h"

enum { CHUNK = 256 }; // columns decoded at a time; every block size divides it

tdl_status tdl_matmul_grad_x_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "matmul_grad_x";
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1];
    char text[96];
    tdl_status status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){dy->shape[1], -1}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: w is %s, expected a type of floats or blocks", op,
                        tdl_tensor_describe(w, text));
    return tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){dy->shape[0], w->shape[1]}, NULL, &call->out[0], err);
}

void tdl_matmul_grad_x_reference(const tdl_call *call) {
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    for (int64_t t = 0; t < dx->shape[0]; t++)
        for (int64_t first = 0; first < dx->shape[1]; first += CHUNK) {
            int64_t count = tdl_min_i64(CHUNK, dx->shape[1] - first);
            double sums[CHUNK] = {0}, columns[CHUNK];
            for (int64_t n = 0; n < w->shape[0]; n++) {
                tdl_decode_columns(w, n, first, count, columns);
                for (int64_t i = 0; i < count; i++) sums[i] += tdl_at(dy, tdl_row(dy, t), n) * columns[i];
            }
            for (int64_t i = 0; i < count; i++) tdl_put(dx, tdl_row(dx, t), first + i, sums[i]);
        }
}
