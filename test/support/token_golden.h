// SPDX-License-Identifier: MIT
// token_golden.h - the golden files of test/data/token: arrays of cases whose texts are written in hexadecimal.
#ifndef TDL_TEST_TOKEN_GOLDEN_H
#define TDL_TEST_TOKEN_GOLDEN_H

#include "base/json.h"
#include "token/tokenizer.h"

// The array in test/data/token/<name>; freed with json_decref.
json_t *golden_load(const char *name);

// The bytes of a string in hexadecimal, and how many; freed with free.
char *golden_bytes(const json_t *hex, size_t *size);

// test/data/token/<name>, opened by tdl_tokenizer_open.
tdl_tokenizer *golden_tokenizer(const char *name);

typedef struct golden_ids {
    int32_t *ids; // [n], freed with free
    size_t n;
} golden_ids;

// Encodes, counting first and then filling, and checks that both agree.
golden_ids golden_encode(const tdl_tokenizer *tokenizer, const char *text, size_t size, tdl_bos bos,
                         bool parse_special);
// Decodes likewise; freed with free.
char *golden_decode(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special, size_t *size);

// Assertions that name the tokenizer and the case.
void golden_check_ids(const char *name, size_t i, const golden_ids *ids, const json_t *expected);
void golden_check_bytes(const char *name, size_t i, const char *bytes, size_t size, const json_t *expected);

// An assertion: the ids put one by one into a detokenizer give whole characters at every step, and in all the same text
// as decoding at once, with U+FFFD for each byte that is not UTF-8.
void golden_check_stream(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special);

#endif
