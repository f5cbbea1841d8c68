// SPDX-License-Identifier: MIT
// fuzz_bpe_train.c - any bytes as training text: what is learned loads, and gives the same bytes back.
//
// The first byte chooses the pre-tokenizer and the settings; the rest is the text, added in two parts.
#include "token/bpe_train.h"
#include "token/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096 };

static const char *const pres[] = {"gpt-2", "llama-bpe", "qwen2", "gpt-4o"};

static void check(const tdl_tokenizer *tokenizer, const char *text, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0 || size > TEXT_MAX) return 0;
    static const char *const specials[] = {"<|endoftext|>", "ab"};
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    const char *text = (const char *)bytes + 1;
    size_t n = size - 1;
    tdl_bpe_trainer *t = NULL;
    tdl_tokenizer *tokenizer = NULL;
    tdl_bpe_train_info info;
    tdl_str json = tdl_str_make(mem);
    const tdl_bpe_train_desc desc = {.mem = mem,
                                     .pre = pres[bytes[0] % 4],
                                     .n_vocab = 258 + bytes[0],
                                     .count_min = 1 + bytes[0] / 4 % 3,
                                     .specials = specials,
                                     .n_specials = 2};
    if (tdl_bpe_trainer_create(&desc, &t, NULL)) abort();
    if (tdl_bpe_trainer_add(t, tdl_text_of(text, n / 2), NULL)) abort();
    if (tdl_bpe_trainer_add(t, tdl_text_of(text + n / 2, n - n / 2), NULL)) abort();
    tdl_status status;
    while ((status = tdl_bpe_trainer_merge(t, NULL)) == TDL_PENDING) continue;
    if (status != TDL_DONE || tdl_bpe_trainer_write(t, &json, NULL)) abort();
    tdl_bpe_trainer_get_info(t, &info);
    if (info.n_vocab > desc.n_vocab || info.n_vocab != 258 + info.n_merges || info.n_bytes != n) abort();
    const tdl_tokenizer_json_desc of = {.mem = mem, .json = tdl_text_of(json.ptr, json.size), .bos = -1, .eos = -1};
    if (tdl_tokenizer_from_json(&of, &tokenizer, NULL)) abort();
    if (tdl_tokenizer_n_vocab(tokenizer) != info.n_vocab) abort();
    check(tokenizer, text, n);
    tdl_tokenizer_destroy(tokenizer);
    tdl_bpe_trainer_destroy(t);
    tdl_str_deinit(&json);
    return 0;
}

static void check(const tdl_tokenizer *tokenizer, const char *text, size_t size) {
    static int32_t ids[TEXT_MAX];
    static char back[TEXT_MAX];
    size_t n, back_size;
    if (tdl_tokenizer_encode(tokenizer, text, size, NULL, ids, TEXT_MAX, &n, NULL)) abort();
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 2) abort(); // text never names a special token by itself
    if (tdl_tokenizer_decode(tokenizer, ids, n, NULL, back, TEXT_MAX, &back_size, NULL)) abort();
    if (back_size != size || (size && memcmp(back, text, size) != 0)) abort();
}
