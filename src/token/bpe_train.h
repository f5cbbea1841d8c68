// SPDX-License-Identifier: MIT
// bpe_train.h - learns a byte-level BPE vocabulary from text (Sennrich et al., 2016; GPT-2's byte alphabet).
//
//     tdl_bpe_trainer *t = NULL;
//     status = tdl_bpe_trainer_create(&(tdl_bpe_train_desc){.mem = mem, .pre = "gpt-2", .n_vocab = 4096, .count_min = 2,
//                                                           .specials = specials, .n_specials = 1}, &t, err);
//     while (there is text) status = tdl_bpe_trainer_add(t, text, err);    // counts its pieces
//     while ((status = tdl_bpe_trainer_merge(t, err)) == TDL_PENDING) ...  // some merges; DONE: all are made
//     status = tdl_bpe_trainer_write(t, &json, err);                       // a tokenizer.json
//
// The ids: special tokens in the given order, the 256 bytes in the order of GPT-2's alphabet, then one token a merge. Each
// merge joins the pair of neighbouring tokens that occurs most often in the counted pieces; of several such pairs the one
// with the smallest left id, then the smallest right id. The result depends on the text alone: not on its order, nor on how
// it was divided into calls, as long as no piece of the pre-tokenizer was cut.
#ifndef TDL_TOKEN_BPE_TRAIN_H
#define TDL_TOKEN_BPE_TRAIN_H

#include "token/tokenizer.h"

typedef struct tdl_bpe_trainer tdl_bpe_trainer;

typedef struct tdl_bpe_train_desc {
    const tdl_allocator *mem;    // not NULL; borrowed until destroy, like all of this
    const char *pre;             // a pre-tokenizer by GGUF's name: "gpt-2", "llama-bpe", "qwen2"
    int32_t n_vocab;             // tokens wanted, with bytes and special tokens
    int32_t count_min;           // a pair that occurs less often is not merged; at least 1
    const char *const *specials; // [n_specials] texts of special tokens
    size_t n_specials;
} tdl_bpe_train_desc;

typedef struct tdl_bpe_train_info {
    uint64_t n_bytes;         // of text
    uint64_t n_bytes_invalid; // of them: not UTF-8, left out
    uint64_t n_pieces;        // of the pre-tokenizer
    uint64_t n_pieces_lost;   // of them: not counted, because they were too long, or rare when memory was full
    uint64_t n_distinct;      // pieces that are counted, each once
    int32_t n_vocab;          // tokens there are so far
    int32_t n_merges;
} tdl_bpe_train_info;

// Errors: ARGUMENT (n_vocab too small, special tokens empty, equal to each other or to a byte's token), UNSUPPORTED (pre),
// LIMIT, MEMORY.
tdl_status tdl_bpe_trainer_create(const tdl_bpe_train_desc *desc, tdl_bpe_trainer **out, tdl_error *err);
void tdl_bpe_trainer_destroy(tdl_bpe_trainer *trainer); // accepts NULL

// Counts the pieces of a text. A special token's text in it counts as plain text. Errors: MEMORY, LIMIT; ARGUMENT (after
// the first merge).
tdl_status tdl_bpe_trainer_add(tdl_bpe_trainer *trainer, tdl_text text, tdl_error *err);

// Makes some merges. PENDING: there may be more; DONE: there are n_vocab tokens, or no pair occurs count_min times.
// Errors: MEMORY.
tdl_status tdl_bpe_trainer_merge(tdl_bpe_trainer *trainer, tdl_error *err);

void tdl_bpe_trainer_get_info(const tdl_bpe_trainer *trainer, tdl_bpe_train_info *info);

// The bytes of token `id`, or a special token's text. Borrowed until the next merge.
tdl_text tdl_bpe_trainer_token(const tdl_bpe_trainer *trainer, int32_t id);
// The two tokens that merge i joined.
void tdl_bpe_trainer_merged(const tdl_bpe_trainer *trainer, int32_t i, int32_t *left, int32_t *right);

// Appends a tokenizer.json as Hugging Face's tokenizers writes it. Errors: MEMORY.
tdl_status tdl_bpe_trainer_write(const tdl_bpe_trainer *trainer, tdl_str *json, tdl_error *err);

#endif
