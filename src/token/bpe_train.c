// SPDX-License-Identifier: MIT
// bpe_train.c - a BPE trainer's life, and the first half of its work: counting the pieces of a text. The second half is
// bpe_merge.c.
#include "token/bpe_train.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "token/bpe_train_impl.h"
#include "token/tokenizer_json_write.h"
#include "token/vocab.h"

#include <string.h>

enum { N_BYTES = 256 };

static void spell(const tdl_bpe_trainer *t, int32_t id, tdl_str *out);
static tdl_status check_desc(const tdl_bpe_train_desc *desc, tdl_error *err);
static tdl_status make_steps(tdl_bpe_trainer *t, tdl_error *err);
static tdl_status add_specials(tdl_bpe_trainer *t, const tdl_bpe_train_desc *desc, tdl_error *err);
static bool add_bytes(tdl_bpe_trainer *t);
static bool spelled_bytes(tdl_text text, tdl_str *out);
static tdl_status no_memory(tdl_error *err);

tdl_status tdl_bpe_trainer_create(const tdl_bpe_train_desc *desc, tdl_bpe_trainer **out, tdl_error *err) {
    tdl_status status = check_desc(desc, err);
    if (status != TDL_OK) return status;
    const tdl_allocator *mem = desc->mem;
    tdl_bpe_trainer *t = tdl_alloc(mem, 1, sizeof *t);
    if (!t) return no_memory(err);
    *t = (tdl_bpe_trainer){.mem = mem,
                           .pre = desc->pre,
                           .n_vocab = desc->n_vocab,
                           .count_min = desc->count_min,
                           .tokens = tdl_vec_make(mem, sizeof(tdl_text)),
                           .taken = tdl_map_make(mem),
                           .merges = tdl_vec_make(mem, sizeof(tdl_bpe_merge_ids)),
                           .pairs = tdl_vec_make(mem, sizeof(tdl_bpe_pair)),
                           .heap = tdl_vec_make(mem, sizeof(tdl_bpe_entry)),
                           .positions = tdl_vec_make(mem, sizeof(int32_t))};
    tdl_arena_init(&t->arena, mem);
    tdl_pieces_init(&t->pieces, mem);
    tdl_bpe_words_init(&t->words, mem, TDL_BPE_WORDS_SIZE_MAX);
    status = make_steps(t, err);
    if (status == TDL_OK) status = add_specials(t, desc, err);
    if (status == TDL_OK && !add_bytes(t)) status = no_memory(err);
    if (status == TDL_OK) *out = t;
    else tdl_bpe_trainer_destroy(t);
    return status;
}

void tdl_bpe_trainer_destroy(tdl_bpe_trainer *t) {
    if (!t) return;
    for (size_t i = 0; i < t->n_steps; i++) tdl_pretokenizer_deinit(t->mem, &t->steps[i]);
    tdl_free(t->mem, t->steps);
    tdl_regex_scratch_destroy(t->scratch);
    tdl_pieces_deinit(&t->pieces);
    tdl_bpe_words_deinit(&t->words);
    tdl_map_deinit(&t->taken);
    tdl_vec_deinit(&t->tokens);
    tdl_vec_deinit(&t->merges);
    tdl_vec_deinit(&t->pairs);
    tdl_vec_deinit(&t->heap);
    tdl_vec_deinit(&t->positions);
    tdl_free(t->mem, t->nodes);
    tdl_free(t->mem, t->pair_slots);
    tdl_arena_deinit(&t->arena);
    tdl_free(t->mem, t);
}

tdl_status tdl_bpe_trainer_add(tdl_bpe_trainer *t, tdl_text text, tdl_error *err) {
    if (t->merging) return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: text after the first merge");
    if (text.size > TDL_TEXT_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer training: %zu bytes of text, at most %d", text.size,
                        TDL_TEXT_SIZE_MAX);
    if (text.size == 0) return TDL_OK;
    tdl_str_clear(&t->pieces.text);
    if (!tdl_str_append(&t->pieces.text, text.ptr, text.size)) return no_memory(err);
    tdl_status status = tdl_pretokenize(t->steps, t->n_steps, t->scratch, true, SIZE_MAX, &t->pieces, err);
    if (status < 0) return status;
    for (size_t i = 0; i < t->pieces.pieces.n; i++) {
        const tdl_piece *piece = tdl_vec_at(&t->pieces.pieces, tdl_piece, i);
        if (piece->raw) {
            t->info.n_bytes_invalid += piece->end - piece->begin;
            continue;
        }
        t->info.n_pieces++;
        tdl_text word = tdl_text_of(t->pieces.text.ptr + piece->begin, piece->end - piece->begin);
        if (!tdl_bpe_words_count(&t->words, word)) return no_memory(err);
    }
    t->info.n_bytes += text.size;
    return TDL_OK;
}

void tdl_bpe_trainer_get_info(const tdl_bpe_trainer *t, tdl_bpe_train_info *info) {
    *info = t->info;
    info->n_pieces_lost = t->words.n_lost;
    info->n_distinct = t->words.words.n;
    info->n_vocab = (int32_t)t->tokens.n;
    info->n_merges = (int32_t)t->merges.n;
}

tdl_text tdl_bpe_trainer_token(const tdl_bpe_trainer *t, int32_t id) {
    return id < 0 || (size_t)id >= t->tokens.n ? tdl_text_of("", 0) : *tdl_vec_at(&t->tokens, tdl_text, id);
}

void tdl_bpe_trainer_merged(const tdl_bpe_trainer *t, int32_t i, int32_t *left, int32_t *right) {
    const tdl_bpe_merge_ids *merge = tdl_vec_at(&t->merges, tdl_bpe_merge_ids, i);
    *left = merge->left;
    *right = merge->right;
}

bool tdl_bpe_add_token(tdl_bpe_trainer *t, tdl_text left, tdl_text right, int32_t *id) {
    tdl_text text = tdl_text_of(NULL, left.size + right.size);
    char *bytes = tdl_arena_alloc(&t->arena, text.size, 1);
    if (!bytes) return false;
    memcpy(bytes, left.ptr, left.size);
    if (right.size) memcpy(bytes + left.size, right.ptr, right.size);
    text.ptr = bytes;
    *id = (int32_t)t->tokens.n;
    return tdl_vec_push(&t->tokens, &text, 1);
}

tdl_status tdl_bpe_trainer_write(const tdl_bpe_trainer *t, tdl_str *json, tdl_error *err) {
    size_t n = t->tokens.n, n_merges = t->merges.n;
    tdl_arena arena;
    tdl_arena_init(&arena, t->mem);
    tdl_str text = tdl_str_make(t->mem);
    tdl_text *texts = tdl_alloc(t->mem, n + n_merges, sizeof *texts); // of tokens, then of merges
    int32_t *kinds = tdl_alloc(t->mem, n, sizeof *kinds);
    bool ok = texts && kinds;
    for (size_t i = 0; i < n + n_merges && ok; i++) {
        tdl_str_clear(&text);
        if (i < n) spell(t, (int32_t)i, &text);
        else {
            const tdl_bpe_merge_ids *merge = tdl_vec_at(&t->merges, tdl_bpe_merge_ids, i - n);
            spell(t, merge->left, &text);
            tdl_str_append(&text, " ", 1);
            spell(t, merge->right, &text);
        }
        texts[i] = tdl_text_of(text.failed ? NULL : tdl_arena_strndup(&arena, text.ptr, text.size), text.size);
        if (i < n) kinds[i] = (int32_t)i < t->n_specials ? TDL_TOKEN_CONTROL : TDL_TOKEN_NORMAL;
        ok = texts[i].ptr != NULL;
    }
    const tdl_tokenizer_desc desc = {.mem = t->mem,
                                     .scheme = TDL_SCHEME_BPE,
                                     .n_tokens = n,
                                     .tokens = texts,
                                     .kinds = kinds,
                                     .n_merges = n_merges,
                                     .merges = ok ? texts + n : NULL,
                                     .pre = t->pre,
                                     .bos = -1,
                                     .eos = -1,
                                     .unk = -1};
    tdl_status status = ok ? tdl_tokenizer_json_write(&desc, json, err) : no_memory(err);
    tdl_free(t->mem, texts);
    tdl_free(t->mem, kinds);
    tdl_str_deinit(&text);
    tdl_arena_deinit(&arena);
    return status;
}

// Special tokens as they are, others in GPT-2's alphabet.
static void spell(const tdl_bpe_trainer *t, int32_t id, tdl_str *out) {
    tdl_text text = tdl_bpe_trainer_token(t, id);
    for (size_t i = 0; i < text.size; i++) {
        char c[4] = {text.ptr[i]};
        tdl_str_append(out, c, id < t->n_specials ? 1 : tdl_utf8_encode(tdl_byte_to_char((uint8_t)text.ptr[i]), c));
    }
}

// ---- creation

static tdl_status check_desc(const tdl_bpe_train_desc *desc, tdl_error *err) {
    if (desc->n_specials > TDL_BPE_SPECIALS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer training: %zu special tokens, at most %d", desc->n_specials,
                        TDL_BPE_SPECIALS_MAX);
    int32_t least = N_BYTES + (int32_t)desc->n_specials;
    if (desc->n_vocab < least || desc->n_vocab > TDL_VOCAB_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "tokenizer training: a vocabulary of %d tokens, expected %d (256 bytes and %zu special "
                        "token%s) to %d",
                        desc->n_vocab, least, desc->n_specials, desc->n_specials == 1 ? "" : "s", TDL_VOCAB_MAX);
    if (desc->count_min < 1)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: count_min is %d, expected 1 or more",
                        desc->count_min);
    if (!tdl_named_pretokenizer_find(desc->pre))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "tokenizer training: the pre-tokenizer '%.80s' is unknown, expected a name as in GGUF files: "
                        "gpt-2, llama-bpe, qwen2",
                        desc->pre);
    return TDL_OK;
}

static tdl_status make_steps(tdl_bpe_trainer *t, tdl_error *err) {
    const char *const *regexes = tdl_named_pretokenizer_find(t->pre)->regexes;
    size_t n = 0;
    while (regexes[n]) n++;
    t->steps = tdl_alloc(t->mem, n, sizeof *t->steps);
    t->scratch = tdl_regex_scratch_create(t->mem);
    if (!t->steps || !t->scratch) return no_memory(err);
    for (; t->n_steps < n; t->n_steps++) {
        tdl_pretokenizer_desc split = {
            .kind = TDL_PRETOKENIZER_SPLIT, .is_regex = true, .pattern = tdl_text_cstr(regexes[t->n_steps])};
        tdl_status status = tdl_pretokenizer_init(t->mem, &t->steps[t->n_steps], &split, err);
        if (status == TDL_OK) continue;
        t->n_steps++; // the one that failed has memory, too
        return status;
    }
    return TDL_OK;
}

// Two tokens must not be spelled alike: t->taken has the bytes that no merge may make.
static tdl_status add_specials(tdl_bpe_trainer *t, const tdl_bpe_train_desc *desc, tdl_error *err) {
    tdl_str bytes = tdl_str_make(t->mem);
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < desc->n_specials && status == TDL_OK; i++) {
        tdl_text text = tdl_text_cstr(desc->specials[i]);
        int32_t id = 0;
        bool spelled = spelled_bytes(text, &bytes);
        if (text.size == 0 || text.size > TDL_ADDED_TOKEN_SIZE_MAX || !tdl_utf8_valid(text.ptr, text.size))
            status = tdl_fail(err, TDL_ERROR_ARGUMENT,
                              "tokenizer training: special token %zu, '%.80s': expected 1 to %d bytes of UTF-8", i,
                              text.ptr, TDL_ADDED_TOKEN_SIZE_MAX);
        else if (spelled && bytes.size == 1)
            status = tdl_fail(err, TDL_ERROR_ARGUMENT,
                              "tokenizer training: special token %zu, '%s': this is how a byte's token is spelled", i,
                              text.ptr);
        else if (bytes.failed || !tdl_bpe_add_token(t, text, tdl_text_of("", 0), &id)) status = no_memory(err);
        if (status != TDL_OK) break;
        text = tdl_bpe_trainer_token(t, id);
        for (int32_t k = 0; k < id && status == TDL_OK; k++)
            if (tdl_text_equal(tdl_bpe_trainer_token(t, k), text))
                status = tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: special token '%s' is given twice",
                                  desc->specials[i]);
        if (!spelled || status != TDL_OK) continue;
        tdl_text key = {tdl_arena_strndup(&t->arena, bytes.ptr, bytes.size), bytes.size};
        if (!key.ptr || !tdl_map_put(&t->taken, key, id)) status = no_memory(err);
    }
    t->n_specials = (int32_t)desc->n_specials;
    tdl_str_deinit(&bytes);
    return status;
}

// The bytes that a text stands for in GPT-2's alphabet; false: one of its characters is not in it.
static bool spelled_bytes(tdl_text text, tdl_str *out) {
    tdl_str_clear(out);
    for (size_t pos = 0, n; pos < text.size; pos += n) {
        int byte = tdl_char_to_byte(tdl_utf8_decode(text.ptr + pos, text.size - pos, &n));
        if (byte < 0) return false;
        tdl_str_append(out, &(char){(char)byte}, 1);
    }
    return text.size > 0;
}

// In the order of the alphabet's characters: first the bytes that stand for themselves.
static bool add_bytes(tdl_bpe_trainer *t) {
    for (uint32_t c = 0; c < 2 * N_BYTES; c++) {
        int byte = tdl_char_to_byte(c), id;
        char text = (char)byte;
        if (byte < 0) continue;
        if (!tdl_bpe_add_token(t, tdl_text_of(&text, 1), tdl_text_of("", 0), &id)) return false;
    }
    return true;
}

static tdl_status no_memory(tdl_error *err) { return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer training: no memory"); }
