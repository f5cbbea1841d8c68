// SPDX-License-Identifier: MIT
// test_json.c - what is accepted, what is refused and with which status and place; the JSONTestSuite.
#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "support/fail_alloc.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static tdl_status parse(const char *text, size_t size, tdl_error *err) {
    json_t *root = NULL;
    tdl_status status = tdl_json_parse(text, size, "x.json", &root, err);
    assert_true((status == TDL_OK) == (root != NULL));
    json_decref(root);
    return status;
}

static void check_error(const char *text, size_t size, tdl_status status, const char *place) {
    tdl_error err = {0};
    assert_int_equal(parse(text, size, &err), status);
    assert_int_equal(err.code, status);
    if (strncmp(err.message, place, strlen(place)) != 0) fail_msg("%s: expected %s", err.message, place);
}

static void test_parse(void **state) {
    (void)state;
    json_t *root;
    static const char text[] = "{\"n\": 4096, \"eps\": 1e-5, \"list\": [true, null], \"e\": \"\\u00e9\"}";
    assert_int_equal(tdl_json_parse(text, sizeof text - 1, "t", &root, NULL), TDL_OK);
    assert_int_equal(json_integer_value(json_object_get(root, "n")), 4096);
    assert_true(json_real_value(json_object_get(root, "eps")) == 1e-5);
    assert_string_equal(json_string_value(json_object_get(root, "e")), "\xC3\xA9");
    json_decref(root);
    static const char *const roots[] = {"1", "\"a\"", "null", "true", "-0.5e3", "[]", " {} \n"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        assert_int_equal(parse(roots[i], strlen(roots[i]), NULL), TDL_OK);
    }
    // A NUL inside a string is a token of some vocabularies.
    assert_int_equal(tdl_json_parse("[\"a\\u0000b\"]", 12, "t", &root, NULL), TDL_OK);
    assert_int_equal(json_string_length(json_array_get(root, 0)), 3);
    json_decref(root);
}

static void test_errors_name_the_place(void **state) {
    (void)state;
    check_error("{\"a\": 1,\n \"b\": }", 16, TDL_ERROR_FORMAT, "json: x.json: line 2, column 7: ");
    check_error("\"\xFF\"", 3, TDL_ERROR_FORMAT, "json: x.json: line 1, ");
    check_error("\"\xED\xA0\x80\"", 5, TDL_ERROR_FORMAT, "json: x.json: line 1, ");
    check_error("[1] x", 5, TDL_ERROR_FORMAT, "json: x.json: line 1, ");
    check_error("[1]\0", 4, TDL_ERROR_FORMAT, "json: x.json: line 1, column 4: a NUL byte");
    check_error("[1,\n 2\0]", 8, TDL_ERROR_FORMAT, "json: x.json: line 2, column 3: a NUL byte");
    check_error("true\0", 5, TDL_ERROR_FORMAT, "json: x.json: line 1, column 5: a NUL byte");
    check_error("", 0, TDL_ERROR_FORMAT, "json: x.json: line 1, column 0");
    check_error(NULL, 0, TDL_ERROR_FORMAT, "json: x.json: line 1, column 0");
    check_error("\xEF\xBB\xBF{}", 5, TDL_ERROR_FORMAT, "json: x.json: line 1, column 1: a byte order mark");
    // Places are those of the text, also behind what Jansson got in another form.
    check_error("[NaN, 1e999,\n -Infinity, \"\\ud83d\", x]", sizeof("[NaN, 1e999,\n -Infinity, \"\\ud83d\", x]") - 1,
                TDL_ERROR_FORMAT, "json: x.json: line 2, column 23: ");
    check_error("[99999999999999999999, \"\xC3\xA9\" x]", sizeof("[99999999999999999999, \"\xC3\xA9\" x]") - 1,
                TDL_ERROR_FORMAT, "json: x.json: line 1, column 28: ");
    check_error("[\"\\ud83d\",\n\n}", sizeof("[\"\\ud83d\",\n\n}") - 1, TDL_ERROR_FORMAT,
                "json: x.json: line 3, column 1: ");
    check_error("[Infinity, 2", sizeof("[Infinity, 2") - 1, TDL_ERROR_FORMAT, "json: x.json: line 1, column ");
}

// A value in one line: i integer, d real, s string, N T F; objects in their order.
static void print_value(char **at, const json_t *value) {
    const char *key;
    json_t *child;
    switch (json_typeof(value)) {
    case JSON_NULL: *at += sprintf(*at, "N"); break;
    case JSON_TRUE: *at += sprintf(*at, "T"); break;
    case JSON_FALSE: *at += sprintf(*at, "F"); break;
    case JSON_INTEGER: *at += sprintf(*at, "i%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL:
        *at += isnan(tdl_json_number(value)) ? sprintf(*at, "dnan") : sprintf(*at, "d%.17g", tdl_json_number(value));
        break;
    case JSON_STRING:
        *at += sprintf(*at, "s");
        for (size_t i = 0; i < json_string_length(value); i++)
            *at += sprintf(*at, "%02x", (unsigned char)json_string_value(value)[i]);
        break;
    case JSON_ARRAY:
        *at += sprintf(*at, "[");
        for (size_t i = 0; i < json_array_size(value); i++) {
            print_value(at, json_array_get(value, i));
            *at += sprintf(*at, ",");
        }
        *at += sprintf(*at, "]");
        break;
    case JSON_OBJECT:
        *at += sprintf(*at, "{");
        json_object_foreach((json_t *)(uintptr_t)value, key, child) {
            *at += sprintf(*at, "%s:", key);
            print_value(at, child);
            *at += sprintf(*at, ",");
        }
        *at += sprintf(*at, "}");
        break;
    }
}

// Values as CPython 3.11's json.loads gives them (its integers outside int64 turned to floats, its lone surrogates to
// U+FFFD); NULL: it raises ValueError.
static const struct {
    const char *text, *value;
} python_cases[] = {
    {"1000000000000000019884624838656", "d1e+30"},
    {"9223372036854775807", "i9223372036854775807"},
    {"9223372036854775808", "d9.2233720368547758e+18"},
    {"-9223372036854775808", "i-9223372036854775808"},
    {"-9223372036854775809", "d-9.2233720368547758e+18"},
    {"18446744073709551615", "d1.8446744073709552e+19"},
    {"-0", "i0"},
    {"[NaN,Infinity,-Infinity]", "[dnan,dinf,d-inf,]"},
    {"[1e999,-1e999,1e-999]", "[dinf,d-inf,d0,]"},
    {"1.7976931348623159e308", "dinf"},
    {"1.7976931348623153e308", "d1.7976931348623153e+308"},
    {"0.00000001e316", "d1e+308"},
    {"{\"a\": NaN, \"b\": 1}", "{a:dnan,b:i1,}"},
    {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{a:i3,b:i2,}"},
    {"\"\\ud83d\"", "sefbfbd"},
    {"\"\\ude00x\"", "sefbfbd78"},
    {"\"\\ud83d\\ude00\"", "sf09f9880"},
    {"\"\\ud83d\\ud83d\\ude00\"", "sefbfbdf09f9880"},
    {"\"\\uD83Dx\\\\ud83d\"", "sefbfbd785c7564383364"},
    {"\"\\u0000\"", "s00"},
    {"[\"NaN\", \"1e999\"]", "[s4e614e,s3165393939,]"},
    {"1NaN", NULL},
    {"NaN1", NULL},
    {"-NaN", NULL},
    {"nan", NULL},
    {"+Infinity", NULL},
    {"1-Infinity", NULL},
    {"Infinityx", NULL},
    {"NaNInfinity", NULL},
    {"01e999", NULL},
    {"-.1e999", NULL},
    {"1.e999", NULL},
    {"99999999999999999999.", NULL},
    {"99999999999999999999e", NULL},
    {"99999999999999999999 9", NULL},
    {"\"\\ud83\"", NULL},
    {"\"\\ud83d", NULL},
    {"{\"a\": 1, \"a\"}", NULL},
};

static void test_reads_what_python_reads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof python_cases / sizeof *python_cases; i++) {
        const char *text = python_cases[i].text, *expected = python_cases[i].value;
        char value[256], *at = value;
        json_t *root = NULL;
        tdl_error err = {0};
        tdl_status status = tdl_json_parse(text, strlen(text), "x.json", &root, &err);
        if (status == TDL_OK) print_value(&at, root);
        json_decref(root);
        if (status != (expected ? TDL_OK : TDL_ERROR_FORMAT)) fail_msg("%s: %s", text, err.message);
        if (expected && strcmp(value, expected) != 0) fail_msg("%s: %s, expected %s", text, value, expected);
    }
}

// Jansson hands keys out as C strings: U+FDD0 stands for the NUL in them, and only in them.
static void test_nul_in_keys(void **state) {
    (void)state;
    static const char text[] = "{\"\\u0000\" : \"\\u0000\", \"a\\\"\\u0000b\\u0000\":{}, \"\\\\u0000\": [\"\\u0000\"]}";
    json_t *root = NULL;
    assert_int_equal(tdl_json_parse(text, sizeof text - 1, "t", &root, NULL), TDL_OK);
    assert_int_equal(json_string_length(json_object_get(root, TDL_JSON_KEY_NUL)), 1);
    assert_non_null(json_object_get(root, "a\"" TDL_JSON_KEY_NUL "b" TDL_JSON_KEY_NUL));
    assert_int_equal(json_string_length(json_array_get(json_object_get(root, "\\u0000"), 0)), 1);
    json_decref(root);
}

// Numbers that are not finite are written as they were read; texts that look like them are texts.
static void test_append(void **state) {
    (void)state;
    static const char text[] =
        "[NaN, Infinity, -Infinity, \"1.7976931348623155e308\", \"\\\"1.7976931348623157e308\", 1.5, 1e30]";
    static const char expected[] =
        "[NaN,Infinity,-Infinity,\"1.7976931348623155e308\",\"\\\"1.7976931348623157e308\",1.5,1e30]";
    json_t *root = NULL;
    tdl_str str = tdl_str_make(tdl_allocator_or_default(NULL));
    assert_int_equal(tdl_json_parse(text, sizeof text - 1, "t", &root, NULL), TDL_OK);
    assert_true(tdl_json_append(&str, root, JSON_COMPACT));
    assert_string_equal(str.ptr, expected);
    json_decref(root);
    tdl_str_deinit(&str);
}

static void test_equal_keys(void **state) {
    (void)state;
    static const char text[] = "{\"a\": 1, \"a\": 2}";
    json_t *root = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_json_parse_unique(text, sizeof text - 1, "t", &root, &err), TDL_ERROR_FORMAT);
    assert_non_null(strstr(err.message, "line 1, column 12: duplicate"));
    assert_null(root);
}

// Jansson takes 1,024 bytes at a time: replacements at and over each boundary.
static void test_long_texts(void **state) {
    (void)state;
    enum { N = 5000 };
    static char text[N * 24 + 3];
    static const char *const items[] = {"NaN", "99999999999999999999", "\"\\ud83d\"", "-1e999", "7"};
    char *at = text;
    for (int i = 0; i < N; i++) at += sprintf(at, "%c%s", i ? ',' : '[', items[(i * 7 + i / 11) % 5]);
    *at++ = ']';
    json_t *root = NULL;
    assert_int_equal(tdl_json_parse(text, (size_t)(at - text), "t", &root, NULL), TDL_OK);
    assert_int_equal(json_array_size(root), N);
    for (int i = 0; i < N; i++) {
        const json_t *value = json_array_get(root, (size_t)i);
        switch ((i * 7 + i / 11) % 5) {
        case 0: assert_true(isnan(tdl_json_number(value))); break;
        case 1: assert_true(tdl_json_number(value) == 1e20); break;
        case 2: assert_string_equal(json_string_value(value), "\xEF\xBF\xBD"); break;
        case 3: assert_true(tdl_json_number(value) == -(double)INFINITY); break;
        default: assert_int_equal(json_integer_value(value), 7); break;
        }
    }
    json_decref(root);
    *at = 'x';
    char place[64];
    snprintf(place, sizeof place, "json: x.json: line 1, column %d: ", (int)(at - text) + 1);
    check_error(text, (size_t)(at - text) + 1, TDL_ERROR_FORMAT, place);
}

static void test_nesting_limit(void **state) {
    (void)state;
    enum { DEPTH = JSON_PARSER_MAX_DEPTH };
    static char text[2 * (DEPTH + 1)];
    for (int depth = DEPTH; depth <= DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        tdl_error err = {0};
        assert_int_equal(parse(text, 2 * (size_t)depth, &err), depth <= DEPTH ? TDL_OK : TDL_ERROR_LIMIT);
    }
    static char deep[1 << 20]; // nobody's stack may run out
    memset(deep, '[', sizeof deep);
    check_error(deep, sizeof deep, TDL_ERROR_LIMIT, "json: x.json: line 1, column ");
}

static void test_size_limit(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    char *text = tdl_alloc(mem, (size_t)TDL_JSON_SIZE_MAX + 1, 1);
    assert_non_null(text);
    memset(text, ' ', (size_t)TDL_JSON_SIZE_MAX + 1);
    text[0] = '7';
    tdl_error err = {0};
    assert_int_equal(parse(text, TDL_JSON_SIZE_MAX, &err), TDL_OK);
    assert_int_equal(parse(text, (size_t)TDL_JSON_SIZE_MAX + 1, &err), TDL_ERROR_LIMIT);
    assert_non_null(strstr(err.message, "268435457 bytes, at most 268435456"));
    tdl_free(mem, text);
}

// Jansson allocates by itself; its hooks let its allocations fail from the Nth on.
static int64_t n_calls, n_live, fail_at;

static void *failing_malloc(size_t size) {
    void *ptr = ++n_calls >= fail_at ? NULL : malloc(size);
    n_live += ptr != NULL;
    return ptr;
}

static void counting_free(void *ptr) {
    n_live -= ptr != NULL;
    free(ptr);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const char text[] = "{\"abc\": [1, 2.5, \"text\", true, {\"inner\": []}], \"x\": \"\\u20ac\"}";
    int n_memory = 0;
    tdl_status status = TDL_ERROR_MEMORY;
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (fail_at = 1; status != TDL_OK && fail_at < 1000; fail_at++) {
        tdl_error err = {0};
        n_calls = n_live = 0;
        status = parse(text, sizeof text - 1, &err);
        n_memory += status == TDL_ERROR_MEMORY;
        assert_true(status == TDL_OK || status == TDL_ERROR_MEMORY || status == TDL_ERROR_FORMAT);
        assert_true(status == TDL_OK || err.message[0]);
        assert_int_equal(n_live, 0);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(status, TDL_OK);
    assert_true(n_memory > 10);
}

static void test_load(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    char path[] = "/tmp/tdl-test-json-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"a\": [1]}", 10), 10);
    json_t *root = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_json_load(mem, path, &root, &err), TDL_OK);
    assert_int_equal(json_array_size(json_object_get(root, "a")), 1);
    json_decref(root);
    assert_int_equal(write(fd, "?", 1), 1);
    assert_int_equal(tdl_json_load(mem, path, &root, &err), TDL_ERROR_FORMAT);
    assert_non_null(strstr(err.message, path));
    close(fd);
    unlink(path);
    assert_int_equal(tdl_json_load(mem, path, &root, &err), TDL_ERROR_IO);
}

// No JSON by the grammar, or either way, and read by CPython 3.11's json from a file opened as UTF-8; what else the suite
// leaves open it refuses, as we do.
static bool python_reads(const char *name) {
    static const char *const names[] = {"n_number_NaN.json",
                                        "n_number_infinity.json",
                                        "n_number_minus_infinity.json",
                                        "i_number_double_huge_neg_exp.json",
                                        "i_number_huge_exp.json",
                                        "i_number_neg_int_huge_exp.json",
                                        "i_number_pos_double_huge_exp.json",
                                        "i_number_real_neg_overflow.json",
                                        "i_number_real_pos_overflow.json",
                                        "i_number_real_underflow.json",
                                        "i_number_too_big_neg_int.json",
                                        "i_number_too_big_pos_int.json",
                                        "i_number_very_big_negative_int.json",
                                        "i_object_key_lone_2nd_surrogate.json",
                                        "i_string_1st_surrogate_but_2nd_missing.json",
                                        "i_string_1st_valid_surrogate_2nd_invalid.json",
                                        "i_string_incomplete_surrogate_and_escape_valid.json",
                                        "i_string_incomplete_surrogate_pair.json",
                                        "i_string_incomplete_surrogates_escape_valid.json",
                                        "i_string_invalid_lonely_surrogate.json",
                                        "i_string_invalid_surrogate.json",
                                        "i_string_inverted_surrogates_U+1D11E.json",
                                        "i_string_lone_second_surrogate.json",
                                        "i_structure_500_nested_arrays.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return name[0] == 'y';
}

static void test_json_test_suite(void **state) {
    (void)state;
    static const char dir[] = TDL_SHARED_DATA "/eval/JSONTestSuite/test_parsing";
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    DIR *d = opendir(dir);
    if (!d) {
        print_message("skipped: no JSONTestSuite in the shared data\n");
        skip();
    }
    int n_valid = 0, n_invalid = 0, n_either = 0;
    for (const struct dirent *entry; (entry = readdir(d));) {
        const char *name = entry->d_name;
        if (!strchr("yni", name[0]) || name[1] != '_') continue;
        char *path = tdl_path_join(mem, dir, name);
        tdl_error err = {0};
        json_t *root = NULL;
        tdl_status status = tdl_json_load(mem, path, &root, &err);
        json_decref(root);
        if ((status == TDL_OK) != python_reads(name)) fail_msg("%s: %s", name, err.message);
        n_valid += name[0] == 'y';
        n_invalid += name[0] == 'n';
        n_either += name[0] == 'i';
        tdl_free(mem, path);
    }
    closedir(d);
    print_message("JSONTestSuite: %d valid, %d invalid, %d either\n", n_valid, n_invalid, n_either);
    assert_true(n_valid > 80 && n_invalid > 150 && n_either > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_nesting_limit),   cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_out_of_memory),   cmocka_unit_test(test_load),
        cmocka_unit_test(test_json_test_suite), cmocka_unit_test(test_reads_what_python_reads),
        cmocka_unit_test(test_nul_in_keys),     cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_append),          cmocka_unit_test(test_equal_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
