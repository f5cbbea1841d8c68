// SPDX-License-Identifier: MIT
// utf8.c - UTF-8 by the table of RFC 3629, section 4.
//
// The first byte of a character says how many bytes follow; overlong forms, surrogates and values over U+10FFFF are told
// by the second byte alone, whose range depends on the first. Every later byte is in 80..BF. So a beginning of a
// character is good or bad after two bytes, which is what tdl_utf8_complete relies on.
#include "base/utf8.h"

// What may follow a first byte. n is 0 where the byte begins no character.
typedef struct lead {
    uint8_t n; // bytes of the character
    uint8_t second_min, second_max;
} lead;

static lead lead_of(uint8_t byte);
static bool is_continuation(uint8_t byte);

uint32_t tdl_utf8_decode(const char *text, size_t size, size_t *n) {
    const uint8_t *s = (const uint8_t *)text;
    lead first = lead_of(s[0]);
    *n = 1;
    if (first.n == 1) return s[0];
    if (first.n == 0 || size < first.n) return TDL_UTF8_INVALID;
    if (s[1] < first.second_min || s[1] > first.second_max) return TDL_UTF8_INVALID;
    uint32_t c = s[0] & (0x7Fu >> first.n);
    for (size_t i = 1; i < first.n; i++) {
        if (!is_continuation(s[i])) return TDL_UTF8_INVALID;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    *n = first.n;
    return c;
}

size_t tdl_utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        if (c >= 0xD800 && c < 0xE000) return 0;
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    if (c > 0x10FFFF) return 0;
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool tdl_utf8_valid(const char *text, size_t size) {
    for (size_t i = 0, n; i < size; i += n) {
        if (tdl_utf8_decode(text + i, size - i, &n) == TDL_UTF8_INVALID) return false;
    }
    return true;
}

size_t tdl_utf8_complete(const char *text, size_t size) {
    // A first byte never occurs inside a character, so the last one decides, wherever decoding began.
    const uint8_t *s = (const uint8_t *)text;
    for (size_t n = 1; n <= 3 && n <= size; n++) {
        const uint8_t *tail = s + size - n;
        if (is_continuation(tail[0])) continue;
        lead first = lead_of(tail[0]);
        bool begun = n < first.n && (n == 1 || (tail[1] >= first.second_min && tail[1] <= first.second_max));
        return begun ? size - n : size;
    }
    return size;
}

static lead lead_of(uint8_t byte) {
    if (byte < 0x80) return (lead){1, 0, 0};
    if (byte < 0xC2) return (lead){0, 0, 0}; // a continuation, or an overlong form of ASCII
    if (byte < 0xE0) return (lead){2, 0x80, 0xBF};
    if (byte == 0xE0) return (lead){3, 0xA0, 0xBF}; // not overlong
    if (byte == 0xED) return (lead){3, 0x80, 0x9F}; // no surrogate
    if (byte < 0xF0) return (lead){3, 0x80, 0xBF};
    if (byte == 0xF0) return (lead){4, 0x90, 0xBF}; // not overlong
    if (byte < 0xF4) return (lead){4, 0x80, 0xBF};
    if (byte == 0xF4) return (lead){4, 0x80, 0x8F}; // not over U+10FFFF
    return (lead){0, 0, 0};
}

static bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }
