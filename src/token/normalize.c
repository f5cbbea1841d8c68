// SPDX-License-Identifier: MIT
// normalize.c - Unicode forms, lower case, replacements.
//
// utf8proc knows the characters' decompositions and compositions. The ordering of marks between the two is done here:
// utf8proc's is an insertion sort, quadratic in the length of a run of marks, and such runs can be made as long as the
// text. A form never reaches across an ASCII character, so only the stretches between them are converted.
#include "token/normalize.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

static tdl_status apply(const tdl_normalizer *n, tdl_regex_scratch *scratch, tdl_text text, size_t size_max,
                        tdl_str *out, tdl_error *err);
static bool apply_form(tdl_normalizer_kind kind, tdl_text text, tdl_str *out);
static bool append_form(tdl_normalizer_kind kind, tdl_text text, tdl_vec *chars, tdl_vec *marks, tdl_str *out);
static bool order_marks(tdl_vec *chars, tdl_vec *marks);
static void map_chars(tdl_normalizer_kind kind, tdl_text text, tdl_str *out);
static bool is_mark(uint32_t c);
static tdl_text strip(tdl_text text, bool left, bool right);
static tdl_status replace_matches(const tdl_normalizer *n, tdl_regex_scratch *scratch, tdl_text text, size_t size_max,
                                  tdl_str *out, tdl_error *err);

tdl_status tdl_normalizer_init(const tdl_allocator *mem, tdl_normalizer *n, const tdl_normalizer_desc *desc,
                               tdl_error *err) {
    *n = (tdl_normalizer){.kind = desc->kind, .left = desc->left, .right = desc->right};
    if (desc->kind < TDL_NORMALIZER_NFC || desc->kind > TDL_NORMALIZER_REPLACE) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer: normalizer kind %d is unknown", (int)desc->kind);
    }
    if (desc->kind == TDL_NORMALIZER_REPLACE && desc->pattern.size == 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: a normalizer replaces an empty pattern");
    }
    n->content_size = desc->content.size;
    n->pattern_size = desc->pattern.size;
    n->content = tdl_strndup(mem, desc->content.ptr, desc->content.size);
    n->pattern = tdl_strndup(mem, desc->pattern.ptr, desc->pattern.size);
    if (!n->content || !n->pattern) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for a normalizer");
    if (desc->kind == TDL_NORMALIZER_REPLACE && desc->is_regex)
        return tdl_regex_create(mem, desc->pattern, &n->regex, err);
    return TDL_OK;
}

void tdl_normalizer_deinit(const tdl_allocator *mem, tdl_normalizer *n) {
    tdl_regex_destroy(n->regex);
    tdl_free(mem, n->content);
    tdl_free(mem, n->pattern);
    *n = (tdl_normalizer){0};
}

tdl_status tdl_normalize(const tdl_normalizer *normalizers, size_t n, tdl_regex_scratch *scratch, size_t size_max,
                         tdl_str *text, tdl_str *spare, tdl_error *err) {
    for (size_t i = 0; i < n; i++) {
        tdl_str_clear(spare);
        tdl_status status =
            apply(&normalizers[i], scratch, tdl_text_of(text->ptr ? text->ptr : "", text->size), size_max, spare, err);
        if (status < 0) return status;
        if (spare->failed)
            return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory to normalize %zu bytes", text->size);
        if (spare->size > size_max)
            return tdl_fail(err, TDL_ERROR_LIMIT,
                            "tokenizer: normalizer %zu of %zu makes the text longer than %zu bytes, which is allowed "
                            "here: %d times its size and %d more",
                            i + 1, n, size_max, TDL_NORMALIZED_GROWTH_MAX, TDL_NORMALIZED_EXTRA_MAX);
        tdl_str swap = *text;
        *text = *spare;
        *spare = swap;
    }
    return TDL_OK;
}

void tdl_replace_append(tdl_str *out, tdl_text text, tdl_text pattern, tdl_text content, size_t size_max) {
    size_t pos = 0;
    const char *found;
    while (pos < text.size && out->size <= size_max &&
           (found = memmem(text.ptr + pos, text.size - pos, pattern.ptr, pattern.size))) {
        size_t begin = (size_t)(found - text.ptr);
        tdl_str_append(out, text.ptr + pos, begin - pos);
        tdl_str_append(out, content.ptr, content.size);
        pos = begin + pattern.size;
    }
    tdl_str_append(out, text.ptr + pos, text.size - pos);
}

size_t tdl_valid_run(tdl_text text, size_t from) {
    size_t n;
    while (from < text.size) {
        if ((unsigned char)text.ptr[from] < 0x80) {
            from++;
            continue;
        }
        if (tdl_utf8_decode(text.ptr + from, text.size - from, &n) == TDL_UTF8_INVALID) break;
        from += n;
    }
    return from;
}

// Appends the normalized text to `out`, whose `failed` tells when memory ran out.
static tdl_status apply(const tdl_normalizer *n, tdl_regex_scratch *scratch, tdl_text text, size_t size_max,
                        tdl_str *out, tdl_error *err) {
    switch (n->kind) {
    case TDL_NORMALIZER_NFC:
    case TDL_NORMALIZER_NFD:
    case TDL_NORMALIZER_NFKC:
    case TDL_NORMALIZER_NFKD:
        if (!apply_form(n->kind, text, out)) out->failed = true;
        break;
    case TDL_NORMALIZER_LOWERCASE:
    case TDL_NORMALIZER_STRIP_ACCENTS: map_chars(n->kind, text, out); break;
    case TDL_NORMALIZER_STRIP:
        text = strip(text, n->left, n->right);
        tdl_str_append(out, text.ptr, text.size);
        break;
    case TDL_NORMALIZER_PREPEND:
        if (text.size) tdl_str_append(out, n->content, n->content_size);
        tdl_str_append(out, text.ptr, text.size);
        break;
    case TDL_NORMALIZER_REPLACE:
        if (n->regex) return replace_matches(n, scratch, text, size_max, out, err);
        tdl_replace_append(out, text, tdl_text_of(n->pattern, n->pattern_size),
                           tdl_text_of(n->content, n->content_size), size_max);
        break;
    }
    return TDL_OK;
}

// ---- Unicode forms

static bool apply_form(tdl_normalizer_kind kind, tdl_text text, tdl_str *out) {
    tdl_vec chars = tdl_vec_make(out->mem, sizeof(utf8proc_int32_t)), marks = chars;
    bool ok = true;
    for (size_t pos = 0, end; pos < text.size && ok; pos = end) {
        // A stretch: one ASCII character, where there is one, and the others after it, which may be marks on it.
        end = pos + 1;
        while (end < text.size && (unsigned char)text.ptr[end] < 0x80) end++;
        if (end == text.size) {
            tdl_str_append(out, text.ptr + pos, end - pos);
            break;
        }
        size_t begin = (unsigned char)text.ptr[end - 1] < 0x80 ? end - 1 : pos;
        while (end < text.size && (unsigned char)text.ptr[end] >= 0x80) end++;
        tdl_str_append(out, text.ptr + pos, begin - pos);
        for (size_t at = begin; at < end && ok;) {
            size_t valid = tdl_valid_run(tdl_text_of(text.ptr, end), at);
            ok = append_form(kind, tdl_text_of(text.ptr + at, valid - at), &chars, &marks, out);
            if (valid < end) tdl_str_append(out, text.ptr + valid, 1);
            at = valid < end ? valid + 1 : end;
        }
    }
    tdl_vec_deinit(&chars);
    tdl_vec_deinit(&marks);
    return ok && !out->failed;
}

// Appends the form of valid UTF-8.
static bool append_form(tdl_normalizer_kind kind, tdl_text text, tdl_vec *chars, tdl_vec *marks, tdl_str *out) {
    enum { DECOMPOSITION_MAX = 32 }; // the longest is 18, of U+FDFA
    bool compat = kind == TDL_NORMALIZER_NFKC || kind == TDL_NORMALIZER_NFKD;
    bool compose = kind == TDL_NORMALIZER_NFC || kind == TDL_NORMALIZER_NFKC;
    int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
    int boundclass = UTF8PROC_BOUNDCLASS_START;
    chars->n = 0;
    for (size_t pos = 0, n; pos < text.size; pos += n) {
        utf8proc_int32_t c = (utf8proc_int32_t)tdl_utf8_decode(text.ptr + pos, text.size - pos, &n),
                         parts[DECOMPOSITION_MAX];
        utf8proc_ssize_t n_parts =
            utf8proc_decompose_char(c, parts, DECOMPOSITION_MAX, (utf8proc_option_t)options, &boundclass);
        if (n_parts < 0 || n_parts > DECOMPOSITION_MAX) { // cannot be: then the character stays as it is
            parts[0] = c;
            n_parts = 1;
        }
        if (!tdl_vec_push(chars, parts, (size_t)n_parts)) return false;
    }
    if (chars->n == 0) return true;
    if (!order_marks(chars, marks)) return false;
    utf8proc_int32_t *c = chars->data;
    utf8proc_ssize_t n = (utf8proc_ssize_t)chars->n;
    if (compose) n = utf8proc_normalize_utf32(c, n, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char bytes[4];
        tdl_str_append(out, bytes, tdl_utf8_encode((uint32_t)c[i], bytes));
    }
    return !out->failed;
}

// The canonical ordering: runs of characters with a combining class are sorted by it, stably (Unicode, D109).
static bool order_marks(tdl_vec *chars, tdl_vec *marks) {
    utf8proc_int32_t *c = chars->data;
    for (size_t begin = 0, end; begin < chars->n; begin = end + 1) {
        size_t counts[256] = {0};
        bool sorted = true;
        int last = 0, class;
        for (end = begin; end < chars->n && (class = utf8proc_get_property(c[end])->combining_class) != 0; end++) {
            counts[class & 255]++;
            if (class < last) sorted = false;
            last = class;
        }
        if (sorted) continue;
        // A counting sort: linear, however long the run is.
        marks->n = 0;
        if (!tdl_vec_push(marks, c + begin, end - begin)) return false;
        for (size_t i = 0, at = begin; i < 256; i++) {
            size_t n = counts[i];
            counts[i] = at;
            at += n;
        }
        const utf8proc_int32_t *from = marks->data;
        for (size_t i = 0; i < marks->n; i++)
            c[counts[utf8proc_get_property(from[i])->combining_class & 255]++] = from[i];
    }
    return true;
}

// ---- the simple ones

// Lower case, or no marks, character by character.
static void map_chars(tdl_normalizer_kind kind, tdl_text text, tdl_str *out) {
    for (size_t pos = 0, n; pos < text.size; pos += n) {
        uint32_t c = tdl_utf8_decode(text.ptr + pos, text.size - pos, &n);
        char bytes[4];
        if (kind == TDL_NORMALIZER_STRIP_ACCENTS) {
            if (c != TDL_UTF8_INVALID && is_mark(c)) continue;
        } else if (c == 0x130) { // the one character whose lower case is two
            tdl_str_append(out, "i\u0307", 3);
            continue;
        } else if (c != TDL_UTF8_INVALID) {
            tdl_str_append(out, bytes, tdl_utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)c), bytes));
            continue;
        }
        tdl_str_append(out, text.ptr + pos, n);
    }
}

static bool is_mark(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

static tdl_text strip(tdl_text text, bool left, bool right) {
    size_t begin = 0, end = text.size, n;
    while (left && begin < end && tdl_is_space(tdl_utf8_decode(text.ptr + begin, end - begin, &n))) begin += n;
    while (right && end > begin) {
        size_t at = end - 1;
        while (at > begin && ((unsigned char)text.ptr[at] & 0xC0) == 0x80) at--;
        if (!tdl_is_space(tdl_utf8_decode(text.ptr + at, end - at, &n)) || n != end - at) break;
        end = at;
    }
    return tdl_text_of(text.ptr + begin, end - begin);
}

static tdl_status replace_matches(const tdl_normalizer *n, tdl_regex_scratch *scratch, tdl_text text, size_t size_max,
                                  tdl_str *out, tdl_error *err) {
    for (size_t pos = 0; pos < text.size;) {
        size_t run_end = tdl_valid_run(text, pos), at = 0, from = 0, begin, end;
        tdl_text run = tdl_text_of(text.ptr + pos, run_end - pos);
        while (from <= run.size && out->size <= size_max) {
            tdl_status status = tdl_regex_find(n->regex, scratch, run, from, &begin, &end, err);
            if (status < 0) return status;
            if (status == TDL_DONE) break;
            from = end;
            if (begin == end) { // after an empty match, look again from the next character
                size_t step = 1;
                if (end < run.size) tdl_utf8_decode(run.ptr + end, run.size - end, &step);
                from = end + step;
            }
            if (begin == end && begin == at && begin > 0) continue; // empty right after a match: not one
            tdl_str_append(out, run.ptr + at, begin - at);
            tdl_str_append(out, n->content, n->content_size);
            at = end;
        }
        if (at < run.size) tdl_str_append(out, run.ptr + at, run.size - at);
        if (run_end < text.size) tdl_str_append(out, text.ptr + run_end, 1);
        pos = run_end < text.size ? run_end + 1 : run_end;
    }
    return TDL_OK;
}
