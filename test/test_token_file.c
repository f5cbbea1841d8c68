// SPDX-License-Identifier: MIT
// test_token_file.c - token files: what is written is read, damage of any byte is found, contradictions have a name.
#include "train/token_file.h"

#include "base/limits.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOOTER = TDL_TOKEN_FILE_FOOTER_SIZE };

static uint8_t *make(int32_t n_vocab, size_t *size) {
    tdl_token_run run;
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    test_run_add(&run, (int32_t[]){5, 6, 7, 8, 9}, NULL, 5);
    test_run_add(&run, (int32_t[]){1}, NULL, 1);
    test_run_add(&run, (int32_t[]){2, 3, 4, n_vocab - 1}, (uint8_t[]){1, 0, 0, 1}, 4);
    uint8_t *bytes = test_token_file(&run, n_vocab, size);
    tdl_token_run_deinit(&run);
    return bytes;
}

static void check(const uint8_t *bytes, size_t size, int32_t n_vocab) {
    const int32_t ids[] = {5, 6, 7, 8, 9, 1, 2, 3, 4, n_vocab - 1};
    const uint64_t document_of[] = {0, 0, 0, 0, 0, 1, 2, 2, 2, 2};
    tdl_token_file file;
    tdl_error err = {0};
    if (tdl_token_file_parse(bytes, size, &file, &err)) fail_msg("%s", err.message);
    assert_int_equal(file.n_tokens, 10);
    assert_int_equal(file.n_documents, 3);
    assert_int_equal(file.n_targets, 5); // 4 of the first document, the last of the third
    assert_int_equal(file.n_vocab, n_vocab);
    assert_int_equal(file.key.tokenizer, 1);
    assert_int_equal(file.key.sources, 2);
    assert_int_equal(file.tokens_u16 ? 2 : 4, n_vocab <= 65536 ? 2 : 4);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(tdl_token_file_id(&file, i), ids[i]);
        assert_int_equal(tdl_token_file_counted(&file, i), i != 7 && i != 8);
        assert_int_equal(tdl_token_file_document(&file, i), document_of[i]);
    }
}

static void test_round_trip(void **state) {
    (void)state;
    static const int32_t vocabs[] = {10, 65535, 65536, 65537, TDL_VOCAB_MAX};
    for (size_t i = 0; i < sizeof vocabs / sizeof *vocabs; i++) {
        size_t size;
        uint8_t *bytes = make(vocabs[i], &size);
        check(bytes, size, vocabs[i]);
        free(bytes);
    }
}

// Many runs, the first of them all counted: bits come late. Blocks of the writer end inside of runs.
static void test_many_runs(void **state) {
    (void)state;
    enum { N_RUNS = 300, N_IDS = 1001 };
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    static int32_t ids[N_IDS];
    static uint8_t counted[N_IDS];
    tdl_error err = {0};
    tdl_token_writer *writer = NULL;
    tdl_token_run run;
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    test_dir_make(dir);
    test_path(path, dir, "tokens");
    assert_int_equal(tdl_token_writer_open(run.ids.mem, path, 70000, (tdl_token_file_key){0}, &writer, &err), TDL_OK);
    for (int r = 0; r < N_RUNS; r++) {
        tdl_token_run_clear(&run);
        for (int i = 0; i < N_IDS; i++) {
            ids[i] = (r * 31 + i * 7) % 70000;
            counted[i] = r < 5 || (i + r) % 3 != 0;
        }
        test_run_add(&run, ids, counted, N_IDS);
        if (r % 10 == 9) run.starts.n = 0; // goes on with the document before
        assert_int_equal(tdl_token_writer_add(writer, &run, &err), TDL_OK);
        assert_int_equal(tdl_token_writer_n_tokens(writer), (r + 1) * N_IDS);
    }
    uint64_t n_targets = tdl_token_writer_n_targets(writer);
    assert_int_equal(tdl_token_writer_commit(writer, &err), TDL_OK);
    size_t size;
    uint8_t *bytes = test_file_read(path, &size);
    tdl_token_file file;
    if (tdl_token_file_parse(bytes, size, &file, &err)) fail_msg("%s", err.message);
    assert_int_equal(file.n_documents, N_RUNS - N_RUNS / 10);
    assert_int_equal(file.n_targets, n_targets);
    for (uint64_t t = 0, n = 0; t < file.n_tokens; t++) {
        uint64_t r = t / N_IDS, i = t % N_IDS;
        assert_int_equal(tdl_token_file_id(&file, t), (r * 31 + i * 7) % 70000);
        assert_int_equal(tdl_token_file_counted(&file, t), r < 5 || (i + r) % 3 != 0);
        if (t + 1 == file.n_tokens) break;
        n += file.documents[tdl_token_file_document(&file, t + 1)] != t + 1 && tdl_token_file_counted(&file, t + 1);
        if (t + 2 == file.n_tokens) assert_int_equal(n, n_targets);
    }
    free(bytes);
    tdl_token_run_deinit(&run);
    test_dir_remove(dir);
}

static void test_damage(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = make(300, &size);
    tdl_token_file file;
    for (size_t i = 0; i < size; i++) {
        tdl_error err = {0};
        bytes[i] ^= 0x10;
        tdl_status status = tdl_token_file_parse(bytes, size, &file, &err);
        if (status != TDL_ERROR_FORMAT || err.code != status) fail_msg("byte %zu of %zu: %d", i, size, status);
        bytes[i] ^= 0x10;
    }
    for (size_t n = 0; n < size; n++) {
        tdl_error err = {0};
        uint8_t *part = malloc(n ? n : 1); // of exactly this size: a read past it would be seen
        assert_non_null(part);
        memcpy(part, bytes, n);
        assert_int_equal(tdl_token_file_parse(part, n, &file, &err), TDL_ERROR_FORMAT);
        free(part);
    }
    check(bytes, size, 300);
    free(bytes);
}

// A value put at an offset, counted from the end where negative, under right checksums; what is said about it.
static void test_contradictions(void **state) {
    (void)state;
    static const struct {
        long offset;
        int n_bytes;
        uint64_t value;
        tdl_status status;
        const char *part;
    } cases[] = {
        {8 - FOOTER, 4, 1, TDL_ERROR_UNSUPPORTED, "version 1, expected 2"},
        {12 - FOOTER, 4, 4, TDL_ERROR_FORMAT, "4 bytes a token"},
        {16 - FOOTER, 4, 0, TDL_ERROR_FORMAT, "a vocabulary of 0"},
        {16 - FOOTER, 4, TDL_VOCAB_MAX + 1, TDL_ERROR_FORMAT, "a vocabulary of 4194305"},
        {16 - FOOTER, 4, 299, TDL_ERROR_FORMAT, "has token 299, its vocabulary has 299"},
        {20 - FOOTER, 4, 2, TDL_ERROR_FORMAT, "counted 2"},
        {20 - FOOTER, 4, 0, TDL_ERROR_FORMAT, "do not hold"},
        {24 - FOOTER, 8, 0, TDL_ERROR_FORMAT, "no tokens"},
        {24 - FOOTER, 8, 9, TDL_ERROR_FORMAT, "end at token 10 of 9"},
        {24 - FOOTER, 8, 1000, TDL_ERROR_FORMAT, "do not hold 1000 tokens"},
        {24 - FOOTER, 8, UINT64_MAX, TDL_ERROR_FORMAT, "do not hold"},
        {24 - FOOTER, 8, UINT64_MAX / 2 - 20, TDL_ERROR_FORMAT, "do not hold"},
        {32 - FOOTER, 8, 0, TDL_ERROR_FORMAT, "no tokens"},
        {32 - FOOTER, 8, 4, TDL_ERROR_FORMAT, "document 3 begins at token 10, the next one at 0"},
        {32 - FOOTER, 8, UINT64_MAX, TDL_ERROR_FORMAT, "do not hold"},
        {32 - FOOTER, 8, UINT64_MAX / 8, TDL_ERROR_FORMAT, "do not hold"},
        {72 - FOOTER, 8, 2, TDL_ERROR_FORMAT, "the flag for records is 2"},
        {40 - FOOTER, 8, 6, TDL_ERROR_FORMAT, "5 counted targets, its footer says 6"},
        {64, 2, 300, TDL_ERROR_FORMAT, "has token 300, its vocabulary has 300"},
        {128, 1, 0, TDL_ERROR_FORMAT, "1 counted targets"},
        {192, 8, 1, TDL_ERROR_FORMAT, "document 0 begins at token 1"},
        {200, 8, 6, TDL_ERROR_FORMAT, "document 1 begins at token 6, the next one at 6"},
        {216, 8, 11, TDL_ERROR_FORMAT, "end at token 11 of 10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        uint8_t *bytes = make(300, &size);
        tdl_token_file file;
        tdl_error err = {0};
        size_t at = cases[i].offset < 0 ? size - (size_t)-cases[i].offset : (size_t)cases[i].offset;
        memcpy(bytes + at, &cases[i].value, (size_t)cases[i].n_bytes);
        tdl_token_file_seal(bytes, size);
        assert_error(tdl_token_file_parse(bytes, size, &file, &err), cases[i].status, &err, cases[i].part);
        free(bytes);
    }
}

static void test_bad_ids(void **state) {
    (void)state;
    static const int32_t bad[] = {-1, 300, INT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
        tdl_token_writer *writer = NULL;
        tdl_error err = {0};
        tdl_token_run run;
        test_dir_make(dir);
        test_path(path, dir, "tokens");
        tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
        test_run_add(&run, (int32_t[]){299, bad[i]}, NULL, 2);
        assert_int_equal(tdl_token_writer_open(run.ids.mem, path, 300, (tdl_token_file_key){0}, &writer, &err), TDL_OK);
        assert_error(tdl_token_writer_add(writer, &run, &err), TDL_ERROR_ARGUMENT, &err, "vocabulary has 300");
        tdl_token_writer_abort(writer);
        assert_false(test_file_exists(path));
        tdl_token_run_deinit(&run);
        assert_int_equal(rmdir(dir), 0); // nothing is left there
    }
}

static tdl_status write_one(const tdl_allocator *mem, void *arg) {
    tdl_token_writer *writer = NULL;
    tdl_token_run run;
    tdl_error err = {0};
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    test_run_add(&run, (int32_t[]){5, 6, 7}, NULL, 3);
    test_run_add(&run, (int32_t[]){5, 6, 7}, (uint8_t[]){0, 0, 1}, 3);
    tdl_status status = tdl_token_writer_open(mem, arg, 300, (tdl_token_file_key){0}, &writer, &err);
    if (status == TDL_OK) {
        status = tdl_token_writer_add(writer, &run, &err);
        if (status == TDL_OK) status = tdl_token_writer_commit(writer, &err);
        else tdl_token_writer_abort(writer);
    }
    tdl_token_run_deinit(&run);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "tokens");
    fail_alloc_each(write_one, path);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_many_runs), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_contradictions), cmocka_unit_test(test_bad_ids),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
