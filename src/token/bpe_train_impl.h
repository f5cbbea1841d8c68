// SPDX-License-Identifier: MIT
// bpe_train_impl.h - what a BPE trainer is made of; only for bpe_train.c and bpe_merge.c.
#ifndef TDL_TOKEN_BPE_TRAIN_IMPL_H
#define TDL_TOKEN_BPE_TRAIN_IMPL_H

#include "token/bpe_train.h"
#include "token/bpe_words.h"
#include "token/pretokenize.h"

// A token in a word. All words lie one after another in one array; a merge makes the left of two nodes the new token and
// takes the right one out of the chain.
typedef struct tdl_bpe_node {
    int32_t id;                   // token; -1: merged into the node to its left
    int32_t prev, next;           // neighbours in the word, -1: none
    int32_t pair_prev, pair_next; // the other nodes that begin the same pair, -1: none
    int32_t word;
} tdl_bpe_node;

// Two tokens side by side, and all the nodes where they begin.
typedef struct tdl_bpe_pair {
    int32_t left, right;
    int64_t count;      // over all words, each as often as it occurred
    int32_t head, tail; // nodes, -1: none
} tdl_bpe_pair;

// A pair in the heap, with the count it had then.
typedef struct tdl_bpe_entry {
    int64_t count;
    int32_t left, right, pair;
} tdl_bpe_entry;

typedef struct tdl_bpe_merge_ids {
    int32_t left, right;
} tdl_bpe_merge_ids;

struct tdl_bpe_trainer {
    const tdl_allocator *mem;
    const char *pre;         // borrowed
    tdl_pretokenizer *steps; // [n_steps]
    size_t n_steps;
    tdl_regex_scratch *scratch;
    tdl_pieces pieces;
    tdl_bpe_words words;
    tdl_bpe_train_info info;
    int32_t n_vocab, count_min, n_specials;

    tdl_arena arena; // of the tokens' texts
    tdl_vec tokens;  // tdl_text: special tokens as they are, then bytes
    tdl_map taken;   // bytes that a special token is spelled by, if read in GPT-2's alphabet
    tdl_vec merges;  // tdl_bpe_merge_ids

    bool merging;        // from the first merge on:
    tdl_bpe_node *nodes; // [n_nodes]
    size_t n_nodes;
    tdl_vec pairs;         // tdl_bpe_pair
    int32_t *pair_slots;   // [n_pair_slots] 1 + index of a pair, 0: free. Open addressing
    size_t n_pair_slots;   // a power of two
    tdl_vec heap;          // tdl_bpe_entry, the best first
    size_t n_pairs_ranked; // those before are, or were, in the heap
    tdl_vec positions;     // int32_t: nodes where the pair that is merged begins
};

// Adds a token with a copy of its bytes; *id is its id. False: memory ran out.
bool tdl_bpe_add_token(tdl_bpe_trainer *t, tdl_text left, tdl_text right, int32_t *id);

#endif
