// SPDX-License-Identifier: MIT
// token_runs.c - see token_runs.h.
#include "support/token_runs.h"

#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void test_run_add(tdl_token_run *run, const int32_t *ids, const uint8_t *counted, size_t n) {
    assert_true(tdl_vec_push(&run->starts, &run->ids.n, 1));
    assert_true(tdl_vec_push(&run->ids, ids, n));
    for (size_t i = 0; i < n; i++) {
        uint8_t bit = counted ? counted[i] : 1;
        assert_true(tdl_vec_push(&run->counted, &bit, 1));
    }
}

uint8_t *test_token_file(const tdl_token_run *run, int32_t n_vocab, size_t *size) {
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_token_writer *writer = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    test_path(path, dir, "tokens");
    const tdl_token_file_key key = {.tokenizer = 1, .sources = 2};
    if (tdl_token_writer_open(tdl_allocator_or_default(NULL), path, n_vocab, key, &writer, &err) ||
        tdl_token_writer_add(writer, run, &err) || tdl_token_writer_commit(writer, &err)) {
        fail_msg("%s", err.message);
    }
    uint8_t *bytes = test_file_read(path, size);
    test_dir_remove(dir);
    return bytes;
}
