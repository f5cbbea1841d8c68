// SPDX-License-Identifier: MIT
// export_tokenizer.c - a tokenizer.json as GGUF's tokenizer.ggml.* keys.
//
// A GGUF file carries no regular expressions, only the name of a pre-tokenizer: the one whose expressions are those of
// the file, letter by letter. Ranked merges over characters with byte fallback are what a SentencePiece model becomes in a
// tokenizer.json, and become one again: GGUF's kind "llama" merges by score, so each token's score is minus the rank of
// the first merge that makes it.
//
// Where these keys lose something, the tokenizer.json goes along whole, under tokenizer.huggingface.json.
#include "train/export_impl.h"

#include "base/json.h"
#include "format/gguf.h"
#include "model/tokenizer_load.h"
#include "token/pretokenize.h"

#include <stdio.h>
#include <string.h>

#define SPACE "\u2581" // SentencePiece's space

typedef struct export_tokens {
    const tdl_weights *weights;
    const tdl_allocator *mem;
    size_t n_vocab; // tokens to write; those that the tokenizer lacks are filled up
    tdl_gguf_writer *writer;
} export_tokens;

static tdl_status use_desc(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status put_bpe(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status put_spm(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status put_tokens(const export_tokens *e, const tdl_tokenizer_desc *desc, bool spm, tdl_error *err);
static tdl_status put_merges(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status put_scores(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status put_ids(const export_tokens *e, const tdl_tokenizer_desc *desc, bool spm, tdl_error *err);
static tdl_status put_chat_template(const export_tokens *e, tdl_error *err);
static bool loses_something(const tdl_tokenizer_desc *desc);
static tdl_status put_json(const export_tokens *e, tdl_error *err);
static const char *pretokenizer_name(const tdl_tokenizer_desc *desc);
static bool spm_space_prefix(const tdl_tokenizer_desc *desc, bool *prefix);
static bool is_byte_token(tdl_text text);
static tdl_status put_array(const export_tokens *e, const char *key, tdl_meta_type element, tdl_gguf_type type,
                            const void *array, size_t n, tdl_error *err);
static tdl_status no_memory(tdl_error *err);

tdl_status export_tokenizer(const tdl_weights *weights, const tdl_allocator *mem, int32_t n_vocab,
                            tdl_gguf_writer *writer, tdl_error *err) {
    export_tokens e = {.weights = weights, .mem = mem, .n_vocab = (size_t)n_vocab, .writer = writer};
    return tdl_tokenizer_describe(weights, mem, use_desc, &e, err);
}

static tdl_status use_desc(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err) {
    const export_tokens *e = arg;
    if (desc->n_tokens > e->n_vocab)
        return tdl_fail(err, TDL_ERROR_FORMAT, "export: the tokenizer has %zu tokens, the model %zu", desc->n_tokens,
                        e->n_vocab);
    bool spm = desc->scheme == TDL_SCHEME_CHAR_BPE;
    tdl_status status = spm ? put_spm(e, desc, err) : put_bpe(e, desc, err);
    if (status == TDL_OK) status = put_tokens(e, desc, spm, err);
    if (status == TDL_OK) status = put_ids(e, desc, spm, err);
    if (status == TDL_OK) status = put_chat_template(e, err);
    if (status == TDL_OK && loses_something(desc)) status = put_json(e, err);
    return status;
}

// What tokenizer.ggml.* have no key for: NFC, Metaspace's rules about the first space, white space round added tokens.
static bool loses_something(const tdl_tokenizer_desc *desc) {
    for (size_t i = 0; i < desc->n_normalizers; i++)
        if (desc->normalizers[i].kind == TDL_NORMALIZER_NFC) return true;
    for (size_t i = 0; i < desc->n_pretokenizers; i++)
        if (desc->pretokenizers[i].kind == TDL_PRETOKENIZER_PREFIX) return true;
    for (size_t i = 0; i < desc->n_tokens && desc->flags; i++)
        if (desc->flags[i] & (TDL_TOKEN_LSTRIP | TDL_TOKEN_RSTRIP | TDL_TOKEN_SINGLE_WORD)) return true;
    return false;
}

// The whole of it, for which GGUF has a key that readers who do not know it pass over.
static tdl_status put_json(const export_tokens *e, tdl_error *err) {
    tdl_meta json = {
        .type = TDL_META_STRING, .string = tdl_weights_tokenizer_json(e->weights), .gguf_type = TDL_GGUF_STRING};
    return tdl_gguf_writer_meta(e->writer, tdl_text_cstr("tokenizer.huggingface.json"), &json, err);
}

// ---- the two kinds

static tdl_status put_bpe(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err) {
    const char *pre = pretokenizer_name(desc);
    if (!pre)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: GGUF has no name for this tokenizer.json's normalizer and pre-tokenizer");
    tdl_status status = tdl_gguf_writer_string(e->writer, "tokenizer.ggml.model", "gpt2", err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(e->writer, "tokenizer.ggml.pre", pre, err);
    return status == TDL_OK ? put_merges(e, desc, err) : status;
}

static tdl_status put_spm(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err) {
    bool prefix;
    if (!desc->byte_fallback || !desc->decoder.byte_tokens || !spm_space_prefix(desc, &prefix))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: GGUF has byte-level BPE and SentencePiece-style BPE with byte fallback; this "
                        "tokenizer.json is neither");
    tdl_status status = tdl_gguf_writer_string(e->writer, "tokenizer.ggml.model", "llama", err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(e->writer, "tokenizer.ggml.pre", "default", err);
    if (status == TDL_OK) status = tdl_gguf_writer_bool(e->writer, "tokenizer.ggml.add_space_prefix", prefix, err);
    return status == TDL_OK ? put_scores(e, desc, err) : status;
}

// The name under which GGUF files have exactly these steps; NULL: none.
static const char *pretokenizer_name(const tdl_tokenizer_desc *desc) {
    static const char *const names[] = {"gpt-2",       "smollm",         "llama-bpe", "dbrx",   "qwen2",
                                        "deepseek-v3", "deepseek-coder", "gpt-4o",    "tekken", "qwen35",
                                        "seed-coder",  "glm4",           "bloom",     "falcon"};
    bool nfc = desc->n_normalizers == 1 && desc->normalizers[0].kind == TDL_NORMALIZER_NFC;
    if (desc->n_normalizers && !nfc) return NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tdl_named_pretokenizer *named = tdl_named_pretokenizer_find(names[i]);
        size_t n = 0;
        if (named->ignore_merges != desc->ignore_merges) continue;
        for (; named->regexes[n] && n < desc->n_pretokenizers; n++) {
            const tdl_pretokenizer_desc *p = &desc->pretokenizers[n];
            // Its matches as pieces, or what does not match what is to be kept dropped: the same, as all of it matches.
            bool pieces = p->behavior == TDL_SPLIT_ISOLATED || (p->behavior == TDL_SPLIT_REMOVED && p->invert);
            if (p->kind != TDL_PRETOKENIZER_SPLIT || !p->is_regex || !pieces ||
                !tdl_text_is(p->pattern, named->regexes[n]))
                break;
        }
        if (n == desc->n_pretokenizers && !named->regexes[n]) return names[i];
    }
    return NULL;
}

// Whether spaces are treated as SentencePiece does; *prefix: one is put before the text.
static bool spm_space_prefix(const tdl_tokenizer_desc *desc, bool *prefix) {
    size_t n_prefixes = 0, n_replaces = 0;
    for (size_t i = 0; i < desc->n_normalizers; i++) {
        const tdl_normalizer_desc *n = &desc->normalizers[i];
        if (n->kind == TDL_NORMALIZER_PREPEND && tdl_text_is(n->content, SPACE)) n_prefixes++;
        else if (n->kind == TDL_NORMALIZER_REPLACE && !n->is_regex && tdl_text_is(n->pattern, " ") &&
                 tdl_text_is(n->content, SPACE))
            n_replaces++;
        else return false;
    }
    for (size_t i = 0; i < desc->n_pretokenizers; i++) {
        const tdl_pretokenizer_desc *p = &desc->pretokenizers[i];
        if (p->kind == TDL_PRETOKENIZER_PREFIX && tdl_text_is(p->content, SPACE)) n_prefixes++;
        else if (p->kind == TDL_PRETOKENIZER_REPLACE && tdl_text_is(p->pattern, " ") && tdl_text_is(p->content, SPACE))
            n_replaces++;
        else if (p->kind != TDL_PRETOKENIZER_SPLIT || p->is_regex || !tdl_text_is(p->pattern, SPACE) ||
                 p->behavior != TDL_SPLIT_MERGED_WITH_NEXT)
            return false;
    }
    *prefix = n_prefixes == 1;
    return n_prefixes <= 1 && n_replaces == 1;
}

// ---- tokens, merges, scores

// Ids without a token, within the vocabulary or up to the model's size, become "[PAD<id>]" of the kind UNUSED.
static tdl_status put_tokens(const export_tokens *e, const tdl_tokenizer_desc *desc, bool spm, tdl_error *err) {
    tdl_text *texts = tdl_alloc(e->mem, e->n_vocab, sizeof *texts);
    int64_t *kinds = tdl_alloc(e->mem, e->n_vocab, sizeof *kinds);
    tdl_arena arena;
    tdl_arena_init(&arena, e->mem);
    tdl_status status = texts && kinds ? TDL_OK : no_memory(err);
    for (size_t i = 0; i < e->n_vocab && status == TDL_OK; i++) {
        bool there = i < desc->n_tokens && desc->tokens[i].size;
        kinds[i] = there && desc->kinds ? desc->kinds[i] : there ? TDL_TOKEN_NORMAL : TDL_TOKEN_UNUSED;
        if (there) texts[i] = desc->tokens[i];
        if (spm && (int64_t)i == desc->unk) kinds[i] = TDL_TOKEN_UNKNOWN;
        else if (spm && there && kinds[i] == TDL_TOKEN_NORMAL && is_byte_token(texts[i])) kinds[i] = TDL_TOKEN_BYTE;
        if (there) continue;
        char text[32];
        int size = snprintf(text, sizeof text, "[PAD%zu]", i);
        texts[i] = tdl_text_of(tdl_arena_strndup(&arena, text, (size_t)size), (size_t)size);
        if (!texts[i].ptr) status = no_memory(err);
    }
    if (status == TDL_OK)
        status = put_array(e, "tokenizer.ggml.tokens", TDL_META_STRING, TDL_GGUF_STRING, texts, e->n_vocab, err);
    if (status == TDL_OK)
        status = put_array(e, "tokenizer.ggml.token_type", TDL_META_INT, TDL_GGUF_I32, kinds, e->n_vocab, err);
    tdl_arena_deinit(&arena);
    tdl_free(e->mem, texts);
    tdl_free(e->mem, kinds);
    return status;
}

static bool is_byte_token(tdl_text text) {
    return text.size == 6 && memcmp(text.ptr, "<0x", 3) == 0 && text.ptr[5] == '>';
}

// The text of merge i: its two halves joined by `between`.
static bool merge_text(const tdl_tokenizer_desc *desc, size_t i, const char *between, tdl_str *out) {
    tdl_str_clear(out);
    tdl_text left, right;
    if (desc->merges) {
        const char *space = memchr(desc->merges[i].ptr, ' ', desc->merges[i].size);
        if (!space) return false;
        left = tdl_text_of(desc->merges[i].ptr, (size_t)(space - desc->merges[i].ptr));
        right = tdl_text_of(space + 1, desc->merges[i].size - left.size - 1);
    } else {
        left = desc->merge_pairs[2 * i];
        right = desc->merge_pairs[2 * i + 1];
    }
    return tdl_str_append(out, left.ptr, left.size) && tdl_str_append(out, between, strlen(between)) &&
           tdl_str_append(out, right.ptr, right.size);
}

static tdl_status put_merges(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err) {
    if (desc->merges)
        return put_array(e, "tokenizer.ggml.merges", TDL_META_STRING, TDL_GGUF_STRING, desc->merges, desc->n_merges,
                         err);
    tdl_text *texts = tdl_alloc(e->mem, desc->n_merges, sizeof *texts);
    tdl_str text = tdl_str_make(e->mem);
    tdl_arena arena;
    tdl_arena_init(&arena, e->mem);
    tdl_status status = texts ? TDL_OK : no_memory(err);
    for (size_t i = 0; i < desc->n_merges && status == TDL_OK; i++) {
        char *copy = merge_text(desc, i, " ", &text) ? tdl_arena_strndup(&arena, text.ptr, text.size) : NULL;
        texts[i] = tdl_text_of(copy, text.size);
        if (!copy) status = no_memory(err);
    }
    if (status == TDL_OK)
        status = put_array(e, "tokenizer.ggml.merges", TDL_META_STRING, TDL_GGUF_STRING, texts, desc->n_merges, err);
    tdl_arena_deinit(&arena);
    tdl_str_deinit(&text);
    tdl_free(e->mem, texts);
    return status;
}

static tdl_status put_scores(const export_tokens *e, const tdl_tokenizer_desc *desc, tdl_error *err) {
    double *scores = tdl_alloc(e->mem, e->n_vocab, sizeof *scores);
    tdl_map ids = tdl_map_make(e->mem);
    tdl_str text = tdl_str_make(e->mem);
    tdl_status status = scores && tdl_map_reserve(&ids, desc->n_tokens) ? TDL_OK : no_memory(err);
    for (size_t i = desc->n_tokens; i-- > 0 && status == TDL_OK;)
        if (desc->tokens[i].size && !tdl_map_put(&ids, desc->tokens[i], (int32_t)i)) status = no_memory(err);
    for (size_t i = desc->n_merges; i-- > 0 && status == TDL_OK;) { // backwards: of several merges the first counts
        int32_t id;
        if (!merge_text(desc, i, "", &text)) status = no_memory(err);
        else if (tdl_map_get(&ids, tdl_text_of(text.ptr, text.size), &id)) scores[id] = -(double)i - 1;
    }
    if (status == TDL_OK)
        status = put_array(e, "tokenizer.ggml.scores", TDL_META_FLOAT, TDL_GGUF_F32, scores, e->n_vocab, err);
    tdl_str_deinit(&text);
    tdl_map_deinit(&ids);
    tdl_free(e->mem, scores);
    return status;
}

// ---- the rest

// Without a key, readers of a SentencePiece vocabulary take its own numbers for granted; 2^32 - 1 says that there is none.
static tdl_status put_ids(const export_tokens *e, const tdl_tokenizer_desc *desc, bool spm, tdl_error *err) {
    tdl_meta pad = tdl_weights_meta(e->weights, "pad_token_id");
    int32_t ends[2] = {-1, -1};
    size_t n_ends = 0;
    for (size_t i = 0; i < desc->n_ends && n_ends < 2; i++)
        if (desc->ends[i] != desc->eos && (n_ends == 0 || desc->ends[i] != ends[0])) ends[n_ends++] = desc->ends[i];
    const struct {
        const char *key;
        int32_t id;
        bool spm_default;
    } ids[] = {{"tokenizer.ggml.bos_token_id", desc->bos, true},
               {"tokenizer.ggml.eos_token_id", desc->eos, true},
               {"tokenizer.ggml.unknown_token_id", desc->unk, true},
               {"tokenizer.ggml.padding_token_id",
                pad.type == TDL_META_INT && pad.integer >= 0 ? (int32_t)pad.integer : -1, false},
               {"tokenizer.ggml.eot_token_id", ends[0], false},
               {"tokenizer.ggml.eom_token_id", ends[1], false}};
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && status == TDL_OK; i++)
        if (ids[i].id >= 0 || (spm && ids[i].spm_default))
            status = tdl_gguf_writer_u32(e->writer, ids[i].key, (uint32_t)ids[i].id, err);
    if (status == TDL_OK)
        status = tdl_gguf_writer_bool(e->writer, "tokenizer.ggml.add_bos_token", desc->add_bos && desc->bos >= 0, err);
    if (status == TDL_OK)
        status = tdl_gguf_writer_bool(e->writer, "tokenizer.ggml.add_eos_token", desc->add_eos && desc->eos >= 0, err);
    return status;
}

static tdl_status put_chat_template(const export_tokens *e, tdl_error *err) {
    tdl_text text = tdl_weights_tokenizer_config(e->weights);
    json_t *root = NULL;
    if (!text.size) return TDL_OK;
    tdl_status status = tdl_json_parse(text.ptr, text.size, "tokenizer_config.json", &root, err);
    if (status != TDL_OK) return status;
    const char *template = json_string_value(json_object_get(root, "chat_template"));
    if (template) status = tdl_gguf_writer_string(e->writer, "tokenizer.chat_template", template, err);
    json_decref(root);
    return status;
}

static tdl_status put_array(const export_tokens *e, const char *key, tdl_meta_type element, tdl_gguf_type type,
                            const void *array, size_t n, tdl_error *err) {
    tdl_meta meta = {.type = TDL_META_ARRAY,
                     .element = element,
                     .n = n,
                     .array = array,
                     .gguf_type = TDL_GGUF_ARRAY,
                     .gguf_element = (int32_t)type};
    return tdl_gguf_writer_meta(e->writer, tdl_text_cstr(key), &meta, err);
}

static tdl_status no_memory(tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for a tokenizer");
}
