// SPDX-License-Identifier: MIT
// expert_matmul_grad_x.c - the gradient of expert_matmul by x, a row for each choice:
//
//     dx[t, j, k] = sum over n of dy[t, j, n] w[e N + n, k],    e the expert of token t's choice j
//
// w [X N, K] of any dtype that decodes (frozen experts may be quantized).
#include "ops/group/groups.h"

enum { CHUNK = 256 }; // columns decoded at a time; every block size divides it

tdl_status tdl_expert_matmul_grad_x_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "expert_matmul_grad_x";
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1];
    char text[96];
    tdl_status status = tdl_op_expect(op, "dy", dy, TDL_DTYPE_F32, 3, (int64_t[]){-1, call->attrs.top_k, -1}, err);
    if (status == TDL_OK) status = tdl_expect_groups(op, call, &call->in[2], dy->shape[0], err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){dy->shape[2] * call->attrs.experts, -1}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: w is %s, expected a type of floats or blocks", op,
                        tdl_tensor_describe(w, text));
    return tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){dy->shape[0], dy->shape[1], w->shape[1]}, NULL, &call->out[0],
                           err);
}

static void grad_row(const tdl_call *call, int64_t expert, int64_t row) {
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    for (int64_t first = 0; first < dx->shape[2]; first += CHUNK) {
        int64_t count = tdl_min_i64(CHUNK, dx->shape[2] - first);
        double sums[CHUNK] = {0}, columns[CHUNK];
        for (int64_t n = 0; n < dy->shape[2]; n++) {
            tdl_decode_columns(w, expert * dy->shape[2] + n, first, count, columns);
            for (int64_t i = 0; i < count; i++) sums[i] += tdl_at(dy, tdl_row(dy, row), n) * columns[i];
        }
        for (int64_t i = 0; i < count; i++) tdl_put(dx, tdl_row(dx, row), first + i, sums[i]);
    }
}

void tdl_expert_matmul_grad_x_reference(const tdl_call *call) {
    for (int64_t expert = 0; expert < call->attrs.experts; expert++) {
        tdl_range places = tdl_group_of(&call->in[2], expert);
        for (int64_t place = places.first; place < places.end; place++)
            grad_row(call, expert, tdl_group_row(&call->in[2], call->attrs.experts, place));
    }
}
