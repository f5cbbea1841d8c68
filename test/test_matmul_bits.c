// SPDX-License-Identifier: MIT
// test_matmul_bits.c - an output of matmul depends on its own row of x and of w only, bit for bit, in every kernel.
//
// Every kernel that this CPU can run computes 33 tokens in one call; then each token alone, 2 to 12 tokens at a time
// (where kernels change their ways), and each weight row alone must give the same bits. Rows of x and y are strided.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/cpu_features.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/rng.h"
#include "ops/kernel.h"

enum { TOKENS = 33, X_PAD = 3, Y_PAD = 5 };

// One product, with the tensors as the kernel wants them.
typedef struct product {
    const tdl_kernel *kernel;
    const tdl_allocator *mem;
    tdl_call call;
    uint8_t *w;      // the weight's rows as in a file
    float *x;        // [TOKENS, k + X_PAD]
    float *expected; // [TOKENS, n + Y_PAD]: all tokens in one call
    float *y;        // the same shape: what is compared
    uint8_t *quantized, *prepared;
    void *scratch;
} product;

static float *random_floats(const tdl_allocator *mem, int64_t n, uint64_t seed) {
    float *values = tdl_alloc(mem, (size_t)n, sizeof *values);
    assert_non_null(values);
    tdl_rng rng = tdl_rng_make(seed, 7);
    for (int64_t i = 0; i < n; i++) values[i] = (float)tdl_rng_normal(&rng);
    return values;
}

static void run(const product *p, const tdl_call *call) { p->kernel->run(call, 0, p->kernel->units(call), p->scratch); }

static void make_weight(product *p, tdl_dtype dtype, int64_t n, int64_t k) {
    tdl_tensor *w = &p->call.in[1];
    assert_int_equal(tdl_tensor_make(dtype, 2, (int64_t[]){n, k}, NULL, w, NULL), TDL_OK);
    p->w = w->data = tdl_alloc(p->mem, tdl_tensor_size(w), 1);
    assert_non_null(p->w);
    float *values = random_floats(p->mem, n * k, 1);
    for (int64_t row = 0; row < n; row++) tdl_dtype_get(dtype)->encode(values + row * k, p->w + row * w->strides[0], k);
    tdl_free(p->mem, values);
}

// x as the kernel wants it.
static void make_x(product *p, int64_t k) {
    tdl_tensor *x = &p->call.in[0];
    p->x = random_floats(p->mem, TOKENS * (k + X_PAD), 2);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){TOKENS, k}, p->x, x, NULL), TDL_OK);
    x->strides[0] += X_PAD * (int64_t)sizeof(float);
    if (p->kernel->x == TDL_DTYPE_NONE) return;
    tdl_tensor a8;
    assert_int_equal(tdl_tensor_make(p->kernel->x, 2, x->shape, NULL, &a8, NULL), TDL_OK);
    p->quantized = a8.data = tdl_alloc(p->mem, tdl_tensor_size(&a8), 1);
    assert_non_null(a8.data);
    for (int64_t t = 0; t < TOKENS; t++)
        tdl_dtype_get(a8.dtype)->encode(p->x + t * (k + X_PAD), a8.data + t * a8.strides[0], k);
    *x = a8;
}

static float *make_y(const product *p, int64_t n) {
    float *y = tdl_alloc(p->mem, TOKENS * (size_t)(n + Y_PAD), sizeof *y);
    assert_non_null(y);
    return y;
}

// false: the kernel does not take this product.
static bool product_init(product *p, const tdl_kernel *kernel, tdl_dtype dtype, int64_t n, int64_t k) {
    *p = (product){.kernel = kernel, .mem = tdl_allocator_or_default(NULL), .call = {.n_in = 2, .n_out = 1}};
    make_weight(p, dtype, n, k);
    size_t prepared = tdl_layout_size(kernel->layout, &p->call.in[1]);
    if (kernel->layout != TDL_LAYOUT_ROWS && prepared == 0) return false;
    make_x(p, k);
    tdl_tensor *y = &p->call.out[0];
    p->expected = make_y(p, n);
    p->y = make_y(p, n);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){TOKENS, n}, p->expected, y, NULL), TDL_OK);
    y->strides[0] += Y_PAD * (int64_t)sizeof(float);
    if (prepared) {
        p->prepared = tdl_alloc(p->mem, prepared, 1);
        assert_non_null(p->prepared);
        tdl_layout_prepare(kernel->layout, &p->call.in[1], p->call.in[1].data, p->prepared, 0, n);
        p->call.in[1].data = p->prepared;
        p->call.layout = kernel->layout;
    }
    if (kernel->accepts && !kernel->accepts(&p->call)) return false;
    p->scratch = tdl_alloc(p->mem, kernel->scratch_size ? kernel->scratch_size(&p->call) : 0, 1);
    assert_non_null(p->scratch);
    run(p, &p->call);
    return true;
}

static void product_deinit(product *p) {
    void *owned[] = {p->w, p->x, p->expected, p->y, p->quantized, p->prepared, p->scratch};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) tdl_free(p->mem, owned[i]);
}

static void assert_same(const product *p, const char *how) {
    int64_t n = p->call.out[0].shape[1], stride = n + Y_PAD;
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t i = 0; i < n; i++)
            if (memcmp(p->y + t * stride + i, p->expected + t * stride + i, sizeof(float)) != 0)
                fail_msg("%s needs %u, w [%lld, %lld] %s, %s: token %lld, row %lld is %.9g, in one call %.9g",
                         p->kernel->name, p->kernel->needs, (long long)n, (long long)p->call.in[0].shape[1],
                         tdl_dtype_get(p->call.in[1].dtype)->name, how, (long long)t, (long long)i,
                         (double)p->y[t * stride + i], (double)p->expected[t * stride + i]);
}

static void check_tokens(const product *p, int64_t at_a_time) {
    char how[32];
    snprintf(how, sizeof how, "%lld tokens at a time", (long long)at_a_time);
    memset(p->y, 0xff, TOKENS * (size_t)(p->call.out[0].shape[1] + Y_PAD) * sizeof(float));
    for (int64_t t = 0; t < TOKENS; t += at_a_time) {
        int64_t count = tdl_min_i64(at_a_time, TOKENS - t);
        tdl_call part = p->call;
        part.out[0].data = (uint8_t *)p->y;
        part.in[0] = tdl_tensor_slice(&part.in[0], 0, t, count);
        part.out[0] = tdl_tensor_slice(&part.out[0], 0, t, count);
        run(p, &part);
    }
    assert_same(p, how);
}

// Only where a row is a row: a prepared layout has whole tiles.
static void check_weight_rows(const product *p) {
    if (p->call.layout != TDL_LAYOUT_ROWS) return;
    memset(p->y, 0xff, TOKENS * (size_t)(p->call.out[0].shape[1] + Y_PAD) * sizeof(float));
    for (int64_t row = 0; row < p->call.out[0].shape[1]; row++) {
        tdl_call part = p->call;
        part.out[0].data = (uint8_t *)p->y;
        part.in[1] = tdl_tensor_slice(&part.in[1], 0, row, 1);
        part.out[0] = tdl_tensor_slice(&part.out[0], 1, row, 1);
        run(p, &part);
    }
    assert_same(p, "one weight row at a time");
}

static int64_t check_product(const tdl_kernel *kernel, tdl_dtype dtype, int64_t n, int64_t k) {
    product p;
    bool taken = product_init(&p, kernel, dtype, n, k);
    if (taken) {
        for (int64_t at_a_time = 1; at_a_time <= 12; at_a_time++) check_tokens(&p, at_a_time);
        check_weight_rows(&p);
    }
    product_deinit(&p);
    return taken;
}

static void test_every_kernel(void **state) {
    (void)state;
    static const int64_t ks[] = {1, 7, 31, 32, 33, 64, 100, 172, 256, 576, 800, 1792, 2048};
    static const int64_t ns[] = {1, 5, 15, 16, 17, 67};
    static const tdl_dtype dtypes[] = {TDL_DTYPE_F32,  TDL_DTYPE_F16,  TDL_DTYPE_BF16, TDL_DTYPE_Q8_0, TDL_DTYPE_Q4_0,
                                       TDL_DTYPE_Q4_1, TDL_DTYPE_Q4_K, TDL_DTYPE_Q5_K, TDL_DTYPE_Q6_K};
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(TDL_OP_MATMUL, &n_kernels);
    for (size_t i = 0; i < n_kernels; i++) {
        if (kernels[i]->backend != TDL_BACKEND_CPU) continue;
        if (kernels[i]->needs & ~tdl_cpu_features()) {
            print_message("skipped: %s, which needs features %u\n", kernels[i]->name, kernels[i]->needs);
            continue;
        }
        int64_t n_taken = 0;
        for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
                for (size_t n = 0; ks[k] % tdl_dtype_get(dtypes[d])->block_n == 0 && n < sizeof ns / sizeof *ns; n++)
                    n_taken += check_product(kernels[i], dtypes[d], ns[n], ks[k]);
        assert_true(n_taken > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_kernel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
