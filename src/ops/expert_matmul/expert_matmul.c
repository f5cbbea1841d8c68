// SPDX-License-Identifier: MIT
// expert_matmul.c - each row times the matrix of the expert it is sent to:
//
//     y[t, j, n] = sum over k of x[t, (j,) k] w[e N + n, k],    e the expert of token t's choice j
//
// x F32 or A8, [T, K], one row for all choices of a token, or [T, k, K]; the experts' matrices lie one after another, w [X N, K], of any dtype
// that decodes. Rows come and go by token and choice; `groups` (group.c) says which belong to an expert, so that a kernel can
// make one product of each matrix. An output depends on its own row and matrix only, bit for bit, whatever else its expert has.
#include "ops/grad_rule.h"
#include "ops/group/groups.h"

enum { CHUNK = 256 }; // elements decoded at a time; every block size divides it

tdl_status tdl_expert_matmul_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "expert_matmul";
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    const tdl_attrs *attrs = &call->attrs;
    char text[96];
    int32_t last = x->n_dims == 2 ? 1 : 2; // K
    tdl_dtype dtype = x->dtype == TDL_DTYPE_A8 ? TDL_DTYPE_A8 : TDL_DTYPE_F32;
    tdl_status status = tdl_op_expect(op, "x", x, dtype, last + 1,
                                      last == 1 ? (int64_t[]){-1, -1} : (int64_t[]){-1, attrs->top_k, -1}, err);
    if (status == TDL_OK) status = tdl_expect_groups(op, call, &call->in[2], x->shape[0], err);
    if (status == TDL_OK) status = tdl_op_expect(op, "w", w, TDL_DTYPE_NONE, 2, (int64_t[]){-1, x->shape[last]}, err);
    if (status != TDL_OK) return status;
    if (!tdl_dtype_get(w->dtype)->decode || w->shape[0] % attrs->experts)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: w is %s, expected floats or blocks, as many rows for each of %d",
                        op, tdl_tensor_describe(w, text), attrs->experts);
    return tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){x->shape[0], attrs->top_k, w->shape[0] / attrs->experts}, NULL,
                           &call->out[0], err);
}

static double dot(const tdl_call *call, int64_t row, int64_t w_row) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    int64_t k = w->shape[1];
    tdl_tensor one = {.dtype = x->dtype, // the row as a matrix
                      .n_dims = 2,
                      .shape = {1, k},
                      .strides = {0, x->strides[x->n_dims - 1]},
                      .data = tdl_choice_row(x, row, call->attrs.top_k)};
    double sum = 0;
    for (int64_t first = 0; first < k; first += CHUNK) {
        int64_t count = tdl_min_i64(CHUNK, k - first);
        double x_part[CHUNK], w_part[CHUNK];
        tdl_decode_columns(&one, 0, first, count, x_part);
        tdl_decode_columns(w, w_row, first, count, w_part);
        for (int64_t i = 0; i < count; i++) sum += x_part[i] * w_part[i];
    }
    return sum;
}

void tdl_expert_matmul_reference(const tdl_call *call) {
    const tdl_tensor *groups = &call->in[2], *y = &call->out[0];
    int64_t n_outputs = y->shape[2];
    for (int64_t expert = 0; expert < call->attrs.experts; expert++) {
        tdl_range places = tdl_group_of(groups, expert);
        for (int64_t place = places.first; place < places.end; place++) {
            int64_t row = tdl_group_row(groups, call->attrs.experts, place);
            for (int64_t n = 0; n < n_outputs; n++)
                tdl_put(y, tdl_row(y, row), n, dot(call, row, expert * n_outputs + n));
        }
    }
}

// dx = dy w, summed over the choices where they share a row; dw += dy^T x over each expert's rows
void tdl_expert_matmul_backward(tdl_grad *g) {
    int32_t dy = g->d_out[0], groups = g->in[2];
    if (g->wants[0]) {
        int32_t dx = g->emit(g, TDL_OP_EXPERT_MATMUL_GRAD_X, g->attrs, 3, (int32_t[]){dy, g->in[1], groups});
        bool shared = g->tensor(g, g->in[0])->n_dims == 2;
        g->give(g, 0, shared ? g->emit(g, TDL_OP_COMBINE, NULL, 1, &dx) : dx);
    }
    if (g->wants[1]) g->add_to(g, 1, TDL_OP_EXPERT_MATMUL_GRAD_W, g->attrs, 3, (int32_t[]){dy, g->in[0], groups});
}
