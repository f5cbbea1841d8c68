// SPDX-License-Identifier: MIT
// test_bf16_products.c - the kernels that multiply BF16, bit for bit as ops/gemm_bf16_cpu.h says, said once more in plain C. That is how
// the instruction's manual has it and how AMD's processors do it; one that rounds otherwise within a pair is held to the size of its
// sums, and named.
//
// The op suite holds them to the reference's sums, within a bound. Here the order of every sum, the rounding of operands (ties
// included) and what becomes of subnormal numbers are those of the header, on numbers of every size.
#include "backend/cpu/cpu_features.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/rng.h"
#include "ops/gemm_bf16_cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { R = 29, C = 45, K = 2 * TDL_BF16_DEPTH + 37 };

// [rows, columns], of many sizes: one number in 16 is subnormal, as are products of two small ones; one in 16 is a tie.
static void fill(float *values, int64_t rows, int64_t columns, uint64_t seed) {
    tdl_rng rng = tdl_rng_make(seed, 0);
    for (int64_t i = 0; i < rows * columns; i++) {
        uint32_t kind = tdl_rng_u32(&rng) % 16;
        float value = (float)tdl_rng_normal(&rng);
        if (kind == 0) values[i] = ldexpf(value, -130);
        else if (kind == 1) values[i] = 1 + (float)(2 * (tdl_rng_u32(&rng) % 64) + 1) * 0x1p-8f;
        else if (kind < 8) values[i] = ldexpf(value, -66 + (int)(tdl_rng_u32(&rng) % 8));
        else values[i] = ldexpf(value, (int)(tdl_rng_u32(&rng) % 16) - 8);
    }
}

static float flush(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

static float rounded(float x) { return tdl_bf16_to_f32(tdl_bf16_from_f32(flush(x))); }

// An element, of operands k * step numbers apart; *size: the sum of what it adds up, all positive.
static float sum(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t k, float start, const float *c,
                 float *size) {
    float total = c ? *c : 0;
    *size = fabsf(total) + fabsf(start);
    for (int64_t i = 0; i < k; i++) *size += fabsf(rounded(a[i * a_step]) * rounded(b[i * b_step]));
    for (int64_t first = 0; first < k; first += TDL_BF16_DEPTH) {
        int64_t end = tdl_min_i64(k, first + TDL_BF16_DEPTH);
        float block = first == 0 ? start : 0;
        for (int64_t i = first; i < end; i += 2) {
            if (i + 1 < end)
                block = flush(fmaf(rounded(a[(i + 1) * a_step]), rounded(b[(i + 1) * b_step]), flush(block)));
            block = flush(fmaf(rounded(a[i * a_step]), rounded(b[i * b_step]), flush(block)));
        }
        total = first == 0 && !c ? block : total + block;
    }
    return total;
}

static const tdl_kernel *kernel_of(tdl_op op) {
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n);
    for (size_t i = 0; i < n; i++)
        if (kernels[i]->needs & TDL_FEATURE_AVX512_BF16) return kernels[i];
    return NULL;
}

// a [R, K] or [K, R], b [C, K] or [K, C], bias [C], c [R, C].
typedef struct product {
    float a[R * K], b[C * K], bias[C], c[R * C], expected[R * C], size[R * C];
} product;

static void make_tensor(tdl_tensor *t, float *data, int64_t rows, int64_t columns) {
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){rows, columns}, data, t, NULL), TDL_OK);
}

// in[0] is a, in[1] b; along: the rows of each lie along K.
static void check(tdl_op op, bool a_along, bool b_along, bool with_bias, bool adds) {
    const tdl_kernel *kernel = kernel_of(op);
    if (!kernel || (kernel->needs & ~tdl_cpu_features())) {
        print_message("%s: no BF16 on this CPU\n", tdl_op_get(op)->name);
        skip();
    }
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    product *p = tdl_alloc(mem, 1, sizeof *p);
    assert_non_null(p);
    fill(p->a, R, K, 1), fill(p->b, C, K, 2), fill(p->bias, 1, C, 3), fill(p->c, R, C, 4);
    for (int64_t r = 0; r < R; r++)
        for (int64_t j = 0; j < C; j++)
            p->expected[r * C + j] =
                sum(p->a + r * (a_along ? K : 1), a_along ? 1 : R, p->b + j * (b_along ? K : 1), b_along ? 1 : C, K,
                    with_bias ? p->bias[j] : 0, adds ? &p->c[r * C + j] : NULL, &p->size[r * C + j]);
    tdl_call call = {.n_in = with_bias ? 3 : 2, .n_out = 1};
    make_tensor(&call.in[0], p->a, a_along ? R : K, a_along ? K : R);
    make_tensor(&call.in[1], p->b, b_along ? C : K, b_along ? K : C);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){C}, p->bias, &call.in[2], NULL), TDL_OK);
    make_tensor(&call.out[0], p->c, R, C);
    assert_true(kernel->accepts(&call));
    void *scratch = tdl_alloc(mem, kernel->scratch_size(&call), 1);
    assert_non_null(scratch);
    kernel->run(&call, 0, kernel->units(&call), scratch);
    int64_t n_others = 0;
    for (int64_t i = 0; i < R * C; i++) {
        if (memcmp(&p->c[i], &p->expected[i], sizeof *p->c) == 0) continue;
        n_others++;
        if (!(fabsf(p->c[i] - p->expected[i]) <= 0x1p-21f * p->size[i]))
            fail_msg("%s: row %lld, column %lld is %a, expected %a", kernel->name, (long long)(i / C),
                     (long long)(i % C), (double)p->c[i], (double)p->expected[i]);
    }
    if (n_others) print_message("%s: %lld of %d sums round otherwise\n", kernel->name, (long long)n_others, R * C);
    tdl_free(mem, scratch);
    tdl_free(mem, p);
}

static void test_forward(void **state) {
    (void)state;
    check(TDL_OP_MATMUL, true, true, false, false);
    check(TDL_OP_MATMUL, true, true, true, false);
}

static void test_grad_x(void **state) {
    (void)state;
    check(TDL_OP_MATMUL_GRAD_X, true, false, false, false);
}

static void test_grad_w(void **state) {
    (void)state;
    check(TDL_OP_MATMUL_GRAD_W, false, false, false, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forward), cmocka_unit_test(test_grad_x),
                                       cmocka_unit_test(test_grad_w)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
