// SPDX-License-Identifier: MIT
// packing.h - documents put whole into windows of a fixed number of tokens: best-fit decreasing.
//
// Most documents are short and a window holds several. Cut anywhere, a record loses the prompt that its answer follows; so each
// document goes, longest first, into the fullest window that still has room for it ("Fewer Truncations Improve Language
// Modeling", Ding et al. 2024). What no window can hold is treated by what it is:
//
//   - a record of which some tokens are not counted (a prompt) keeps its beginning, as much as fits; where nothing counted is
//     left, it is dropped;
//   - a text, all of which is counted, is split: full windows, then the rest, which is packed like any document.
//
// The last token of a document is only a target, so a window of n tokens holds a document of n + 1. Tokens behind the last
// counted one are left out. The result follows from the tokens and the length alone, and lists windows and what is in
// them in the documents' order, so that the first windows are no sample of long documents.
#ifndef TDL_TRAIN_PACKING_H
#define TDL_TRAIN_PACKING_H

#include "train/shuffle.h"
#include "train/token_file.h"

// Tokens [begin, begin + n) of the file, all of one document; their targets are the tokens after each.
typedef struct tdl_packed_piece {
    uint64_t begin;
    uint32_t n;
} tdl_packed_piece;

// What became of the documents.
typedef struct tdl_packed_counts {
    uint64_t n_cut, n_tokens_cut; // records that lost their end, and the tokens they lost
    uint64_t n_dropped;           // documents of which nothing is left that is counted
    uint64_t n_split;             // texts in several windows
    uint64_t n_longest;           // tokens of the longest document
} tdl_packed_counts;

typedef struct tdl_packed {
    tdl_vec pieces; // tdl_packed_piece
    tdl_vec firsts; // uint64_t [n_windows + 1]: where each window's pieces begin
    tdl_packed_counts counts;
} tdl_packed;

// Documents [first, first + n) of the file, as far as they are on this side, into windows of seq tokens. No window: nothing is
// counted.
// Errors: MEMORY, LIMIT (more than 2^32 - 2 pieces).
tdl_status tdl_packed_init(const tdl_allocator *mem, const tdl_token_file *tokens, uint64_t first, uint64_t n,
                           const tdl_held_out *side, uint32_t seq, tdl_packed *out, tdl_error *err);
void tdl_packed_deinit(tdl_packed *packed);
// Tokens of the smallest window that holds each document of the file whole; 0: none has a token that is counted.
uint64_t tdl_packed_window(const tdl_token_file *tokens);
static inline uint64_t tdl_packed_n_windows(const tdl_packed *packed) {
    return packed->firsts.n ? packed->firsts.n - 1 : 0;
}

#endif
