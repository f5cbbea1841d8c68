// SPDX-License-Identifier: MIT
// regex_rewrite.h - from the syntax that tokenizer files are written in to PCRE2's.
#ifndef TDL_TOKEN_REGEX_REWRITE_H
#define TDL_TOKEN_REGEX_REWRITE_H

#include "base/str.h"

// Appends to `out` the pattern that means in PCRE2 (UTF, UCP, MULTILINE) what `pattern` means in Oniguruma.
// Errors: UNSUPPORTED (the message has the pattern), MEMORY.
tdl_status tdl_regex_rewrite(tdl_text pattern, tdl_str *out, tdl_error *err);

#endif
