// SPDX-License-Identifier: MIT
// normalize.h - normalizers: changes of the text before it is cut into pieces. Types: tokenizer.h.
#ifndef TDL_TOKEN_NORMALIZE_H
#define TDL_TOKEN_NORMALIZE_H

#include "token/regex.h"
#include "token/tokenizer.h"

typedef struct tdl_normalizer {
    tdl_normalizer_kind kind;
    bool left, right;
    char *pattern, *content; // owned
    size_t pattern_size, content_size;
    tdl_regex *regex; // owned; NULL where pattern is plain text
} tdl_normalizer;

tdl_status tdl_normalizer_init(const tdl_allocator *mem, tdl_normalizer *n, const tdl_normalizer_desc *desc,
                               tdl_error *err);
void tdl_normalizer_deinit(const tdl_allocator *mem, tdl_normalizer *n);

// Applies all in order: `text` becomes the result, of at most size_max bytes, as what lies between the steps has. `spare` is
// room to work in. Bytes that are not UTF-8 stay as they are. Errors: MEMORY, LIMIT.
tdl_status tdl_normalize(const tdl_normalizer *normalizers, size_t n, tdl_regex_scratch *scratch, size_t size_max,
                         tdl_str *text, tdl_str *spare, tdl_error *err);

// Appends text with every occurrence of `pattern` (not empty) replaced. Stops where `out` gets longer than size_max.
void tdl_replace_append(tdl_str *out, tdl_text text, tdl_text pattern, tdl_text content, size_t size_max);
// Where the valid UTF-8 that begins at `from` ends.
size_t tdl_valid_run(tdl_text text, size_t from);

#endif
