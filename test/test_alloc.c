// SPDX-License-Identifier: MIT
// test_alloc.c - allocation, the arena, the growing array, checked sizes, and the test allocator itself.
#include "base/alloc.h"
#include "base/checked.h"
#include "support/fail_alloc.h"
#include "support/sanitizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_zero(const void *ptr, size_t size) {
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) return false;
    }
    return true;
}

// Resident bytes of this process; -1 where the system does not say.
static int64_t resident_size(void) {
    long long total, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return -1;
    int n = fscanf(file, "%lld %lld", &total, &resident);
    fclose(file);
    return n == 2 ? resident * sysconf(_SC_PAGESIZE) : -1;
}

static void test_alloc_zeroed_and_aligned(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, 3 << 20};
    for (int round = 0; round < 3; round++) { // later rounds get memory that was used before
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint8_t *ptr = tdl_alloc(mem, sizes[i], 1);
            assert_non_null(ptr);
            assert_int_equal((uintptr_t)ptr % 64, 0);
            assert_true(is_zero(ptr, sizes[i]));
            memset(ptr, 0xFF, sizes[i]);
            tdl_free(mem, ptr);
        }
    }
    void *nothing = tdl_alloc(mem, 0, 8);
    assert_non_null(nothing);
    tdl_free(mem, nothing);
    tdl_free(mem, NULL);
}

static void test_alloc_clears_what_others_give(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    uint8_t *ptr = tdl_alloc(&fa.mem, 100, 3);
    assert_true(is_zero(ptr, 300));
    assert_int_equal((uintptr_t)ptr % 64, 0);
    tdl_free(&fa.mem, ptr);
    fail_alloc_check(&fa);
    assert_ptr_equal(tdl_allocator_or_default(&fa.mem), &fa.mem);
}

static void test_alloc_refuses_what_wraps(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    volatile size_t huge = SIZE_MAX; // volatile: compilers warn of sizes they can see
    assert_null(tdl_alloc(mem, huge, 2));
    assert_null(tdl_alloc(mem, huge / 2 + 1, 2));
    assert_null(tdl_alloc(mem, huge, 1));
    assert_null(tdl_strndup(mem, "x", huge));
}

static void test_default_allocator_alignments(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    for (size_t align = 1; align <= 1 << 16; align *= 2) {
        uint8_t *ptr = mem->alloc(mem->user, 100, align);
        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % align, 0);
        memset(ptr, 1, 100);
        mem->free(mem->user, ptr);
    }
    mem->free(mem->user, NULL);
}

// A cache for a long context is reserved whole and filled little by little.
static void test_large_blocks_are_lazy(void **state) {
    (void)state;
    if (SANITIZED) skip(); // the sanitizers' allocators keep books of their own
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    enum { SIZE = 256 << 20 };
    int64_t before = resident_size();
    if (before < 0) skip();
    uint8_t *ptr = tdl_alloc(mem, SIZE, 1);
    assert_non_null(ptr);
    assert_true(resident_size() - before < SIZE / 16);
    for (size_t i = 0; i < SIZE; i += SIZE / 64) assert_int_equal(ptr[i], 0);
    tdl_free(mem, ptr);
}

static void test_strndup(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    char *copy = tdl_strndup(mem, "hello", 3);
    assert_string_equal(copy, "hel");
    tdl_free(mem, copy);
    copy = tdl_strndup(mem, NULL, 0);
    assert_string_equal(copy, "");
    tdl_free(mem, copy);
}

static void test_arena(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_arena arena;
    tdl_arena_init(&arena, &fa.mem);
    enum { N = 4000 };
    static uint8_t *ptrs[N];
    static size_t sizes[N];
    for (size_t i = 0; i < N; i++) {
        sizes[i] = i % 97 == 0 ? 5000 + i * 3 : i % 61; // some larger than a block's quarter, some 0
        ptrs[i] = tdl_arena_alloc(&arena, sizes[i], 1);
        assert_non_null(ptrs[i]);
        assert_int_equal((uintptr_t)ptrs[i] % 16, 0);
        assert_true(is_zero(ptrs[i], sizes[i]));
        memset(ptrs[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < N; i++) { // none overlaps another
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(ptrs[i][k], i & 0xFF);
    }
    assert_true(fa.n_calls < 100);
    assert_string_equal(tdl_arena_strndup(&arena, "abc", 2), "ab");
    volatile size_t huge = SIZE_MAX;
    assert_null(tdl_arena_alloc(&arena, huge, 2));
    assert_null(tdl_arena_alloc(&arena, huge, 1));
    assert_null(tdl_arena_alloc(&arena, huge - 31, 1));
    assert_null(tdl_arena_strndup(&arena, "x", huge));
    tdl_arena_deinit(&arena);
    tdl_arena_deinit(&arena);
    fail_alloc_check(&fa);
}

static void test_arena_keeps_its_head_for_small_ones(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_arena arena;
    tdl_arena_init(&arena, &fa.mem);
    tdl_arena_alloc(&arena, 1, 16);
    for (int i = 0; i < 5; i++) assert_non_null(tdl_arena_alloc(&arena, 1 << 20, 1));
    for (int i = 0; i < 100; i++) assert_non_null(tdl_arena_alloc(&arena, 1, 16));
    assert_int_equal(fa.n_calls, 6);
    tdl_arena_deinit(&arena);
    fail_alloc_check(&fa);
}

static tdl_status arena_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_arena arena;
    tdl_arena_init(&arena, mem);
    bool ok = true;
    for (size_t i = 0; i < 600; i++) {
        uint8_t *ptr = tdl_arena_alloc(&arena, 100 + i * 7, 1);
        if (ptr) memset(ptr, 0xEE, 100 + i * 7);
        ok = ok && ptr;
    }
    tdl_arena_deinit(&arena);
    return ok ? TDL_OK : TDL_ERROR_MEMORY;
}

static void test_arena_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(arena_scenario, NULL), 5, 100);
}

static void test_vec(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_vec vec = tdl_vec_make(&fa.mem, sizeof(int32_t));
    assert_true(tdl_vec_push(&vec, NULL, 0));
    assert_null(vec.data);
    for (int32_t i = 0; i < 1000; i += 2) assert_true(tdl_vec_push(&vec, (int32_t[]){i, i + 1}, 2));
    int32_t *added = tdl_vec_add(&vec);
    assert_int_equal(*added, 0);
    assert_int_equal(vec.n, 1001);
    for (int32_t i = 0; i < 1000; i++) assert_int_equal(*tdl_vec_at(&vec, int32_t, i), i);
    assert_true(fa.n_calls < 12);

    *added = 77;
    vec.n--;
    assert_int_equal(*(int32_t *)tdl_vec_add(&vec), 0); // zeroed, though the place was used

    int64_t n_calls = fa.n_calls;
    assert_true(tdl_vec_reserve(&vec, 5000));
    assert_int_equal(vec.n_max, 5000);
    assert_true(tdl_vec_reserve(&vec, 10));
    while (vec.n < 5000) assert_non_null(tdl_vec_add(&vec));
    assert_int_equal(fa.n_calls, n_calls + 1);
    volatile size_t huge = SIZE_MAX;
    assert_false(tdl_vec_reserve(&vec, huge / 2));
    assert_false(tdl_vec_push(&vec, "", huge));
    assert_int_equal(vec.n, 5000);
    tdl_vec_deinit(&vec);
    tdl_vec_deinit(&vec);
    fail_alloc_check(&fa);
}

static tdl_status vec_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_vec vec = tdl_vec_make(mem, sizeof(int64_t));
    bool ok = true;
    int64_t n = 0;
    for (int64_t i = 0; i < 100; i++) {
        size_t before = vec.n;
        if (tdl_vec_push(&vec, &i, 1)) n++;
        else ok = false;
        assert_int_equal(vec.n, ok || vec.n != before ? before + 1 : before);
    }
    assert_int_equal(vec.n, n);
    for (int64_t i = 1; i < n; i++) assert_true(*tdl_vec_at(&vec, int64_t, i) > *tdl_vec_at(&vec, int64_t, i - 1));
    tdl_vec_deinit(&vec);
    return ok ? TDL_OK : TDL_ERROR_MEMORY;
}

static void test_vec_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(vec_scenario, NULL), 3, 20);
}

static void test_checked_sizes(void **state) {
    (void)state;
    size_t size;
    int64_t n;
    assert_true(tdl_mul_size(SIZE_MAX, 1, &size) && size == SIZE_MAX);
    assert_false(tdl_mul_size(SIZE_MAX / 2 + 1, 2, &size));
    assert_true(tdl_add_size(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
    assert_false(tdl_add_size(SIZE_MAX, 1, &size));
    assert_true(tdl_mul_i64(INT64_MIN / 2, 2, &n) && n == INT64_MIN);
    assert_false(tdl_mul_i64(INT64_MIN, -1, &n));
    assert_false(tdl_add_i64(INT64_MAX, 1, &n));
    assert_true(tdl_align_size(65, 64, &size) && size == 128);
    assert_true(tdl_align_size(128, 64, &size) && size == 128);
    assert_true(tdl_align_size(0, 64, &size) && size == 0);
    assert_false(tdl_align_size(SIZE_MAX - 62, 64, &size));
    assert_true(tdl_range_ok(0, 10, 10) && tdl_range_ok(10, 0, 10) && tdl_range_ok(3, 7, 10));
    assert_false(tdl_range_ok(3, 8, 10) || tdl_range_ok(11, 0, 10) || tdl_range_ok(5, UINT64_MAX, 10));
    assert_false(tdl_range_ok(UINT64_MAX, 2, 10));
    assert_int_equal(tdl_div_up(0, 4), 0);
    assert_int_equal(tdl_div_up(1, 4), 1);
    assert_int_equal(tdl_div_up(8, 4), 2);
}

static tdl_status two_blocks_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    void *a = tdl_alloc(mem, 10, 1), *b = tdl_alloc(mem, 20, 1);
    tdl_status status = a && b ? TDL_OK : TDL_ERROR_MEMORY;
    tdl_free(mem, a);
    tdl_free(mem, b);
    return status;
}

// The allocator that other tests rely on has to notice.
static void test_fail_alloc_notices(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    fa.fail_at = 2;
    uint8_t *a = tdl_alloc(&fa.mem, 10, 1);
    assert_non_null(a);
    assert_null(tdl_alloc(&fa.mem, 10, 1));
    uint8_t *b = tdl_alloc(&fa.mem, 30, 1);
    assert_non_null(b);
    assert_int_equal(fa.n_live, 2);
    assert_int_equal(fa.n_failed, 1);
    assert_int_equal(fa.size_live, 40);
    a[10] = 1; // one past the end: inside malloc's block, so no sanitizer minds
    tdl_free(&fa.mem, a);
    assert_int_equal(fa.n_damaged, 1);
    b[-1] = 1;
    tdl_free(&fa.mem, b);
    assert_int_equal(fa.n_damaged, 2);
    assert_int_equal(fa.n_live, 0);
    assert_int_equal(fa.size_peak, 40);
    assert_int_equal(fail_alloc_each(two_blocks_scenario, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_zeroed_and_aligned),
        cmocka_unit_test(test_alloc_clears_what_others_give),
        cmocka_unit_test(test_alloc_refuses_what_wraps),
        cmocka_unit_test(test_default_allocator_alignments),
        cmocka_unit_test(test_large_blocks_are_lazy),
        cmocka_unit_test(test_strndup),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_keeps_its_head_for_small_ones),
        cmocka_unit_test(test_arena_out_of_memory),
        cmocka_unit_test(test_vec),
        cmocka_unit_test(test_vec_out_of_memory),
        cmocka_unit_test(test_checked_sizes),
        cmocka_unit_test(test_fail_alloc_notices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
