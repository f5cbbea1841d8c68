// SPDX-License-Identifier: MIT
// pretokenize.h - cuts a text into the pieces that are tokenized on their own. Types: tokenizer.h.
#ifndef TDL_TOKEN_PRETOKENIZE_H
#define TDL_TOKEN_PRETOKENIZE_H

#include "token/regex.h"
#include "token/tokenizer.h"

typedef struct tdl_pretokenizer {
    tdl_pretokenizer_kind kind;
    tdl_split_behavior behavior;
    bool invert, first_only;
    char *pattern, *content; // owned
    size_t pattern_size, content_size;
    tdl_regex *regex; // owned; NULL where pattern is plain text
} tdl_pretokenizer;

tdl_status tdl_pretokenizer_init(const tdl_allocator *mem, tdl_pretokenizer *p, const tdl_pretokenizer_desc *desc,
                                 tdl_error *err);
void tdl_pretokenizer_deinit(const tdl_allocator *mem, tdl_pretokenizer *p);

typedef struct tdl_piece {
    size_t begin, end; // in the text
    bool raw;          // bytes that are not UTF-8: never split
} tdl_piece;

// A text and its pieces, in order; what lies between them is dropped. The `next` ones are room to work in.
typedef struct tdl_pieces {
    tdl_str text, next_text;
    tdl_vec pieces, next_pieces; // tdl_piece
    tdl_vec spans;               // of one piece, while it is split
} tdl_pieces;

void tdl_pieces_init(tdl_pieces *pieces, const tdl_allocator *mem);
void tdl_pieces_deinit(tdl_pieces *pieces);

// Cuts pieces->text by all steps in order; no step may make it longer than size_max. `first`: it begins the whole text.
// Stretches that are not valid UTF-8 become pieces of their own. Errors: MEMORY, LIMIT.
tdl_status tdl_pretokenize(const tdl_pretokenizer *steps, size_t n_steps, tdl_regex_scratch *scratch, bool first,
                           size_t size_max, tdl_pieces *pieces, tdl_error *err);

// A pre-tokenizer that GGUF files name: the regexes are applied in order, each cutting what those before it left.
typedef struct tdl_named_pretokenizer {
    const char *names;          // each between bars: "|gpt-2|phi-2|"
    const char *const *regexes; // NULL-terminated
    bool ignore_merges, wants_bos;
} tdl_named_pretokenizer;

// NULL where the name is unknown.
const tdl_named_pretokenizer *tdl_named_pretokenizer_find(const char *name);

#endif
