// SPDX-License-Identifier: MIT
// shown.c - see shown.h. UTF-8 as Unicode 15, table 3-7 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#include "cli/shown.h"

#include <string.h>

enum { INVALID = 0xFFFFFFFF };

static uint32_t decode(const unsigned char *text, size_t size, size_t *n);
static bool is_kept(uint32_t c, cli_shown kind);

void cli_append_shown(cli_buffer *out, const char *text, size_t size, cli_shown kind) {
    size_t plain = 0; // text[plain .. i) is to be taken as it is
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = decode((const unsigned char *)text + i, size - i, &n);
        if (is_kept(c, kind)) continue;
        cli_buffer_append(out, text + plain, i - plain);
        cli_buffer_append(out, "\xEF\xBF\xBD", 3);
        plain = i + n;
    }
    cli_buffer_append(out, size ? text + plain : "", size - plain);
}

void cli_print_name(const char *label, const char *name) {
    cli_buffer shown = {0};
    if (!name[0]) return;
    cli_append_shown(&shown, name, strlen(name), CLI_SHOWN_NAME);
    cli_printf("%s%s\n", label, shown.data);
    cli_buffer_deinit(&shown);
}

static bool is_kept(uint32_t c, cli_shown kind) {
    if (c == INVALID) return false;
    if (kind == CLI_SHOWN_UTF8) return true;
    if (c == '\n' || c == '\t') return kind == CLI_SHOWN_TEXT;
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return false; // C0, DEL, C1
    if (kind == CLI_SHOWN_TEXT) return true;
    bool separates = c == 0x2028 || c == 0x2029;
    bool turns =
        c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    return !separates && !turns;
}

// The first character and its size; INVALID and 1 where a byte is part of none.
static uint32_t decode(const unsigned char *text, size_t size, size_t *n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = text[0];
    *n = 1;
    if (c < 0x80) return c;
    size_t n_bytes = c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (n_bytes == 0 || n_bytes > size) return INVALID;
    c &= 0x7Fu >> n_bytes;
    for (size_t i = 1; i < n_bytes; i++) {
        if ((text[i] & 0xC0) != 0x80) return INVALID;
        c = c << 6 | (text[i] & 0x3Fu);
    }
    if (c < least[n_bytes] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return INVALID;
    *n = n_bytes;
    return c;
}
