// SPDX-License-Identifier: MIT
// bpe_words.h - a table of distinct byte strings and how often each occurred, of bounded size. For bpe_train.h.
#ifndef TDL_TOKEN_BPE_WORDS_H
#define TDL_TOKEN_BPE_WORDS_H

#include "base/str.h"

typedef struct tdl_bpe_word {
    uint32_t begin, size; // in bytes.ptr
    int64_t count;
} tdl_bpe_word;

typedef struct tdl_bpe_words {
    const tdl_allocator *mem;
    tdl_str bytes;   // the words, one after another
    tdl_vec words;   // tdl_bpe_word, by first occurrence
    int32_t *slots;  // [n_slots] 1 + index of a word, 0: free. Open addressing
    size_t n_slots;  // a power of two, or 0
    size_t size_max; // bytes that `bytes` may have
    uint64_t n_lost; // occurrences of words that were dropped
} tdl_bpe_words;

void tdl_bpe_words_init(tdl_bpe_words *words, const tdl_allocator *mem, size_t size_max);
void tdl_bpe_words_deinit(tdl_bpe_words *words);

// Counts one occurrence. When the words' bytes reach size_max, the rarest words are dropped until half of it is free. A word
// longer than a token may be is dropped at once. False: memory ran out.
bool tdl_bpe_words_count(tdl_bpe_words *words, tdl_text word);

#endif
