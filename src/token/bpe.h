// SPDX-License-Identifier: MIT
// bpe.h - merging by rank: a list of merges, each of two tokens into a third.
#ifndef TDL_TOKEN_BPE_H
#define TDL_TOKEN_BPE_H

#include "token/merge_queue.h"
#include "token/vocab.h"

typedef struct tdl_bpe_merge {
    int32_t left, right, merged;
    uint32_t number; // rank + 1; 0: the slot is free
} tdl_bpe_merge;

typedef struct tdl_bpe {
    const tdl_allocator *mem;
    tdl_bpe_merge *slots; // [1 << n_bits], open addressing by (left, right)
    uint32_t n_bits;
} tdl_bpe;

// Of two equal merges the first counts. Errors: FORMAT (a merge that names no token), MEMORY, LIMIT.
tdl_status tdl_bpe_init(tdl_bpe *bpe, const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err);
void tdl_bpe_deinit(tdl_bpe *bpe);

// Merges the queue's symbols until no merge applies; false where memory ran out.
bool tdl_bpe_merge_all(const tdl_bpe *bpe, tdl_merge_queue *q);

#endif
