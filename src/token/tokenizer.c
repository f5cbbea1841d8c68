// SPDX-License-Identifier: MIT
// tokenizer.c - builds a tokenizer from its description, and answers questions about its vocabulary.
#include "token/tokenizer_impl.h"

#include "base/error.h"
#include "base/limits.h"
#include "token/control_names.h"

#include <stdio.h>
#include <string.h>

static tdl_status check_desc(const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status check_id(const tdl_tokenizer_desc *desc, const char *what, int32_t id, tdl_error *err);
static tdl_status add_normalizers(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status add_pretokenizers(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status add_named_pretokenizer(tdl_tokenizer *t, const char *name, tdl_error *err);
static tdl_status add_added_tokens(tdl_tokenizer *t, tdl_error *err);
static tdl_status add_ends(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err);
static bool is_added(const tdl_tokenizer *t, const char *text);

tdl_status tdl_tokenizer_create(const tdl_tokenizer_desc *desc, tdl_tokenizer **out, tdl_error *err) {
    tdl_status status = check_desc(desc, err);
    if (status < 0) return status;
    tdl_tokenizer *t = tdl_alloc(desc->mem, 1, sizeof *t);
    if (!t) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory");
    t->mem = desc->mem;
    t->scheme = desc->scheme;
    t->ignore_merges = desc->ignore_merges;
    t->byte_fallback = desc->byte_fallback;
    t->fuse_unk = desc->fuse_unk;
    t->has_merges = desc->n_merges > 0;
    t->add_bos = desc->add_bos && desc->bos >= 0;
    t->add_eos = desc->add_eos && desc->eos >= 0;
    t->bos = desc->bos;
    t->eos = desc->eos;
    t->unk = desc->unk;
    t->strip_space = desc->scheme == TDL_SCHEME_SPM ? desc->add_space_prefix : desc->decoder.strip_space;
    t->strip_space_after_added = desc->scheme == TDL_SCHEME_SPM && desc->add_space_prefix;
    t->join_spaces = desc->scheme == TDL_SCHEME_CHAR_BPE && desc->decoder.join_spaces;
    if ((status = tdl_vocab_init(&t->vocab, desc, err)) < 0) goto cleanup;
    t->split_words = desc->scheme != TDL_SCHEME_BPE && tdl_vocab_splits_at_spaces(&t->vocab);
    if (desc->scheme == TDL_SCHEME_SPM) status = tdl_spm_init(&t->spm, &t->vocab, desc, err);
    else status = tdl_bpe_init(&t->bpe, &t->vocab, desc, err);
    if (status < 0 || (status = add_normalizers(t, desc, err)) < 0 || (status = add_pretokenizers(t, desc, err)) < 0 ||
        (status = add_added_tokens(t, err)) < 0 || (status = add_ends(t, desc, err)) < 0) {
        goto cleanup;
    }
    *out = t;
    return TDL_OK;
cleanup:
    tdl_tokenizer_destroy(t);
    return status;
}

void tdl_tokenizer_destroy(tdl_tokenizer *t) {
    if (!t) return;
    for (size_t i = 0; i < t->n_normalizers; i++) tdl_normalizer_deinit(t->mem, &t->normalizers[i]);
    for (size_t i = 0; i < t->n_pretokenizers; i++) tdl_pretokenizer_deinit(t->mem, &t->pretokenizers[i]);
    tdl_free(t->mem, t->normalizers);
    tdl_free(t->mem, t->pretokenizers);
    tdl_free(t->mem, t->ends);
    tdl_added_tokens_deinit(&t->added);
    tdl_added_tokens_deinit(&t->added_normalized);
    tdl_bpe_deinit(&t->bpe);
    tdl_spm_deinit(&t->spm);
    tdl_vocab_deinit(&t->vocab);
    tdl_free(t->mem, t);
}

bool tdl_tokenizer_doubts(const tdl_tokenizer *t, bool (*tell)(void *arg, const char *sentence), void *arg) {
    const struct {
        tdl_vocab_doubt doubt;
        const char *what;
    } doubts[] = {{t->vocab.repeated, "have the text of an earlier one, and are never made from text"},
                  {t->vocab.empty, "have no text"},
                  {t->vocab.untyped, "are of no known type, and count as unused"}};
    char text[128];
    for (size_t i = 0; i < sizeof doubts / sizeof *doubts; i++) {
        if (doubts[i].doubt.n == 0) continue;
        snprintf(text, sizeof text, "tokenizer: tokens that %s: %zu, the first is %zu", doubts[i].what,
                 doubts[i].doubt.n, doubts[i].doubt.first);
        if (!tell(arg, text)) return false;
    }
    bool merges = t->scheme == TDL_SCHEME_SPM || t->has_merges;
    return merges || tell(arg, "tokenizer: there are no merges, so no token of a text is longer than a character");
}

void tdl_tokenizer_close(tdl_tokenizer *tokenizer) { tdl_tokenizer_destroy(tokenizer); }

int32_t tdl_tokenizer_n_vocab(const tdl_tokenizer *tokenizer) { return tokenizer ? (int32_t)tokenizer->vocab.n : 0; }

int32_t tdl_tokenizer_bos(const tdl_tokenizer *tokenizer) { return tokenizer ? tokenizer->bos : -1; }

int32_t tdl_tokenizer_eos(const tdl_tokenizer *tokenizer) { return tokenizer ? tokenizer->eos : -1; }

bool tdl_tokenizer_is_end(const tdl_tokenizer *tokenizer, int32_t id) {
    for (size_t i = 0; tokenizer && i < tokenizer->n_ends; i++) {
        if (tokenizer->ends[i] == id) return true;
    }
    return false;
}

int32_t tdl_tokenizer_find(const tdl_tokenizer *tokenizer, const char *text, size_t text_size) {
    int32_t id;
    if (!tokenizer || (!text && text_size)) return -1;
    return tdl_map_get(&tokenizer->vocab.ids, tdl_text_of(text, text_size), &id) ? id : -1;
}

tdl_text tdl_tokenizer_token(const tdl_tokenizer *tokenizer, int32_t id) {
    if (!tokenizer || id < 0 || (size_t)id >= tokenizer->vocab.n) return tdl_text_of("", 0);
    return tdl_vocab_text(&tokenizer->vocab, id);
}

// ---- creation

static tdl_status check_desc(const tdl_tokenizer_desc *desc, tdl_error *err) {
    tdl_status status;
    if (desc->scheme < TDL_SCHEME_BPE || desc->scheme > TDL_SCHEME_CHAR_BPE) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer: scheme %d is unknown", (int)desc->scheme);
    }
    if (desc->n_tokens == 0) return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: the vocabulary is empty");
    if (desc->n_tokens > TDL_VOCAB_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: %zu tokens, at most %d", desc->n_tokens, TDL_VOCAB_MAX);
    }
    if (desc->n_merges > TDL_MERGES_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: %zu merges, at most %d", desc->n_merges, TDL_MERGES_MAX);
    }
    if (desc->n_normalizers > TDL_TOKEN_STEPS_MAX || desc->n_pretokenizers > TDL_TOKEN_STEPS_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: %zu normalizers and %zu pre-tokenizers, at most %d of each",
                        desc->n_normalizers, desc->n_pretokenizers, TDL_TOKEN_STEPS_MAX);
    }
    if ((status = check_id(desc, "beginning-of-sequence", desc->bos, err)) < 0 ||
        (status = check_id(desc, "end-of-sequence", desc->eos, err)) < 0 ||
        (status = check_id(desc, "unknown", desc->unk, err)) < 0) {
        return status;
    }
    for (size_t i = 0; i < desc->n_ends; i++) {
        if (desc->ends[i] < 0 || (status = check_id(desc, "end-of-generation", desc->ends[i], err)) < 0) {
            return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: end-of-generation token %d, expected 0 to %zu",
                            desc->ends[i], desc->n_tokens - 1);
        }
    }
    return TDL_OK;
}

static tdl_status check_id(const tdl_tokenizer_desc *desc, const char *what, int32_t id, tdl_error *err) {
    if (id >= -1 && (id < 0 || (size_t)id < desc->n_tokens)) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: %s token %d, expected -1 to %zu", what, id, desc->n_tokens - 1);
}

// SPM's treatment of spaces is two normalizers.
static tdl_status add_normalizers(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err) {
    const tdl_normalizer_desc spm[] = {
        {.kind = TDL_NORMALIZER_REPLACE, .pattern = {" ", 1}, .content = tdl_text_cstr("\u2581")},
        {.kind = TDL_NORMALIZER_PREPEND, .content = tdl_text_cstr("\u2581")},
    };
    size_t n_spm = desc->scheme == TDL_SCHEME_SPM ? 1u + desc->add_space_prefix : 0;
    t->normalizers = tdl_alloc(t->mem, desc->n_normalizers + n_spm, sizeof *t->normalizers);
    if (!t->normalizers) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for normalizers");
    for (size_t i = 0; i < desc->n_normalizers + n_spm; i++) {
        const tdl_normalizer_desc *from =
            i < desc->n_normalizers ? &desc->normalizers[i] : &spm[i - desc->n_normalizers];
        tdl_status status = tdl_normalizer_init(t->mem, &t->normalizers[t->n_normalizers++], from, err);
        if (status < 0) return status;
        if (t->normalizers[i].regex) t->has_regex = true;
    }
    return TDL_OK;
}

static tdl_status add_pretokenizers(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err) {
    if (desc->scheme == TDL_SCHEME_BPE && desc->pre) return add_named_pretokenizer(t, desc->pre, err);
    t->pretokenizers = tdl_alloc(t->mem, desc->n_pretokenizers, sizeof *t->pretokenizers);
    if (!t->pretokenizers) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for pre-tokenizers");
    for (size_t i = 0; i < desc->n_pretokenizers; i++) {
        tdl_pretokenizer *p = &t->pretokenizers[t->n_pretokenizers++];
        tdl_status status = tdl_pretokenizer_init(t->mem, p, &desc->pretokenizers[i], err);
        if (status < 0) return status;
        if (p->regex) t->has_regex = true;
    }
    return TDL_OK;
}

static tdl_status add_named_pretokenizer(tdl_tokenizer *t, const char *name, tdl_error *err) {
    const tdl_named_pretokenizer *named = tdl_named_pretokenizer_find(name);
    if (!named) return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer: the pre-tokenizer '%s' is unknown", name);
    size_t n = 0;
    while (named->regexes[n]) n++;
    t->pretokenizers = tdl_alloc(t->mem, n, sizeof *t->pretokenizers);
    if (!t->pretokenizers) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for pre-tokenizers");
    for (size_t i = 0; i < n; i++) {
        tdl_pretokenizer_desc split = {
            .kind = TDL_PRETOKENIZER_SPLIT, .is_regex = true, .pattern = tdl_text_cstr(named->regexes[i])};
        tdl_status status = tdl_pretokenizer_init(t->mem, &t->pretokenizers[t->n_pretokenizers++], &split, err);
        if (status < 0) return status;
    }
    t->has_regex = true;
    if (named->ignore_merges) t->ignore_merges = true;
    return TDL_OK;
}

static tdl_status add_added_tokens(tdl_tokenizer *t, tdl_error *err) {
    tdl_str text = tdl_str_make(t->mem), spare = text;
    tdl_regex_scratch *scratch = t->has_regex ? tdl_regex_scratch_create(t->mem) : NULL;
    tdl_status status = TDL_OK;
    tdl_added_tokens_init(&t->added, &t->vocab, t->mem);
    tdl_added_tokens_init(&t->added_normalized, &t->vocab, t->mem);
    if (t->has_regex && !scratch) status = tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for added tokens");
    for (int32_t id = 0; (size_t)id < t->vocab.n && status >= 0; id++) {
        tdl_text token = tdl_vocab_text(&t->vocab, id);
        if (!tdl_vocab_is_added(&t->vocab, id) || token.size == 0) continue;
        if (!(t->vocab.flags[id] & TDL_TOKEN_NORMALIZED) || t->n_normalizers == 0) {
            status = tdl_added_tokens_put(&t->added, token, id, err);
            continue;
        }
        tdl_str_clear(&text);
        if (!tdl_str_append(&text, token.ptr, token.size)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for added tokens");
            break;
        }
        status = tdl_normalize(t->normalizers, t->n_normalizers, scratch, TDL_ADDED_TOKEN_SIZE_MAX, &text, &spare, err);
        if (status < 0 || text.size == 0) continue;
        status = tdl_added_tokens_put(&t->added_normalized, tdl_text_of(text.ptr, text.size), id, err);
    }
    tdl_added_tokens_finish(&t->added);
    tdl_added_tokens_finish(&t->added_normalized);
    tdl_regex_scratch_destroy(scratch);
    tdl_str_deinit(&text);
    tdl_str_deinit(&spare);
    return status;
}

// The ends are those the description names, and tokens whose text says so: files often name only one of several.
static tdl_status add_ends(tdl_tokenizer *t, const tdl_tokenizer_desc *desc, tdl_error *err) {
    tdl_vec ends = tdl_vec_make(t->mem, sizeof *t->ends);
    bool ok = desc->eos < 0 || tdl_vec_push(&ends, &desc->eos, 1);
    ok = ok && (!desc->n_ends || tdl_vec_push(&ends, desc->ends, desc->n_ends));
    bool has_end = true; // where there are tokens that end a turn otherwise, <|end|> ends a message
    static const char *const instead[][2] = {{"<|return|>", "<|call|>"}, {"<|flush|>", "<|calls|>"}};
    for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
        if (is_added(t, instead[i][0]) && is_added(t, instead[i][1])) has_end = false;
    for (int32_t id = 0; (size_t)id < t->vocab.n && ok; id++) {
        if (!tdl_vocab_is_added(&t->vocab, id)) continue;
        tdl_text text = tdl_vocab_text(&t->vocab, id);
        tdl_control_name name = tdl_control_name_of(text);
        bool typed = name != TDL_CONTROL_NAME_TYPED || t->vocab.kinds[id] == TDL_TOKEN_CONTROL;
        if (tdl_control_name_ends(name) && typed && (has_end || !tdl_text_is(text, "<|end|>")))
            ok = tdl_vec_push(&ends, &id, 1);
    }
    t->ends = ends.data;
    t->n_ends = ends.n;
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for end tokens");
}

static bool is_added(const tdl_tokenizer *t, const char *text) {
    int32_t id;
    return tdl_map_get(&t->vocab.ids, tdl_text_cstr(text), &id) && tdl_vocab_is_added(&t->vocab, id);
}
