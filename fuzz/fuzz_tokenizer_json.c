// SPDX-License-Identifier: MIT
// fuzz_tokenizer_json.c - any bytes as a tokenizer.json: an error with a message, or a tokenizer that works.
#include "token/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char text[] = "Hello <tool> wor\xCC\x81ld 123\n\n\xFF \xE2\x96\x81 abab <s></s>";
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    // A zero byte divides tokenizer.json from tokenizer_config.json.
    const uint8_t *zero = size ? memchr(bytes, 0, size) : NULL;
    size_t json_size = zero ? (size_t)(zero - bytes) : size;
    tdl_tokenizer_json_desc desc = {
        .mem = tdl_allocator_or_default(NULL),
        .json = {(const char *)bytes, json_size},
        .config_json = {zero ? (const char *)zero + 1 : "", zero ? size - json_size - 1 : 0},
        .bos = -1,
        .eos = -1};
    tdl_status status = tdl_tokenizer_from_json(&desc, &t, &err);
    if (status > 0 || (status < 0) != (err.message[0] != '\0') || (status < 0) != (t == NULL)) abort();
    if (!t) return 0;

    int32_t ids[4096];
    char back[4096];
    size_t n = 0, back_size = 0;
    tdl_encode_desc encode = {.size = sizeof encode, .parse_special = true};
    status = tdl_tokenizer_encode(t, text, sizeof text - 1, &encode, ids, 4096, &n, &err);
    if (status == TDL_OK) {
        for (size_t i = 0; i < n; i++) {
            if (ids[i] < 0 || ids[i] >= tdl_tokenizer_n_vocab(t)) abort();
        }
        status = tdl_tokenizer_decode(t, ids, n, NULL, back, sizeof back, &back_size, &err);
    }
    if (status != TDL_OK && status != TDL_ERROR_LIMIT) abort();
    tdl_tokenizer_close(t);
    return 0;
}
