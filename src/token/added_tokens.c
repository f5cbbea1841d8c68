// SPDX-License-Identifier: MIT
// added_tokens.c - a sorted list of texts, walked byte by byte.
//
// The tokens that begin with the text's next bytes are a range of the sorted list; each further byte narrows it by two
// binary searches. Most positions end at the table of first bytes. A position costs at most the longest token's length,
// which is limited, so finding is linear in the text. This needs no memory but the list: no automaton is built for
// hundreds of tokens of which a text has a handful.
#include "token/added_tokens.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "token/regex.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int compare_tokens(const void *a, const void *b);
static bool longest_at(const tdl_added_tokens *added, tdl_text text, size_t pos, bool special, tdl_added_match *out);
static size_t first_not_below(const tdl_added_token *tokens, size_t lo, size_t hi, size_t depth, int byte);
static bool allowed(const tdl_added_tokens *added, tdl_text text, bool special, const tdl_added_match *match);
static uint32_t char_before(tdl_text text, size_t pos, size_t *begin);
static bool is_word(uint32_t c);
static void take_spaces(tdl_text text, size_t from, uint8_t flags, tdl_added_match *match);

void tdl_added_tokens_init(tdl_added_tokens *added, const tdl_vocab *vocab, const tdl_allocator *mem) {
    *added = (tdl_added_tokens){.mem = mem, .vocab = vocab, .tokens = tdl_vec_make(mem, sizeof(tdl_added_token))};
    tdl_arena_init(&added->arena, mem);
}

void tdl_added_tokens_deinit(tdl_added_tokens *added) {
    if (!added->mem) return;
    tdl_vec_deinit(&added->tokens);
    tdl_arena_deinit(&added->arena);
}

tdl_status tdl_added_tokens_put(tdl_added_tokens *added, tdl_text text, int32_t id, tdl_error *err) {
    if (text.size > TDL_ADDED_TOKEN_SIZE_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: added token %d: %zu bytes, at most %d", id, text.size,
                        TDL_ADDED_TOKEN_SIZE_MAX);
    }
    tdl_added_token token = {.text = {tdl_arena_strndup(&added->arena, text.ptr, text.size), text.size}, .id = id};
    if (token.text.ptr && tdl_vec_push(&added->tokens, &token, 1)) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for added tokens");
}

void tdl_added_tokens_finish(tdl_added_tokens *added) {
    if (added->tokens.n == 0) return;
    tdl_added_token *tokens = added->tokens.data;
    qsort(tokens, added->tokens.n, sizeof *tokens, compare_tokens);
    size_t n = 1; // of equal texts the first stays
    for (size_t i = 1; i < added->tokens.n; i++) {
        if (!tdl_text_equal(tokens[i].text, tokens[n - 1].text)) tokens[n++] = tokens[i];
    }
    added->tokens.n = n;
    for (size_t b = 0, i = 0; b <= 256; b++) {
        while (i < n && (unsigned char)tokens[i].text.ptr[0] < b) i++;
        added->first[b] = (uint32_t)i;
    }
}

bool tdl_added_tokens_find(const tdl_added_tokens *added, tdl_text text, size_t from, bool special,
                           tdl_added_match *out) {
    if (added->tokens.n == 0) return false;
    for (size_t pos = from; pos < text.size; pos++) {
        unsigned char byte = (unsigned char)text.ptr[pos];
        if (added->first[byte] == added->first[byte + 1]) continue;
        if (!longest_at(added, text, pos, special, out)) continue;
        take_spaces(text, from, added->vocab->flags[out->id], out);
        return true;
    }
    return false;
}

static int compare_tokens(const void *a, const void *b) {
    const tdl_added_token *x = a, *y = b;
    size_t n = x->text.size < y->text.size ? x->text.size : y->text.size;
    int order = memcmp(x->text.ptr, y->text.ptr, n);
    if (order == 0) order = (x->text.size > y->text.size) - (x->text.size < y->text.size);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

// The longest token at text[pos] that may match there.
static bool longest_at(const tdl_added_tokens *added, tdl_text text, size_t pos, bool special, tdl_added_match *out) {
    const tdl_added_token *tokens = added->tokens.data;
    unsigned char byte = (unsigned char)text.ptr[pos];
    size_t lo = added->first[byte], hi = added->first[byte + 1];
    bool found = false;
    for (size_t depth = 1; lo < hi; depth++) {
        if (tokens[lo].text.size == depth) { // the shortest of the range comes first
            tdl_added_match match = {.id = tokens[lo].id, .begin = pos, .end = pos + depth};
            if (allowed(added, text, special, &match)) {
                *out = match;
                found = true;
            }
            lo++;
        }
        if (pos + depth >= text.size) break;
        byte = (unsigned char)text.ptr[pos + depth];
        lo = first_not_below(tokens, lo, hi, depth, byte);
        hi = first_not_below(tokens, lo, hi, depth, byte + 1);
    }
    return found;
}

// The first token of [lo, hi) whose byte at `depth` is not below `byte`. All of them are longer than depth.
static size_t first_not_below(const tdl_added_token *tokens, size_t lo, size_t hi, size_t depth, int byte) {
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((unsigned char)tokens[mid].text.ptr[depth] < byte) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static bool allowed(const tdl_added_tokens *added, tdl_text text, bool special, const tdl_added_match *match) {
    if (!special && tdl_vocab_is_special(added->vocab, match->id)) return false;
    if (!(added->vocab->flags[match->id] & TDL_TOKEN_SINGLE_WORD)) return true;
    size_t n;
    if (match->begin > 0 && is_word(char_before(text, match->begin, &n))) return false;
    return match->end == text.size || !is_word(tdl_utf8_decode(text.ptr + match->end, text.size - match->end, &n));
}

// The character that ends at pos > 0, or TDL_UTF8_INVALID, and where it begins.
static uint32_t char_before(tdl_text text, size_t pos, size_t *begin) {
    size_t at = pos - 1, n;
    while (at > 0 && pos - at < 4 && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) at--;
    uint32_t c = tdl_utf8_decode(text.ptr + at, pos - at, &n);
    if (n != pos - at) c = TDL_UTF8_INVALID;
    *begin = c == TDL_UTF8_INVALID ? pos - 1 : at;
    return c;
}

static bool is_word(uint32_t c) {
    if (c == TDL_UTF8_INVALID) return false;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
    }
}

static void take_spaces(tdl_text text, size_t from, uint8_t flags, tdl_added_match *match) {
    size_t n, begin;
    while ((flags & TDL_TOKEN_LSTRIP) && match->begin > from && tdl_is_space(char_before(text, match->begin, &begin))) {
        match->begin = begin;
    }
    while ((flags & TDL_TOKEN_RSTRIP) && match->end < text.size &&
           tdl_is_space(tdl_utf8_decode(text.ptr + match->end, text.size - match->end, &n))) {
        match->end += n;
    }
}
