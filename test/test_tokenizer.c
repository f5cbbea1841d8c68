// SPDX-License-Identifier: MIT
// test_tokenizer.c - vocabularies of real models, SentencePiece's own ids, properties, and descriptions that are wrong.
#include "base/limits.h"
#include "base/rng.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- the vocabularies of the shared data, and the ids that go with them

// Compares the ids of one text with a line of numbers, and the decoded text with the text.
static void check_line(const tdl_tokenizer *tokenizer, const char *name, size_t i, const char *text, size_t size,
                       const char *line) {
    golden_ids ids = golden_encode(tokenizer, text, size, TDL_BOS_NEVER, false);
    for (size_t k = 0; k < ids.n; k++) {
        char *end;
        long want = strtol(line, &end, 10);
        if (end == line || want != ids.ids[k])
            fail_msg("%s: text %zu: id %zu is %d, expected %ld", name, i, k, ids.ids[k], want);
        line = end;
    }
    line += strspn(line, " \r");
    if (*line != '\n' && *line != '\0') fail_msg("%s: text %zu: only %zu ids, expected more", name, i, ids.n);
    size_t decoded_size;
    char *decoded = golden_decode(tokenizer, ids.ids, ids.n, false, &decoded_size);
    assert_int_equal(decoded_size, size);
    assert_memory_equal(decoded, text, size);
    golden_check_stream(tokenizer, ids.ids, ids.n, false);
    free(decoded);
    free(ids.ids);
}

static void check_vocab(const char *name) {
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[TEST_PATH_SIZE], inp[TEST_PATH_SIZE], out[TEST_PATH_SIZE];
    snprintf(path, sizeof path, "%s/vocab/ggml-vocab-%s.gguf", TDL_SHARED_DATA, name);
    snprintf(inp, sizeof inp, "%s/vocab/ggml-vocab-%s.gguf.inp", TDL_SHARED_DATA, name);
    snprintf(out, sizeof out, "%s/vocab/ggml-vocab-%s.gguf.out", TDL_SHARED_DATA, name);
    if (!test_file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        return;
    }
    tdl_tokenizer *tokenizer = NULL;
    tdl_error err = {0};
    tdl_model_desc desc = {.size = sizeof desc, .path = path};
    if (tdl_tokenizer_open(&desc, &tokenizer, &err)) fail_msg("%s", err.message);
    size_t inp_size, out_size, n = 0;
    char *texts = (char *)test_file_read(inp, &inp_size), *lines = (char *)test_file_read(out, &out_size);
    lines = realloc(lines, out_size + 1);
    assert_non_null(lines);
    lines[out_size] = '\0';
    const char *line = lines;
    for (const char *text = texts, *end;
         line && (end = memmem(text, inp_size - (size_t)(text - texts), separator, sizeof separator - 1));
         text = end + sizeof separator - 1) {
        check_line(tokenizer, name, n++, text, (size_t)(end - text), line);
        line = strchr(line, '\n');
        if (line) line++;
    }
    assert_int_equal(n, 46);
    free(texts);
    free(lines);
    tdl_tokenizer_close(tokenizer);
}

static void test_shared_vocabs(void **state) {
    (void)state;
    static const char *const names[] = {"deepseek-coder", "falcon", "gpt-2", "llama-spm", "phi-3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_vocab(names[i]);
}

// Phi-3's added tokens take the white space after them along, but for <s>.
static void test_shared_phi3(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    snprintf(path, sizeof path, "%s/vocab/ggml-vocab-phi-3.gguf", TDL_SHARED_DATA);
    if (!test_file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        return;
    }
    tdl_tokenizer *t = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path};
    assert_int_equal(tdl_tokenizer_open(&desc, &t, NULL), TDL_OK);
    static const char text[] = "<|user|>\n  Hello<|end|>\n<|assistant|>";
    golden_ids ids = golden_encode(t, text, sizeof text - 1, TDL_BOS_NEVER, true);
    assert_int_equal(ids.n, 4);
    assert_memory_equal(ids.ids, ((int32_t[]){32010, 15043, 32007, 32001}), 16);
    free(ids.ids);
    ids = golden_encode(t, "<s>  a", 6, TDL_BOS_NEVER, true);
    assert_int_equal(ids.ids[0], 1);
    assert_true(ids.n > 2); // the two spaces and the prefix are there
    free(ids.ids);
    assert_true(tdl_tokenizer_is_end(t, 32000) && tdl_tokenizer_is_end(t, 32007) && !tdl_tokenizer_is_end(t, 32010));
    tdl_tokenizer_close(t);
}

// ---- SentencePiece

static void test_spm_golden(void **state) {
    (void)state;
    tdl_tokenizer *t = golden_tokenizer("spm.gguf");
    json_t *cases = golden_load("spm.golden.json");
    const json_t *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        size_t size, n;
        char *text = golden_bytes(json_object_get(c, "text"), &size);
        golden_ids ids = golden_encode(t, text, size, TDL_BOS_NEVER, false);
        golden_check_ids("spm", i, &ids, json_object_get(c, "ids"));
        char *decoded = golden_decode(t, ids.ids, ids.n, false, &n);
        golden_check_bytes("spm", i, decoded, n, json_object_get(c, "decoded"));
        golden_check_stream(t, ids.ids, ids.n, false);
        free(decoded);
        free(ids.ids);
        free(text);
    }
    json_decref(cases);
    tdl_tokenizer_close(t);
}

static void check_round_trip(const tdl_tokenizer *t, const char *text, size_t size) {
    golden_ids ids = golden_encode(t, text, size, TDL_BOS_DEFAULT, false);
    for (size_t i = 0; i < ids.n; i++) assert_true(ids.ids[i] >= 0 && ids.ids[i] < tdl_tokenizer_n_vocab(t));
    size_t n;
    char *decoded = golden_decode(t, ids.ids, ids.n, true, &n);
    assert_int_equal(n, size);
    if (n) assert_memory_equal(decoded, text, size);
    golden_check_stream(t, ids.ids, ids.n, true);
    free(decoded);
    free(ids.ids);
}

// Added tokens in text: USER ones always, CONTROL ones where asked for; SPM's space comes after each.
static void test_spm_added(void **state) {
    (void)state;
    tdl_tokenizer *t = golden_tokenizer("spm.gguf");
    int32_t tool = tdl_tokenizer_find(t, "<tool>", 6), eos = tdl_tokenizer_eos(t);
    assert_int_equal(tdl_tokenizer_bos(t), 1);
    assert_int_equal(eos, 2);
    golden_ids hello = golden_encode(t, "Hello", 5, TDL_BOS_NEVER, false);
    golden_ids ids = golden_encode(t, "Hello<tool>Hello</s>", 20, TDL_BOS_DEFAULT, true);
    assert_int_equal(ids.n, 2 * hello.n + 3);
    assert_int_equal(ids.ids[0], 1);
    assert_memory_equal(ids.ids + 1, hello.ids, hello.n * sizeof(int32_t));
    assert_int_equal(ids.ids[1 + hello.n], tool);
    assert_memory_equal(ids.ids + 2 + hello.n, hello.ids, hello.n * sizeof(int32_t));
    assert_int_equal(ids.ids[ids.n - 1], eos);
    free(ids.ids);
    free(hello.ids);
    ids = golden_encode(t, "</s>", 4, TDL_BOS_NEVER, false);
    for (size_t i = 0; i < ids.n; i++) assert_int_not_equal(ids.ids[i], eos); // it never comes out of merging
    free(ids.ids);
    check_round_trip(t, "a<tool>  b<tool><tool> c", 24);
    tdl_tokenizer_close(t);
}

// ---- properties

// Random bytes, and random pieces of awkward text, come back as they were. SPM cannot tell U+2581 from a space.
static void test_round_trip(void **state) {
    (void)state;
    static const char *const files[] = {"spm.gguf", "gpt2.tokenizer.json", "llama3.tokenizer.json"};
    static const char *const parts[] = {" ",        "  ",       "\n",     "\r\n",    "\t",     "a",          "Hello",
                                        "'s",       "123",      "\u00e9", "e\u0301", "\u4e2d", "\U0001F600", "\xFF",
                                        "\xE2\x96", "\xF0\x9F", "</s>",   "<s>",     "!",      "\u200d",     "\u2581"};
    enum { N_PARTS = sizeof parts / sizeof *parts };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tdl_tokenizer *t = golden_tokenizer(files[f]);
        tdl_rng rng = tdl_rng_make(7, f);
        for (int round = 0; round < 300; round++) {
            char text[512];
            size_t size = 0;
            for (uint32_t k = tdl_rng_u32(&rng) % 24; k > 0; k--) {
                const char *part = parts[tdl_rng_u32(&rng) % (f == 0 ? N_PARTS - 1 : N_PARTS)];
                if (round % 3 == 0) text[size++] = (char)tdl_rng_u32(&rng);
                else {
                    memcpy(text + size, part, strlen(part));
                    size += strlen(part);
                }
            }
            check_round_trip(t, text, size);
        }
        tdl_tokenizer_close(t);
    }
}

// Any ids decode, and stream as they decode.
static void test_random_ids(void **state) {
    (void)state;
    static const char *const files[] = {"spm.gguf", "gpt2.tokenizer.json", "llama2.tokenizer.json",
                                        "words.tokenizer.json"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tdl_tokenizer *t = golden_tokenizer(files[f]);
        tdl_rng rng = tdl_rng_make(9, f);
        for (int round = 0; round < 300; round++) {
            int32_t ids[40];
            size_t n = tdl_rng_u32(&rng) % 40;
            for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(tdl_rng_u32(&rng) % (uint32_t)tdl_tokenizer_n_vocab(t));
            golden_check_stream(t, ids, n, round % 2 == 0);
        }
        tdl_tokenizer_close(t);
    }
}

// Long runs take time in proportion to their length: with a quadratic step these would not end.
static void test_long_texts(void **state) {
    (void)state;
    static const char *const files[] = {"spm.gguf", "gpt2.tokenizer.json", "llama3.tokenizer.json",
                                        "mistral.tokenizer.json", "words.tokenizer.json"};
    static const char *const parts[] = {"a", " ", "\n", "ab", "1", " a", "\u0301", "\u4e2d", "\xFF", "<", "!"};
    enum { SIZE = 300000 };
    char *text = malloc(SIZE + 8);
    assert_non_null(text);
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tdl_tokenizer *t = golden_tokenizer(files[f]);
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            size_t size = 0, n;
            tdl_error err = {0};
            for (; size < SIZE; size += strlen(parts[p])) memcpy(text + size, parts[p], strlen(parts[p]));
            text[size++] = 'x';
            tdl_status status = tdl_tokenizer_encode(t, text, size, NULL, NULL, 0, &n, &err);
            if (status != TDL_ERROR_LIMIT) fail_msg("%s: '%s': %s", files[f], parts[p], err.message);
            assert_true(n > 0 && n <= SIZE + 8);
        }
        tdl_tokenizer_close(t);
    }
    free(text);
}

// White space at the end is a pattern that is easily quadratic.
static void test_long_spaces_deepseek(void **state) {
    (void)state;
    enum { SIZE = 200000 };
    tdl_text tokens[] = {{"\u0120", 2}, {"a", 1}};
    tdl_tokenizer_desc desc = {.mem = tdl_allocator_or_default(NULL),
                               .scheme = TDL_SCHEME_BPE,
                               .n_tokens = 2,
                               .tokens = tokens,
                               .pre = "deepseek-llm",
                               .bos = -1,
                               .eos = -1,
                               .unk = -1};
    tdl_tokenizer *t = NULL;
    assert_int_equal(tdl_tokenizer_create(&desc, &t, NULL), TDL_OK);
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, ' ', SIZE);
    text[SIZE - 1] = 'a';
    golden_ids ids = golden_encode(t, text, SIZE, TDL_BOS_NEVER, false);
    assert_int_equal(ids.n, SIZE);
    free(ids.ids);
    free(text);
    tdl_tokenizer_close(t);
}

// ---- descriptions by hand

enum { N_TOKENS = 6 };
static const tdl_text hand_tokens[N_TOKENS] = {{"a", 1}, {"b", 1}, {"ab", 2}, {"<x>", 3}, {"<xy>", 4}, {"\u0120", 2}};
static const int32_t hand_kinds[N_TOKENS] = {1, 1, 1, TDL_TOKEN_USER, TDL_TOKEN_CONTROL, 1};
static const tdl_text hand_merges[] = {{"a b", 3}};

static tdl_tokenizer_desc hand_desc(void) {
    return (tdl_tokenizer_desc){.mem = tdl_allocator_or_default(NULL),
                                .scheme = TDL_SCHEME_BPE,
                                .n_tokens = N_TOKENS,
                                .tokens = hand_tokens,
                                .kinds = hand_kinds,
                                .n_merges = 1,
                                .merges = hand_merges,
                                .pre = "gpt-2",
                                .bos = 4,
                                .eos = -1,
                                .unk = -1};
}

static void check_create(const tdl_tokenizer_desc *desc, tdl_status expected, const char *part) {
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    assert_error(tdl_tokenizer_create(desc, &t, &err), expected, &err, part);
    assert_null(t);
}

static tdl_tokenizer *create(const tdl_tokenizer_desc *desc) {
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    if (tdl_tokenizer_create(desc, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void check_ids(const tdl_tokenizer *t, const char *text, size_t size, bool special, const char *expected) {
    char got[256] = "";
    golden_ids ids = golden_encode(t, text, size, TDL_BOS_NEVER, special);
    for (size_t i = 0; i < ids.n; i++) snprintf(got + strlen(got), 16, i ? " %d" : "%d", ids.ids[i]);
    assert_string_equal(got, expected);
    free(ids.ids);
}

static void test_added_tokens(void **state) {
    (void)state;
    tdl_tokenizer_desc desc = hand_desc();
    tdl_tokenizer *t = create(&desc);
    check_ids(t, "ab<x>ab", 7, false, "2 3 2");
    check_ids(t, "<xy>", 4, false, ""); // none of its bytes is a token here
    check_ids(t, "<xy>", 4, true, "4"); // the longest wins
    check_ids(t, "<x><xy><x", 9, true, "3 4");
    check_ids(t, "aab", 3, false, "0 2");
    check_ids(t, "a\0b", 3, false, "0 1"); // a NUL that is no token is dropped; a and b are different pieces
    tdl_tokenizer_destroy(t);

    uint8_t flags[N_TOKENS] = {0, 0, 0, TDL_TOKEN_LSTRIP | TDL_TOKEN_RSTRIP, TDL_TOKEN_SINGLE_WORD, 0};
    desc.flags = flags;
    t = create(&desc);
    check_ids(t, "a  <x>\n b", 9, false, "0 3 1");
    check_ids(t, "  <x>", 5, false, "3");
    check_ids(t, "a <xy> b", 8, true, "0 5 4 5 1");
    check_ids(t, "a<xy> b", 7, true, "0 5 1");
    check_ids(t, "a <xy>b", 7, true, "0 5 1");
    tdl_tokenizer_destroy(t);
}

static void test_odd_vocabularies(void **state) {
    (void)state;
    // Equal tokens: the first is produced, both decode. Empty ones are never produced.
    const tdl_text tokens[] = {{"", 0}, {"a", 1}, {"a", 1}, {NULL, 0}, {"b", 1}, {"<x>", 3}, {"<x>", 3}};
    const int32_t kinds[] = {1, 1, 1, 4, 77, 4, 4};
    tdl_tokenizer_desc desc = hand_desc();
    desc.tokens = tokens;
    desc.kinds = kinds;
    desc.n_tokens = 7;
    desc.n_merges = 0;
    desc.bos = -1;
    tdl_tokenizer *t = create(&desc);
    check_ids(t, "aab<x>", 6, false, "1 1 4 5");
    size_t n;
    char *text = golden_decode(t, (int32_t[]){0, 1, 2, 3, 4, 6}, 6, false, &n);
    assert_int_equal(n, 6);
    assert_memory_equal(text, "aab<x>", 6);
    free(text);
    assert_int_equal(tdl_tokenizer_find(t, "", 0), -1);
    assert_int_equal(tdl_tokenizer_find(t, "a", 1), 1);
    assert_int_equal(tdl_tokenizer_token(t, 3).size, 0);
    assert_int_equal(tdl_tokenizer_token(t, -1).size, 0);
    assert_int_equal(tdl_tokenizer_token(t, 7).size, 0);
    tdl_tokenizer_destroy(t);

    // Unknown bytes become the unknown token where there is one.
    desc = hand_desc();
    desc.unk = 3;
    t = create(&desc);
    check_ids(t, "az\xFF", 3, false, "0 3 3");
    tdl_tokenizer_destroy(t);

    // Equal merges: the first rank counts.
    const tdl_text merges[] = {{"a b", 3}, {"b a", 3}, {"a b", 3}};
    const tdl_text with_ba[] = {{"a", 1}, {"b", 1}, {"ab", 2}, {"ba", 2}};
    desc = hand_desc();
    desc.tokens = with_ba;
    desc.kinds = NULL;
    desc.n_tokens = 4;
    desc.bos = -1;
    desc.merges = merges;
    desc.n_merges = 3;
    t = create(&desc);
    check_ids(t, "bab", 3, false, "1 2");
    tdl_tokenizer_destroy(t);
}

static void test_wrong_descriptions(void **state) {
    (void)state;
    tdl_tokenizer_desc d = hand_desc();
    d.scheme = 0;
    check_create(&d, TDL_ERROR_ARGUMENT, "scheme 0");
    d = hand_desc();
    d.n_tokens = 0;
    check_create(&d, TDL_ERROR_FORMAT, "empty");
    d.n_tokens = TDL_VOCAB_MAX + 1;
    check_create(&d, TDL_ERROR_LIMIT, "4194305 tokens");
    d = hand_desc();
    d.n_merges = TDL_MERGES_MAX + 1;
    check_create(&d, TDL_ERROR_LIMIT, "merges, at most");
    d = hand_desc();
    d.pre = "nobody";
    check_create(&d, TDL_ERROR_UNSUPPORTED, "pre-tokenizer 'nobody'");
    d = hand_desc();
    d.bos = N_TOKENS;
    check_create(&d, TDL_ERROR_FORMAT, "beginning-of-sequence token 6, expected -1 to 5");
    d.bos = -2;
    check_create(&d, TDL_ERROR_FORMAT, "token -2");
    d = hand_desc();
    d.eos = INT32_MAX;
    check_create(&d, TDL_ERROR_FORMAT, "end-of-sequence token 2147483647");
    d = hand_desc();
    d.unk = 99;
    check_create(&d, TDL_ERROR_FORMAT, "unknown token 99");
    d = hand_desc();
    d.ends = (int32_t[]){0, -1};
    d.n_ends = 2;
    check_create(&d, TDL_ERROR_FORMAT, "end-of-generation token -1");
    d.ends = (int32_t[]){0, N_TOKENS};
    check_create(&d, TDL_ERROR_FORMAT, "end-of-generation token 6");

    static const char *const merges[] = {"", "a", "a ", " b", "ab", "a b c", "c b", "b b", "a c"};
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        tdl_text merge = tdl_text_cstr(merges[i]);
        d = hand_desc();
        d.merges = &merge;
        check_create(&d, TDL_ERROR_FORMAT, "merge 0");
    }
    tdl_text pair[2] = {{NULL, 0}, {"a", 1}};
    d = hand_desc();
    d.merges = NULL;
    d.merge_pairs = pair;
    check_create(&d, TDL_ERROR_FORMAT, "merge 0");

    const float scores[N_TOKENS] = {0, 0, NAN, 0, 0, 0};
    d = hand_desc();
    d.scheme = TDL_SCHEME_SPM;
    check_create(&d, TDL_ERROR_FORMAT, "without scores");
    d.scores = scores;
    check_create(&d, TDL_ERROR_FORMAT, "token 2: its score is not a number");

    tdl_normalizer_desc normalizer = {.kind = 0};
    d = hand_desc();
    d.normalizers = &normalizer;
    d.n_normalizers = 1;
    check_create(&d, TDL_ERROR_ARGUMENT, "normalizer kind 0");
    tdl_pretokenizer_desc pre = {.kind = TDL_PRETOKENIZER_SPLIT};
    d = hand_desc();
    d.pre = NULL;
    d.pretokenizers = &pre;
    d.n_pretokenizers = 1;
    check_create(&d, TDL_ERROR_FORMAT, "empty pattern");
    pre.pattern = tdl_text_cstr("\xFF");
    check_create(&d, TDL_ERROR_FORMAT, "not valid UTF-8");
    pre.kind = 9;
    check_create(&d, TDL_ERROR_ARGUMENT, "pre-tokenizer kind 9");
}

// Infinite scores order as numbers do.
static void test_infinite_scores(void **state) {
    (void)state;
    const tdl_text tokens[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"ab", 2}, {"bc", 2}};
    float scores[] = {0, 0, 0, -INFINITY, -1e30f};
    tdl_tokenizer_desc desc = {.mem = tdl_allocator_or_default(NULL),
                               .scheme = TDL_SCHEME_SPM,
                               .n_tokens = 5,
                               .tokens = tokens,
                               .scores = scores,
                               .bos = -1,
                               .eos = -1,
                               .unk = 0};
    tdl_tokenizer *t = create(&desc);
    check_ids(t, "abc", 3, false, "0 4");
    check_ids(t, "abcz", 4, false, "0 4 0"); // z is unknown
    tdl_tokenizer_destroy(t);
    scores[3] = INFINITY;
    t = create(&desc);
    check_ids(t, "abc", 3, false, "3 2");
    tdl_tokenizer_destroy(t);
    scores[3] = 0.0f;
    scores[4] = -0.0f; // equal: the leftmost
    t = create(&desc);
    check_ids(t, "abc", 3, false, "3 2");
    tdl_tokenizer_destroy(t);
}

static void check_token_size(size_t size, int32_t kind, tdl_status expected) {
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    tdl_text token = {text, size};
    tdl_tokenizer_desc desc = hand_desc();
    desc.tokens = &token;
    desc.kinds = &kind;
    desc.n_tokens = 1;
    desc.n_merges = 0;
    desc.bos = -1;
    if (expected == TDL_OK) {
        tdl_tokenizer *t = create(&desc);
        if (kind == TDL_TOKEN_USER) check_ids(t, text, size, false, "0");
        tdl_tokenizer_destroy(t);
    } else check_create(&desc, expected, "bytes, at most");
    free(text);
}

static void test_limits(void **state) {
    (void)state;
    check_token_size(TDL_TOKEN_SIZE_MAX, TDL_TOKEN_NORMAL, TDL_OK);
    check_token_size(TDL_TOKEN_SIZE_MAX + 1, TDL_TOKEN_NORMAL, TDL_ERROR_LIMIT);
    check_token_size(TDL_ADDED_TOKEN_SIZE_MAX, TDL_TOKEN_USER, TDL_OK);
    check_token_size(TDL_ADDED_TOKEN_SIZE_MAX + 1, TDL_TOKEN_USER, TDL_ERROR_LIMIT);
    tdl_tokenizer_desc desc = hand_desc();
    tdl_tokenizer *t = create(&desc);
    tdl_error err = {0};
    size_t n;
    tdl_status status = tdl_tokenizer_encode(t, "a", (size_t)TDL_TEXT_SIZE_MAX + 1, NULL, NULL, 0, &n, &err);
    assert_error(status, TDL_ERROR_LIMIT, &err, "1073741825 bytes of text");
    tdl_tokenizer_destroy(t);
}

// ---- the public functions' arguments

static void test_arguments(void **state) {
    (void)state;
    tdl_tokenizer_desc desc = hand_desc();
    tdl_tokenizer *t = create(&desc);
    tdl_error err = {0};
    int32_t ids[4] = {-5, -5, -5, -5};
    char text[4];
    size_t n = 77;
    tdl_encode_desc e = {.size = sizeof e};
    assert_int_equal(tdl_tokenizer_encode(NULL, "a", 1, NULL, ids, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_encode(t, NULL, 1, NULL, ids, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_encode(t, "a", 1, NULL, NULL, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_encode(t, "a", 1, NULL, ids, 4, NULL, &err), TDL_ERROR_ARGUMENT);
    e.size = 1;
    assert_error(tdl_tokenizer_encode(t, "a", 1, &e, ids, 4, &n, &err), TDL_ERROR_ARGUMENT, &err, "desc size is 1");
    e = (tdl_encode_desc){.size = sizeof e, .bos = 3};
    assert_error(tdl_tokenizer_encode(t, "a", 1, &e, ids, 4, &n, &err), TDL_ERROR_ARGUMENT, &err, "bos is 3");
    assert_int_equal(n, 77);
    assert_int_equal(tdl_tokenizer_encode(t, NULL, 0, NULL, NULL, 0, &n, &err), TDL_OK);
    assert_int_equal(n, 0);
    e = (tdl_encode_desc){.size = sizeof e, .bos = TDL_BOS_ALWAYS};
    assert_error(tdl_tokenizer_encode(t, "aab", 3, &e, ids, 2, &n, &err), TDL_ERROR_LIMIT, &err,
                 "3 tokens, room for 2");
    assert_int_equal(n, 3);
    assert_memory_equal(ids, ((int32_t[]){4, 0, -5}), 12);
    e.size = offsetof(tdl_encode_desc, bos); // an older caller's description
    assert_int_equal(tdl_tokenizer_encode(t, "ab", 2, &e, ids, 2, &n, &err), TDL_OK);
    assert_int_equal(n, 1);                            // no token to begin with: what bos says lies beyond
    e.size = offsetof(tdl_encode_desc, parse_special); // the middle of a word: sizeof no struct
    assert_int_equal(tdl_tokenizer_encode(t, "ab", 2, &e, ids, 2, &n, &err), TDL_ERROR_ARGUMENT);

    tdl_decode_desc d = {.size = 0};
    assert_int_equal(tdl_tokenizer_decode(NULL, ids, 1, NULL, text, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_decode(t, NULL, 1, NULL, text, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_decode(t, ids, 1, NULL, NULL, 4, &n, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_decode(t, ids, 1, NULL, text, 4, NULL, &err), TDL_ERROR_ARGUMENT);
    assert_error(tdl_tokenizer_decode(t, ids, 1, &d, text, 4, &n, &err), TDL_ERROR_ARGUMENT, &err, "desc size is 0");
    ids[0] = N_TOKENS;
    assert_error(tdl_tokenizer_decode(t, ids, 1, NULL, text, 4, &n, &err), TDL_ERROR_ARGUMENT, &err,
                 "token 6, expected 0 to 5");
    ids[0] = -1;
    assert_error(tdl_tokenizer_decode(t, ids, 1, NULL, text, 4, &n, &err), TDL_ERROR_ARGUMENT, &err, "token -1");
    ids[0] = ids[1] = ids[2] = 2;
    assert_error(tdl_tokenizer_decode(t, ids, 3, NULL, text, 4, &n, &err), TDL_ERROR_LIMIT, &err,
                 "6 bytes, room for 4");
    assert_int_equal(n, 6);
    assert_memory_equal(text, "abab", 4);
    tdl_tokenizer_destroy(t);

    desc.bos = -1;
    t = create(&desc);
    e = (tdl_encode_desc){.size = sizeof e, .bos = TDL_BOS_ALWAYS};
    assert_error(tdl_tokenizer_encode(t, "a", 1, &e, ids, 4, &n, &err), TDL_ERROR_ARGUMENT, &err,
                 "no beginning-of-sequence");
    tdl_tokenizer_destroy(t);
    tdl_tokenizer_destroy(NULL);
    tdl_tokenizer_close(NULL);
}

static void test_detokenizer(void **state) {
    (void)state;
    tdl_tokenizer *t = golden_tokenizer("spm.gguf");
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_detokenizer d;
    tdl_str out = tdl_str_make(mem);
    tdl_error err = {0};
    tdl_detokenizer_init(&d, t, mem, false);
    golden_ids ids = golden_encode(t, "\U0001F600!", 5, TDL_BOS_NEVER, false);
    assert_true(ids.n >= 5); // four bytes and more
    size_t sizes[16];
    for (size_t i = 0; i < ids.n && i < 16; i++) {
        assert_int_equal(tdl_detokenizer_put(&d, ids.ids[i], &out, &err), TDL_OK);
        sizes[i] = out.size;
    }
    assert_int_equal(sizes[ids.n - 3], 0); // nothing before the fourth byte
    assert_int_equal(sizes[ids.n - 2], 4);
    assert_string_equal(out.ptr, "\U0001F600!");

    // Half a character at the end, and an id out of range, which changes nothing.
    tdl_str_clear(&out);
    assert_int_equal(tdl_detokenizer_put(&d, ids.ids[ids.n - 5], &out, &err), TDL_OK);
    assert_error(tdl_detokenizer_put(&d, 100000, &out, &err), TDL_ERROR_ARGUMENT, &err, "token 100000");
    assert_int_equal(out.size, 0);
    assert_int_equal(tdl_detokenizer_flush(&d, &out, &err), TDL_OK);
    assert_string_equal(out.ptr, "\uFFFD");

    // A space is dropped only at the beginning.
    int32_t hello = tdl_tokenizer_find(t, "\u2581the", 6);
    assert_true(hello >= 0);
    tdl_str_clear(&out);
    tdl_detokenizer_reset(&d, false);
    assert_int_equal(tdl_detokenizer_put(&d, hello, &out, &err), TDL_OK);
    assert_string_equal(out.ptr, " the");
    tdl_str_clear(&out);
    tdl_detokenizer_reset(&d, true);
    assert_int_equal(tdl_detokenizer_put(&d, hello, &out, &err), TDL_OK);
    assert_int_equal(tdl_detokenizer_put(&d, hello, &out, &err), TDL_OK);
    assert_string_equal(out.ptr, "the the");
    tdl_detokenizer_deinit(&d);
    tdl_str_deinit(&out);
    free(ids.ids);
    tdl_tokenizer_close(t);
}

// ---- failing memory

static tdl_status open_scenario(const tdl_allocator *mem, void *arg) {
    tdl_model_desc desc = {.size = sizeof desc, .path = arg, .allocator = mem};
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    int32_t ids[64];
    char text[256];
    size_t n, size;
    tdl_status status = tdl_tokenizer_open(&desc, &t, &err);
    if (status >= 0) status = tdl_tokenizer_encode(t, "Hello<tool> w\xFFo", 15, NULL, ids, 64, &n, &err);
    if (status >= 0) status = tdl_tokenizer_decode(t, ids, n, NULL, text, sizeof text, &size, &err);
    tdl_tokenizer_close(t);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    assert_true(fail_alloc_each(open_scenario, (void *)(uintptr_t)test_path(path, TDL_TEST_DATA, "token/spm.gguf")) >
                10);
    test_path(path, TDL_TEST_DATA, "token/llama3.tokenizer.json");
    assert_true(fail_alloc_each(open_scenario, path) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_vocabs),
        cmocka_unit_test(test_shared_phi3),
        cmocka_unit_test(test_spm_golden),
        cmocka_unit_test(test_spm_added),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_random_ids),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_long_spaces_deepseek),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_odd_vocabularies),
        cmocka_unit_test(test_wrong_descriptions),
        cmocka_unit_test(test_infinite_scores),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_detokenizer),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
