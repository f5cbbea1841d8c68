// SPDX-License-Identifier: MIT
// encode.c - text to ids: tdl_tokenizer_encode, and the pipeline that tokenizer.h draws.
//
// An encoder lives for one call and holds all that is written while encoding; the tokenizer itself is only read. Ids go
// straight to the caller's array; past its end they are only counted.
//
// What a word is merged to depends on its bytes alone, and words come again: in a long text a small table remembers the
// short ones, each in the one slot its hash names.
#include "token/tokenizer_impl.h"

#include "base/checked.h"
#include "base/desc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/utf8.h"

enum {
    MEMO_TEXT_SIZE_MIN = 1 << 14, // bytes of text that are worth a table
    MEMO_SLOTS = 1 << 12,         // a power of two
    MEMO_WORD_SIZE_MAX = 22,      // bytes of a word, and
    MEMO_IDS_MAX = 10,            // its ids: with both a slot is a cache line
};

typedef struct memo {
    int32_t ids[MEMO_IDS_MAX];
    uint8_t n_ids, size; // size 0: empty
    char word[MEMO_WORD_SIZE_MAX];
} memo;
_Static_assert(sizeof(memo) == 64, "a cache line");

typedef struct encoder {
    const tdl_tokenizer *t;
    bool special; // special tokens in the text are parsed
    int32_t *ids; // [n_max], the caller's
    size_t n, n_max;
    size_t size_left; // bytes that what is left of the text may become
    tdl_pieces pieces;
    tdl_str normalized, spare;
    tdl_str spelled; // a piece in GPT-2's alphabet
    tdl_str whole;   // all segments, where there are several
    tdl_merge_queue queue;
    memo *memos;                // [MEMO_SLOTS], or NULL
    tdl_regex_scratch *scratch; // NULL where no regex is used
    tdl_error *err;
} encoder;

static bool begins_with_bos(const tdl_tokenizer *t, const tdl_segment *segments, size_t n);
static tdl_status encode_segments(encoder *e, const tdl_segment *segments, size_t n);
static tdl_status encode_text(encoder *e, tdl_text text, bool begins);
static tdl_status encode_segment(encoder *e, tdl_text text, bool first);
static tdl_status encode_normalized(encoder *e, tdl_text text, bool first);
static bool encode_piece(encoder *e, tdl_text piece);
static bool encode_word(encoder *e, tdl_text word);
static bool merge_word(encoder *e, tdl_text word);
static bool spell_piece(encoder *e, tdl_text piece);
static bool add_bytes(encoder *e, tdl_text piece);
static bool add_chars(encoder *e, tdl_text piece);
static bool add_unknown(encoder *e, tdl_text piece, size_t begin, size_t end);
static void emit(encoder *e, int32_t id);

tdl_status tdl_tokenizer_encode(const tdl_tokenizer *tokenizer, const char *text, size_t text_size,
                                const tdl_encode_desc *desc, int32_t *ids, size_t ids_max, size_t *n_ids,
                                tdl_error *err) {
    tdl_encode_desc d;
    tdl_status status = tdl_desc_copy("encode", desc, &d, sizeof d, err);
    if (status < 0) return status;
    const tdl_segment segment = {.text = text, .text_size = text_size, .parse_special = d.parse_special};
    return tdl_tokenizer_encode_segments(tokenizer, &segment, 1, desc, ids, ids_max, n_ids, err);
}

tdl_status tdl_tokenizer_encode_segments(const tdl_tokenizer *tokenizer, const tdl_segment *segments, size_t n_segments,
                                         const tdl_encode_desc *desc, int32_t *ids, size_t ids_max, size_t *n_ids,
                                         tdl_error *err) {
    tdl_encode_desc d;
    size_t text_size = 0;
    if (!tokenizer || !n_ids || (!segments && n_segments) || (!ids && ids_max)) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "encode: tokenizer, n_ids, text or ids is NULL");
    }
    if (n_segments > TDL_SEGMENTS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "encode: %zu segments, at most %d", n_segments, TDL_SEGMENTS_MAX);
    for (size_t i = 0; i < n_segments; i++) {
        if (!segments[i].text && segments[i].text_size)
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "encode: the text of segment %zu is NULL", i);
        if (!tdl_add_size(text_size, segments[i].text_size, &text_size)) text_size = SIZE_MAX;
    }
    tdl_status status = tdl_desc_copy("encode", desc, &d, sizeof d, err);
    if (status < 0) return status;
    if ((int)d.bos < 0 || d.bos > TDL_BOS_ALWAYS) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "encode: desc->bos is %d, expected 0 to %d", (int)d.bos,
                        TDL_BOS_ALWAYS);
    }
    if (d.bos == TDL_BOS_ALWAYS && tokenizer->bos < 0) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "encode: the model has no beginning-of-sequence token");
    }
    if (text_size > TDL_TEXT_SIZE_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "encode: %zu bytes of text, at most %d", text_size, TDL_TEXT_SIZE_MAX);
    }

    encoder e = {.t = tokenizer, .ids = ids, .n_max = ids_max, .err = err};
    const tdl_allocator *mem = tokenizer->mem;
    tdl_pieces_init(&e.pieces, mem);
    tdl_merge_queue_init(&e.queue, mem);
    e.normalized = e.spare = e.spelled = e.whole = tdl_str_make(mem);
    if (tokenizer->has_regex && !(e.scratch = tdl_regex_scratch_create(mem))) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "encode: no memory");
        goto cleanup;
    }
    if (text_size >= MEMO_TEXT_SIZE_MIN) e.memos = tdl_alloc(mem, MEMO_SLOTS, sizeof *e.memos); // does without, too
    bool doubled = !d.whole && begins_with_bos(tokenizer, segments, n_segments);
    if (d.bos == TDL_BOS_ALWAYS || (d.bos == TDL_BOS_DEFAULT && tokenizer->add_bos && !doubled))
        emit(&e, tokenizer->bos);
    e.size_left = text_size * TDL_NORMALIZED_GROWTH_MAX + TDL_NORMALIZED_EXTRA_MAX; // no wrap: TDL_TEXT_SIZE_MAX
    if ((status = encode_segments(&e, segments, n_segments)) < 0) goto cleanup;
    if (d.whole && tokenizer->add_eos) emit(&e, tokenizer->eos);
    *n_ids = e.n;
    if (e.n > ids_max) {
        status = tdl_fail(err, TDL_ERROR_LIMIT, "encode: the text has %zu tokens, room for %zu", e.n, ids_max);
    }
cleanup:
    tdl_free(mem, e.memos);
    tdl_regex_scratch_destroy(e.scratch);
    tdl_merge_queue_deinit(&e.queue);
    tdl_pieces_deinit(&e.pieces);
    tdl_str_deinit(&e.normalized);
    tdl_str_deinit(&e.spare);
    tdl_str_deinit(&e.spelled);
    tdl_str_deinit(&e.whole);
    return status;
}

// Whether the text itself names the beginning-of-sequence token first, as a chat template may: then another would be one too many.
static bool begins_with_bos(const tdl_tokenizer *t, const tdl_segment *segments, size_t n) {
    tdl_added_match match;
    while (n && !segments->text_size) segments++, n--;
    return n && segments->parse_special &&
           tdl_added_tokens_find(&t->added, tdl_text_of(segments->text, segments->text_size), 0, true, &match) &&
           match.begin == 0 && match.id == t->bos;
}

// Cuts the special tokens out of the segments that may name them. What lies between two of them is encoded as one text,
// however many segments it is of.
static tdl_status encode_segments(encoder *e, const tdl_segment *segments, size_t n) {
    if (n == 1) {
        e->special = segments->parse_special;
        return encode_text(e, tdl_text_of(segments->text ? segments->text : "", segments->text_size), true);
    }
    for (size_t i = 0; i < n; i++) tdl_str_append(&e->whole, segments[i].text, segments[i].text_size);
    if (e->whole.failed) return tdl_fail(e->err, TDL_ERROR_MEMORY, "encode: no memory for %zu segments", n);
    const char *text = e->whole.ptr ? e->whole.ptr : "";
    size_t begin = 0, done = 0; // of the segment; of the text
    for (size_t i = 0; i < n; begin += segments[i++].text_size) {
        size_t pos = begin, end = begin + segments[i].text_size;
        tdl_added_match match;
        while (segments[i].parse_special &&
               tdl_added_tokens_find(&e->t->added, tdl_text_of(text, end), pos, true, &match)) {
            pos = match.end;
            if (!tdl_vocab_is_special(&e->t->vocab, match.id)) continue; // found again in its turn
            tdl_status status = encode_text(e, tdl_text_of(text + done, match.begin - done), done == 0);
            if (status < 0) return status;
            emit(e, match.id);
            done = match.end;
        }
    }
    return encode_text(e, tdl_text_of(text + done, e->whole.size - done), done == 0);
}

// Cuts out the added tokens that are looked for in the text as it is. `begins`: it is the beginning of the whole text.
static tdl_status encode_text(encoder *e, tdl_text text, bool begins) {
    size_t pos = 0;
    tdl_added_match match;
    tdl_status status;
    while (tdl_added_tokens_find(&e->t->added, text, pos, e->special, &match)) {
        status = encode_segment(e, tdl_text_of(text.ptr + pos, match.begin - pos), begins && pos == 0);
        if (status < 0) return status;
        emit(e, match.id);
        pos = match.end;
    }
    return encode_segment(e, tdl_text_of(text.ptr + pos, text.size - pos), begins && pos == 0);
}

// Normalizes a segment, and cuts out the added tokens that are looked for after that. `first`: it begins the text.
static tdl_status encode_segment(encoder *e, tdl_text text, bool first) {
    const tdl_tokenizer *t = e->t;
    tdl_status status;
    if (text.size == 0) return TDL_OK;
    if (t->n_normalizers == 0) return encode_normalized(e, text, first);
    tdl_str_clear(&e->normalized);
    if (!tdl_str_append(&e->normalized, text.ptr, text.size)) {
        return tdl_fail(e->err, TDL_ERROR_MEMORY, "encode: no memory for %zu bytes", text.size);
    }
    status =
        tdl_normalize(t->normalizers, t->n_normalizers, e->scratch, e->size_left, &e->normalized, &e->spare, e->err);
    if (status < 0 || e->normalized.size == 0) return status;
    text = tdl_text_of(e->normalized.ptr, e->normalized.size);
    size_t pos = 0;
    tdl_added_match match;
    while (tdl_added_tokens_find(&t->added_normalized, text, pos, e->special, &match)) {
        status = encode_normalized(e, tdl_text_of(text.ptr + pos, match.begin - pos), first && pos == 0);
        if (status < 0) return status;
        emit(e, match.id);
        pos = match.end;
    }
    return encode_normalized(e, tdl_text_of(text.ptr + pos, text.size - pos), first && pos == 0);
}

// Cuts a text without added tokens into pieces and encodes each.
static tdl_status encode_normalized(encoder *e, tdl_text text, bool first) {
    const tdl_tokenizer *t = e->t;
    if (text.size == 0) return TDL_OK;
    if (text.size > TDL_TEXT_SIZE_MAX) {
        return tdl_fail(e->err, TDL_ERROR_LIMIT, "encode: %zu bytes of normalized text, at most %d", text.size,
                        TDL_TEXT_SIZE_MAX);
    }
    tdl_str_clear(&e->pieces.text);
    if (!tdl_str_append(&e->pieces.text, text.ptr, text.size)) goto no_memory;
    tdl_status status =
        tdl_pretokenize(t->pretokenizers, t->n_pretokenizers, e->scratch, first, e->size_left, &e->pieces, e->err);
    if (status < 0) return status;
    e->size_left -= e->pieces.text.size;
    if (e->pieces.text.size > INT32_MAX) { // symbols count its bytes in 32 bits
        return tdl_fail(e->err, TDL_ERROR_LIMIT, "encode: %zu bytes of pre-tokenized text, at most %d",
                        e->pieces.text.size, INT32_MAX);
    }
    for (size_t i = 0; i < e->pieces.pieces.n; i++) {
        const tdl_piece *piece = tdl_vec_at(&e->pieces.pieces, tdl_piece, i);
        if (!encode_piece(e, tdl_text_of(e->pieces.text.ptr + piece->begin, piece->end - piece->begin))) goto no_memory;
    }
    return TDL_OK;
no_memory:
    return tdl_fail(e->err, TDL_ERROR_MEMORY, "encode: no memory for %zu bytes", text.size);
}

static bool encode_piece(encoder *e, tdl_text piece) {
    const tdl_tokenizer *t = e->t;
    if (t->ignore_merges) {
        if (!spell_piece(e, piece)) return false;
        int32_t id = tdl_vocab_find_mergeable(&t->vocab, tdl_text_of(e->spelled.ptr, e->spelled.size));
        if (id >= 0) {
            emit(e, id);
            return true;
        }
    }
    for (size_t pos = 0, size; pos < piece.size; pos += size) {
        size = t->split_words ? tdl_word_size(piece, pos) : piece.size;
        if (!encode_word(e, tdl_text_of(piece.ptr + pos, size))) return false;
    }
    return true;
}

static bool encode_word(encoder *e, tdl_text word) {
    if (!e->memos || word.size > MEMO_WORD_SIZE_MAX || word.size == 0) return merge_word(e, word);
    memo *m = &e->memos[tdl_hash_bytes(word.ptr, word.size, 0) & (MEMO_SLOTS - 1)];
    if (m->size == word.size && memcmp(m->word, word.ptr, word.size) == 0) {
        for (int i = 0; i < m->n_ids; i++) emit(e, m->ids[i]);
        return true;
    }
    size_t begin = e->n;
    if (!merge_word(e, word)) return false;
    if (e->n - begin <= MEMO_IDS_MAX && e->n <= e->n_max) { // past n_max ids are not there to be remembered
        m->n_ids = (uint8_t)(e->n - begin);
        m->size = (uint8_t)word.size;
        memcpy(m->word, word.ptr, word.size);
        if (m->n_ids) memcpy(m->ids, e->ids + begin, m->n_ids * sizeof *m->ids);
    }
    return true;
}

static bool merge_word(encoder *e, tdl_text word) {
    const tdl_tokenizer *t = e->t;
    tdl_merge_queue *q = &e->queue;
    q->symbols.n = 0;
    if (!(t->scheme == TDL_SCHEME_BPE ? add_bytes(e, word) : add_chars(e, word))) return false;
    if (q->symbols.n == 0) return true;
    if (!(t->scheme == TDL_SCHEME_SPM ? tdl_spm_merge_all(&t->spm, word.ptr, q) : tdl_bpe_merge_all(&t->bpe, q))) {
        return false;
    }
    const tdl_symbol *symbols = q->symbols.data;
    for (int32_t i = 0; i >= 0; i = symbols[i].next) emit(e, symbols[i].id);
    return true;
}

// Writes the piece as the vocabulary spells it to e->spelled.
static bool spell_piece(encoder *e, tdl_text piece) {
    tdl_str_clear(&e->spelled);
    if (e->t->scheme != TDL_SCHEME_BPE) return tdl_str_append(&e->spelled, piece.ptr, piece.size);
    for (size_t i = 0; i < piece.size; i++) {
        char c[4];
        tdl_str_append(&e->spelled, c, tdl_utf8_encode(tdl_byte_to_char((uint8_t)piece.ptr[i]), c));
    }
    return !e->spelled.failed;
}

// ---- the symbols that merging begins with

// One for each byte. A byte that is no token is the unknown token, or nothing where there is none.
static bool add_bytes(encoder *e, tdl_text piece) {
    for (size_t i = 0; i < piece.size; i++) {
        int32_t id = e->t->vocab.byte_ids[(unsigned char)piece.ptr[i]];
        if (id < 0) id = e->t->unk;
        if (id >= 0 && !tdl_merge_queue_symbol(&e->queue, id, i, i + 1)) return false;
    }
    return true;
}

// One for each character that is a token, and for those that SPM may yet merge with a neighbour.
static bool add_chars(encoder *e, tdl_text piece) {
    for (size_t pos = 0, n; pos < piece.size; pos += n) {
        tdl_utf8_decode(piece.ptr + pos, piece.size - pos, &n);
        int32_t id = tdl_vocab_find_mergeable(&e->t->vocab, tdl_text_of(piece.ptr + pos, n));
        bool ok = id >= 0 ? tdl_merge_queue_symbol(&e->queue, id, pos, pos + n) : add_unknown(e, piece, pos, pos + n);
        if (!ok) return false;
    }
    return true;
}

// A character that is no token: its bytes, or the unknown token, or nothing.
static bool add_unknown(encoder *e, tdl_text piece, size_t begin, size_t end) {
    const tdl_tokenizer *t = e->t;
    bool bytes = t->byte_fallback || t->scheme == TDL_SCHEME_SPM;
    for (size_t i = begin; i < end && bytes; i++) bytes = t->vocab.byte_ids[(unsigned char)piece.ptr[i]] >= 0;
    for (size_t i = begin; i < end && bytes; i++) {
        if (!tdl_merge_queue_symbol(&e->queue, t->vocab.byte_ids[(unsigned char)piece.ptr[i]], i, i + 1)) return false;
    }
    if (bytes || t->unk < 0) return true;
    tdl_vec *symbols = &e->queue.symbols;
    tdl_symbol *last = symbols->n ? tdl_vec_at(symbols, tdl_symbol, symbols->n - 1) : NULL;
    if (t->fuse_unk && last && last->id == t->unk && last->end == begin) {
        last->end = (uint32_t)end;
        return true;
    }
    return tdl_merge_queue_symbol(&e->queue, t->unk, begin, end);
}

static void emit(encoder *e, int32_t id) {
    if (e->n < e->n_max) e->ids[e->n] = id;
    e->n++;
}
