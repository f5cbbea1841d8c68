// SPDX-License-Identifier: MIT
// rope.c - rotary position embedding (Su et al. 2021, RoFormer): turns pairs of elements of each head by the angles of
// the token's position.
//
//     x' = x cos - y sin,    y' = y cos + x sin
//
// R, the table's last dimension, is how many elements of a head take part; the rest is copied (partial rotary
// embedding, GPT-J and GPT-NeoX). attrs.inverse turns by the negative angle, which is the gradient. A pair is (i, i + R/2), or (2i, 2i + 1) where attrs.rope_pairs is 1.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

static void rotate_head(const tdl_call *call, int64_t row, const uint8_t *angles);

tdl_status tdl_rope_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0], *table = &call->in[1]; // [T, H, hd], [T, R]
    tdl_status status = tdl_op_expect("rope", "x", x, TDL_DTYPE_F32, 3, (int64_t[]){-1, -1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect("rope", "table", table, TDL_DTYPE_F32, 2, (int64_t[]){x->shape[0], -1}, err);
    if (status != TDL_OK) return status;
    if (table->shape[1] % 2 != 0 || table->shape[1] > x->shape[2])
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "rope: the table turns %lld elements, expected an even number up to head_dim %lld",
                        (long long)table->shape[1], (long long)x->shape[2]);
    return tdl_op_out_like(call, 0, x, err);
}

void tdl_rope_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *table = &call->in[1];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++) rotate_head(call, row, tdl_row(table, row / x->shape[1]));
}

static void rotate_head(const tdl_call *call, int64_t row, const uint8_t *angles) {
    const tdl_tensor *x = &call->in[0], *table = &call->in[1], *out = &call->out[0];
    const uint8_t *from = tdl_row(x, row);
    uint8_t *to = tdl_row(out, row);
    int64_t half = table->shape[1] / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t first = call->attrs.rope_pairs ? 2 * i : i, second = call->attrs.rope_pairs ? 2 * i + 1 : i + half;
        double a = tdl_at(x, from, first), b = tdl_at(x, from, second);
        double c = tdl_at(table, angles, i), s = tdl_at(table, angles, half + i);
        if (call->attrs.inverse) s = -s;
        tdl_put(out, to, first, a * c - b * s);
        tdl_put(out, to, second, b * c + a * s);
    }
    for (int64_t i = 2 * half; i < x->shape[2]; i++) tdl_put(out, to, i, tdl_at(x, from, i));
}

// The inverse rotation of dy.
void tdl_rope_backward(tdl_grad *g) {
    tdl_attrs attrs = *g->attrs;
    attrs.inverse = !attrs.inverse;
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_ROPE, &attrs, 2, (int32_t[]){g->d_out[0], g->in[1]}));
}
