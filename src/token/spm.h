// SPDX-License-Identifier: MIT
// spm.h - merging by score, as SentencePiece's BPE does: any two neighbours whose joined text is a token may merge.
#ifndef TDL_TOKEN_SPM_H
#define TDL_TOKEN_SPM_H

#include "token/merge_queue.h"
#include "token/vocab.h"

typedef struct tdl_spm {
    const tdl_allocator *mem;
    const tdl_vocab *vocab; // borrowed
    uint32_t *orders;       // [n] the higher a token's score, the smaller
} tdl_spm;

// Errors: FORMAT (no scores, or one that is no number), MEMORY.
tdl_status tdl_spm_init(tdl_spm *spm, const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err);
void tdl_spm_deinit(tdl_spm *spm);

// Merges the queue's symbols, which are parts of `text`, until none merge; false where memory ran out.
bool tdl_spm_merge_all(const tdl_spm *spm, const char *text, tdl_merge_queue *q);

#endif
