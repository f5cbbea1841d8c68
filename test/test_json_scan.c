// SPDX-License-Identifier: MIT
// test_json_scan.c - the reader of large JSON headers: what it takes, what it refuses and where, and strings with escapes.
#include "base/json_scan.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static tdl_arena arena;

static tdl_json_scan scan_of(const char *text, size_t size, tdl_error *err) {
    return (tdl_json_scan){.text = text, .size = size, .what = "text", .arena = &arena, .err = err};
}

static tdl_status skip_all(const char *text, size_t size, tdl_error *err) {
    tdl_json_scan s = scan_of(text, size, err);
    tdl_status status = tdl_json_scan_skip(&s);
    return status ? status : tdl_json_scan_end(&s);
}

static void test_good(void **state) {
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        " [ ] ",
                                        "0",
                                        "-0",
                                        "1",
                                        "-12.50e+3",
                                        "1E9",
                                        "0.1",
                                        "true",
                                        "false",
                                        "null",
                                        "\"\"",
                                        "\"a\\\"b\\\\\"",
                                        "{\"a\":{\"b\":[1,{\"c\":[]},\"x\"]},\"d\":null}",
                                        "\n{\t\"a\" : 1 ,\r\n\"b\":[ 1 , 2 ]}\n",
                                        "\"\xc3\xa9\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tdl_error err = {0};
        if (skip_all(texts[i], strlen(texts[i]), &err)) fail_msg("%s: %s", texts[i], err.message);
    }
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "json: text: line 1, column 1: the text ends too early"},
        {"{", "the text ends too early"},
        {"{\"a\"", "the text ends too early"},
        {"{\"a\":", "the text ends too early"},
        {"{\"a\":1", "the text ends too early"},
        {"{\"a\":1,}", "column 8: expected a string"},
        {"{\"a\" 1}", "column 6: expected ':'"},
        {"{\"a\":1 \"b\":2}", "column 8: expected ',' or '}'"},
        {"{1:2}", "column 2: expected a string"},
        {"[1,]", "column 4: expected a value"},
        {"[1 2]", "column 4: expected ',' or ']'"},
        {"[1}", "column 3: expected ',' or ']'"},
        {"\n\n[tru]", "line 3, column 2: expected a value"},
        {"01", "column 1: a number that is none"},
        {"-", "column 1: a number that is none"},
        {"1.", "a number that is none"},
        {"1e", "a number that is none"},
        {"+1", "expected a value"},
        {"NaN", "expected a value"},
        {"1 2", "column 3: expected the end"},
        {"\"a", "column 1: the string does not end"},
        {"\"a\\\"", "the string does not end"},
        {"\"a\nb\"", "a control character in a string"},
        {"\"\\x\"", "column 2: an escape that is none"},
        {"\"\\u12g4\"", "an escape that is none"},
        {"\"\\u123\"", "an escape that is none"},
        {"\"\\ud83d\"", "half of a surrogate pair"},
        {"\"\\ud83d\\u0041\"", "half of a surrogate pair"},
        {"\"\\ude00\"", "half of a surrogate pair"},
        {"\"\xc3\"", "the string is not valid UTF-8"},
        {"\xc3\xa9", "line 1, column 1: expected a value"},
        {"[\"\xc3\xa9\" 1]", "line 1, column 6: expected ',' or ']'"}, // columns are characters
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_error err = {0};
        size_t size = strlen(cases[i].text);
        char *exact = malloc(size + 1); // of exactly its size, for the address sanitizer
        assert_non_null(exact);
        char *copy = realloc(exact, size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, cases[i].text, size);
        assert_error(skip_all(copy, size, &err), TDL_ERROR_FORMAT, &err, cases[i].message);
        free(copy);
    }
}

// Values nested 64 deep are skipped, deeper ones refused.
static void test_depth(void **state) {
    (void)state;
    enum { DEPTH = 64 };
    for (int over = 0; over <= 1; over++) {
        char text[2 * (DEPTH + 1)];
        int n = DEPTH + over;
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        tdl_error err = {0};
        tdl_status status = skip_all(text, 2 * (size_t)n, &err);
        if (over) assert_error(status, TDL_ERROR_FORMAT, &err, "column 65: values nested over 64 deep");
        else assert_int_equal(status, TDL_OK);
    }
}

static void test_strings(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
        size_t size;
    } cases[] = {
        {"\"plain\"", "plain", 5},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"x\\u0041\\u00e9\\u20AC\\ud83d\\ude00y\"", "xA\u00e9\u20ac\U0001F600y", 12},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"\"\\u0041\"", "A", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_error err = {0};
        tdl_json_scan s = scan_of(cases[i].text, strlen(cases[i].text), &err);
        tdl_text text;
        if (tdl_json_scan_string(&s, &text)) fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(text.size, cases[i].size);
        assert_memory_equal(text.ptr, cases[i].expected, text.size);
        // Without escapes nothing is copied.
        if (!strchr(cases[i].text, '\\')) assert_ptr_equal(text.ptr, cases[i].text + 1);
    }
}

static void test_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
        bool ok;
    } cases[] = {{"0", 0, true},      {"-0", 0, true},
                 {"42,", 42, true},   {" -7]", -7, true},
                 {"1.0", 0, false},   {"1e3", 0, false},
                 {"x", 0, false},     {"-", 0, false},
                 {"01", 0, false},    {"9223372036854775807", INT64_MAX, true},
                 {"", 0, false},      {"9223372036854775808", 0, false},
                 {"\"1\"", 0, false}, {"-9223372036854775808", INT64_MIN, true},
                 {"null", 0, false},  {"-9223372036854775809", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_error err = {0};
        tdl_json_scan s = scan_of(cases[i].text, strlen(cases[i].text), &err);
        int64_t value = 0;
        if (tdl_json_scan_integer(&s, &value) != cases[i].ok) fail_msg("'%s': expected %d", cases[i].text, cases[i].ok);
        if (cases[i].ok) assert_true(value == cases[i].value);
    }
}

int main(void) {
    tdl_arena_init(&arena, tdl_allocator_or_default(NULL));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_depth), cmocka_unit_test(test_strings),
                                       cmocka_unit_test(test_integers)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tdl_arena_deinit(&arena);
    return failed;
}
