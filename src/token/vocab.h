// SPDX-License-Identifier: MIT
// vocab.h - the tokens of a tokenizer: their texts, what they decode to, and the way back from text to id.
//
// Two texts belong to a token: its spelling in the file, which names it, and its piece, the bytes it stands for in
// decoded text. They differ where the spelling is in GPT-2's byte alphabet, has U+2581 for a space, or names a byte as
// <0xNN>. All spellings lie in one block and all pieces in another, with 32-bit offsets: a vocabulary of 150,000
// tokens is six allocations.
#ifndef TDL_TOKEN_VOCAB_H
#define TDL_TOKEN_VOCAB_H

#include "token/tokenizer.h"

// Tokens of which something is odd.
typedef struct tdl_vocab_doubt {
    size_t n, first; // first: the lowest id
} tdl_vocab_doubt;

typedef struct tdl_vocab {
    const tdl_allocator *mem;
    size_t n;
    char *texts;           // spellings, one after the other
    uint32_t *text_ends;   // [n + 1], text_ends[i] is where token i begins
    char *pieces;          // decoded bytes
    uint32_t *piece_ends;  // [n + 1]
    uint8_t *kinds;        // [n] tdl_token_kind
    uint8_t *flags;        // [n] tdl_token_flag bits
    tdl_map ids;           // spelling -> id, the first of equal ones
    int32_t byte_ids[256]; // the token that is exactly this byte, or -1
    tdl_vocab_doubt repeated, empty,
        untyped; // spelled as an earlier one; without a text, and not UNUSED; of no known kind
} tdl_vocab;

tdl_status tdl_vocab_init(tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err);
void tdl_vocab_deinit(tdl_vocab *vocab);

static inline tdl_text tdl_vocab_text(const tdl_vocab *vocab, int32_t id) {
    return tdl_text_of(vocab->texts + vocab->text_ends[id], vocab->text_ends[id + 1] - vocab->text_ends[id]);
}

static inline tdl_text tdl_vocab_piece(const tdl_vocab *vocab, int32_t id) {
    return tdl_text_of(vocab->pieces + vocab->piece_ends[id], vocab->piece_ends[id + 1] - vocab->piece_ends[id]);
}

// Added tokens are cut out of the text before the scheme runs, and never come out of it.
static inline bool tdl_vocab_is_added(const tdl_vocab *vocab, int32_t id) {
    uint8_t kind = vocab->kinds[id];
    return kind == TDL_TOKEN_CONTROL || kind == TDL_TOKEN_USER || kind == TDL_TOKEN_UNKNOWN;
}

// Special tokens are those that text names only where the caller allows it, and that skip_special leaves out.
static inline bool tdl_vocab_is_special(const tdl_vocab *vocab, int32_t id) {
    return vocab->kinds[id] == TDL_TOKEN_CONTROL || vocab->kinds[id] == TDL_TOKEN_UNKNOWN;
}

// The token of this spelling that merging may produce, or -1.
int32_t tdl_vocab_find_mergeable(const tdl_vocab *vocab, tdl_text text);

// Whether U+2581 is a token, and no token that merging may produce has it after another character.
bool tdl_vocab_splits_at_spaces(const tdl_vocab *vocab);
// How many bytes at text[from] belong to the word there: up to the next U+2581 that follows another character.
size_t tdl_word_size(tdl_text text, size_t from);

// GPT-2's byte alphabet: bytes that are visible Latin-1 characters stand for themselves, the others for U+0100 and on.
uint32_t tdl_byte_to_char(uint8_t byte);
// The byte that `c` stands for, or -1.
int tdl_char_to_byte(uint32_t c);

#endif
