// SPDX-License-Identifier: MIT
// test_desc.c - structs that grow: every size from none to one too many, known and unknown fields, on both sides of a call.
#include "base/desc.h"
#include "base/limits.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// This library's version of a struct, and that of a later header.
typedef struct known_desc {
    size_t size;
    const char *name;
    int32_t a, b;
} known_desc;

typedef struct later_desc {
    known_desc known;
    int64_t more[3];
} later_desc;

static void sizes_of_descs(void **state) {
    (void)state;
    tdl_error err = {0};
    known_desc copy;
    memset(&copy, 0xa5, sizeof copy);
    assert_int_equal(tdl_desc_copy("thing", NULL, &copy, sizeof copy, &err), TDL_OK);
    assert_true(copy.size == sizeof copy && !copy.name && !copy.a && !copy.b);
    // A block of exactly `size` bytes each, so that a sanitizer sees what is read beyond.
    for (size_t size = 0; size <= sizeof(later_desc); size++) {
        later_desc full = {.known = {size, "name", 1, 2}};
        void *given = malloc(size < sizeof size ? sizeof size : size);
        memcpy(given, &full, size < sizeof size ? sizeof size : size);
        tdl_status status = tdl_desc_copy("thing", given, &copy, sizeof copy, &err);
        if (size < sizeof size || size % sizeof size) {
            assert_error(status, TDL_ERROR_ARGUMENT, &err, "thing: desc size is ");
        } else {
            assert_int_equal(status, TDL_OK);
            assert_int_equal(copy.size, sizeof copy);
            assert_true(size >= 16 ? copy.name == full.known.name : !copy.name);
            assert_true(size >= 24 ? copy.a == 1 && copy.b == 2 : !copy.a && !copy.b);
        }
        free(given);
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t bytes = sizeof(known_desc) + 8; bytes <= sizeof(later_desc); bytes += 8) {
            later_desc later = {.known = {bytes, "name", 1, 2}};
            later.more[i] = INT64_MIN; // the last byte of the field
            bool seen = sizeof(known_desc) + 8 * (i + 1) <= bytes;
            tdl_status status = tdl_desc_copy("thing", &later, &copy, sizeof copy, &err);
            if (seen) assert_error(status, TDL_ERROR_ARGUMENT, &err, "a field of a later version");
            else assert_int_equal(status, TDL_OK);
        }
}

static void absurd_sizes_are_not_read(void **state) {
    (void)state;
    static const size_t sizes[] = {TDL_DESC_SIZE_MAX + 8, 1 << 20, SIZE_MAX - 7, SIZE_MAX};
    static unsigned char most[TDL_DESC_SIZE_MAX];
    tdl_error err = {0};
    known_desc copy, all = {.a = 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        known_desc desc = {.size = sizes[i]};
        assert_error(tdl_desc_copy("thing", &desc, &copy, sizeof copy, &err), TDL_ERROR_ARGUMENT, &err, "desc size");
        assert_error(tdl_result_copy("thing", &desc, &all, sizeof all, &err), TDL_ERROR_ARGUMENT, &err, "result size");
        assert_int_equal(desc.a, 0);
    }
    memcpy(most, &(size_t){TDL_DESC_SIZE_MAX}, sizeof(size_t));
    assert_int_equal(tdl_desc_copy("thing", most, &copy, sizeof copy, &err), TDL_OK);
    assert_int_equal(tdl_result_copy("thing", most, &all, sizeof all, &err), TDL_OK);
}

// A result: as many bytes as the caller has are written, `size` stays, and what this library does not know is zero.
static void sizes_of_results(void **state) {
    (void)state;
    tdl_error err = {0};
    const known_desc all = {sizeof all, "name", 1, 2};
    for (size_t size = 0; size <= sizeof(later_desc); size++) {
        unsigned char given[sizeof(later_desc) + 8], before[sizeof given];
        memset(given, 0xa5, sizeof given);
        memcpy(given, &size, sizeof size);
        memcpy(before, given, sizeof given);
        bool good = size >= sizeof size && size % sizeof size == 0;
        assert_int_equal(tdl_result_check("thing", given, sizeof all, &err), good ? TDL_OK : TDL_ERROR_ARGUMENT);
        assert_int_equal(tdl_result_copy("thing", given, &all, sizeof all, &err), good ? TDL_OK : TDL_ERROR_ARGUMENT);
        size_t n = !good ? sizeof size : size < sizeof all ? size : sizeof all;
        assert_memory_equal(given + sizeof size, (const char *)&all + sizeof size, n - sizeof size);
        for (size_t i = n; good && i < size; i++) assert_int_equal(given[i], 0);
        size_t written = good ? size : 0;
        if (written < sizeof size) written = sizeof size;
        assert_memory_equal(given, before, sizeof size);
        assert_memory_equal(given + written, before + written, sizeof given - written);
    }
    assert_error(tdl_result_copy("thing", NULL, &all, sizeof all, &err), TDL_ERROR_ARGUMENT, &err, "NULL");
}

static void *no_alloc(void *user, size_t size, size_t align) {
    (void)user, (void)size, (void)align;
    return NULL;
}

static void no_free(void *user, void *ptr) { (void)user, (void)ptr; }

static void allocators_are_whole(void **state) {
    (void)state;
    tdl_error err = {0};
    const tdl_allocator whole = {.alloc = no_alloc, .free = no_free}, a = {.alloc = no_alloc}, f = {.free = no_free};
    assert_int_equal(tdl_allocator_check("thing", NULL, &err), TDL_OK);
    assert_int_equal(tdl_allocator_check("thing", &whole, &err), TDL_OK);
    assert_error(tdl_allocator_check("thing", &a, &err), TDL_ERROR_ARGUMENT, &err, "thing: the allocator's free");
    assert_error(tdl_allocator_check("thing", &f, &err), TDL_ERROR_ARGUMENT, &err, "thing: the allocator's alloc");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_of_descs), cmocka_unit_test(absurd_sizes_are_not_read),
                                       cmocka_unit_test(sizes_of_results), cmocka_unit_test(allocators_are_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
