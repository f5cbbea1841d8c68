// SPDX-License-Identifier: MIT
// test_error.c - messages: cut at a character, free of invalid bytes and of control characters.
#include "base/error.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_MAX = sizeof(((tdl_error *)NULL)->message) - 1 };

static void test_fail_formats(void **state) {
    (void)state;
    tdl_error err = {0};
    assert_int_equal(tdl_fail(&err, TDL_ERROR_FORMAT, "gguf: tensor '%s': %d dimensions", "blk.3", 5),
                     TDL_ERROR_FORMAT);
    assert_int_equal(err.code, TDL_ERROR_FORMAT);
    assert_string_equal(err.message, "gguf: tensor 'blk.3': 5 dimensions");
    assert_int_equal(tdl_fail(NULL, TDL_ERROR_IO, "nobody reads %d", 1), TDL_ERROR_IO);
}

static void test_fail_replaces_what_is_not_text(void **state) {
    (void)state;
    tdl_error err;
    tdl_fail(&err, TDL_ERROR_FORMAT, "a\nb\tc\x1b[31m\x7f");
    assert_string_equal(err.message, "a?b?c?[31m?");
    tdl_fail(&err, TDL_ERROR_FORMAT, "%s",
             "\xC2\x9B"
             "31m"); // C1: CSI in one character
    assert_string_equal(err.message, "?31m");
    tdl_fail(&err, TDL_ERROR_FORMAT, "%s", "\xC2\xA0|\xC3\xA9|\xE2\x82\xAC|\xF0\x9F\x98\x80");
    assert_string_equal(err.message, "\xC2\xA0|\xC3\xA9|\xE2\x82\xAC|\xF0\x9F\x98\x80");
    tdl_fail(&err, TDL_ERROR_FORMAT, "%s", "\xFFx\xED\xA0\x80y\xE2\x82");
    assert_string_equal(err.message, "?x???y??");
}

// Messages of every length near the limit, ASCII or ending in a character of 2 to 4 bytes.
static void test_fail_cuts_at_a_character(void **state) {
    (void)state;
    static const char *const ends[] = {"z", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (int k = 0; k < 4; k++) {
        for (size_t n = MESSAGE_MAX - 6; n <= MESSAGE_MAX + 2; n++) {
            char text[MESSAGE_MAX + 16];
            memset(text, 'a', n);
            strcpy(text + n, ends[k]);
            tdl_error err;
            tdl_fail(&err, TDL_ERROR_FORMAT, "%s", text);
            size_t size = strlen(err.message), whole = n + strlen(ends[k]);
            size_t expected = whole <= MESSAGE_MAX ? whole : n <= MESSAGE_MAX ? n : MESSAGE_MAX;
            assert_int_equal(size, expected);
            assert_memory_equal(err.message, text, size);
        }
    }
}

// Longer than the draft too: the cut in there must not leave half a character either.
static void test_fail_very_long(void **state) {
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[4096] = {0};
        memset(text, '\n', sizeof text - 1); // becomes '?', one byte for one
        for (size_t i = shift; i + 4 < sizeof text; i += 4) memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        tdl_error err;
        tdl_fail(&err, TDL_ERROR_FORMAT, "%s", text);
        assert_true(strlen(err.message) > MESSAGE_MAX - 4);
        assert_true(tdl_utf8_valid(err.message, strlen(err.message)));
        assert_null(strchr(err.message + shift, '?'));
    }
    char controls[4096] = {0}; // two bytes become one: the message is full all the same
    for (size_t i = 0; i + 2 < sizeof controls; i += 2) memcpy(controls + i, "\xC2\x80", 2);
    tdl_error err;
    tdl_fail(&err, TDL_ERROR_FORMAT, "%s", controls);
    assert_true(strlen(err.message) >= MESSAGE_MAX - 1);
    assert_int_equal(strspn(err.message, "?"), strlen(err.message));
}

static void test_fail_at_prefixes(void **state) {
    (void)state;
    tdl_error err;
    tdl_fail(&err, TDL_ERROR_FORMAT, "rows of %d", 7);
    assert_int_equal(tdl_fail_at(&err, TDL_ERROR_FORMAT, "tensor 'x'"), TDL_ERROR_FORMAT);
    assert_string_equal(err.message, "tensor 'x': rows of 7");
    tdl_fail(&err, TDL_ERROR_IO, "outer: %s", err.message); // an argument may be the old message
    assert_string_equal(err.message, "outer: tensor 'x': rows of 7");
    assert_int_equal(err.code, TDL_ERROR_IO);
    assert_int_equal(tdl_fail_at(NULL, TDL_ERROR_IO, "x"), TDL_ERROR_IO);
}

static void test_status_names(void **state) {
    (void)state;
    assert_string_equal(tdl_status_name(TDL_OK), "ok");
    assert_string_equal(tdl_status_name(TDL_PENDING), "pending");
    assert_string_equal(tdl_status_name(TDL_ERROR_CONTEXT_FULL), "context_full");
    assert_string_equal(tdl_status_name((tdl_status)-99), "unknown");
    for (int i = TDL_ERROR_DEVICE_LOST; i <= TDL_PENDING; i++) {
        assert_string_not_equal(tdl_status_name((tdl_status)i), "unknown");
        for (int k = TDL_ERROR_DEVICE_LOST; k < i; k++) {
            assert_string_not_equal(tdl_status_name((tdl_status)i), tdl_status_name((tdl_status)k));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_formats),
        cmocka_unit_test(test_fail_replaces_what_is_not_text),
        cmocka_unit_test(test_fail_cuts_at_a_character),
        cmocka_unit_test(test_fail_very_long),
        cmocka_unit_test(test_fail_at_prefixes),
        cmocka_unit_test(test_status_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
