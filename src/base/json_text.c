// SPDX-License-Identifier: MIT
// json_text.c - what Python's json reads and Jansson does not, replaced. See json_text.h.
//
// Only the places that may need it are understood: strings, their escapes, and what begins like a number or a word. All
// else goes through as it is, faults too, so that Jansson alone says what is no JSON. A replacement outside strings has
// blanks round it: "1NaN" must not become one number.
#include "base/json_text.h"

#include <stdint.h>
#include <string.h>

// The digits of DBL_MAX and half a unit in its last place: from here on a double is infinite.
static const char overflow_digits[] = "1797693134862315807937289714";
enum { OVERFLOW_EXPONENT = 308 };
#define EXPONENT_LIMIT 1000000000000 // no text has so many digits that they could make up for it

static void take_number(tdl_json_text *t);
static void take_escape(tdl_json_text *t);
static bool is_key(tdl_json_text *t);

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool starts(const tdl_json_text *t, size_t at, const char *word) {
    size_t size = strlen(word);
    return t->size - at >= size && memcmp(t->text + at, word, size) == 0;
}

static void take(tdl_json_text *t, size_t n) { t->at += n; }

static void replace(tdl_json_text *t, size_t n, const char *by) {
    t->at += n;
    t->piece = by;
    t->piece_size = strlen(by);
    t->replaced = true;
}

// Bytes that need no look: up to a quote, or what a number or one of Python's words begins with.
static size_t plain_size(const tdl_json_text *t) {
    const char *p = t->text + t->at, *end = t->text + t->size;
    while (p < end && *p != '"' && *p != '-' && *p != 'N' && *p != 'I' && !is_digit(*p)) p++;
    return (size_t)(p - (t->text + t->at));
}

static size_t plain_string_size(const tdl_json_text *t) {
    const char *p = t->text + t->at, *end = t->text + t->size;
    while (p < end && *p != '"' && *p != '\\') p++;
    return (size_t)(p - (t->text + t->at));
}

tdl_json_text tdl_json_text_make(const char *text, size_t size) {
    return (tdl_json_text){.text = text, .size = size, .looked_up = SIZE_MAX};
}

bool tdl_json_text_next(tdl_json_text *t) {
    if (t->at == t->size && !t->owes_exponent) return false;
    t->piece_at = t->at;
    t->replaced = false;
    if (t->owes_exponent) {
        t->owes_exponent = false;
        replace(t, 0, "e0");
        return true;
    }
    size_t plain = t->in_string ? plain_string_size(t) : plain_size(t);
    char c = t->text[t->at];
    if (plain) {
        take(t, plain);
    } else if (c == '"') {
        t->in_string = !t->in_string;
        t->string_at = t->at;
        take(t, 1);
    } else if (t->in_string) {
        take_escape(t);
    } else if (starts(t, t->at, "NaN")) {
        replace(t, 3, " 1.7976931348623155e308 ");
    } else if (starts(t, t->at, "Infinity")) {
        replace(t, 8, " 1.7976931348623157e308 ");
    } else if (starts(t, t->at, "-Infinity")) {
        replace(t, 9, " -1.7976931348623157e308 ");
    } else if (c == '-' || is_digit(c)) {
        take_number(t);
    } else {
        take(t, 1); // a word that is none of Python's
    }
    if (!t->replaced) {
        t->piece = t->text + t->piece_at;
        t->piece_size = t->at - t->piece_at;
    }
    return true;
}

size_t tdl_json_text_origin(const char *text, size_t size, size_t offset) {
    tdl_json_text t = tdl_json_text_make(text, size);
    while (tdl_json_text_next(&t)) {
        if (offset < t.piece_size) return t.replaced ? t.piece_at : t.piece_at + offset;
        offset -= t.piece_size;
    }
    return size;
}

// ---- numbers

typedef struct lexeme {
    const char *start, *end;
    const char *digits;  // the first that is not zero; end where all are
    int64_t n_integer;   // digits before the point, from `digits` on; below 0: zeros after the point before `digits`
    int64_t exponent;    // as written, up to about EXPONENT_LIMIT either way
    bool negative, real; // real: a point or an exponent
} lexeme;

static const char *skip_digits(const char *p, const char *end, lexeme *n) {
    for (; p < end && is_digit(*p); p++) {
        if (n->digits || *p != '0') {
            if (!n->digits) n->digits = p;
            if (!n->real) n->n_integer++;
        } else if (n->real) {
            n->n_integer--;
        }
    }
    return p;
}

static lexeme scan(const char *p, const char *end) {
    lexeme n = {.start = p};
    if (*p == '-') n.negative = true, p++;
    p = skip_digits(p, end, &n);
    if (end - p >= 2 && *p == '.' && is_digit(p[1])) {
        n.real = true;
        p = skip_digits(p + 1, end, &n);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1;
        bool down = q < end && *q == '-';
        if (q < end && (*q == '-' || *q == '+')) q++;
        if (q < end && is_digit(*q)) {
            for (; q < end && is_digit(*q); q++)
                if (n.exponent < EXPONENT_LIMIT) n.exponent = n.exponent * 10 + (*q - '0');
            if (down) n.exponent = -n.exponent;
            n.real = true;
            p = q;
        }
    }
    n.end = p;
    return n;
}

// Whether the digits, from the first that is not zero on, are at least as large as `limit`'s, taken as 0.d1d2d3...
static bool reaches(const lexeme *n, const char *limit) {
    const char *p = n->digits;
    for (; *limit; limit++) {
        if (p < n->end && *p == '.') p++;
        char digit = p < n->end && is_digit(*p) ? *p++ : '0';
        if (digit != *limit) return digit > *limit;
    }
    return true;
}

static bool is_infinite(const lexeme *n) {
    if (!n->digits) return false;
    int64_t exponent = n->n_integer - 1 + n->exponent; // the number is d.ddd times ten to this
    return exponent > OVERFLOW_EXPONENT || (exponent == OVERFLOW_EXPONENT && reaches(n, overflow_digits));
}

static bool fits_int64(const lexeme *n) {
    static const char positive[] = "9223372036854775808", negative[] = "9223372036854775809";
    return n->n_integer < 19 || (n->n_integer == 19 && !reaches(n, n->negative ? negative : positive));
}

static void take_number(tdl_json_text *t) {
    lexeme n = scan(t->text + t->at, t->text + t->size);
    size_t size = (size_t)(n.end - n.start);
    size_t sign = n.negative;
    bool faulty = size == sign || n.start[sign] == '.' ||
                  (size > sign + 1 && n.start[sign] == '0' && is_digit(n.start[sign + 1]));
    if (faulty) take(t, size); // Jansson says so
    else if (is_infinite(&n)) replace(t, size, n.negative ? " -1.7976931348623157e308 " : " 1.7976931348623157e308 ");
    else take(t, size);
    t->owes_exponent = !t->replaced && !n.real && !fits_int64(&n);
}

// ---- escapes

static int hex4(const tdl_json_text *t, size_t at) {
    int value = 0;
    if (t->size - at < 6 || t->text[at] != '\\' || t->text[at + 1] != 'u') return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = t->text[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void take_escape(tdl_json_text *t) {
    int code = hex4(t, t->at);
    if (code >= 0xD800 && code < 0xDC00) {
        int low = t->size - t->at >= 12 ? hex4(t, t->at + 6) : -1;
        if (low >= 0xDC00 && low < 0xE000) take(t, 12);
        else replace(t, 6, "\\ufffd");
    } else if (code >= 0xDC00 && code < 0xE000) {
        replace(t, 6, "\\ufffd");
    } else if (code == 0 && is_key(t)) {
        replace(t, 6, "\\ufdd0");
    } else {
        take(t, code >= 0 ? 6 : t->size - t->at >= 2 ? 2 : 1);
    }
}

// Looked up once a string.
static bool is_key(tdl_json_text *t) {
    if (t->looked_up == t->string_at) return t->string_is_key;
    size_t i = t->at;
    while (i < t->size && t->text[i] != '"') i += t->text[i] == '\\' ? 2 : 1;
    for (i++; i < t->size && strchr(" \t\r\n", t->text[i]);) i++;
    t->looked_up = t->string_at;
    t->string_is_key = i < t->size && t->text[i] == ':';
    return t->string_is_key;
}
