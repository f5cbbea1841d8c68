// SPDX-License-Identifier: MIT
// test_str.c - text values, growing text, the map, and the hash under it.
#include "base/hash.h"
#include "base/str.h"
#include "support/fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state) {
    (void)state;
    tdl_text abc = tdl_text_cstr("abc");
    assert_int_equal(abc.size, 3);
    assert_true(tdl_text_equal(abc, tdl_text_of("abcd", 3)));
    assert_false(tdl_text_equal(abc, tdl_text_of("abcd", 4)));
    assert_false(tdl_text_equal(abc, tdl_text_cstr("abd")));
    assert_true(tdl_text_is(abc, "abc"));
    assert_false(tdl_text_is(abc, "ab"));
    assert_true(tdl_text_is(tdl_text_of(NULL, 0), ""));
    assert_false(tdl_text_is(tdl_text_of("a\0b", 3), "a"));
}

static void test_str(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_str str = tdl_str_make(&fa.mem);
    assert_true(tdl_str_append(&str, NULL, 0));
    assert_true(tdl_str_format(&str, "%s", ""));
    assert_null(str.ptr);
    char expected[4096] = {0};
    for (int i = 0; i < 500; i++) {
        assert_true(i % 2 ? tdl_str_format(&str, "%d,", i) : tdl_str_append(&str, "ab\0c", 2));
        assert_int_equal(str.size, strlen(str.ptr));
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), i % 2 ? "%d," : "ab", i);
        assert_string_equal(str.ptr, expected);
    }
    assert_true(fa.n_calls < 12);
    int64_t n_calls = fa.n_calls;
    tdl_str_clear(&str);
    assert_int_equal(str.size, 0);
    assert_string_equal(str.ptr, "");
    assert_true(tdl_str_append(&str, "a\0b", 3));
    assert_memory_equal(str.ptr, "a\0b", 4);
    assert_int_equal(fa.n_calls, n_calls); // clear keeps the memory
    tdl_str_deinit(&str);
    tdl_str_deinit(&str);
    fail_alloc_check(&fa);
}

static void test_str_failure_sticks(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_str str = tdl_str_make(&fa.mem);
    assert_true(tdl_str_append(&str, "begin", 5));
    fa.fail_at = fa.n_calls + 1;
    char block[500];
    memset(block, 'x', sizeof block);
    assert_false(tdl_str_append(&str, block, sizeof block));
    assert_true(str.failed);
    assert_false(tdl_str_append(&str, "y", 1)); // there would be room
    assert_false(tdl_str_format(&str, "%d", 1));
    assert_string_equal(str.ptr, "begin");
    tdl_str_clear(&str);
    assert_true(tdl_str_append(&str, block, sizeof block));
    volatile size_t huge = SIZE_MAX;
    assert_false(tdl_str_append(&str, block, huge)); // wraps
    assert_true(str.failed);
    tdl_str_deinit(&str);
    fail_alloc_check(&fa);
}

static tdl_status str_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_str str = tdl_str_make(mem);
    for (int i = 0; i < 300; i++) tdl_str_format(&str, "%d %s;", i, "text");
    tdl_status status = str.failed ? TDL_ERROR_MEMORY : TDL_OK;
    if (!str.failed) assert_int_equal(str.size, 300 * 6 + 10 + 180 + 600);
    tdl_str_deinit(&str);
    return status;
}

static void test_str_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(str_scenario, NULL), 3, 20);
}

enum { N_KEYS = 20000 };
static char keys[N_KEYS][16];

static tdl_text key_at(int i) {
    snprintf(keys[i], sizeof keys[i], "key%d", i * 7);
    return tdl_text_cstr(keys[i]);
}

static void test_map(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_map map = tdl_map_make(&fa.mem);
    int32_t value = -5;
    assert_false(tdl_map_get(&map, tdl_text_cstr("x"), &value));
    for (int i = 0; i < N_KEYS; i++) assert_true(tdl_map_put(&map, key_at(i), i));
    assert_int_equal(map.n, N_KEYS);
    for (int i = 0; i < N_KEYS; i++) {
        assert_true(tdl_map_get(&map, key_at(i), &value));
        assert_int_equal(value, i);
    }
    value = -5;
    assert_false(tdl_map_get(&map, tdl_text_cstr("key1"), &value));
    assert_int_equal(value, -5);
    assert_true(tdl_map_put(&map, tdl_text_cstr("key7"), INT32_MIN)); // replaces
    assert_int_equal(map.n, N_KEYS);
    assert_true(tdl_map_get(&map, tdl_text_cstr("key7"), &value));
    assert_int_equal(value, INT32_MIN);

    assert_false(tdl_map_get(&map, tdl_text_of(NULL, 0), &value));
    assert_true(tdl_map_put(&map, tdl_text_of(NULL, 0), 3)); // empty text is a key like others
    assert_true(tdl_map_get(&map, tdl_text_cstr(""), &value));
    assert_int_equal(value, 3);
    assert_true(tdl_map_put(&map, tdl_text_of("a\0b", 3), 4));
    assert_false(tdl_map_get(&map, tdl_text_cstr("a"), &value));
    tdl_map_deinit(&map);
    tdl_map_deinit(&map);
    fail_alloc_check(&fa);
}

static void test_map_reserve(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    for (size_t n = 0; n < 200; n++) {
        tdl_map map = tdl_map_make(&fa.mem);
        int64_t n_calls = fa.n_calls;
        assert_true(tdl_map_reserve(&map, n));
        for (size_t i = 0; i < n; i++) assert_true(tdl_map_put(&map, key_at((int)i), 1));
        assert_int_equal(fa.n_calls, n_calls + 1);
        assert_true(map.n < map.n_slots);
        tdl_map_deinit(&map);
    }
    tdl_map map = tdl_map_make(&fa.mem);
    volatile size_t huge = SIZE_MAX;
    assert_false(tdl_map_reserve(&map, huge));
    assert_false(tdl_map_reserve(&map, huge / 4));
    tdl_map_deinit(&map);
    fail_alloc_check(&fa);
}

static tdl_status map_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_map map = tdl_map_make(mem);
    size_t n = 0;
    for (int i = 0; i < 300; i++) n += tdl_map_put(&map, key_at(i), i);
    assert_int_equal(map.n, n);
    int found = 0;
    for (int i = 0; i < 300; i++) {
        int32_t value;
        if (!tdl_map_get(&map, key_at(i), &value)) continue;
        assert_int_equal(value, i);
        found++;
    }
    assert_int_equal(found, n);
    tdl_map_deinit(&map);
    return n == 300 ? TDL_OK : TDL_ERROR_MEMORY;
}

static void test_map_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(map_scenario, NULL), 3, 20);
}

// A slot is taken from the low bits: they must spread for keys that differ little, in any place.
static void test_hash_spreads(void **state) {
    (void)state;
    assert_int_equal(tdl_hash_bytes("", 0, 0), tdl_hash_bytes(NULL, 0, 0));
    assert_true(tdl_hash_bytes("a", 1, 0) != tdl_hash_bytes("a", 1, 1));
    assert_true(tdl_hash_bytes("ab", 2, 0) != tdl_hash_bytes("ba", 2, 0));
    assert_true(tdl_hash_bytes("\0", 1, 0) != tdl_hash_bytes("\0\0", 2, 0));
    for (int place = 0; place < 8; place++) {
        int counts[256] = {0};
        for (int i = 0; i < 256 * 64; i++) {
            uint8_t key[16] = {0};
            key[place] = (uint8_t)i;
            key[place + 8] = (uint8_t)(i >> 8);
            counts[tdl_hash_bytes(key, sizeof key, 0) & 255]++;
        }
        double chi2 = 0.0; // 255 degrees of freedom: mean 255, deviation 22.6
        for (int i = 0; i < 256; i++) chi2 += (counts[i] - 64.0) * (counts[i] - 64.0) / 64.0;
        assert_true(chi2 < 255 + 6 * 22.6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_str),
        cmocka_unit_test(test_str_failure_sticks),
        cmocka_unit_test(test_str_out_of_memory),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_reserve),
        cmocka_unit_test(test_map_out_of_memory),
        cmocka_unit_test(test_hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
