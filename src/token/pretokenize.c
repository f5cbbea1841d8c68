// SPDX-License-Identifier: MIT
// pretokenize.c - runs the steps of a pre-tokenizer.
//
// A step that splits only rewrites the list of pieces; a step that changes text writes all pieces into a new text. Regexes
// see each piece as a subject of its own, as the tokenizers that the patterns come from do: a look-ahead does not see past
// the piece's end.
#include "token/pretokenize.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "token/normalize.h"

#include <string.h>

typedef struct span {
    size_t begin, end;
    bool match;
} span;

static bool cut_invalid(tdl_pieces *pieces);
static tdl_status split_pieces(const tdl_pretokenizer *p, tdl_regex_scratch *scratch, tdl_pieces *pieces,
                               tdl_error *err);
static tdl_status find_spans(const tdl_pretokenizer *p, tdl_regex_scratch *scratch, tdl_text text, tdl_vec *spans,
                             tdl_error *err);
static bool add_span(const tdl_pretokenizer *p, tdl_vec *spans, size_t begin, size_t end, bool match);
static bool add_pieces(tdl_split_behavior behavior, const tdl_vec *spans, size_t base, tdl_vec *pieces);
static bool add_merged_with_next(const tdl_vec *spans, size_t base, tdl_vec *pieces);
static void drop_empty(tdl_vec *pieces, size_t first);
static bool rewrite_pieces(const tdl_pretokenizer *p, bool first, size_t size_max, tdl_pieces *pieces);

tdl_status tdl_pretokenizer_init(const tdl_allocator *mem, tdl_pretokenizer *p, const tdl_pretokenizer_desc *desc,
                                 tdl_error *err) {
    *p = (tdl_pretokenizer){.kind = desc->kind,
                            .behavior = desc->behavior,
                            .invert = desc->invert,
                            .first_only = desc->first_only,
                            .pattern_size = desc->pattern.size,
                            .content_size = desc->content.size};
    if (desc->kind < TDL_PRETOKENIZER_SPLIT || desc->kind > TDL_PRETOKENIZER_PREFIX) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer: pre-tokenizer kind %d is unknown", (int)desc->kind);
    }
    if (desc->kind != TDL_PRETOKENIZER_PREFIX && desc->pattern.size == 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: a pre-tokenizer has an empty pattern");
    }
    if (!tdl_utf8_valid(desc->pattern.ptr, desc->pattern.size) ||
        !tdl_utf8_valid(desc->content.ptr, desc->content.size)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: a pre-tokenizer's pattern is not valid UTF-8");
    }
    p->content = tdl_strndup(mem, desc->content.ptr, desc->content.size);
    p->pattern = tdl_strndup(mem, desc->pattern.ptr, desc->pattern.size);
    if (!p->content || !p->pattern) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for a pre-tokenizer");
    if (desc->kind == TDL_PRETOKENIZER_SPLIT && desc->is_regex) {
        return tdl_regex_create(mem, desc->pattern, &p->regex, err);
    }
    return TDL_OK;
}

void tdl_pretokenizer_deinit(const tdl_allocator *mem, tdl_pretokenizer *p) {
    tdl_regex_destroy(p->regex);
    tdl_free(mem, p->content);
    tdl_free(mem, p->pattern);
    *p = (tdl_pretokenizer){0};
}

void tdl_pieces_init(tdl_pieces *pieces, const tdl_allocator *mem) {
    pieces->text = pieces->next_text = tdl_str_make(mem);
    pieces->pieces = pieces->next_pieces = tdl_vec_make(mem, sizeof(tdl_piece));
    pieces->spans = tdl_vec_make(mem, sizeof(span));
}

void tdl_pieces_deinit(tdl_pieces *pieces) {
    tdl_str_deinit(&pieces->text);
    tdl_str_deinit(&pieces->next_text);
    tdl_vec_deinit(&pieces->pieces);
    tdl_vec_deinit(&pieces->next_pieces);
    tdl_vec_deinit(&pieces->spans);
}

tdl_status tdl_pretokenize(const tdl_pretokenizer *steps, size_t n_steps, tdl_regex_scratch *scratch, bool first,
                           size_t size_max, tdl_pieces *pieces, tdl_error *err) {
    bool ok = cut_invalid(pieces);
    for (size_t i = 0; i < n_steps && ok; i++) {
        if (steps[i].kind == TDL_PRETOKENIZER_SPLIT) {
            tdl_status status = split_pieces(&steps[i], scratch, pieces, err);
            if (status < 0) return status;
        } else ok = rewrite_pieces(&steps[i], first, size_max, pieces);
        if (ok && pieces->text.size > size_max)
            return tdl_fail(
                err, TDL_ERROR_LIMIT,
                "tokenizer: pre-tokenizer %zu of %zu makes the text longer than %zu bytes, which is allowed "
                "here: %d times its size and %d more",
                i + 1, n_steps, size_max, TDL_NORMALIZED_GROWTH_MAX, TDL_NORMALIZED_EXTRA_MAX);
    }
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory to cut %zu bytes", pieces->text.size);
}

// The first list of pieces: stretches of valid UTF-8, and of other bytes.
static bool cut_invalid(tdl_pieces *pieces) {
    tdl_text text = tdl_text_of(pieces->text.ptr, pieces->text.size);
    pieces->pieces.n = 0;
    for (size_t pos = 0, n; pos < text.size;) {
        size_t end = tdl_valid_run(text, pos);
        tdl_piece piece = {.begin = pos, .end = end, .raw = end == pos};
        while (piece.raw && end < text.size &&
               tdl_utf8_decode(text.ptr + end, text.size - end, &n) == TDL_UTF8_INVALID) {
            piece.end = ++end;
        }
        if (!tdl_vec_push(&pieces->pieces, &piece, 1)) return false;
        pos = end;
    }
    return true;
}

static tdl_status split_pieces(const tdl_pretokenizer *p, tdl_regex_scratch *scratch, tdl_pieces *pieces,
                               tdl_error *err) {
    pieces->next_pieces.n = 0;
    for (size_t i = 0; i < pieces->pieces.n; i++) {
        tdl_piece piece = *tdl_vec_at(&pieces->pieces, tdl_piece, i);
        tdl_text text = tdl_text_of(pieces->text.ptr + piece.begin, piece.end - piece.begin);
        bool ok;
        if (piece.raw) ok = tdl_vec_push(&pieces->next_pieces, &piece, 1);
        else {
            tdl_status status = find_spans(p, scratch, text, &pieces->spans, err);
            if (status < 0) return status;
            ok = add_pieces(p->behavior, &pieces->spans, piece.begin, &pieces->next_pieces);
        }
        if (!ok) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory to cut %zu bytes", pieces->text.size);
    }
    tdl_vec swap = pieces->pieces;
    pieces->pieces = pieces->next_pieces;
    pieces->next_pieces = swap;
    return TDL_OK;
}

// The whole of `text` as spans: matches, which may be empty, and what lies between.
static tdl_status find_spans(const tdl_pretokenizer *p, tdl_regex_scratch *scratch, tdl_text text, tdl_vec *spans,
                             tdl_error *err) {
    size_t done = 0, from = 0, begin, end, step;
    bool ok = true;
    spans->n = 0;
    while (from < text.size && ok) {
        if (p->regex) {
            tdl_status status = tdl_regex_find(p->regex, scratch, text, from, &begin, &end, err);
            if (status < 0) return status;
            if (status == TDL_DONE) break;
        } else {
            const char *found = memmem(text.ptr + from, text.size - from, p->pattern, p->pattern_size);
            if (!found) break;
            begin = (size_t)(found - text.ptr);
            end = begin + p->pattern_size;
        }
        from = end;
        if (begin == end && end < text.size) { // after an empty match, look again from the next character
            tdl_utf8_decode(text.ptr + end, text.size - end, &step);
            from = end + step;
        }
        if (begin == end && begin == done && begin > 0) continue; // empty right after a match: not one
        ok = (done == begin || add_span(p, spans, done, begin, false)) && add_span(p, spans, begin, end, true);
        done = end;
    }
    if (ok && (done == text.size || add_span(p, spans, done, text.size, false))) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory to cut %zu bytes", text.size);
}

static bool add_span(const tdl_pretokenizer *p, tdl_vec *spans, size_t begin, size_t end, bool match) {
    span s = {.begin = begin, .end = end, .match = match != p->invert};
    return tdl_vec_push(spans, &s, 1);
}

// The pieces that a behavior makes of spans; `base` is where the spans' text begins.
static bool add_pieces(tdl_split_behavior behavior, const tdl_vec *spans, size_t base, tdl_vec *pieces) {
    size_t first = pieces->n;
    bool last_match = false;
    if (behavior == TDL_SPLIT_MERGED_WITH_NEXT) {
        if (!add_merged_with_next(spans, base, pieces)) return false;
        drop_empty(pieces, first);
        return true;
    }
    for (size_t i = 0; i < spans->n; i++) {
        const span *s = tdl_vec_at(spans, span, i);
        tdl_piece piece = {.begin = base + s->begin, .end = base + s->end};
        bool merge = false;
        if (behavior == TDL_SPLIT_CONTIGUOUS) merge = i > 0 && s->match == last_match;
        if (behavior == TDL_SPLIT_MERGED_WITH_PREVIOUS) merge = i > 0 && s->match && !last_match;
        last_match = s->match;
        if (behavior == TDL_SPLIT_REMOVED && s->match) continue;
        if (merge) tdl_vec_at(pieces, tdl_piece, pieces->n - 1)->end = piece.end;
        else if (!tdl_vec_push(pieces, &piece, 1)) return false;
    }
    drop_empty(pieces, first);
    return true;
}

static void drop_empty(tdl_vec *pieces, size_t first) {
    tdl_piece *all = pieces->data;
    size_t n = first;
    for (size_t i = first; i < pieces->n; i++) {
        if (all[i].begin < all[i].end) all[n++] = all[i];
    }
    pieces->n = n;
}

// Of several matches in a row the last goes with the next text.
static bool add_merged_with_next(const tdl_vec *spans, size_t base, tdl_vec *pieces) {
    for (size_t i = 0; i < spans->n; i++) {
        const span *s = tdl_vec_at(spans, span, i);
        tdl_piece piece = {.begin = base + s->begin, .end = base + s->end};
        if (s->match && i + 1 < spans->n && !s[1].match) {
            piece.end = base + s[1].end;
            i++;
        }
        if (!tdl_vec_push(pieces, &piece, 1)) return false;
    }
    return true;
}

// REPLACE and PREFIX: writes all pieces anew.
static bool rewrite_pieces(const tdl_pretokenizer *p, bool first, size_t size_max, tdl_pieces *pieces) {
    tdl_str *out = &pieces->next_text;
    tdl_text content = tdl_text_of(p->content, p->content_size), pattern = tdl_text_of(p->pattern, p->pattern_size);
    size_t n_kept = 0;
    tdl_str_clear(out);
    for (size_t i = 0; i < pieces->pieces.n && out->size <= size_max; i++) {
        tdl_piece piece = *tdl_vec_at(&pieces->pieces, tdl_piece, i);
        tdl_text text = tdl_text_of(pieces->text.ptr + piece.begin, piece.end - piece.begin);
        bool at_first = first && piece.begin == 0;
        piece.begin = out->size;
        if (p->kind == TDL_PRETOKENIZER_REPLACE) tdl_replace_append(out, text, pattern, content, size_max);
        else {
            bool has = text.size >= content.size && memcmp(text.ptr, content.ptr, content.size) == 0;
            if (!has && (at_first || !p->first_only)) tdl_str_append(out, content.ptr, content.size);
            tdl_str_append(out, text.ptr, text.size);
        }
        piece.end = out->size;
        if (piece.begin < piece.end) *tdl_vec_at(&pieces->pieces, tdl_piece, n_kept++) = piece;
    }
    pieces->pieces.n = n_kept;
    tdl_str swap = pieces->text;
    pieces->text = pieces->next_text;
    pieces->next_text = swap;
    return !pieces->text.failed;
}
