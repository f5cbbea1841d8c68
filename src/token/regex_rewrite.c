// SPDX-License-Identifier: MIT
// regex_rewrite.c - the differences between two regex engines that tokenizers' patterns run into.
//
// tokenizer.json's patterns are matched by Oniguruma. Its \s is Unicode's White_Space, where PCRE2 adds U+180E (white space
// until Unicode 6.3); its \w has marks and all connectors; its \h is a hexadecimal digit; a class may stand inside a class.
// The pattern is walked once, with only enough of the syntax known to tell what is escaped and what is in a class. The sets
// are written out, which also makes them independent of PCRE2's version. What cannot be carried over is an error.
#include "token/regex_rewrite.h"

#include "base/error.h"

#include <string.h>

#define SPACES "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define WORD_CHARS "\\p{L}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX_DIGITS "0-9A-Fa-f"

typedef struct rewriter {
    tdl_text pattern;
    size_t pos;
    int depth; // of classes
    tdl_str *out;
    const char *unsupported; // what is, once something was found
} rewriter;

static void rewrite_escape(rewriter *r);
static void rewrite_class(rewriter *r);
static void check_group(rewriter *r);
static void copy(rewriter *r, size_t n);
static char ahead(const rewriter *r, size_t n);

tdl_status tdl_regex_rewrite(tdl_text pattern, tdl_str *out, tdl_error *err) {
    rewriter r = {.pattern = pattern, .out = out};
    // White space at the end of a line. As written it is tried from every character of a run of spaces, and each time up to
    // the run's end. A match can only begin where a run does.
    if (tdl_text_is(pattern, "\\s+$")) tdl_str_append(out, "(?<![" SPACES "])", sizeof "(?<![" SPACES "])" - 1);
    while (r.pos < pattern.size && !r.unsupported) {
        char c = pattern.ptr[r.pos];
        if (c == '\\') rewrite_escape(&r);
        else if (c == '[' || r.depth > 0) rewrite_class(&r);
        else {
            if (c == '(' && ahead(&r, 1) == '?') check_group(&r);
            copy(&r, 1);
        }
    }
    if (r.unsupported) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer: regex '%.*s': %s is not supported, at byte %zu",
                        (int)(pattern.size < 200 ? pattern.size : 200), pattern.ptr, r.unsupported, r.pos);
    }
    return out->failed ? tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for a regular expression") : TDL_OK;
}

// An escape that stands for a set becomes the set.
static void rewrite_escape(rewriter *r) {
    static const struct {
        char escape;
        bool negated;
        const char *set;
    } sets[] = {{'s', false, SPACES},    {'S', true, SPACES},      {'w', false, WORD_CHARS},
                {'W', true, WORD_CHARS}, {'h', false, HEX_DIGITS}, {'H', true, HEX_DIGITS}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (ahead(r, 1) != sets[i].escape) continue;
        if (r->depth > 0 && sets[i].negated) {
            if (sets[i].escape == 'S') break; // PCRE2's own differs in one character
            r->unsupported = "\\W or \\H in a class";
            return;
        }
        if (r->depth > 0) tdl_str_format(r->out, "%s", sets[i].set);
        else tdl_str_format(r->out, sets[i].negated ? "[^%s]" : "[%s]", sets[i].set);
        r->pos += 2;
        if (r->depth > 0 && ahead(r, 0) == '-') { // itself: it must not make a range with the set's last character
            tdl_str_append(r->out, "\\-", 2);
            r->pos++;
        }
        return;
    }
    copy(r, 2);
}

// One step inside a class, or the bracket that begins one. A class in a class is flattened: its members join the outer's.
static void rewrite_class(rewriter *r) {
    char c = r->pattern.ptr[r->pos];
    if (c == '[' && r->depth > 0 && ahead(r, 1) == ':') { // a POSIX class, [:alpha:]
        const char *p = r->pattern.ptr + r->pos, *end = memmem(p, r->pattern.size - r->pos, ":]", 2);
        copy(r, end ? (size_t)(end - p) + 2 : 1);
    } else if (c == '[' && r->depth > 0) {
        if (ahead(r, 1) == '^') r->unsupported = "a negated class in a class";
        r->depth++;
        r->pos++;
    } else if (c == '[') {
        r->depth = 1;
        copy(r, 1);
        if (ahead(r, 0) == '^') copy(r, 1);
        if (ahead(r, 0) == ']') copy(r, 1); // at the beginning it is a member
    } else if (c == ']') {
        r->depth--;
        if (r->depth == 0) copy(r, 1);
        else r->pos++;
    } else if (c == '&' && ahead(r, 1) == '&') r->unsupported = "an intersection of classes";
    else copy(r, 1);
}

// (?m) lets the dot match a newline in Oniguruma, and is something else in PCRE2.
static void check_group(rewriter *r) {
    for (size_t n = 2;; n++) {
        char c = ahead(r, n);
        if (c == 'm') r->unsupported = "the flag m";
        if (c != '-' && !(c >= 'a' && c <= 'z')) return;
    }
}

static void copy(rewriter *r, size_t n) {
    if (n > r->pattern.size - r->pos) n = r->pattern.size - r->pos;
    tdl_str_append(r->out, r->pattern.ptr + r->pos, n);
    r->pos += n;
}

// The character n bytes on, or NUL.
static char ahead(const rewriter *r, size_t n) {
    return r->pattern.size - r->pos > n ? r->pattern.ptr[r->pos + n] : '\0';
}
