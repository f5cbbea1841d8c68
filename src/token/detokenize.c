// SPDX-License-Identifier: MIT
// detokenize.c - ids to text: all at once, as bytes, and token by token, as whole characters.
//
// What a token decodes to is in the vocabulary, ready; here only the spaces at the seams are left to do. SPM puts a space
// before the text and after each added token when it encodes; the same places drop one here.
#include "token/tokenizer_impl.h"

#include "base/desc.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <string.h>

static tdl_status next_piece(const tdl_tokenizer *t, int32_t id, bool skip_special, bool *first, tdl_text *piece,
                             bool *space, tdl_error *err);
static void append_whole(tdl_str *out, tdl_text text);
static void cut(tdl_str *str, size_t size);

tdl_status tdl_tokenizer_decode(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                const tdl_decode_desc *desc, char *text, size_t text_max, size_t *text_size,
                                tdl_error *err) {
    tdl_decode_desc d;
    if (!tokenizer || !text_size || (!ids && n_ids) || (!text && text_max)) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "decode: tokenizer, text_size, ids or text is NULL");
    }
    tdl_status status = tdl_desc_copy("decode", desc, &d, sizeof d, err);
    if (status < 0) return status;
    if (n_ids > TDL_TEXT_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "decode: %zu ids, at most %d", n_ids, TDL_TEXT_SIZE_MAX);
    size_t size = 0;
    bool first = true;
    for (size_t i = 0; i < n_ids; i++) {
        tdl_text piece;
        bool space;
        status = next_piece(tokenizer, ids[i], d.skip_special, &first, &piece, &space, err);
        if (status < 0) return status;
        if (space && size++ < text_max) text[size - 1] = ' ';
        if (piece.size && size <= text_max && piece.size <= text_max - size) memcpy(text + size, piece.ptr, piece.size);
        size += piece.size;
    }
    *text_size = size;
    if (size <= text_max) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_LIMIT, "decode: the text has %zu bytes, room for %zu", size, text_max);
}

void tdl_detokenizer_init(tdl_detokenizer *d, const tdl_tokenizer *tokenizer, const tdl_allocator *mem,
                          bool skip_special) {
    *d = (tdl_detokenizer){
        .tokenizer = tokenizer, .pending = tdl_str_make(mem), .first = true, .skip_special = skip_special};
}

void tdl_detokenizer_deinit(tdl_detokenizer *d) {
    if (d->pending.mem) tdl_str_deinit(&d->pending);
}

tdl_status tdl_detokenizer_put(tdl_detokenizer *d, int32_t id, tdl_str *out, tdl_error *err) {
    tdl_text piece;
    bool space, first = d->first;
    size_t pending_size = d->pending.size, out_size = out->size;
    tdl_status status = next_piece(d->tokenizer, id, d->skip_special, &first, &piece, &space, err);
    if (status < 0) return status;
    if (space) tdl_str_append(&d->pending, " ", 1);
    tdl_str_append(&d->pending, piece.ptr, piece.size);
    size_t n = 0;
    if (!d->pending.failed && d->pending.size) {
        n = tdl_utf8_complete(d->pending.ptr, d->pending.size);
        append_whole(out, tdl_text_of(d->pending.ptr, n));
    }
    if (d->pending.failed || out->failed) { // all is as it was
        cut(&d->pending, pending_size);
        cut(out, out_size);
        return tdl_fail(err, TDL_ERROR_MEMORY, "decode: no memory for token %d", id);
    }
    if (n) {
        d->pending.size -= n;
        memmove(d->pending.ptr, d->pending.ptr + n, d->pending.size + 1);
    }
    d->first = first;
    return TDL_OK;
}

tdl_status tdl_detokenizer_flush(tdl_detokenizer *d, tdl_str *out, tdl_error *err) {
    size_t out_size = out->size;
    append_whole(out, tdl_text_of(d->pending.ptr, d->pending.size));
    if (out->failed) { // all is as it was
        cut(out, out_size);
        return tdl_fail(err, TDL_ERROR_MEMORY, "decode: no memory for the text's end");
    }
    tdl_str_clear(&d->pending);
    return TDL_OK;
}

// What a text was before an append that failed.
static void cut(tdl_str *str, size_t size) {
    str->size = size;
    str->failed = false;
    if (str->ptr) str->ptr[size] = '\0';
}

void tdl_detokenizer_reset(tdl_detokenizer *d, bool first) {
    tdl_str_clear(&d->pending);
    d->first = first;
}

// What token `id` adds to the text: a space where *space is set, and then the piece. Keeps `first` up to date.
static tdl_status next_piece(const tdl_tokenizer *t, int32_t id, bool skip_special, bool *first, tdl_text *piece,
                             bool *space, tdl_error *err) {
    *space = false;
    *piece = tdl_text_of("", 0);
    if (id < 0 || (size_t)id >= t->vocab.n) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "decode: token %d, expected 0 to %zu", id, t->vocab.n - 1);
    }
    bool added = tdl_vocab_is_added(&t->vocab, id);
    if (!skip_special || !tdl_vocab_is_special(&t->vocab, id)) {
        *piece = tdl_vocab_piece(&t->vocab, id);
        *space = t->join_spaces && !*first;
        if (*first && t->strip_space && !added && piece->size && piece->ptr[0] == ' ') {
            *piece = tdl_text_of(piece->ptr + 1, piece->size - 1);
            *first = false;
        }
        if (piece->size) *first = false;
    }
    if (added && t->strip_space_after_added) *first = true;
    return TDL_OK;
}

// Appends valid UTF-8, with U+FFFD for each byte that is not.
static void append_whole(tdl_str *out, tdl_text text) {
    for (size_t pos = 0; pos < text.size;) {
        size_t end = tdl_valid_run(text, pos);
        tdl_str_append(out, text.ptr + pos, end - pos);
        if (end < text.size) {
            tdl_str_append(out, "\uFFFD", 3);
            end++;
        }
        pos = end;
    }
}
