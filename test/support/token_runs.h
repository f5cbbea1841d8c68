// SPDX-License-Identifier: MIT
// token_runs.h - token files for tests, made from ids that the test chooses.
#ifndef TDL_TEST_TOKEN_RUNS_H
#define TDL_TEST_TOKEN_RUNS_H

#include "train/token_file.h"

// Appends a document of n ids; counted NULL: all. A failure of theirs fails the test.
void test_run_add(tdl_token_run *run, const int32_t *ids, const uint8_t *counted, size_t n);
// The bytes of the file of one run, malloc'd.
uint8_t *test_token_file(const tdl_token_run *run, int32_t n_vocab, size_t *size);

#endif
