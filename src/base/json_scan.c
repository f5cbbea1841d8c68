// SPDX-License-Identifier: MIT
// json_scan.c - see json_scan.h.
#include "base/json_scan.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

enum { SCAN_DEPTH_MAX = 64 };

static tdl_status skip_value(tdl_json_scan *s, int depth);
static tdl_status skip_number(tdl_json_scan *s);
static tdl_status skip_word(tdl_json_scan *s);
static tdl_status unescape(tdl_json_scan *s, size_t begin, size_t end, tdl_text *out);
static bool read_hex(const char *text, size_t left, uint32_t *out);
static bool is_digit(const tdl_json_scan *s, size_t at);

char tdl_json_scan_peek(tdl_json_scan *s) {
    while (s->at < s->size) {
        char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        s->at++;
    }
    return 0;
}

tdl_status tdl_json_scan_open(tdl_json_scan *s, char open) {
    if (tdl_json_scan_peek(s) != open)
        return tdl_json_scan_fail(s, s->at, open == '{' ? "expected '{'" : "expected '['");
    s->at++;
    s->after_open = true;
    return TDL_OK;
}

tdl_status tdl_json_scan_more(tdl_json_scan *s, char close, bool *more) {
    char c = tdl_json_scan_peek(s);
    *more = c != close;
    bool first = s->after_open;
    s->after_open = false;
    if (!*more || !first) {
        if (*more && c != ',')
            return tdl_json_scan_fail(s, s->at, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        s->at++;
    }
    return TDL_OK;
}

tdl_status tdl_json_scan_key(tdl_json_scan *s, tdl_text *key) {
    tdl_status status = tdl_json_scan_string(s, key);
    if (status) return status;
    if (tdl_json_scan_peek(s) != ':') return tdl_json_scan_fail(s, s->at, "expected ':'");
    s->at++;
    return TDL_OK;
}

tdl_status tdl_json_scan_string(tdl_json_scan *s, tdl_text *out) {
    if (tdl_json_scan_peek(s) != '"') return tdl_json_scan_fail(s, s->at, "expected a string");
    size_t begin = ++s->at;
    bool escapes = false;
    unsigned char high = 0;
    for (; s->at < s->size && s->text[s->at] != '"'; s->at++) {
        unsigned char c = (unsigned char)s->text[s->at];
        high |= c;
        if (c < 0x20) return tdl_json_scan_fail(s, s->at, "a control character in a string");
        if (c != '\\') continue;
        escapes = true;
        s->at++; // whatever it is, a quote too
    }
    if (s->at >= s->size) return tdl_json_scan_fail(s, begin - 1, "the string does not end");
    size_t end = s->at++;
    *out = tdl_text_of(s->text + begin, end - begin);
    if (high & 0x80 && !tdl_utf8_valid(out->ptr, out->size))
        return tdl_json_scan_fail(s, begin - 1, "the string is not valid UTF-8");
    return escapes ? unescape(s, begin, end, out) : TDL_OK;
}

bool tdl_json_scan_integer(tdl_json_scan *s, int64_t *out) {
    bool negative = tdl_json_scan_peek(s) == '-';
    size_t at = s->at + negative, first = at;
    int64_t value = 0;
    for (; is_digit(s, at); at++)
        if (!tdl_mul_i64(value, 10, &value) || __builtin_sub_overflow(value, s->text[at] - '0', &value)) return false;
    if (at == first || (s->text[first] == '0' && at > first + 1)) return false;
    if (at < s->size && strchr(".eE", s->text[at]) && s->text[at]) return false;
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value)) return false;
    s->at = at;
    *out = value;
    return true;
}

tdl_status tdl_json_scan_skip(tdl_json_scan *s) { return skip_value(s, 0); }

tdl_status tdl_json_scan_end(tdl_json_scan *s) {
    tdl_json_scan_peek(s);
    return s->at == s->size ? TDL_OK : tdl_json_scan_fail(s, s->at, "expected the end");
}

tdl_status tdl_json_scan_fail(const tdl_json_scan *s, size_t at, const char *fault) {
    int line = 1, column = 1;
    for (size_t i = 0; i < at && i < s->size; i++) {
        if (s->text[i] == '\n') line++, column = 1;
        else column += ((unsigned char)s->text[i] & 0xC0) != 0x80;
    }
    return tdl_fail(s->err, TDL_ERROR_FORMAT, "json: %s: line %d, column %d: %s", s->what, line, column,
                    at < s->size ? fault : "the text ends too early");
}

static tdl_status skip_value(tdl_json_scan *s, int depth) {
    char c = tdl_json_scan_peek(s), close = c == '{' ? '}' : ']';
    tdl_text text;
    if (c == '"') return tdl_json_scan_string(s, &text);
    if (c == '-' || is_digit(s, s->at)) return skip_number(s);
    if (c != '{' && c != '[') return skip_word(s);
    if (depth == SCAN_DEPTH_MAX) return tdl_json_scan_fail(s, s->at, "values nested over 64 deep");
    tdl_status status = tdl_json_scan_open(s, c);
    for (bool more; !status && !(status = tdl_json_scan_more(s, close, &more)) && more;) {
        if (c == '{') status = tdl_json_scan_key(s, &text);
        if (!status) status = skip_value(s, depth + 1);
    }
    return status;
}

static tdl_status skip_number(tdl_json_scan *s) {
    size_t at = s->at + (s->text[s->at] == '-');
    bool ok = is_digit(s, at), zero = ok && s->text[at] == '0';
    for (size_t first = at; is_digit(s, at); at++) ok = ok && (!zero || at == first);
    if (ok && at < s->size && s->text[at] == '.') {
        ok = is_digit(s, ++at);
        while (is_digit(s, at)) at++;
    }
    if (ok && at < s->size && (s->text[at] == 'e' || s->text[at] == 'E')) {
        at++;
        if (at < s->size && (s->text[at] == '+' || s->text[at] == '-')) at++;
        ok = is_digit(s, at);
        while (is_digit(s, at)) at++;
    }
    if (!ok) return tdl_json_scan_fail(s, s->at, "a number that is none");
    s->at = at;
    return TDL_OK;
}

static tdl_status skip_word(tdl_json_scan *s) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (s->size - s->at < n || memcmp(s->text + s->at, words[i], n) != 0) continue;
        s->at += n;
        return TDL_OK;
    }
    return tdl_json_scan_fail(s, s->at, "expected a value");
}

// The text between quotes, which is known to end and to have a character after each backslash.
static tdl_status unescape(tdl_json_scan *s, size_t begin, size_t end, tdl_text *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *copy = tdl_arena_alloc(s->arena, end - begin + 1, 1); // an escape is never shorter than what it stands for
    if (!copy) return tdl_fail(s->err, TDL_ERROR_MEMORY, "json: %s: no memory for a string", s->what);
    size_t n = 0;
    for (size_t at = begin; at < end;) {
        if (s->text[at] != '\\') {
            copy[n++] = s->text[at++];
            continue;
        }
        char c = s->text[at + 1];
        const char *simple = c ? strchr(from, c) : NULL;
        if (simple) {
            copy[n++] = to[simple - from];
            at += 2;
            continue;
        }
        uint32_t code, low;
        if (c != 'u' || !read_hex(s->text + at + 2, end - at - 2, &code))
            return tdl_json_scan_fail(s, at, "an escape that is none");
        at += 6;
        if (code >= 0xD800 && code < 0xE000) {
            bool pair = code < 0xDC00 && end - at >= 6 && s->text[at] == '\\' && s->text[at + 1] == 'u' &&
                        read_hex(s->text + at + 2, end - at - 2, &low) && low >= 0xDC00 && low < 0xE000;
            if (!pair) return tdl_json_scan_fail(s, at - 6, "half of a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        n += tdl_utf8_encode(code, copy + n);
    }
    *out = tdl_text_of(copy, n);
    return TDL_OK;
}

static bool read_hex(const char *text, size_t left, uint32_t *out) {
    if (left < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        uint32_t digit;
        if (c >= '0' && c <= '9') digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f') digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F') digit = (uint32_t)(c - 'A') + 10;
        else return false;
        *out = *out * 16 + digit;
    }
    return true;
}

static bool is_digit(const tdl_json_scan *s, size_t at) {
    return at < s->size && s->text[at] >= '0' && s->text[at] <= '9';
}
