// SPDX-License-Identifier: MIT
// vocab.c - builds a vocabulary from a description, and GPT-2's byte alphabet.
#include "token/vocab.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "token/control_names.h"

#include <string.h>

#define SPACE "\u2581" // SentencePiece's space
enum { SPACE_SIZE = 3 };

static tdl_status check_sizes(const tdl_tokenizer_desc *desc, size_t *texts_size, size_t *pieces_size, tdl_error *err);
static bool is_control(tdl_text text, int32_t kind, bool doubtful);
static tdl_status index_texts(tdl_vocab *vocab, tdl_error *err);
static int32_t kind_of(const tdl_tokenizer_desc *desc, size_t id);
static void doubt_tokens(tdl_vocab *vocab, const tdl_tokenizer_desc *desc);
static void doubt(tdl_vocab_doubt *doubt, size_t id);
static size_t write_piece(const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, int32_t id, char *out);
static size_t decode_alphabet(tdl_text text, char *out);
static size_t replace_text(tdl_text text, tdl_text from, tdl_text to, char *out);
static int byte_token_value(tdl_text text);
static void find_byte_tokens(tdl_vocab *vocab, tdl_token_scheme scheme);

tdl_status tdl_vocab_init(tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err) {
    size_t n = desc->n_tokens, texts_size = 0, pieces_size = 0;
    *vocab = (tdl_vocab){.mem = desc->mem, .n = n, .ids = tdl_map_make(desc->mem)};
    tdl_status status = check_sizes(desc, &texts_size, &pieces_size, err);
    if (status < 0) return status;
    vocab->texts = tdl_alloc(desc->mem, texts_size, 1);
    vocab->text_ends = tdl_alloc(desc->mem, n + 1, sizeof *vocab->text_ends);
    vocab->pieces = tdl_alloc(desc->mem, pieces_size, 1);
    vocab->piece_ends = tdl_alloc(desc->mem, n + 1, sizeof *vocab->piece_ends);
    vocab->kinds = tdl_alloc(desc->mem, n, 1);
    vocab->flags = tdl_alloc(desc->mem, n, 1);
    if (!vocab->texts || !vocab->text_ends || !vocab->pieces || !vocab->piece_ends || !vocab->kinds || !vocab->flags) {
        return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for %zu tokens", n);
    }
    for (size_t i = 0; i < n; i++) {
        tdl_text text = desc->tokens[i];
        int32_t kind = kind_of(desc, i);
        if (text.size) memcpy(vocab->texts + vocab->text_ends[i], text.ptr, text.size);
        vocab->text_ends[i + 1] = vocab->text_ends[i] + (uint32_t)text.size;
        vocab->kinds[i] = kind ? (uint8_t)kind : TDL_TOKEN_UNUSED;
        if (is_control(text, kind, desc->kinds_doubtful)) vocab->kinds[i] = TDL_TOKEN_CONTROL;
        vocab->flags[i] = desc->flags ? desc->flags[i] : 0;
        size_t piece_size = write_piece(vocab, desc, (int32_t)i, vocab->pieces + vocab->piece_ends[i]);
        vocab->piece_ends[i + 1] = vocab->piece_ends[i] + (uint32_t)piece_size;
    }
    if ((status = index_texts(vocab, err)) < 0) return status;
    doubt_tokens(vocab, desc);
    find_byte_tokens(vocab, desc->scheme);
    return TDL_OK;
}

void tdl_vocab_deinit(tdl_vocab *vocab) {
    if (!vocab->mem) return;
    tdl_map_deinit(&vocab->ids);
    tdl_free(vocab->mem, vocab->texts);
    tdl_free(vocab->mem, vocab->text_ends);
    tdl_free(vocab->mem, vocab->pieces);
    tdl_free(vocab->mem, vocab->piece_ends);
    tdl_free(vocab->mem, vocab->kinds);
    tdl_free(vocab->mem, vocab->flags);
}

// Whether a token that its file has as an ordinary or an added one is a control token, as its text says. What marks code to fill
// in may be an added token: Qwen has it as one.
static bool is_control(tdl_text text, int32_t kind, bool doubtful) {
    if (kind != TDL_TOKEN_USER && !(kind == TDL_TOKEN_NORMAL && doubtful)) return false;
    tdl_control_name name = tdl_control_name_of(text);
    bool fill = name == TDL_CONTROL_NAME_FILL || name == TDL_CONTROL_NAME_FILE;
    return name == TDL_CONTROL_NAME_END || (fill && kind == TDL_TOKEN_NORMAL);
}

int32_t tdl_vocab_find_mergeable(const tdl_vocab *vocab, tdl_text text) {
    int32_t id;
    if (!tdl_map_get(&vocab->ids, text, &id)) return -1;
    uint8_t kind = vocab->kinds[id];
    return kind == TDL_TOKEN_NORMAL || kind == TDL_TOKEN_USER || kind == TDL_TOKEN_UNUSED ? id : -1;
}

bool tdl_vocab_splits_at_spaces(const tdl_vocab *vocab) {
    if (tdl_vocab_find_mergeable(vocab, tdl_text_of(SPACE, SPACE_SIZE)) < 0) return false;
    for (size_t i = 0; i < vocab->n; i++) {
        tdl_text text = tdl_vocab_text(vocab, (int32_t)i);
        if (!tdl_vocab_is_special(vocab, (int32_t)i) && text.size && tdl_word_size(text, 0) < text.size) return false;
    }
    return true;
}

size_t tdl_word_size(tdl_text text, size_t from) {
    const char *p = text.ptr + from, *end = text.ptr + text.size;
    while (end - p >= SPACE_SIZE && memcmp(p, SPACE, SPACE_SIZE) == 0) p += SPACE_SIZE;
    const char *next = memmem(p, (size_t)(end - p), SPACE, SPACE_SIZE);
    return (size_t)((next ? next : end) - text.ptr) - from;
}

uint32_t tdl_byte_to_char(uint8_t byte) {
    if (byte <= 32) return 256u + byte;
    if (byte <= 126) return byte;
    if (byte <= 160) return 256u + 33 + (byte - 127u);
    return byte == 173 ? 256u + 67 : byte;
}

int tdl_char_to_byte(uint32_t c) {
    if (c < 256) return tdl_byte_to_char((uint8_t)c) == c ? (int)c : -1;
    if (c <= 256 + 32) return (int)c - 256;
    if (c < 256 + 67) return (int)c - 256 - 33 + 127;
    return c == 256 + 67 ? 173 : -1;
}

// The bytes that spellings and pieces take. A piece is at most as long as its spelling, unless the decoder's replacement
// is longer than what it replaces.
static tdl_status check_sizes(const tdl_tokenizer_desc *desc, size_t *texts_size, size_t *pieces_size, tdl_error *err) {
    size_t total = 0, pieces = 0, from = desc->decoder.replace.size, to = desc->decoder.replacement.size;
    for (size_t i = 0; i < desc->n_tokens; i++) {
        size_t size = desc->tokens[i].size, piece = size;
        if (size > TDL_TOKEN_SIZE_MAX) {
            return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: token %zu: %zu bytes, at most %d", i, size,
                            TDL_TOKEN_SIZE_MAX);
        }
        if (from && to > from &&
            (!tdl_mul_size(size / from, to - from, &piece) || !tdl_add_size(piece, size, &piece))) {
            return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: token %zu: its decoded text is too long", i);
        }
        if (!tdl_add_size(total, size, &total) || !tdl_add_size(pieces, piece, &pieces) || total > UINT32_MAX ||
            pieces > UINT32_MAX) {
            return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: the tokens' texts are over 4 GiB, at token %zu", i);
        }
    }
    // No wrap: both fit 32 bits.
    if ((uint64_t)pieces > (uint64_t)total * TDL_NORMALIZED_GROWTH_MAX + TDL_NORMALIZED_EXTRA_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT,
                        "tokenizer: the decoder makes the tokens' %zu bytes up to %zu: at most %d times as many and %d "
                        "more are allowed",
                        total, pieces, TDL_NORMALIZED_GROWTH_MAX, TDL_NORMALIZED_EXTRA_MAX);
    }
    *texts_size = total;
    *pieces_size = pieces;
    return TDL_OK;
}

static tdl_status index_texts(tdl_vocab *vocab, tdl_error *err) {
    enum { AHEAD = 16 };
    if (!tdl_map_reserve(&vocab->ids, vocab->n)) goto no_memory;
    // Backwards, so that of equal spellings the first stays.
    for (size_t i = vocab->n; i-- > 0;) {
        tdl_text text = tdl_vocab_text(vocab, (int32_t)i);
        if (i >= AHEAD) tdl_map_prefetch(&vocab->ids, tdl_vocab_text(vocab, (int32_t)(i - AHEAD)));
        if (text.size && !tdl_map_put(&vocab->ids, text, (int32_t)i)) goto no_memory;
    }
    return TDL_OK;
no_memory:
    return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for an index of %zu tokens", vocab->n);
}

// A tdl_token_kind; 0: what the description has is none.
static int32_t kind_of(const tdl_tokenizer_desc *desc, size_t id) {
    int32_t kind = desc->kinds ? desc->kinds[id] : TDL_TOKEN_NORMAL;
    return kind >= TDL_TOKEN_NORMAL && kind <= TDL_TOKEN_BYTE ? kind : 0;
}

static void doubt_tokens(tdl_vocab *vocab, const tdl_tokenizer_desc *desc) {
    size_t n_empty = 0;
    for (size_t i = 0; i < vocab->n; i++) {
        int32_t kind = kind_of(desc, i);
        bool empty = tdl_vocab_text(vocab, (int32_t)i).size == 0;
        n_empty += empty;
        if (!kind) doubt(&vocab->untyped, i);
        else if (empty && kind != TDL_TOKEN_UNUSED) doubt(&vocab->empty, i);
    }
    if (vocab->ids.n + n_empty == vocab->n) return; // no text is there twice
    for (size_t i = 0; i < vocab->n; i++) {
        tdl_text text = tdl_vocab_text(vocab, (int32_t)i);
        int32_t id;
        if (text.size && tdl_map_get(&vocab->ids, text, &id) && (size_t)id != i) doubt(&vocab->repeated, i);
    }
}

static void doubt(tdl_vocab_doubt *doubt, size_t id) {
    if (doubt->n++ == 0) doubt->first = id;
}

// Writes what token `id` decodes to; added tokens are their own text.
static size_t write_piece(const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, int32_t id, char *out) {
    tdl_text text = tdl_vocab_text(vocab, id);
    bool names_byte = vocab->kinds[id] == TDL_TOKEN_BYTE;
    if (desc->scheme == TDL_SCHEME_SPM) names_byte = !tdl_vocab_is_added(vocab, id);
    if (desc->scheme == TDL_SCHEME_CHAR_BPE) names_byte = desc->decoder.byte_tokens;
    if (names_byte && byte_token_value(text) >= 0) {
        *out = (char)byte_token_value(text);
        return 1;
    }
    if (!tdl_vocab_is_added(vocab, id)) {
        if (desc->scheme == TDL_SCHEME_BPE) return decode_alphabet(text, out);
        if (desc->scheme == TDL_SCHEME_SPM)
            return replace_text(text, tdl_text_of(SPACE, SPACE_SIZE), tdl_text_of(" ", 1), out);
        if (desc->decoder.replace.size) {
            return replace_text(text, desc->decoder.replace, desc->decoder.replacement, out);
        }
    }
    if (text.size) memcpy(out, text.ptr, text.size);
    return text.size;
}

// From GPT-2's alphabet to bytes. A text with any other character stands for itself.
static size_t decode_alphabet(tdl_text text, char *out) {
    size_t n_out = 0;
    for (size_t pos = 0, n; pos < text.size; pos += n) {
        int byte = tdl_char_to_byte(tdl_utf8_decode(text.ptr + pos, text.size - pos, &n));
        if (byte < 0) {
            memcpy(out, text.ptr, text.size);
            return text.size;
        }
        out[n_out++] = (char)byte;
    }
    return n_out;
}

static size_t replace_text(tdl_text text, tdl_text from, tdl_text to, char *out) {
    size_t n_out = 0, pos = 0;
    while (pos < text.size) {
        bool found = text.size - pos >= from.size && memcmp(text.ptr + pos, from.ptr, from.size) == 0;
        tdl_text add = found ? to : tdl_text_of(text.ptr + pos, 1);
        if (add.size) memcpy(out + n_out, add.ptr, add.size);
        n_out += add.size;
        pos += found ? from.size : 1;
    }
    return n_out;
}

// The value of "<0xNN>", or -1.
static int byte_token_value(tdl_text text) {
    if (text.size != 6 || memcmp(text.ptr, "<0x", 3) != 0 || text.ptr[5] != '>') return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9') value = value * 16 + (c - '0');
        else if (c >= 'A' && c <= 'F') value = value * 16 + (c - 'A' + 10);
        else if (c >= 'a' && c <= 'f') value = value * 16 + (c - 'a' + 10);
        else return -1;
    }
    return value;
}

// Which token each single byte is: spelled in the alphabet (BPE), or as <0xNN>. Added tokens are not meant: their text
// is plain text, whatever it looks like.
static void find_byte_tokens(tdl_vocab *vocab, tdl_token_scheme scheme) {
    for (size_t i = 0; i < 256; i++) vocab->byte_ids[i] = -1;
    if (scheme == TDL_SCHEME_BPE) {
        for (size_t i = 0; i < 256; i++) {
            char text[4];
            size_t size = tdl_utf8_encode(tdl_byte_to_char((uint8_t)i), text);
            int32_t id = tdl_vocab_find_mergeable(vocab, tdl_text_of(text, size));
            if (id >= 0 && !tdl_vocab_is_added(vocab, id)) vocab->byte_ids[i] = id;
        }
        return;
    }
    for (size_t i = vocab->n; i-- > 0;) {
        int value = byte_token_value(tdl_vocab_text(vocab, (int32_t)i));
        if (value >= 0 && !tdl_vocab_is_added(vocab, (int32_t)i)) vocab->byte_ids[value] = (int32_t)i;
    }
}
