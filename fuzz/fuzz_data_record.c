// SPDX-License-Identifier: MIT
// fuzz_data_record.c - a line of JSONL becomes ids: any bytes, in each of the templates.
//
// The first byte chooses which markers the vocabulary has, byte-level BPE without merges. What a record gives is checked:
// as many flags as ids, something to learn or nothing at all, and markers only where the template puts them.
#include "token/tokenizer.h"
#include "token/vocab.h"
#include "train/data_record.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { N_BYTES = 256, N_KINDS = 4 };

static const char *const markers[N_KINDS][4] = {{"<s>"},
                                                {"<|im_start|>", "<|im_end|>"},
                                                {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
                                                {"<|im_start|>", "<|endoftext|>"}};

static tdl_tokenizer *make(int kind);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static tdl_tokenizer *made[N_KINDS]; // kept: making one takes longer than the rest
    static tdl_data_style styles[N_KINDS];
    static const tdl_chat_kind chats[N_KINDS] = {TDL_CHAT_PLAIN, TDL_CHAT_CHATML, TDL_CHAT_HEADERS, TDL_CHAT_PLAIN};
    if (size == 0) return 0;
    int kind = bytes[0] % N_KINDS;
    if (!made[kind]) {
        made[kind] = make(kind);
        if (tdl_data_style_find(made[kind], &styles[kind], NULL)) abort();
        if (styles[kind].chat != chats[kind] || !styles[kind].cuts.line || styles[kind].cuts.paragraph != 1) abort();
    }
    tdl_token_run run;
    tdl_error err = {0};
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    tdl_text line = tdl_text_of((const char *)bytes + 1, size - 1);
    tdl_status status = tdl_data_record_encode(line, "fuzz:1", &styles[kind], &run, &err);
    if (status != err.code || (status != TDL_OK && !err.message[0])) abort();
    if (run.ids.n != run.counted.n || run.starts.n > 1 || (run.starts.n == 0) != (run.ids.n == 0)) abort();
    if (status != TDL_OK && run.ids.n) abort();
    if (run.ids.n && !memchr(tdl_vec_at(&run.counted, uint8_t, 1), 1, run.counted.n - 1)) abort();
    bool talks = memmem(line.ptr, line.size, "messages", 8) || memmem(line.ptr, line.size, "conversations", 13) ||
                 memmem(line.ptr, line.size, "instruction", 11) || memchr(line.ptr, '\\', line.size);
    for (size_t i = 0; i < run.ids.n && !talks; i++) { // only the end
        int32_t id = *tdl_vec_at(&run.ids, int32_t, i);
        if (id >= N_BYTES && i + 1 < run.ids.n) abort();
    }
    tdl_token_run_deinit(&run);
    return 0;
}

static tdl_tokenizer *make(int kind) {
    char spelled[N_BYTES][4];
    tdl_text tokens[N_BYTES + 4];
    int32_t kinds[N_BYTES + 4];
    size_t n = 0;
    for (; n < N_BYTES; n++) {
        tokens[n] = tdl_text_of(spelled[n], tdl_utf8_encode(tdl_byte_to_char((uint8_t)n), spelled[n]));
        kinds[n] = TDL_TOKEN_NORMAL;
    }
    for (int i = 0; i < 4 && markers[kind][i]; i++, n++) {
        tokens[n] = tdl_text_of(markers[kind][i], strlen(markers[kind][i]));
        kinds[n] = TDL_TOKEN_CONTROL;
    }
    const tdl_tokenizer_desc desc = {.mem = tdl_allocator_or_default(NULL),
                                     .scheme = TDL_SCHEME_BPE,
                                     .n_tokens = n,
                                     .tokens = tokens,
                                     .kinds = kinds,
                                     .pre = "gpt-2",
                                     .bos = -1,
                                     .eos = -1,
                                     .unk = -1};
    tdl_tokenizer *tokenizer = NULL;
    if (tdl_tokenizer_create(&desc, &tokenizer, NULL)) abort();
    return tokenizer;
}
