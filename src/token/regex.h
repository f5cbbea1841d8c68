// SPDX-License-Identifier: MIT
// regex.h - the regular expressions of tokenizers, run by PCRE2.
//
// The patterns are written for Oniguruma, whose syntax is PCRE2's but for a few things, which are rewritten
// (regex_rewrite.h). Subjects must be valid UTF-8. A match has limits on its steps and memory, so that no
// text can make a pattern run away. PCRE2's memory comes from our allocator, but for the pages of its compiled code.
#ifndef TDL_TOKEN_REGEX_H
#define TDL_TOKEN_REGEX_H

#include "base/str.h"

typedef struct tdl_regex tdl_regex;                 // immutable: threads share it
typedef struct tdl_regex_scratch tdl_regex_scratch; // one per thread

// Errors: FORMAT (no valid pattern), UNSUPPORTED (set operations in a class), MEMORY.
tdl_status tdl_regex_create(const tdl_allocator *mem, tdl_text pattern, tdl_regex **out, tdl_error *err);
void tdl_regex_destroy(tdl_regex *regex);

tdl_regex_scratch *tdl_regex_scratch_create(const tdl_allocator *mem); // NULL where memory ran out
void tdl_regex_scratch_destroy(tdl_regex_scratch *scratch);

// The first match at or after `from`. OK sets *begin and *end; DONE: there is none. Errors: LIMIT, MEMORY.
tdl_status tdl_regex_find(const tdl_regex *regex, tdl_regex_scratch *scratch, tdl_text subject, size_t from,
                          size_t *begin, size_t *end, tdl_error *err);

// Unicode's White_Space.
bool tdl_is_space(uint32_t c);

#endif
