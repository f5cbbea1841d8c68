// SPDX-License-Identifier: MIT
// test_op_infer.c - what the ops' shape rules refuse, and what they say; the op table; the kernels' look-up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/kernel.h"

#include <math.h>
#include <stdio.h>

// A tensor as a test writes it: N(F32, 7, 64).
typedef struct spec {
    tdl_dtype dtype;
    int64_t shape[TDL_DIMS_MAX];
    int32_t n_dims;
} spec;

#define COUNT(...) (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define N(type, ...) {TDL_DTYPE_##type, {__VA_ARGS__}, COUNT(__VA_ARGS__)}

typedef struct refusal {
    tdl_op op;
    spec in[TDL_OP_IN_MAX];
    spec out[TDL_OP_OUT_MAX]; // given ones
    tdl_attrs attrs;
    const char *message;
} refusal;

#define KV_INPUTS N(F32, 2, 3, 8), N(F32, 2, 3, 8), N(I32, 2), N(I32, 2), N(I32, 1, 4)

static const refusal refusals[] = {
    {TDL_OP_EMBED, {N(F32, 5, 8), N(F32, 3)}, .message = "embed: ids is [3] F32, expected [?] I32"},
    {TDL_OP_EMBED, {N(F32, 5), N(I32, 3)}, .message = "embed: table is [5] F32, expected [?, ?] of any type"},
    {TDL_OP_EMBED,
     {N(I32, 5, 8), N(I32, 3)},
     .message = "embed: table is of type I32, expected one that holds real numbers"},
    {TDL_OP_ADD, {N(F32, 2, 3), N(F32, 3, 2)}, .message = "add: b is [3, 2] F32, expected [2, 3] F32"},
    {TDL_OP_ADD, {N(F32, 2, 3), N(F32, 2)}, .message = "add: b is [2] F32, expected [3] F32"},
    {TDL_OP_ADD, {N(F16, 2, 3), N(F32, 2, 3)}, .message = "add: a is [2, 3] F16, expected [...] F32"},
    {TDL_OP_RMS_NORM,
     {N(F32, 7, 64), N(F32, 32)},
     .message = "rms_norm: w is [32] F32, expected [64] F32, F16 or BF16"},
    {TDL_OP_LAYER_NORM,
     {N(F32, 7, 64), N(F32, 64), N(I32, 64)},
     .message = "layer_norm: b is [64] I32, expected [64] F32, F16 or BF16"},
    {TDL_OP_ADD_RMS_NORM,
     {N(F32, 7, 64), N(F32, 64), N(F32, 64)},
     .message = "add_rms_norm: b is [64] F32, expected [7, 64] F32"},
    {TDL_OP_ADD_LAYER_NORM,
     {N(F32, 7, 64), N(F32, 7, 64), N(F32, 64), N(F32, 63)},
     .message = "add_layer_norm: bias is [63] F32, expected [64] F32, F16 or BF16"},
    {TDL_OP_ROPE_TABLE, {N(I32, 3, 1), N(F32, 4)}, .message = "rope_table: positions is [3, 1] I32, expected [?] I32"},
    {TDL_OP_ROPE, {N(F32, 3, 2, 8), N(F32, 2, 8)}, .message = "rope: table is [2, 8] F32, expected [3, ?] F32"},
    {TDL_OP_ROPE,
     {N(F32, 3, 2, 8), N(F32, 3, 10)},
     .message = "rope: the table turns 10 elements, expected an even number up to head_dim 8"},
    {TDL_OP_ROPE,
     {N(F32, 3, 2, 8), N(F32, 3, 5)},
     .message = "rope: the table turns 5 elements, expected an even number up to head_dim 8"},
    {TDL_OP_KV_APPEND,
     {KV_INPUTS},
     {N(F32, 9, 3, 8, 63), N(F32, 9, 3, 64, 8)},
     .message = "kv_append: k cache is [9, 3, 8, 63] F32, expected [?, 3, 8, 64] F32, F16 or BF16"},
    {TDL_OP_KV_APPEND,
     {KV_INPUTS},
     {N(F32, 9, 3, 8, 64), N(F16, 9, 3, 64, 8)},
     .message = "kv_append: v cache is [9, 3, 64, 8] F16, expected [9, 3, 64, 8] F32"},
    {TDL_OP_ATTENTION,
     {N(F32, 2, 4, 8), N(F32, 9, 3, 8, 64), N(F32, 9, 3, 64, 8), N(I32, 2), N(I32, 2), N(I32, 1, 4)},
     .message = "attention: 4 query heads, expected a multiple of the 3 kv heads"},
    {TDL_OP_ATTENTION,
     {N(F32, 2, 6, 8), N(F32, 9, 3, 8, 64), N(F32, 9, 3, 64, 8), N(I32, 2), N(I32, 3), N(I32, 1, 4)},
     .message = "attention: seq_start is [3] I32, expected [2] I32"},
    {TDL_OP_ATTENTION,
     {N(F32, 2, 6, 8), N(F32, 9, 3, 8, 64), N(F32, 9, 3, 64, 8), N(I32, 2), N(I32, 2), N(I32, 1, 4)},
     .attrs = {.window = -1},
     .message = "attention: window is -1, expected 0 or more"},
    {TDL_OP_ATTENTION,
     {N(F32, 2, 1, 1025), N(F32, 9, 1, 1025, 64), N(F32, 9, 1, 64, 1025), N(I32, 2), N(I32, 2), N(I32, 1, 4)},
     .message = "attention: head_dim is 1025, expected 1 to 1024"},
    {TDL_OP_ACT, {N(F32, 2, 3)}, .message = "act: function 0, expected 1 to 4"},
    {TDL_OP_GLU,
     {N(F32, 2, 3), N(F32, 2, 4)},
     .attrs = {.act = TDL_ACT_SILU},
     .message = "glu: up is [2, 4] F32, expected [2, 3] F32"},
    {TDL_OP_GLU, {N(F32, 2, 3), N(F32, 2, 3)}, .attrs = {.act = 99}, .message = "glu: function 99, expected 1 to 4"},
    {TDL_OP_FILL, .out = {N(F16, 2)}, .message = "fill: y is [2] F16, expected [...] F32"},
    {TDL_OP_COPY, {N(F32, 2, 3)}, {N(F32, 3, 2)}, .message = "copy: y is [3, 2] F32, expected [2, 3] F32"},
    {TDL_OP_DROPOUT,
     {N(F32, 2, 3), N(I32, 2)},
     .attrs = {.rate = 1},
     .message = "dropout: rate is 1, expected 0 or more and below 1"},
    {TDL_OP_DROPOUT,
     {N(F32, 2, 3), N(I32, 2)},
     .attrs = {.rate = NAN},
     .message = "dropout: rate is nan, expected 0 or more and below 1"},
    {TDL_OP_DROPOUT, {N(F32, 65536, 65536), N(I32, 2)}, .message = "dropout: 4294967296 elements, at most 4294967295"},
    {TDL_OP_DROPOUT, {N(F32, 2, 3), N(I32, 3)}, .message = "dropout: seed is [3] I32, expected [2] I32"},
    {TDL_OP_ACT_GRAD, {N(F32, 2), N(F32, 2)}, .message = "act_grad: function 0, expected 1 to 4"},
    {TDL_OP_GLU_GRAD,
     {N(F32, 2), N(F32, 2), N(F32, 3)},
     .attrs = {.act = TDL_ACT_RELU},
     .message = "glu_grad: dy is [3] F32, expected [2] F32"},
    {TDL_OP_RMS_NORM_GRAD,
     {N(F32, 2, 3), N(F32, 3), N(F32, 2, 3)},
     .message = "rms_norm_grad: 0 parts, expected 1 or more"},
    {TDL_OP_LAYER_NORM_GRAD,
     {N(F32, 2, 3), N(F32, 3), N(F32, 2, 2)},
     .attrs = {.parts = 1},
     .message = "layer_norm_grad: dy is [2, 2] F32, expected [2, 3] F32"},
    {TDL_OP_SUM_PARTS, {N(F32, 2, 3)}, .attrs = {.parts = -1}, .message = "sum_parts: -1 parts, expected 1 or more"},
    {TDL_OP_ADD_ROWS, {N(F32, 2, 3)}, {N(F32, 2)}, .message = "add_rows: y is [2] F32, expected [3] F32"},
    {TDL_OP_MATMUL_GRAD_X,
     {N(F32, 7, 3), N(I32, 3, 8)},
     .message = "matmul_grad_x: w is [3, 8] I32, expected a type of floats or blocks"},
    {TDL_OP_MATMUL_GRAD_X,
     {N(F32, 7, 3), N(F32, 8, 3)},
     .message = "matmul_grad_x: w is [8, 3] F32, expected [3, ?] of any type"},
    {TDL_OP_MATMUL_GRAD_W,
     {N(F32, 7, 3), N(F32, 7, 8)},
     {N(F32, 8, 3)},
     .message = "matmul_grad_w: dw is [8, 3] F32, expected [3, 8] F32"},
    {TDL_OP_EMBED_GRAD,
     {N(I32, 7), N(I32, 6), N(F32, 7, 8)},
     {N(F32, 9, 8)},
     .message = "embed_grad: order is [6] I32, expected [7] I32"},
    {TDL_OP_EMBED_GRAD,
     {N(I32, 7), N(I32, 7), N(F32, 7, 8)},
     {N(F32, 9, 7)},
     .message = "embed_grad: dtable is [9, 7] F32, expected [?, 8] F32"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 4, 8), N(F32, 7, 3, 8), N(F32, 7, 3, 8), N(I32, 7)},
     .message = "self_attention: 4 query heads, expected a multiple of the 3 kv heads"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 1, 1025), N(F32, 7, 1, 1025), N(F32, 7, 1, 1025), N(I32, 7)},
     .message = "self_attention: head_dim is 1025, expected 1 to 1024"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(I32, 7)},
     .attrs = {.window = -3},
     .message = "self_attention: window is -3, expected 0 or more"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(I32, 7)},
     .attrs = {.alibi = -8},
     .message = "self_attention: alibi is -8, expected 0 or more"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(I32, 7), N(I32, 2)},
     .attrs = {.rate = 1},
     .message = "self_attention: rate is 1, expected 0 or more and below 1"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(I32, 7)},
     .attrs = {.rate = 0.5f},
     .message = "self_attention: rate is 0.5, but there is no seed"},
    {TDL_OP_SELF_ATTENTION,
     {N(F32, 65536, 65536, 1), N(F32, 65536, 1, 1), N(F32, 65536, 1, 1), N(I32, 65536), N(I32, 2)},
     .attrs = {.rate = 0.5f},
     .message = "self_attention: 4294967296 rows of weights, dropout counts at most 4294967295"},
    {TDL_OP_SELF_ATTENTION_STATS,
     {N(F32, 7, 2, 8), N(F32, 7, 2, 8), N(F32, 7, 1)},
     .message = "self_attention_stats: lse is [7, 1] F32, expected [7, 2] F32"},
    {TDL_OP_SELF_ATTENTION_GRAD_Q,
     {N(F32, 7, 2, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 2, 8), N(F32, 7, 2), N(I32, 7)},
     .message = "self_attention_grad_q: stats is [7, 2] F32, expected [7, 2, 2] F32"},
    {TDL_OP_SELF_ATTENTION_GRAD_KV,
     {N(F32, 7, 2, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 2, 2), N(I32, 7)},
     .message = "self_attention_grad_kv: dy is [7, 1, 8] F32, expected [7, 2, 8] F32"},
    {TDL_OP_SELF_ATTENTION_GRAD_KV,
     {N(F32, 7, 2, 8), N(F32, 7, 1, 8), N(F32, 7, 1, 8), N(F32, 7, 2, 8), N(F32, 7, 2, 2), N(I32, 7), N(I32, 3)},
     .message = "self_attention_grad_kv: seed is [3] I32, expected [2] I32"},
    {TDL_OP_CROSS_ENTROPY, {N(F32, 7, 9), N(I32, 6)}, .message = "cross_entropy: targets is [6] I32, expected [7] I32"},
    {TDL_OP_CROSS_ENTROPY_GRAD,
     {N(F32, 7, 9), N(I32, 7), N(F32, 7)},
     .message = "cross_entropy_grad: hyper is [7] F32, expected [8] F32"},
    {TDL_OP_SUM_SQUARES,
     {N(F32, 7, 9)},
     {N(F32, 0)},
     .message = "sum_squares: no parts, expected a contiguous x and parts of it"},
    {TDL_OP_CLIP, {N(F32, 7, 1), N(F32, 8)}, .message = "clip: parts is [7, 1] F32, expected [?] F32"},
    {TDL_OP_ADAMW,
     {N(F32, 7, 9), N(F32, 4), N(F32, 8)},
     {N(F32, 7, 9), N(F32, 7, 9), N(F32, 9, 7)},
     .message = "adamw: v is [9, 7] F32, expected [7, 9] F32"},
    {TDL_OP_ROUTE,
     {N(F32, 7, 4)},
     .attrs = {.top_k = 5},
     .message = "route: top_k is 5, expected 1 to the number of experts, 4"},
    {TDL_OP_ROUTE_GRAD,
     {N(F32, 7, 4), N(I32, 7, 2), N(F32, 7, 3)},
     .message = "route_grad: dweights is [7, 3] F32, expected [7, 2] F32"},
    {TDL_OP_GROUP, {N(I32, 7, 2)}, .message = "group: 0 experts, expected 1 or more"},
    {TDL_OP_EXPERT_MATMUL,
     {N(F32, 7, 8), N(F32, 12, 8), N(I32, 18)},
     .attrs = {.experts = 4, .top_k = 2},
     .message = "expert_matmul: groups is [18] I32, expected [19] I32"},
    {TDL_OP_EXPERT_MATMUL,
     {N(F32, 7, 8), N(F32, 9, 8), N(I32, 19)},
     .attrs = {.experts = 4, .top_k = 2},
     .message = "expert_matmul: w is [9, 8] F32, expected floats or blocks, as many rows for each of 4"},
    {TDL_OP_EXPERT_MATMUL,
     {N(F32, 7, 8), N(F32, 12, 8), N(I32, 40)},
     .attrs = {.experts = 4, .top_k = 5},
     .message = "expert_matmul: 5 of 4 experts, expected 1 or more, and no more than there are"},
    {TDL_OP_EXPERT_MATMUL_GRAD_X,
     {N(F32, 7, 2, 3), N(F32, 9, 8), N(I32, 19)},
     .attrs = {.experts = 4, .top_k = 2},
     .message = "expert_matmul_grad_x: w is [9, 8] F32, expected [12, ?] of any type"},
    {TDL_OP_EXPERT_MATMUL_GRAD_W,
     {N(F32, 7, 2, 3), N(F32, 7, 8), N(I32, 19)},
     {N(F32, 9, 8)},
     .attrs = {.experts = 4, .top_k = 2},
     .message = "expert_matmul_grad_w: dw is [9, 8] F32, expected [12, 8] F32"},
    {TDL_OP_COMBINE, {N(F32, 7, 2, 3), N(F32, 7, 3)}, .message = "combine: weights is [7, 3] F32, expected [7, 2] F32"},
    {TDL_OP_COMBINE_GRAD,
     {N(F32, 7, 2, 3), N(F32, 7, 2), N(F32, 7, 2)},
     .message = "combine_grad: dout is [7, 2] F32, expected [7, 3] F32"},
    {TDL_OP_TAKE_ROWS, {N(F32, 2, 3), N(I32, 2, 1)}, .message = "take_rows: rows is [2, 1] I32, expected [?] I32"},
};

static tdl_tensor make(const spec *s) {
    tdl_tensor t;
    assert_int_equal(tdl_tensor_make(s->dtype, s->n_dims, s->shape, NULL, &t, NULL), TDL_OK);
    return t;
}

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        tdl_call call = {.attrs = r->attrs};
        for (; call.n_in < TDL_OP_IN_MAX && r->in[call.n_in].n_dims; call.n_in++)
            call.in[call.n_in] = make(&r->in[call.n_in]);
        for (; call.n_out < TDL_OP_OUT_MAX && r->out[call.n_out].n_dims; call.n_out++)
            call.out[call.n_out] = make(&r->out[call.n_out]);
        tdl_error err = {0};
        assert_int_equal(tdl_op_get(r->op)->infer(&call, &err), TDL_ERROR_ARGUMENT);
        assert_string_equal(err.message, r->message);
        assert_int_equal(tdl_op_get(r->op)->infer(&call, NULL), TDL_ERROR_ARGUMENT);
    }
}

static void test_table(void **state) {
    (void)state;
    assert_string_equal(tdl_op_get(TDL_OP_NONE)->name, "none");
    assert_null(tdl_op_get(TDL_OP_NONE)->infer);
    for (int op = 1; op < TDL_OP_COUNT; op++) {
        const tdl_op_info *info = tdl_op_get((tdl_op)op);
        assert_non_null(info->infer);
        assert_non_null(info->reference);
        assert_true(info->n_in_min <= info->n_in_max && info->n_in_max <= TDL_OP_IN_MAX &&
                    info->n_out <= TDL_OP_OUT_MAX);
    }
    assert_string_equal(tdl_op_get(TDL_OP_TAKE_ROWS)->name, "take_rows");
}

static void test_activations(void **state) {
    (void)state;
    static const char *const names[] = {"none", "silu", "gelu", "gelu_tanh", "relu"};
    for (int act = 0; act < TDL_ACT_COUNT; act++) assert_string_equal(tdl_act_name((tdl_act)act), names[act]);
    // 1 / (1 + e^-1), Phi(1), the tanh form of it, computed by hand.
    assert_float_equal(tdl_act_apply(TDL_ACT_SILU, 1), 0.731058578630, 1e-7);
    assert_float_equal(tdl_act_apply(TDL_ACT_GELU, 1), 0.841344746069, 1e-7);
    assert_float_equal(tdl_act_apply(TDL_ACT_GELU_TANH, 1), 0.841191990608, 1e-7);
    assert_float_equal(tdl_act_apply(TDL_ACT_RELU, -1), 0, 0);
    assert_float_equal(tdl_act_apply(TDL_ACT_RELU, 2.5f), 2.5, 0);
    assert_float_equal(tdl_act_apply(TDL_ACT_NONE, -1.5f), -1.5, 0);
}

// Dispatch gives the best kernel that the features allow, and none where the tensors are not for it.
static void test_find(void **state) {
    (void)state;
    const spec x = N(F32, 2, 64), w = N(F32, 64);
    tdl_call call = {.n_in = 2, .n_out = 1, .in = {make(&x), make(&w)}};
    assert_int_equal(tdl_op_get(TDL_OP_RMS_NORM)->infer(&call, NULL), TDL_OK);
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(TDL_OP_RMS_NORM, &n);
    while (n > 1 && kernels[n - 1]->backend != TDL_BACKEND_CPU) n--;
    const tdl_kernel_want best = {.backend = TDL_BACKEND_CPU, .features = UINT32_MAX},
                          least = {.backend = TDL_BACKEND_CPU}, none = {.features = UINT32_MAX};
    assert_ptr_equal(tdl_kernel_find(TDL_OP_RMS_NORM, &best, &call), kernels[0]);
    const tdl_kernel *plain = tdl_kernel_find(TDL_OP_RMS_NORM, &least, &call);
    assert_ptr_equal(plain, kernels[n - 1]);
    assert_int_equal(plain->needs, 0);
    assert_null(tdl_kernel_find(TDL_OP_RMS_NORM, &none, &call));
    call.in[0].strides[1] = 8;
    assert_null(tdl_kernel_find(TDL_OP_RMS_NORM, &best, &call));
    tdl_kernels_of(TDL_OP_NONE, &n);
    assert_int_equal(n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests_name("op rules", tests, NULL, NULL);
}
