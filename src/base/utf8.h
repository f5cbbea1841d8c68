// SPDX-License-Identifier: MIT
// utf8.h - UTF-8 as RFC 3629 has it: no surrogates, nothing over U+10FFFF, no overlong forms.
#ifndef TDL_BASE_UTF8_H
#define TDL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TDL_UTF8_INVALID 0xFFFFFFFFu

// Decodes the character at text[0], size >= 1. Sets *n to its bytes, 1 to 4. Where it is not valid: returns
// TDL_UTF8_INVALID with *n = 1.
uint32_t tdl_utf8_decode(const char *text, size_t size, size_t *n);
// Writes the character's 1 to 4 bytes to out and returns how many; 0 for what is no character.
size_t tdl_utf8_encode(uint32_t c, char out[4]);
bool tdl_utf8_valid(const char *text, size_t size);
// How many bytes of text form whole characters or bytes that can never become one; the rest is the beginning of a
// character whose end may still come (at most 3 bytes).
size_t tdl_utf8_complete(const char *text, size_t size);

#endif
