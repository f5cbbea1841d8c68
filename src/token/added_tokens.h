// SPDX-License-Identifier: MIT
// added_tokens.h - finds added tokens ("<|im_end|>", runs of spaces) in a text, the leftmost and there the longest.
#ifndef TDL_TOKEN_ADDED_TOKENS_H
#define TDL_TOKEN_ADDED_TOKENS_H

#include "token/vocab.h"

typedef struct tdl_added_token {
    tdl_text text;
    int32_t id;
} tdl_added_token;

typedef struct tdl_added_tokens {
    const tdl_allocator *mem;
    const tdl_vocab *vocab; // borrowed: kinds and flags
    tdl_arena arena;        // texts that are not the vocabulary's own
    tdl_vec tokens;         // tdl_added_token, sorted by text
    uint32_t first[257];    // tokens whose text begins with byte b: [first[b], first[b + 1])
} tdl_added_tokens;

void tdl_added_tokens_init(tdl_added_tokens *added, const tdl_vocab *vocab, const tdl_allocator *mem);
void tdl_added_tokens_deinit(tdl_added_tokens *added);
// Adds a token under a copy of `text`, which is not empty; then `finish` sorts. Errors: MEMORY, LIMIT.
tdl_status tdl_added_tokens_put(tdl_added_tokens *added, tdl_text text, int32_t id, tdl_error *err);
void tdl_added_tokens_finish(tdl_added_tokens *added);

typedef struct tdl_added_match {
    int32_t id;
    size_t begin, end; // with the white space that the token's flags take along
} tdl_added_match;

// The first match in text[from, size); special tokens only where `special` says so. False: there is none.
bool tdl_added_tokens_find(const tdl_added_tokens *added, tdl_text text, size_t from, bool special,
                           tdl_added_match *out);

#endif
