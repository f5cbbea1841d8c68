// SPDX-License-Identifier: MIT
// token_golden.c - golden files of tokenizers, and checks that several tests share.
#include "support/token_golden.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *golden_load(const char *name) {
    char path[4096];
    tdl_error err = {0};
    json_t *array = NULL;
    snprintf(path, sizeof path, "%s/token/%s", TDL_TEST_DATA, name);
    if (tdl_json_load(tdl_allocator_or_default(NULL), path, &array, &err)) fail_msg("%s", err.message);
    assert_true(json_array_size(array) > 0);
    return array;
}

char *golden_bytes(const json_t *hex, size_t *size) {
    assert_true(json_is_string(hex));
    const char *text = json_string_value(hex);
    *size = strlen(text) / 2;
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < *size; i++) {
        unsigned value;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
        bytes[i] = (char)value;
    }
    bytes[*size] = '\0';
    return bytes;
}

tdl_tokenizer *golden_tokenizer(const char *name) {
    char path[4096];
    tdl_error err = {0};
    tdl_tokenizer *tokenizer = NULL;
    snprintf(path, sizeof path, "%s/token/%s", TDL_TEST_DATA, name);
    if (tdl_tokenizer_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path}, &tokenizer, &err)) {
        fail_msg("%s: %s", name, err.message);
    }
    return tokenizer;
}

golden_ids golden_encode(const tdl_tokenizer *tokenizer, const char *text, size_t size, tdl_bos bos,
                         bool parse_special) {
    // As Hugging Face's encode: with all special tokens of a whole text, or with none.
    tdl_encode_desc desc = {
        .size = sizeof desc, .bos = bos, .parse_special = parse_special, .whole = bos == TDL_BOS_DEFAULT};
    tdl_error err = {0};
    golden_ids result = {0};
    tdl_status status = tdl_tokenizer_encode(tokenizer, text, size, &desc, NULL, 0, &result.n, &err);
    if (status != (result.n ? TDL_ERROR_LIMIT : TDL_OK)) fail_msg("counting: %d, %s", status, err.message);
    size_t n;
    result.ids = malloc((result.n + 1) * sizeof *result.ids);
    assert_non_null(result.ids);
    status = tdl_tokenizer_encode(tokenizer, text, size, &desc, result.ids, result.n, &n, &err);
    if (status) fail_msg("filling: %s", err.message);
    assert_int_equal(n, result.n);
    return result;
}

char *golden_decode(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special, size_t *size) {
    tdl_decode_desc desc = {.size = sizeof desc, .skip_special = skip_special};
    tdl_error err = {0};
    *size = 0;
    tdl_status status = tdl_tokenizer_decode(tokenizer, ids, n, &desc, NULL, 0, size, &err);
    if (status != (*size ? TDL_ERROR_LIMIT : TDL_OK)) fail_msg("counting: %d, %s", status, err.message);
    char *text = malloc(*size + 1);
    assert_non_null(text);
    status = tdl_tokenizer_decode(tokenizer, ids, n, &desc, text, *size, size, &err);
    if (status) fail_msg("filling: %s", err.message);
    return text;
}

void golden_check_ids(const char *name, size_t i, const golden_ids *ids, const json_t *expected) {
    size_t n = json_array_size(expected);
    for (size_t k = 0; k < n || k < ids->n; k++) {
        int32_t want = k < n ? (int32_t)json_integer_value(json_array_get(expected, k)) : -1;
        int32_t got = k < ids->n ? ids->ids[k] : -1;
        if (got != want) fail_msg("%s: case %zu: id %zu is %d, expected %d", name, i, k, got, want);
    }
}

void golden_check_bytes(const char *name, size_t i, const char *bytes, size_t size, const json_t *expected) {
    size_t n;
    char *want = golden_bytes(expected, &n);
    if (n != size || memcmp(bytes, want, n) != 0) {
        fail_msg("%s: case %zu: '%.*s', expected '%s'", name, i, (int)size, bytes, want);
    }
    free(want);
}

void golden_check_stream(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_detokenizer d;
    tdl_error err = {0};
    tdl_str streamed = tdl_str_make(mem), expected = streamed;
    tdl_detokenizer_init(&d, tokenizer, mem, skip_special);
    for (size_t i = 0; i < n; i++) {
        size_t before = streamed.size;
        if (tdl_detokenizer_put(&d, ids[i], &streamed, &err)) fail_msg("%s", err.message);
        if (streamed.size > before && !tdl_utf8_valid(streamed.ptr + before, streamed.size - before)) {
            fail_msg("token %zu, id %d: half a character came out", i, ids[i]);
        }
    }
    assert_int_equal(tdl_detokenizer_flush(&d, &streamed, &err), TDL_OK);
    tdl_detokenizer_deinit(&d);

    size_t size, step;
    char *text = golden_decode(tokenizer, ids, n, skip_special, &size);
    for (size_t pos = 0; pos < size; pos += step) {
        bool valid = tdl_utf8_decode(text + pos, size - pos, &step) != TDL_UTF8_INVALID;
        tdl_str_append(&expected, valid ? text + pos : "\uFFFD", valid ? step : 3);
    }
    assert_int_equal(streamed.size, expected.size);
    if (expected.size) assert_memory_equal(streamed.ptr, expected.ptr, expected.size);
    free(text);
    tdl_str_deinit(&streamed);
    tdl_str_deinit(&expected);
}
