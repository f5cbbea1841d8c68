// SPDX-License-Identifier: MIT
// test_token_steps.c - normalizers, pre-tokenizers and regexes by themselves, against Hugging Face's.
#include "base/limits.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_golden.h"
#include "token/normalize.h"
#include "token/pretokenize.h"
#include "token/vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const tdl_allocator *memory(void) { return tdl_allocator_or_default(NULL); }

// Cuts text and compares with the pieces expected.
static void check_pieces(const char *name, size_t i, const tdl_pretokenizer *steps, size_t n_steps, const json_t *text,
                         const json_t *expected) {
    size_t size;
    char *bytes = golden_bytes(text, &size);
    tdl_pieces pieces;
    tdl_error err = {0};
    tdl_regex_scratch *scratch = tdl_regex_scratch_create(memory());
    assert_non_null(scratch);
    tdl_pieces_init(&pieces, memory());
    tdl_str_append(&pieces.text, bytes, size);
    if (tdl_pretokenize(steps, n_steps, scratch, true, SIZE_MAX, &pieces, &err)) fail_msg("%s: %s", name, err.message);
    if (pieces.pieces.n != json_array_size(expected)) {
        fail_msg("%s: case %zu: '%s': %zu pieces, expected %zu", name, i, bytes, pieces.pieces.n,
                 json_array_size(expected));
    }
    for (size_t k = 0; k < pieces.pieces.n; k++) {
        const tdl_piece *piece = tdl_vec_at(&pieces.pieces, tdl_piece, k);
        golden_check_bytes(name, i, pieces.text.ptr + piece->begin, piece->end - piece->begin,
                           json_array_get(expected, k));
    }
    tdl_pieces_deinit(&pieces);
    tdl_regex_scratch_destroy(scratch);
    free(bytes);
}

static size_t make_named(const char *name, tdl_pretokenizer *steps, size_t n_max) {
    const tdl_named_pretokenizer *named = tdl_named_pretokenizer_find(name);
    tdl_error err = {0};
    size_t n = 0;
    if (!named) fail_msg("%s: unknown", name);
    for (; named->regexes[n]; n++) {
        assert_true(n < n_max);
        tdl_pretokenizer_desc desc = {
            .kind = TDL_PRETOKENIZER_SPLIT, .is_regex = true, .pattern = tdl_text_cstr(named->regexes[n])};
        if (tdl_pretokenizer_init(memory(), &steps[n], &desc, &err)) fail_msg("%s: %s", name, err.message);
    }
    return n;
}

static void test_named_pretokenizers(void **state) {
    (void)state;
    json_t *cases = golden_load("pieces.golden.json");
    const json_t *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        const char *name = json_string_value(json_object_get(c, "name"));
        tdl_pretokenizer steps[8];
        size_t n = make_named(name, steps, 8);
        check_pieces(name, i, steps, n, json_object_get(c, "text"), json_object_get(c, "pieces"));
        while (n-- > 0) tdl_pretokenizer_deinit(memory(), &steps[n]);
    }
    json_decref(cases);
}

// Every name's regexes compile, and every name that the documentation promises is there.
static void test_every_name(void **state) {
    (void)state;
    static const char *const names[] = {"default",     "gpt-2",        "llama-bpe",
                                        "llama3",      "llama-v3",     "falcon3",
                                        "pixtral",     "qwen2",        "qwen2.5",
                                        "qwen3",       "qwen35",       "falcon",
                                        "smollm",      "refact",       "mpt",
                                        "olmo",        "stablelm2",    "starcoder",
                                        "phi-2",       "codeshell",    "tekken",
                                        "gpt-4o",      "llama4",       "viking",
                                        "command-r",   "deepseek-llm", "deepseek-coder",
                                        "deepseek-v3", "seed-coder",   "bailingmoe",
                                        "glm4",        "chatglm-bpe",  "dbrx",
                                        "smaug-bpe",   "poro-chat",    "deepseek-r1-qwen"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tdl_pretokenizer steps[8];
        size_t n = make_named(names[i], steps, 8);
        assert_true(n > 0);
        while (n-- > 0) tdl_pretokenizer_deinit(memory(), &steps[n]);
    }
    static const char *const unknown[] = {"", "|", "llama", "gpt-2|phi-2", "GPT-2", "gpt-22"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) assert_null(tdl_named_pretokenizer_find(unknown[i]));
    assert_true(tdl_pretokenizer_wants_bos("llama-bpe"));
    assert_false(tdl_pretokenizer_wants_bos("qwen2"));
    assert_false(tdl_pretokenizer_wants_bos("nobody"));
}

static void test_split_behaviors(void **state) {
    (void)state;
    json_t *cases = golden_load("splits.golden.json");
    const json_t *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        tdl_pretokenizer step;
        tdl_error err = {0};
        tdl_pretokenizer_desc desc = {.kind = TDL_PRETOKENIZER_SPLIT,
                                      .behavior =
                                          (tdl_split_behavior)json_integer_value(json_object_get(c, "behavior")),
                                      .is_regex = json_is_true(json_object_get(c, "regex")),
                                      .invert = json_is_true(json_object_get(c, "invert")),
                                      .pattern = tdl_text_cstr(json_string_value(json_object_get(c, "pattern")))};
        if (tdl_pretokenizer_init(memory(), &step, &desc, &err)) fail_msg("%s", err.message);
        check_pieces("split", i, &step, 1, json_object_get(c, "text"), json_object_get(c, "pieces"));
        tdl_pretokenizer_deinit(memory(), &step);
    }
    json_decref(cases);
}

static char *normalize(tdl_normalizer_kind kind, const char *text, size_t size, size_t *n_out) {
    tdl_normalizer n;
    tdl_error err = {0};
    tdl_normalizer_desc desc = {.kind = kind, .left = true, .right = true};
    tdl_str str = tdl_str_make(memory()), spare = str;
    if (tdl_normalizer_init(memory(), &n, &desc, &err)) fail_msg("%s", err.message);
    tdl_str_append(&str, text, size);
    if (tdl_normalize(&n, 1, NULL, SIZE_MAX, &str, &spare, &err)) fail_msg("%s", err.message);
    char *copy = malloc(str.size + 1);
    assert_non_null(copy);
    if (str.size) memcpy(copy, str.ptr, str.size);
    *n_out = str.size;
    tdl_str_deinit(&str);
    tdl_str_deinit(&spare);
    tdl_normalizer_deinit(memory(), &n);
    return copy;
}

static void test_normalizers(void **state) {
    (void)state;
    json_t *cases = golden_load("normalized.golden.json");
    const json_t *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        size_t size, n;
        char *text = golden_bytes(json_object_get(c, "text"), &size);
        char *out = normalize((tdl_normalizer_kind)json_integer_value(json_object_get(c, "kind")), text, size, &n);
        golden_check_bytes("normalized", i, out, n, json_object_get(c, "normalized"));
        free(out);
        free(text);
    }
    json_decref(cases);
}

// Bytes that are not UTF-8 stay, and what is round them is normalized as if they were not there.
static void test_normalize_invalid(void **state) {
    (void)state;
    static const char text[] = "\xFF"
                               "e\u0301\xC3"
                               "e\u0301\xE2\x80";
    size_t n;
    char *out = normalize(TDL_NORMALIZER_NFC, text, sizeof text - 1, &n);
    static const char expected[] = "\xFF\u00e9\xC3\u00e9\xE2\x80";
    assert_int_equal(n, sizeof expected - 1);
    assert_memory_equal(out, expected, n);
    free(out);
    for (int kind = TDL_NORMALIZER_NFC; kind <= TDL_NORMALIZER_STRIP; kind++) {
        out = normalize((tdl_normalizer_kind)kind, "\xF0\x9F\x98", 3, &n);
        assert_int_equal(n, 3);
        free(out);
    }
}

// A run of marks in the worst order for a simple sort: ordered stably, and in linear time (the test would not end).
static void test_normalize_many_marks(void **state) {
    (void)state;
    enum { N = 400000 };
    char *text = malloc(1 + 4 * N);
    assert_non_null(text);
    text[0] = 'q';
    for (size_t i = 0; i < N; i++) memcpy(text + 1 + 4 * i, "\u0301\u0316", 4); // classes 230 and 220
    size_t n;
    char *out = normalize(TDL_NORMALIZER_NFD, text, 1 + 4 * N, &n);
    assert_int_equal(n, 1 + 4 * N);
    for (size_t i = 0; i < 2 * N; i++) assert_memory_equal(out + 1 + 2 * i, i < N ? "\u0316" : "\u0301", 2);
    free(out);
    free(text);
}

static void check_regex(const char *pattern, tdl_status expected, const char *part) {
    tdl_regex *regex = NULL;
    tdl_error err = {0};
    tdl_status status = tdl_regex_create(memory(), tdl_text_cstr(pattern), &regex, &err);
    if (expected == TDL_OK) assert_int_equal(status, TDL_OK);
    else assert_error(status, expected, &err, part);
    tdl_regex_destroy(regex);
}

static void test_regex_patterns(void **state) {
    (void)state;
    check_regex("[\\w\\s-]+", TDL_OK, NULL);
    check_regex("[\\s-a]", TDL_OK, NULL);
    check_regex("[]a]|[^]b]|\\[", TDL_OK, NULL);
    check_regex("[[:alpha:]\\d]", TDL_OK, NULL);
    check_regex("[a[bc]d]", TDL_OK, NULL);
    check_regex("", TDL_OK, NULL);
    check_regex("\\", TDL_ERROR_FORMAT, "regex '\\'");
    check_regex("(", TDL_ERROR_FORMAT, "parenthesis");
    check_regex("[a", TDL_ERROR_FORMAT, "near byte");
    check_regex("a\\Cb", TDL_ERROR_FORMAT, "\\C");
    check_regex("\xFF", TDL_ERROR_FORMAT, "UTF-8");
    check_regex("[\\p{L}&&[^a]]", TDL_ERROR_UNSUPPORTED, "an intersection of classes is not supported, at byte 6");
    check_regex("[a[^b]]", TDL_ERROR_UNSUPPORTED, "a negated class in a class");
    check_regex("[\\W]", TDL_ERROR_UNSUPPORTED, "\\W or \\H in a class");
    check_regex("(?i-m:a)", TDL_ERROR_UNSUPPORTED, "the flag m");
}

static size_t find(const char *pattern, const char *text, size_t from, size_t *end) {
    tdl_regex *regex = NULL;
    tdl_error err = {0};
    size_t begin = SIZE_MAX;
    *end = SIZE_MAX;
    if (tdl_regex_create(memory(), tdl_text_cstr(pattern), &regex, &err)) fail_msg("%s", err.message);
    tdl_regex_scratch *scratch = tdl_regex_scratch_create(memory());
    tdl_status status = tdl_regex_find(regex, scratch, tdl_text_cstr(text), from, &begin, end, &err);
    assert_true(status == TDL_OK || status == TDL_DONE);
    assert_int_equal(status == TDL_DONE, begin == SIZE_MAX);
    tdl_regex_scratch_destroy(scratch);
    tdl_regex_destroy(regex);
    return begin;
}

// Where PCRE2's own classes differ from those that the patterns were written for.
static void test_regex_classes(void **state) {
    (void)state;
    size_t end;
    assert_int_equal(find("\\s", "a\u180e b", 0, &end), 4); // U+180E is no white space
    assert_int_equal(find("\\S+", " \u180ea ", 0, &end), 1);
    assert_int_equal(end, 5);
    assert_int_equal(find("[^\\s]+", "\u3000x\xC2\x85", 0, &end), 3);
    assert_int_equal(end, 4);
    assert_int_equal(find("\\w+", "-e\u0301\u203f1-", 0, &end), 1); // marks and connectors belong to words
    assert_int_equal(end, 8);
    assert_int_equal(find("\\W", "a\u0301!", 0, &end), 3);
    assert_int_equal(find("[\\s-x]+", "a- x", 0, &end), 1); // the hyphen is itself
    assert_int_equal(end, 4);
    assert_int_equal(find("[a[bc]d]+", "xabcdx", 0, &end), 1);
    assert_int_equal(end, 5);
    assert_int_equal(find("[\\S]+", " ab ", 0, &end), 1);
    assert_int_equal(find("\\h+\\H", "xyfe9Az", 0, &end), 2);
    assert_int_equal(end, 7);
    assert_int_equal(find("a$", "ba\nc", 0, &end), 1); // anchors are those of lines
    assert_int_equal(find("(?i)B", "ab", 0, &end), 1);
    assert_int_equal(find("b", "abab", 2, &end), 3);
    assert_int_equal(find("c", "abab", 0, &end), SIZE_MAX);
}

// A pattern that would run for ages gives up with a status.
static void test_regex_limit(void **state) {
    (void)state;
    tdl_regex *regex = NULL;
    tdl_error err = {0};
    size_t begin, end;
    char text[64];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    assert_int_equal(tdl_regex_create(memory(), tdl_text_cstr("(?:a+)+(?:a+)+(?:a+)+$"), &regex, &err), TDL_OK);
    tdl_regex_scratch *scratch = tdl_regex_scratch_create(memory());
    tdl_status status = tdl_regex_find(regex, scratch, tdl_text_of(text, sizeof text), 0, &begin, &end, &err);
    assert_error(status, TDL_ERROR_LIMIT, &err, "gave up at byte 0 of 64");
    tdl_regex_scratch_destroy(scratch);
    tdl_regex_destroy(regex);
}

static void test_byte_alphabet(void **state) {
    (void)state;
    bool seen[512] = {false};
    for (int b = 0; b < 256; b++) {
        uint32_t c = tdl_byte_to_char((uint8_t)b);
        assert_true(c < 512 && !seen[c]);
        seen[c] = true;
        assert_int_equal(tdl_char_to_byte(c), b);
    }
    for (uint32_t c = 0; c < 512; c++) assert_int_equal(tdl_char_to_byte(c) >= 0, seen[c]);
    assert_int_equal(tdl_byte_to_char(' '), 0x120);
    assert_int_equal(tdl_byte_to_char('\n'), 0x10A);
    assert_int_equal(tdl_char_to_byte(0x1F600), -1);
}

static tdl_status steps_scenario(const tdl_allocator *mem, void *arg) {
    const char *text = arg;
    tdl_error err = {0};
    tdl_normalizer n[2] = {0};
    tdl_pretokenizer p[3] = {0};
    tdl_pieces pieces;
    tdl_str spare = tdl_str_make(mem);
    tdl_regex_scratch *scratch = tdl_regex_scratch_create(mem);
    tdl_status status = TDL_ERROR_MEMORY;
    tdl_pieces_init(&pieces, mem);
    tdl_normalizer_desc normalizers[2] = {
        {.kind = TDL_NORMALIZER_NFKC},
        {.kind = TDL_NORMALIZER_REPLACE, .is_regex = true, .pattern = {"o", 1}, .content = {"00", 2}}};
    tdl_pretokenizer_desc steps[3] = {{.kind = TDL_PRETOKENIZER_REPLACE, .pattern = {" ", 1}, .content = {"_", 1}},
                                      {.kind = TDL_PRETOKENIZER_PREFIX, .content = {"_", 1}},
                                      {.kind = TDL_PRETOKENIZER_SPLIT, .is_regex = true, .pattern = {"_\\w", 3}}};
    if (!scratch || !tdl_str_append(&pieces.text, text, strlen(text))) goto cleanup;
    for (size_t i = 0; i < 2; i++) {
        if ((status = tdl_normalizer_init(mem, &n[i], &normalizers[i], &err)) < 0) goto cleanup;
    }
    for (size_t i = 0; i < 3; i++) {
        if ((status = tdl_pretokenizer_init(mem, &p[i], &steps[i], &err)) < 0) goto cleanup;
    }
    if ((status = tdl_normalize(n, 2, scratch, SIZE_MAX, &pieces.text, &spare, &err)) < 0) goto cleanup;
    status = tdl_pretokenize(p, 3, scratch, true, SIZE_MAX, &pieces, &err);
cleanup:
    for (size_t i = 0; i < 2; i++) tdl_normalizer_deinit(mem, &n[i]);
    for (size_t i = 0; i < 3; i++) tdl_pretokenizer_deinit(mem, &p[i]);
    tdl_pieces_deinit(&pieces);
    tdl_str_deinit(&spare);
    tdl_regex_scratch_destroy(scratch);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char text[] = "Hello wo\u0301rld \uFB01ne o o o\xFF\xFE \u0316\u0301\u0316";
    assert_true(fail_alloc_each(steps_scenario, text) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_pretokenizers),
        cmocka_unit_test(test_every_name),
        cmocka_unit_test(test_split_behaviors),
        cmocka_unit_test(test_normalizers),
        cmocka_unit_test(test_normalize_invalid),
        cmocka_unit_test(test_normalize_many_marks),
        cmocka_unit_test(test_regex_patterns),
        cmocka_unit_test(test_regex_classes),
        cmocka_unit_test(test_regex_limit),
        cmocka_unit_test(test_byte_alphabet),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
