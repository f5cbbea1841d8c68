// SPDX-License-Identifier: MIT
// test_gradients.c - every backward op against central differences of its forward op, both by their references, in F64.
//
// The loss is sum dy y over the forward op's first output, dy random; its derivative by each element of each input is
// (loss(x + h) - loss(x - h)) / 2h. In F64 that is right to about h^2 relative, so a wrong factor, sign, index or mask in a
// formula is seen, at odd sizes, single elements and no rows. Parts of sums are added up with the op that does it in a plan.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "ops/op_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double step = 2e-5, bound = 1e-7;

enum { BLOCKS_MAX = 64 };

// Tensors of one case.
typedef struct memory {
    void *blocks[BLOCKS_MAX];
    int n_blocks;
    tdl_rng rng;
} memory;

static memory memory_make(uint64_t seed) { return (memory){.rng = tdl_rng_make(seed, 7)}; }

static void memory_free(memory *m) {
    for (int i = 0; i < m->n_blocks; i++) free(m->blocks[i]);
}

static tdl_tensor zeros(memory *m, tdl_dtype dtype, int32_t n_dims, const int64_t *shape) {
    tdl_tensor t;
    assert_int_equal(tdl_tensor_make(dtype, n_dims, shape, NULL, &t, NULL), TDL_OK);
    assert_true(m->n_blocks < BLOCKS_MAX);
    t.data = m->blocks[m->n_blocks++] = calloc(tdl_tensor_size(&t) + 1, 1);
    assert_non_null(t.data);
    return t;
}

static tdl_tensor normal(memory *m, int32_t n_dims, const int64_t *shape) {
    tdl_tensor t = zeros(m, TDL_DTYPE_F64, n_dims, shape);
    for (int64_t i = 0; i < tdl_tensor_n_elements(&t); i++) ((double *)(void *)t.data)[i] = tdl_rng_normal(&m->rng);
    return t;
}

static tdl_tensor like(memory *m, const tdl_tensor *t) { return zeros(m, TDL_DTYPE_F64, t->n_dims, t->shape); }

static tdl_tensor integers(memory *m, int64_t n, const int32_t *values) {
    tdl_tensor t = zeros(m, TDL_DTYPE_I32, 1, &n);
    memcpy(t.data, values, (size_t)n * sizeof *values);
    return t;
}

#define SHAPE(...) \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

// Runs an op's reference: n_in inputs, then the outputs.
static void run(tdl_op op, const tdl_attrs *attrs, int32_t n_in, const tdl_tensor *in, int32_t n_out,
                const tdl_tensor *out) {
    tdl_call call = {.n_in = n_in, .n_out = n_out};
    if (attrs) call.attrs = *attrs;
    memcpy(call.in, in, (size_t)n_in * sizeof *in);
    memcpy(call.out, out, (size_t)n_out * sizeof *out);
    tdl_op_get(op)->reference(&call);
}

static double loss(tdl_op op, const tdl_call *call, const tdl_tensor *dy) {
    const double *y = (const double *)(const void *)call->out[0].data, *d = (const double *)(const void *)dy->data;
    double sum = 0;
    tdl_op_get(op)->reference(call);
    for (int64_t i = 0; i < tdl_tensor_n_elements(dy); i++) sum += d[i] * y[i];
    return sum;
}

// Compares a gradient by in[input] with differences. The call's data are F64.
static void check(tdl_op op, const tdl_call *call, int32_t input, const tdl_tensor *dy, const tdl_tensor *gradient) {
    double *x = (double *)(void *)call->in[input].data;
    const double *have = (const double *)(const void *)gradient->data;
    assert_true(tdl_tensor_same_shape(&call->in[input], gradient));
    for (int64_t i = 0; i < tdl_tensor_n_elements(gradient); i++) {
        double kept = x[i];
        x[i] = kept + step;
        double above = loss(op, call, dy);
        x[i] = kept - step;
        double want = (above - loss(op, call, dy)) / (2 * step);
        x[i] = kept;
        if (!(fabs(have[i] - want) <= bound * (1 + fabs(want))))
            fail_msg("%s by input %d, element %d: %.12g, differences give %.12g", tdl_op_get(op)->name, (int)input,
                     (int)i, have[i], want);
    }
}

// ---- element by element ---------------------------------------------------------------------------------------------

static const int64_t sizes[][2] = {{0, 5}, {1, 1}, {3, 7}, {2, 33}};
enum { SIZE_COUNT = sizeof sizes / sizeof *sizes };

static void test_act_and_glu(void **state) {
    (void)state;
    for (int act = TDL_ACT_NONE + 1; act < TDL_ACT_COUNT; act++)
        for (int i = 0; i < SIZE_COUNT; i++) {
            memory m = memory_make(100 + (uint64_t)(act * SIZE_COUNT + i));
            tdl_tensor x = normal(&m, 2, sizes[i]), up = normal(&m, 2, sizes[i]), dy = normal(&m, 2, sizes[i]);
            tdl_call call = {.attrs = {.act = act}, .n_in = 2, .n_out = 1, .in = {x, up}, .out = {like(&m, &x)}};
            tdl_tensor grads[] = {like(&m, &x), like(&m, &x)};
            run(TDL_OP_GLU_GRAD, &call.attrs, 3, (tdl_tensor[]){x, up, dy}, 2, grads);
            for (int32_t in = 0; in < 2; in++) check(TDL_OP_GLU, &call, in, &dy, &grads[in]);
            run(TDL_OP_ACT_GRAD, &call.attrs, 2, (tdl_tensor[]){x, dy}, 1, grads);
            check(TDL_OP_ACT, &call, 0, &dy, &grads[0]);
            memory_free(&m);
        }
}

// Ops that are their own gradient: the same op on dy.
static void test_scale_and_dropout(void **state) {
    (void)state;
    for (int i = 0; i < SIZE_COUNT; i++) {
        memory m = memory_make(200 + (uint64_t)i);
        tdl_tensor x = normal(&m, 2, sizes[i]), dy = normal(&m, 2, sizes[i]), dx = like(&m, &x);
        tdl_tensor seed = integers(&m, 2, (int32_t[]){17, -4});
        tdl_call call = {.attrs = {.scale = -2.75f, .rate = 0.375f, .stream = 5},
                         .n_in = 2,
                         .n_out = 1,
                         .in = {x, seed},
                         .out = {like(&m, &x)}};
        run(TDL_OP_SCALE, &call.attrs, 1, &dy, 1, &dx);
        check(TDL_OP_SCALE, &call, 0, &dy, &dx);
        run(TDL_OP_DROPOUT, &call.attrs, 2, (tdl_tensor[]){dy, seed}, 1, &dx);
        check(TDL_OP_DROPOUT, &call, 0, &dy, &dx);
        memory_free(&m);
    }
}

static void test_rope(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {{0, 2, 4, 4}, {1, 1, 2, 2}, {3, 2, 6, 6}, {3, 3, 9, 4}}; // T, H, hd, R
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        const int64_t *shape = shapes[i / 2];
        memory m = memory_make(300 + i);
        tdl_tensor x = normal(&m, 3, shape), dy = normal(&m, 3, shape), dx = like(&m, &x);
        tdl_tensor table = normal(&m, SHAPE(shape[0], shape[3]));
        tdl_call call = {
            .attrs = {.rope_pairs = i % 2}, .n_in = 2, .n_out = 1, .in = {x, table}, .out = {like(&m, &x)}};
        tdl_attrs back = {.rope_pairs = i % 2, .inverse = 1};
        run(TDL_OP_ROPE, &back, 2, (tdl_tensor[]){dy, table}, 1, &dx);
        check(TDL_OP_ROPE, &call, 0, &dy, &dx);
        memory_free(&m);
    }
}

// ---- norms ----------------------------------------------------------------------------------------------------------

typedef struct norm_case {
    int32_t n_dims;
    int64_t shape[3];
    int32_t parts;
} norm_case;

static const norm_case norm_cases[] = {{2, {0, 5}, 3}, {2, {1, 1}, 1},  {2, {5, 7}, 2},
                                       {2, {7, 9}, 5}, {2, {2, 33}, 4}, {3, {3, 2, 5}, 4}};

// parts summed into a gradient that already holds something, which is then taken off.
static tdl_tensor total(memory *m, const tdl_tensor *parts) {
    tdl_tensor sum = normal(m, 1, &parts->shape[1]), before = like(m, &sum);
    memcpy(before.data, sum.data, tdl_tensor_size(&sum));
    run(TDL_OP_ADD_ROWS, NULL, 1, parts, 1, &sum);
    for (int64_t i = 0; i < parts->shape[1]; i++)
        ((double *)(void *)sum.data)[i] -= ((const double *)(const void *)before.data)[i];
    return sum;
}

static void test_norms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof norm_cases / sizeof *norm_cases; i++) {
        const norm_case *c = &norm_cases[i];
        memory m = memory_make(400 + i);
        const int64_t width = c->shape[c->n_dims - 1], parts_shape[] = {c->parts, width};
        tdl_tensor x = normal(&m, c->n_dims, c->shape), dy = normal(&m, c->n_dims, c->shape), dx = like(&m, &x);
        tdl_tensor w = normal(&m, 1, &width), b = normal(&m, 1, &width);
        tdl_tensor dw_parts = normal(&m, 2, parts_shape), db_parts = normal(&m, 2, parts_shape);
        tdl_call call = {.attrs = {.eps = 0.03125f, .parts = c->parts},
                         .n_in = 3,
                         .n_out = 1,
                         .in = {x, w, b},
                         .out = {like(&m, &x)}};
        const tdl_tensor in[] = {x, w, dy}, out[] = {dx, dw_parts, db_parts};
        run(TDL_OP_RMS_NORM_GRAD, &call.attrs, 3, in, 2, out);
        tdl_tensor dw = total(&m, &dw_parts);
        check(TDL_OP_RMS_NORM, &call, 0, &dy, &dx);
        check(TDL_OP_RMS_NORM, &call, 1, &dy, &dw);
        run(TDL_OP_LAYER_NORM_GRAD, &call.attrs, 3, in, 3, out);
        dw = total(&m, &dw_parts);
        tdl_tensor db = total(&m, &db_parts);
        check(TDL_OP_LAYER_NORM, &call, 0, &dy, &dx);
        check(TDL_OP_LAYER_NORM, &call, 1, &dy, &dw);
        check(TDL_OP_LAYER_NORM, &call, 2, &dy, &db);
        memory_free(&m);
    }
}

// ---- matrices -------------------------------------------------------------------------------------------------------

static void test_matmul(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{0, 3, 2}, {1, 1, 1}, {3, 5, 7}, {5, 2, 9}, {2, 3, 300}}; // T, N, K
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t t = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        memory m = memory_make(500 + i);
        tdl_tensor x = normal(&m, SHAPE(t, k)), w = normal(&m, SHAPE(n, k)), bias = normal(&m, 1, &n);
        tdl_tensor dy = normal(&m, SHAPE(t, n)), dx = like(&m, &x), dw = like(&m, &w), parts = normal(&m, SHAPE(3, n));
        tdl_call call = {.n_in = 3, .n_out = 1, .in = {x, w, bias}, .out = {like(&m, &dy)}};
        run(TDL_OP_MATMUL_GRAD_X, NULL, 2, (tdl_tensor[]){dy, w}, 1, &dx);
        run(TDL_OP_MATMUL_GRAD_W, NULL, 2, (tdl_tensor[]){dy, x}, 1, &dw);
        run(TDL_OP_SUM_PARTS, &(tdl_attrs){.parts = 3}, 1, &dy, 1, &parts);
        tdl_tensor db = total(&m, &parts);
        check(TDL_OP_MATMUL, &call, 0, &dy, &dx);
        check(TDL_OP_MATMUL, &call, 1, &dy, &dw);
        check(TDL_OP_MATMUL, &call, 2, &dy, &db);
        memory_free(&m);
    }
}

static void test_embed(void **state) {
    (void)state;
    static const int32_t ids[] = {3, 0, 3, 5, 0, 3}, order[] = {1, 4, 0, 2, 5, 3};
    for (int64_t n = 0; n <= 6; n += 6) {
        memory m = memory_make(600);
        tdl_tensor table = normal(&m, SHAPE(6, 5)), dy = normal(&m, SHAPE(n, 5)), dtable = like(&m, &table);
        tdl_tensor tokens = integers(&m, n, ids);
        tdl_call call = {.n_in = 2, .n_out = 1, .in = {table, tokens}, .out = {like(&m, &dy)}};
        run(TDL_OP_EMBED_GRAD, NULL, 3, (tdl_tensor[]){tokens, integers(&m, n, order), dy}, 1, &dtable);
        check(TDL_OP_EMBED, &call, 0, &dy, &dtable);
        memory_free(&m);
    }
}

// ---- experts ---------------------------------------------------------------------------------------------------------

static tdl_tensor groups_of(memory *m, const tdl_tensor *ids, const tdl_attrs *attrs) {
    int64_t n = attrs->experts + 1 + tdl_tensor_n_elements(ids);
    tdl_tensor groups = zeros(m, TDL_DTYPE_I32, 1, &n);
    run(TDL_OP_GROUP, attrs, 1, ids, 1, &groups);
    return groups;
}

// The loss looks at the first output; the weights are made that here.
static void check_route(const tdl_attrs *attrs, int64_t n_tokens, uint64_t seed) {
    memory m = memory_make(seed);
    tdl_tensor logits = normal(&m, SHAPE(n_tokens, attrs->experts)), dlogits = like(&m, &logits);
    tdl_tensor ids = zeros(&m, TDL_DTYPE_I32, SHAPE(n_tokens, attrs->top_k));
    tdl_tensor weights = normal(&m, ids.n_dims, ids.shape), d = normal(&m, ids.n_dims, ids.shape);
    double *x = (double *)(void *)logits.data;
    const double *of = (const double *)(const void *)dlogits.data;
    tdl_call call = {.attrs = *attrs, .n_in = 1, .n_out = 2, .in = {logits}, .out = {ids, weights}};
    tdl_op_get(TDL_OP_ROUTE)->reference(&call);
    run(TDL_OP_ROUTE_GRAD, attrs, 3, (tdl_tensor[]){logits, ids, d}, 1, &dlogits);
    for (int64_t i = 0; i < tdl_tensor_n_elements(&logits); i++) {
        double kept = x[i], loss_at[2] = {0};
        for (int side = 0; side < 2; side++) {
            x[i] = kept + (side ? step : -step);
            tdl_op_get(TDL_OP_ROUTE)->reference(&call);
            for (int64_t j = 0; j < tdl_tensor_n_elements(&d); j++)
                loss_at[side] +=
                    ((const double *)(const void *)weights.data)[j] * ((const double *)(const void *)d.data)[j];
        }
        x[i] = kept;
        double want = (loss_at[1] - loss_at[0]) / (2 * step);
        if (!(fabs(of[i] - want) <= bound * (1 + fabs(want))))
            fail_msg("route, element %d: %.12g, differences give %.12g", (int)i, of[i], want);
    }
    memory_free(&m);
}

static void test_route(void **state) {
    (void)state;
    for (int32_t renorm = 0; renorm < 2; renorm++) {
        check_route(&(tdl_attrs){.experts = 5, .top_k = 2, .renorm = renorm}, 7, 850);
        check_route(&(tdl_attrs){.experts = 3, .top_k = 3, .renorm = renorm}, 2, 851);
        check_route(&(tdl_attrs){.experts = 1, .top_k = 1, .renorm = renorm}, 1, 852);
        check_route(&(tdl_attrs){.experts = 4, .top_k = 2, .renorm = renorm}, 0, 853);
    }
}

static void test_experts(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{0, 3, 2}, {1, 1, 1}, {5, 3, 7}, {9, 4, 300}}; // T, N, K
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        const int64_t t = shapes[i / 2][0], n = shapes[i / 2][1], k = shapes[i / 2][2];
        memory m = memory_make(860 + i);
        tdl_attrs attrs = {.experts = 4, .top_k = 2};
        tdl_tensor ids = zeros(&m, TDL_DTYPE_I32, SHAPE(t, 2));
        for (int64_t j = 0; j < 2 * t; j++)
            ((int32_t *)(void *)ids.data)[j] = (int32_t)(j * j % 4); // 2 and 3 have none
        tdl_tensor groups = groups_of(&m, &ids, &attrs), w = normal(&m, SHAPE(4 * n, k)), dw = like(&m, &w);
        tdl_tensor x = i % 2 ? normal(&m, SHAPE(t, 2, k)) : normal(&m, SHAPE(t, k)), dx = like(&m, &x);
        tdl_tensor dy = normal(&m, SHAPE(t, 2, n)), dx_rows = zeros(&m, TDL_DTYPE_F64, SHAPE(t, 2, k));
        tdl_call call = {.attrs = attrs, .n_in = 3, .n_out = 1, .in = {x, w, groups}, .out = {like(&m, &dy)}};
        run(TDL_OP_EXPERT_MATMUL_GRAD_X, &attrs, 3, (tdl_tensor[]){dy, w, groups}, 1, &dx_rows);
        run(TDL_OP_EXPERT_MATMUL_GRAD_W, &attrs, 3, (tdl_tensor[]){dy, x, groups}, 1, &dw);
        if (i % 2) dx = dx_rows;
        else run(TDL_OP_COMBINE, NULL, 1, &dx_rows, 1, &dx);
        check(TDL_OP_EXPERT_MATMUL, &call, 0, &dy, &dx);
        check(TDL_OP_EXPERT_MATMUL, &call, 1, &dy, &dw);
        memory_free(&m);
    }
}

static void test_combine(void **state) {
    (void)state;
    for (int64_t t = 0; t < 4; t += 3) {
        memory m = memory_make(880);
        tdl_tensor y = normal(&m, SHAPE(t, 2, 5)), weights = normal(&m, SHAPE(t, 2)), dout = normal(&m, SHAPE(t, 5));
        tdl_tensor grads[] = {like(&m, &y), like(&m, &weights)};
        tdl_call call = {.n_in = 2, .n_out = 1, .in = {y, weights}, .out = {like(&m, &dout)}};
        run(TDL_OP_COMBINE_GRAD, NULL, 3, (tdl_tensor[]){y, weights, dout}, 2, grads);
        for (int32_t in = 0; in < 2; in++) check(TDL_OP_COMBINE, &call, in, &dout, &grads[in]);
        memory_free(&m);
    }
}

// ---- attention and loss ---------------------------------------------------------------------------------------------

typedef struct attention_case {
    int64_t heads, kv_heads, head_dim;
    int32_t documents[4];
    tdl_attrs attrs;
} attention_case;

static const attention_case attention_cases[] = {
    {1, 1, 1, {1}, {.scale = 1}},
    {2, 1, 4, {0}, {.scale = 1}},
    {3, 3, 5, {7}, {.scale = 0.5f}},
    {4, 2, 3, {4, 1, 6}, {.scale = 0.75f}},
    {2, 1, 3, {9, 3}, {.scale = 0.75f, .window = 4}},
    {2, 2, 2, {5}, {.scale = 0.75f, .window = 1}},
    {4, 4, 2, {6, 2}, {.scale = 0.75f, .alibi = 8}},
    {6, 2, 3, {5, 4}, {.scale = 0.75f, .alibi = 4, .window = 3}},
    {3, 3, 5, {7}, {.scale = 0.5f, .rate = 0.375f, .stream = 5}},
    {4, 2, 3, {4, 1, 6}, {.scale = 0.75f, .rate = 0.5f, .window = 4, .alibi = 8}},
};

static void test_self_attention(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases; i++) {
        const attention_case *c = &attention_cases[i];
        memory m = memory_make(700 + i);
        int32_t positions[32];
        int64_t n = 0;
        for (int document = 0; document < 4; document++)
            for (int32_t pos = 0; pos < c->documents[document]; pos++) positions[n++] = pos;
        tdl_tensor q = normal(&m, SHAPE(n, c->heads, c->head_dim)), k = normal(&m, SHAPE(n, c->kv_heads, c->head_dim));
        tdl_tensor v = normal(&m, k.n_dims, k.shape), dy = normal(&m, q.n_dims, q.shape);
        tdl_tensor y = like(&m, &q), lse = zeros(&m, TDL_DTYPE_F64, SHAPE(n, c->heads));
        tdl_tensor stats = zeros(&m, TDL_DTYPE_F64, SHAPE(n, c->heads, 2)), pos = integers(&m, n, positions);
        tdl_tensor seed = integers(&m, 2, (int32_t[]){-3, 19});
        bool drops = c->attrs.rate > 0;
        tdl_call call = {
            .attrs = c->attrs, .n_in = drops ? 5 : 4, .n_out = 2, .in = {q, k, v, pos, seed}, .out = {y, lse}};
        tdl_op_get(TDL_OP_SELF_ATTENTION)->reference(&call);
        run(TDL_OP_SELF_ATTENTION_STATS, NULL, 3, (tdl_tensor[]){y, dy, lse}, 1, &stats);
        const tdl_tensor in[] = {q, k, v, dy, stats, pos, seed};
        tdl_tensor dq = like(&m, &q), dkv[] = {like(&m, &k), like(&m, &k)};
        run(TDL_OP_SELF_ATTENTION_GRAD_Q, &c->attrs, drops ? 7 : 6, in, 1, &dq);
        run(TDL_OP_SELF_ATTENTION_GRAD_KV, &c->attrs, drops ? 7 : 6, in, 2, dkv);
        check(TDL_OP_SELF_ATTENTION, &call, 0, &dy, &dq);
        check(TDL_OP_SELF_ATTENTION, &call, 1, &dy, &dkv[0]);
        check(TDL_OP_SELF_ATTENTION, &call, 2, &dy, &dkv[1]);
        memory_free(&m);
    }
}

static void test_cross_entropy(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{0, 4}, {1, 1}, {1, 9}, {6, 33}};
    static const int32_t targets[] = {0, -1, 7, 33, 32, 0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t n = shapes[i][0], eight = 8;
        memory m = memory_make(800 + i);
        tdl_tensor logits = normal(&m, 2, shapes[i]), dlogits = like(&m, &logits), hyper = normal(&m, 1, &eight);
        tdl_tensor ids = integers(&m, n, targets), y = zeros(&m, TDL_DTYPE_F64, 1, &n), again = like(&m, &y), dy = y;
        tdl_call call = {.n_in = 2, .n_out = 1, .in = {logits, ids}, .out = {y}};
        run(TDL_OP_CROSS_ENTROPY_GRAD, NULL, 3, (tdl_tensor[]){logits, ids, hyper}, 2, (tdl_tensor[]){dlogits, again});
        tdl_op_get(TDL_OP_CROSS_ENTROPY)->reference(&call);
        assert_memory_equal(y.data, again.data, tdl_tensor_size(&y));
        dy = like(&m, &y); // every row's loss counts hyper[0] times
        for (int64_t row = 0; row < n; row++) memcpy(dy.data + 8 * row, hyper.data, 8);
        check(TDL_OP_CROSS_ENTROPY, &call, 0, &dy, &dlogits);
        memory_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_act_and_glu),   cmocka_unit_test(test_scale_and_dropout),
        cmocka_unit_test(test_rope),          cmocka_unit_test(test_norms),
        cmocka_unit_test(test_route),         cmocka_unit_test(test_experts),
        cmocka_unit_test(test_combine),       cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_embed),         cmocka_unit_test(test_self_attention),
        cmocka_unit_test(test_cross_entropy),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
