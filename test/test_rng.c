// SPDX-License-Identifier: MIT
// test_rng.c - the generator against its author's numbers, and the shape of what is drawn from it.
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// The first round of the PCG library's demonstration program, seed 42, stream 54.
static void test_pcg32_reference(void **state) {
    (void)state;
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
    tdl_rng rng = tdl_rng_make(42, 54);
    for (int i = 0; i < 6; i++) assert_int_equal(tdl_rng_u32(&rng), expected[i]);
}

static void test_streams_differ(void **state) {
    (void)state;
    tdl_rng a = tdl_rng_make(1, 0), b = tdl_rng_make(1, 1), c = tdl_rng_make(2, 0), again = tdl_rng_make(1, 0);
    int n_equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = tdl_rng_u32(&a);
        assert_int_equal(x, tdl_rng_u32(&again));
        n_equal += x == tdl_rng_u32(&b);
        n_equal += x == tdl_rng_u32(&c);
    }
    assert_in_range(n_equal, 0, 2);
}

static void test_uniform(void **state) {
    (void)state;
    enum { N = 200000 };
    tdl_rng rng = tdl_rng_make(3, 4);
    double sum = 0.0, sum2 = 0.0;
    uint64_t low_bits = 0;
    for (int i = 0; i < N; i++) {
        double u = tdl_rng_uniform(&rng);
        assert_true(u >= 0.0 && u < 1.0);
        sum += u;
        sum2 += u * u;
        low_bits |= (uint64_t)(u * 0x1p53);
    }
    assert_true(fabs(sum / N - 0.5) < 5 * 0.2887 / sqrt(N)); // 5 standard errors
    assert_true(fabs(sum2 / N - 1.0 / 3.0) < 5 * 0.2981 / sqrt(N));
    assert_int_equal(low_bits, (1ull << 53) - 1); // all 53 bits are used
}

static void test_normal(void **state) {
    (void)state;
    enum { N = 200000 };
    tdl_rng rng = tdl_rng_make(5, 6);
    double sum = 0.0, sum2 = 0.0, sum4 = 0.0;
    for (int i = 0; i < N; i++) {
        double x = tdl_rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        sum2 += x * x;
        sum4 += x * x * x * x;
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(sum2 / N - 1.0) < 5 * sqrt(2.0 / N));
    assert_true(fabs(sum4 / N - 3.0) < 5 * sqrt(96.0 / N));
}

// The second of a pair is as normal as the first, and has nothing to do with it.
static void test_normals(void **state) {
    (void)state;
    enum { N = 200000 };
    tdl_rng rng = tdl_rng_make(5, 6), same = rng;
    double sum = 0.0, sum2 = 0.0, sum4 = 0.0, product = 0.0, x[2];
    for (int i = 0; i < N; i++) {
        tdl_rng_normals(&rng, x);
        assert_true(x[0] == tdl_rng_normal(&same));
        sum += x[1];
        sum2 += x[1] * x[1];
        sum4 += x[1] * x[1] * x[1] * x[1];
        product += x[0] * x[1];
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(sum2 / N - 1.0) < 5 * sqrt(2.0 / N));
    assert_true(fabs(sum4 / N - 3.0) < 5 * sqrt(96.0 / N));
    assert_true(fabs(product / N) < 5 / sqrt(N));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcg32_reference), cmocka_unit_test(test_streams_differ), cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal),          cmocka_unit_test(test_normals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
