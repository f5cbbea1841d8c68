// SPDX-License-Identifier: MIT
// test_tokenizer_train.c - a tokenizer from files: text and records, large files in pieces, what is refused, and no file left
// behind by a run that failed.
#include "base/limits.h"
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/test_files.h"
#include "token/bpe_train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[TEST_PATH_SIZE], out[TEST_PATH_SIZE], paths[4][TEST_PATH_SIZE];

static int make_dir(void **state) {
    (void)state;
    test_dir_make(dir);
    test_path(out, dir, "tokenizer.json");
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

static const char *put(int i, const char *name, const void *bytes, size_t size) {
    test_path(paths[i], dir, name);
    test_file_write(paths[i], bytes, size);
    return paths[i];
}
#define PUT(i, name, text) put((i), (name), (text), sizeof(text) - 1)

static tdl_status train(tdl_tokenizer_train_desc desc, int n, tdl_tokenizer_train_info *info, tdl_error *err) {
    const char *data[4] = {paths[0], paths[1], paths[2], paths[3]};
    desc.size = sizeof desc;
    desc.data = data;
    desc.n_data = (size_t)n;
    *err = (tdl_error){0};
    return tdl_tokenizer_train(&desc, out, info, err);
}

// The file that was written; freed with free.
static char *trained(tdl_tokenizer_train_desc desc, int n, tdl_tokenizer_train_info *info) {
    tdl_error err;
    tdl_status status = train(desc, n, info, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, TDL_OK);
    size_t size;
    char *json = (char *)test_file_read(out, &size);
    json = realloc(json, size + 1);
    json[size] = 0;
    return json;
}

// Records give what their texts give: each text by itself, roles of a conversation as in the trainer's template.
static void test_records(void **state) {
    (void)state;
    tdl_tokenizer_train_desc desc = {.n_vocab = 290, .count_min = 1};
    tdl_tokenizer_train_info text_info = {.size = sizeof text_info}, info = text_info;
    PUT(0, "a.txt", "the first text\0the prompt:\0the answer\0user: the question\n\0the reply\0\0last, the last\0");
    char *expected = trained(desc, 1, &text_info);
    PUT(0, "a.jsonl",
        "{\"text\": \"the first text\"}\n\n{\"prompt\": \"the prompt:\", \"completion\": \"the answer\"}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"the question\"}, "
        "{\"role\": \"assistant\", \"content\": \"the reply\"}]}\n");
    PUT(1, "b.jsonl", "{\"text\": \"last, the last\"}");
    char *json = trained(desc, 2, &info);
    // The template puts "assistant: " before the reply.
    assert_true(info.n_bytes == text_info.n_bytes + strlen("assistant: "));
    free(json);
    PUT(0, "a.jsonl",
        "{\"text\": \"the first text\"}\n\n{\"prompt\": \"the prompt:\", \"completion\": \"the answer\"}\n"
        "{\"text\":\"user: the question\\n\"}\n{\"text\":\"the reply\"}");
    json = trained(desc, 2, &info);
    assert_string_equal(json, expected);
    assert_int_equal(info.n_bytes, text_info.n_bytes);
    assert_int_equal(info.n_vocab, 290);
    free(json);
    free(expected);
}

// A file of several pieces gives what its text gives as a whole, under pre-tokenizers that differ in line breaks.
static void test_pieces(void **state) {
    (void)state;
    enum { SIZE = 1200000 }; // over one piece
    size_t size, n = 0;
    char *corpus = (char *)test_file_read(TDL_TEST_DATA "/bpe/corpus.txt", &size), *text = malloc(SIZE);
    for (; n + size < SIZE; n += size) memcpy(text + n, corpus, size);
    put(0, "large.txt", text, n);
    static const char *const pres[] = {"default", "gpt-2", "llama-bpe", "qwen2", "deepseek-v3", "bloom", "gpt-4o"};
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        tdl_tokenizer_train_info info = {.size = sizeof info};
        char *json = trained((tdl_tokenizer_train_desc){.n_vocab = 600, .pre = pres[i]}, 1, &info);
        assert_int_equal(info.n_bytes, n);
        static const char *const specials[] = {"<|endoftext|>"};
        const tdl_bpe_train_desc desc = {.mem = tdl_allocator_or_default(NULL),
                                         .pre = pres[i],
                                         .n_vocab = 600,
                                         .count_min = 2,
                                         .specials = specials,
                                         .n_specials = 1};
        tdl_bpe_trainer *t = NULL;
        tdl_str whole = tdl_str_make(desc.mem);
        assert_int_equal(tdl_bpe_trainer_create(&desc, &t, NULL), TDL_OK);
        assert_int_equal(tdl_bpe_trainer_add(t, tdl_text_of(text, n), NULL), TDL_OK);
        while (tdl_bpe_trainer_merge(t, NULL) == TDL_PENDING) continue;
        assert_int_equal(tdl_bpe_trainer_write(t, &whole, NULL), TDL_OK);
        assert_string_equal(json, whole.ptr);
        tdl_bpe_train_info own;
        tdl_bpe_trainer_get_info(t, &own);
        assert_int_equal(info.n_pieces, own.n_pieces);
        tdl_str_deinit(&whole);
        tdl_bpe_trainer_destroy(t);
        free(json);
    }
    free(corpus);
    free(text);
}

static bool stop_at_half(void *user, double fraction) {
    *(double *)user = fraction;
    return fraction < 0.5;
}

static void test_refused(void **state) {
    (void)state;
    tdl_error err;
    tdl_tokenizer_train_desc desc = {.n_vocab = 300};
    remove(out);
#define REFUSED(desc, n, status, part)                                        \
    do {                                                                      \
        assert_error(train((desc), (n), NULL, &err), (status), &err, (part)); \
        assert_false(test_file_exists(out));                                  \
    } while (0)
    REFUSED(desc, 0, TDL_ERROR_ARGUMENT, "no data");
    REFUSED(desc, TDL_DATA_FILES_MAX + 1, TDL_ERROR_LIMIT, "65537 texts in data");
    PUT(0, "empty.txt", "");
    REFUSED(desc, 1, TDL_ERROR_FORMAT, "empty.txt': the file is empty");
    PUT(0, "nul.txt", "\0\0\0\0");
    REFUSED(desc, 1, TDL_ERROR_FORMAT, "nul.txt': no text to train a tokenizer on");
    PUT(0, "photo.jpg", "text that is long enough for \xff\xd8\xff\xe0\x10");
    REFUSED(desc, 1, TDL_ERROR_FORMAT, "photo.jpg': not text: 4 of its 34 bytes are not valid UTF-8");
    PUT(0, "tokens.bin", "text");
    REFUSED(desc, 1, TDL_ERROR_UNSUPPORTED, "tokens.bin': .bin names a file of tokens");
    PUT(0, "book.gz", "\x1f\x8b\x08 and so on");
    REFUSED(desc, 1, TDL_ERROR_UNSUPPORTED, "compressed (gzip)");
    PUT(0, "a.jsonl", "{\"text\": \"fine\"}\n{\"text\": 7}\n");
    REFUSED(desc, 1, TDL_ERROR_FORMAT, "a.jsonl:2");
    PUT(0, "good.txt", "good text, good text");
    PUT(1, "bad.txt", "\xfe\xfe\xfe\xfe\xfe\xfe");
    REFUSED(desc, 2, TDL_ERROR_FORMAT, "bad.txt': not text"); // the second of two
    desc.n_vocab = 256;
    REFUSED(desc, 1, TDL_ERROR_ARGUMENT, "256 tokens, expected 257");
    double reached = 0;
    desc = (tdl_tokenizer_train_desc){.n_vocab = 300, .progress = stop_at_half, .progress_user = &reached};
    REFUSED(desc, 1, TDL_ERROR_CANCELLED, "cancelled");
    assert_true(reached > 0.5);
    desc = (tdl_tokenizer_train_desc){.n_vocab = 300, .pre = "nonsense"};
    REFUSED(desc, 1, TDL_ERROR_UNSUPPORTED, "'nonsense' is unknown");
    tdl_tokenizer_train_info info = {.size = 4};
    assert_error(train((tdl_tokenizer_train_desc){0}, 1, &info, &err), TDL_ERROR_ARGUMENT, &err, "result size is 4");
    assert_error(tdl_tokenizer_train(NULL, out, NULL, &err), TDL_ERROR_ARGUMENT, &err, "no data");
}

static void test_few_invalid(void **state) {
    (void)state;
    tdl_tokenizer_train_info info = {.size = sizeof info};
    PUT(0, "a.txt",
        "a text of more than a hundred characters in which the word caf\xe9 is Latin-1, which happens in old books");
    free(trained((tdl_tokenizer_train_desc){.n_vocab = 4096}, 1, &info));
    assert_int_equal(info.n_bytes_invalid, 1);
    assert_true(info.n_vocab > 257 && info.n_vocab < 400 && info.n_vocab == 257 + info.n_merges);
}

static tdl_status life(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_error err;
    return train((tdl_tokenizer_train_desc){.n_vocab = 262, .allocator = mem}, 2, NULL, &err);
}

static void test_no_memory(void **state) {
    (void)state;
    PUT(0, "a.jsonl", "{\"text\": \"the cat\"}\n{\"prompt\": \"the\", \"completion\": \"hat\"}\n");
    PUT(1, "b.txt", "the bat, the rat\0the end");
    fail_alloc_each(life, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),     cmocka_unit_test(test_pieces),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_few_invalid), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
