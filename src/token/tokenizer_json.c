// SPDX-License-Identifier: MIT
// tokenizer_json.c - Hugging Face's tokenizer.json: the model, the added tokens, and what tokenizer_config.json says.
//
// Everything becomes a tdl_tokenizer_desc whose texts are borrowed from the JSON values, so nothing is copied before
// tdl_tokenizer_create does. Ids may have holes; they become empty tokens, which nothing produces.
#include "token/tokenizer_json.h"

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "token/tokenizer_json_steps.h"

#include <string.h>

typedef struct builder {
    const tdl_tokenizer_json_desc *desc;
    tdl_error *err;
    json_t *root, *config;
    tdl_json_steps steps;
    tdl_map ids;     // text -> id
    size_t n_tokens; // 1 + the largest id
    tdl_text *tokens;
    int32_t *kinds;
    uint8_t *flags;
    tdl_text *merges; // [n_merges], or [2 * n_merges] of pairs
    size_t n_merges;
    bool merge_pairs;
    int32_t *ends; // [n_ends]
    size_t n_ends;
    tdl_tokenizer_desc out;
} builder;

static tdl_status create(void *out, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status build(builder *b);
static tdl_status check_model(builder *b, const json_t *model);
static tdl_status read_vocab(builder *b, json_t *vocab, json_t *added);
static tdl_status count_ids(builder *b, json_t *vocab, json_t *added);
static tdl_status count_id(builder *b, const char *text, const json_t *id);
static tdl_status put_token(builder *b, tdl_text text, int32_t id);
static tdl_status read_added(builder *b, json_t *added);
static tdl_status read_merges(builder *b, const json_t *merges);
static tdl_status read_special_ids(builder *b, const json_t *model);
static tdl_status read_config_token(builder *b, const char *key, int32_t *id);
static void add_end(builder *b, int32_t id);
static tdl_status no_memory(builder *b);

tdl_status tdl_tokenizer_from_json(const tdl_tokenizer_json_desc *desc, tdl_tokenizer **out, tdl_error *err) {
    return tdl_tokenizer_json_describe(desc, create, out, err);
}

static tdl_status create(void *out, const tdl_tokenizer_desc *desc, tdl_error *err) {
    return tdl_tokenizer_create(desc, out, err);
}

tdl_status tdl_tokenizer_json_describe(const tdl_tokenizer_json_desc *desc, tdl_tokenizer_use use, void *arg,
                                       tdl_error *err) {
    builder b = {.desc = desc, .err = err, .ids = tdl_map_make(desc->mem)};
    tdl_json_steps_init(&b.steps, desc->mem);
    tdl_status status = tdl_json_parse(desc->json.ptr, desc->json.size, "tokenizer.json", &b.root, err);
    if (status >= 0 && desc->config_json.size) {
        status = tdl_json_parse(desc->config_json.ptr, desc->config_json.size, "tokenizer_config.json", &b.config, err);
    }
    if (status >= 0) status = build(&b);
    if (status >= 0) status = use(arg, &b.out, err);
    tdl_json_steps_deinit(&b.steps);
    tdl_map_deinit(&b.ids);
    tdl_free(desc->mem, b.tokens);
    tdl_free(desc->mem, b.kinds);
    tdl_free(desc->mem, b.flags);
    tdl_free(desc->mem, b.merges);
    tdl_free(desc->mem, b.ends);
    json_decref(b.root);
    json_decref(b.config);
    return status;
}

// Fills b->out.
static tdl_status build(builder *b) {
    json_t *model = json_object_get(b->root, "model");
    tdl_status status;
    if ((status = check_model(b, model)) < 0 || (status = tdl_json_steps_read(&b->steps, b->root, b->err)) < 0 ||
        (status = read_vocab(b, json_object_get(model, "vocab"), json_object_get(b->root, "added_tokens"))) < 0 ||
        (status = read_merges(b, json_object_get(model, "merges"))) < 0) {
        return status;
    }
    b->out = (tdl_tokenizer_desc){
        .mem = b->desc->mem,
        .scheme = b->steps.byte_level ? TDL_SCHEME_BPE : TDL_SCHEME_CHAR_BPE,
        .n_tokens = b->n_tokens,
        .tokens = b->tokens,
        .kinds = b->kinds,
        .flags = b->flags,
        .n_merges = b->n_merges,
        .merges = b->merge_pairs ? NULL : b->merges,
        .merge_pairs = b->merge_pairs ? b->merges : NULL,
        .pretokenizers = b->steps.pretokenizers.data,
        .n_pretokenizers = b->steps.pretokenizers.n,
        .normalizers = b->steps.normalizers.data,
        .n_normalizers = b->steps.normalizers.n,
        .decoder = b->steps.decoder,
        .ignore_merges = json_is_true(json_object_get(model, "ignore_merges")),
        .byte_fallback = json_is_true(json_object_get(model, "byte_fallback")),
        .fuse_unk = json_is_true(json_object_get(model, "fuse_unk")),
    };
    return read_special_ids(b, model);
}

// The model's type and those of its options that we do not have.
static tdl_status check_model(builder *b, const json_t *model) {
    if (!json_is_object(model)) return tdl_fail(b->err, TDL_ERROR_FORMAT, "tokenizer.json: no object 'model'");
    const json_t *type = json_object_get(model, "type"), *merges = json_object_get(model, "merges");
    const char *name = json_is_string(type) ? json_string_value(type) : "";
    if (type && strcmp(name, "BPE") != 0) {
        return tdl_fail(b->err, TDL_ERROR_UNSUPPORTED,
                        "tokenizer.json: the model type '%s' is not supported, only BPE is", name);
    }
    if (!json_is_object(json_object_get(model, "vocab")) || !json_is_array(merges)) {
        return tdl_fail(b->err, type ? TDL_ERROR_FORMAT : TDL_ERROR_UNSUPPORTED,
                        "tokenizer.json: expected a BPE model with an object 'vocab' and an array 'merges'");
    }
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++) {
        if (tdl_json_text(model, affixes[i]).size == 0) continue;
        return tdl_fail(b->err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the model's %s is not supported", affixes[i]);
    }
    if (tdl_json_number(json_object_get(model, "dropout")) > 0) {
        return tdl_fail(b->err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the model's dropout is not supported");
    }
    return TDL_OK;
}

// ---- the vocabulary

static tdl_status read_vocab(builder *b, json_t *vocab, json_t *added) {
    const tdl_allocator *mem = b->desc->mem;
    tdl_status status = count_ids(b, vocab, added);
    if (status < 0) return status;
    b->tokens = tdl_alloc(mem, b->n_tokens, sizeof *b->tokens);
    b->kinds = tdl_alloc(mem, b->n_tokens, sizeof *b->kinds);
    b->flags = tdl_alloc(mem, b->n_tokens, sizeof *b->flags);
    if (!b->tokens || !b->kinds || !b->flags || !tdl_map_reserve(&b->ids, json_object_size(vocab))) return no_memory(b);
    for (void *at = json_object_iter(vocab); at; at = json_object_iter_next(vocab, at)) {
        tdl_text text = tdl_text_of(json_object_iter_key(at), json_object_iter_key_len(at));
        int32_t id = (int32_t)json_integer_value(json_object_iter_value(at));
        if ((status = put_token(b, text, id)) < 0) return status;
        b->kinds[id] = TDL_TOKEN_NORMAL;
    }
    if ((status = read_added(b, added)) < 0) return status;
    for (size_t i = 0; i < b->n_tokens; i++) {
        if (!b->kinds[i]) b->kinds[i] = TDL_TOKEN_UNUSED;
    }
    return TDL_OK;
}

static tdl_status count_ids(builder *b, json_t *vocab, json_t *added) {
    for (void *at = json_object_iter(vocab); at; at = json_object_iter_next(vocab, at)) {
        const char *text = json_object_iter_key(at);
        tdl_status status = count_id(b, text, json_object_iter_value(at));
        if (status < 0) return status;
        if (strstr(text, TDL_JSON_KEY_NUL)) {
            return tdl_fail(b->err, TDL_ERROR_UNSUPPORTED,
                            "tokenizer.json: token %lld: a NUL in its text is not supported",
                            (long long)json_integer_value(json_object_iter_value(at)));
        }
    }
    size_t i;
    const json_t *token;
    json_array_foreach(added, i, token) {
        tdl_status status = count_id(b, tdl_json_text(token, "content").ptr, json_object_get(token, "id"));
        if (status < 0) return status;
    }
    return TDL_OK;
}

static tdl_status count_id(builder *b, const char *text, const json_t *id) {
    json_int_t n = json_integer_value(id);
    if (!json_is_integer(id) || n < 0) {
        return tdl_fail(b->err, TDL_ERROR_FORMAT, "tokenizer.json: token '%.80s': its id is no number from 0 on", text);
    }
    if (n >= TDL_VOCAB_MAX) {
        return tdl_fail(b->err, TDL_ERROR_LIMIT, "tokenizer.json: token '%.80s': id %lld, at most %d", text,
                        (long long)n, TDL_VOCAB_MAX - 1);
    }
    if ((size_t)n >= b->n_tokens) b->n_tokens = (size_t)n + 1;
    return TDL_OK;
}

static tdl_status put_token(builder *b, tdl_text text, int32_t id) {
    if (b->kinds[id]) {
        return tdl_fail(b->err, TDL_ERROR_FORMAT, "tokenizer.json: id %d belongs to '%.80s' and to '%.80s'", id,
                        b->tokens[id].ptr, text.ptr);
    }
    b->tokens[id] = text;
    return tdl_map_put(&b->ids, text, id) ? TDL_OK : no_memory(b);
}

static tdl_status read_added(builder *b, json_t *added) {
    static const struct {
        const char *key;
        uint8_t flag;
    } flags[] = {{"lstrip", TDL_TOKEN_LSTRIP},
                 {"rstrip", TDL_TOKEN_RSTRIP},
                 {"single_word", TDL_TOKEN_SINGLE_WORD},
                 {"normalized", TDL_TOKEN_NORMALIZED}};
    size_t i;
    const json_t *token;
    json_array_foreach(added, i, token) {
        tdl_text text = tdl_json_text(token, "content");
        int32_t id = (int32_t)json_integer_value(json_object_get(token, "id")), known;
        if (tdl_map_get(&b->ids, text, &known) && known != id) {
            return tdl_fail(b->err, TDL_ERROR_FORMAT,
                            "tokenizer.json: added token '%.80s': id %d, but %d in the vocabulary", text.ptr, id,
                            known);
        }
        if (!b->kinds[id] || !tdl_text_equal(b->tokens[id], text)) {
            tdl_status status = put_token(b, text, id);
            if (status < 0) return status;
        }
        b->kinds[id] = json_is_true(json_object_get(token, "special")) ? TDL_TOKEN_CONTROL : TDL_TOKEN_USER;
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
            if (json_is_true(json_object_get(token, flags[k].key))) b->flags[id] |= flags[k].flag;
        }
    }
    return TDL_OK;
}

// A merge is "left right", or since 2024 ["left", "right"].
static tdl_status read_merges(builder *b, const json_t *merges) {
    b->n_merges = json_array_size(merges);
    b->merge_pairs = json_is_array(json_array_get(merges, 0));
    size_t n_texts = b->merge_pairs ? 2 : 1;
    b->merges = tdl_alloc(b->desc->mem, b->n_merges, n_texts * sizeof *b->merges);
    if (!b->merges) return no_memory(b);
    size_t i;
    const json_t *merge;
    json_array_foreach(merges, i, merge) {
        for (size_t k = 0; k < n_texts; k++) {
            const json_t *text = b->merge_pairs ? json_array_get(merge, k) : merge;
            if (!json_is_string(text) || (b->merge_pairs && json_array_size(merge) != 2)) {
                return tdl_fail(b->err, TDL_ERROR_FORMAT,
                                "tokenizer.json: merge %zu: expected %s, as the first merge is", i,
                                b->merge_pairs ? "an array of two texts" : "a text");
            }
            b->merges[i * n_texts + k] = tdl_text_of(json_string_value(text), json_string_length(text));
        }
    }
    return TDL_OK;
}

// ---- special tokens

// For the beginning and the end of a sequence the sources are, best first: what the post-processor adds, the tokens that
// tokenizer_config.json names, the ids of config.json. Ends that lose against another remain ends of a generation.
static tdl_status read_special_ids(builder *b, const json_t *model) {
    tdl_tokenizer_desc *out = &b->out;
    out->unk = -1;
    tdl_text unk = tdl_json_text(model, "unk_token");
    if (unk.size && !tdl_map_get(&b->ids, unk, &out->unk)) {
        return tdl_fail(b->err, TDL_ERROR_FORMAT, "tokenizer.json: the unknown token '%.80s' is not in the vocabulary",
                        unk.ptr);
    }
    b->ends = tdl_alloc(b->desc->mem, b->desc->n_ends + 2, sizeof *b->ends);
    if (!b->ends) return no_memory(b);
    int32_t config_bos, config_eos;
    tdl_status status = read_config_token(b, "bos_token", &config_bos);
    if (status < 0 || (status = read_config_token(b, "eos_token", &config_eos)) < 0) return status;
    for (size_t i = 0; i < b->desc->n_ends; i++) add_end(b, b->desc->ends[i]);
    add_end(b, b->desc->eos);
    add_end(b, config_eos);
    out->bos = config_bos >= 0 ? config_bos : b->desc->bos;
    out->eos = config_eos >= 0 ? config_eos : b->desc->eos;
    const json_t *add_bos = json_object_get(b->config, "add_bos_token");
    const json_t *add_eos = json_object_get(b->config, "add_eos_token");
    out->add_bos = json_is_boolean(add_bos) ? json_is_true(add_bos) : b->steps.bos >= 0;
    out->add_eos = json_is_boolean(add_eos) ? json_is_true(add_eos) : b->steps.eos >= 0;
    if (b->steps.bos >= 0) out->bos = b->steps.bos;
    if (b->steps.eos >= 0) out->eos = b->steps.eos;
    out->ends = b->ends;
    out->n_ends = b->n_ends;
    return TDL_OK;
}

// The id of the token that tokenizer_config.json names under `key`, as a text or an object; -1 where it names none.
static tdl_status read_config_token(builder *b, const char *key, int32_t *id) {
    const json_t *value = json_object_get(b->config, key);
    tdl_text text = json_is_object(value) ? tdl_json_text(value, "content") : tdl_json_text(b->config, key);
    *id = -1;
    if (text.size == 0 || tdl_map_get(&b->ids, text, id)) return TDL_OK;
    return tdl_fail(b->err, TDL_ERROR_FORMAT, "tokenizer_config.json: %s '%.80s' is not in the vocabulary", key,
                    text.ptr);
}

static void add_end(builder *b, int32_t id) {
    if (id >= 0) b->ends[b->n_ends++] = id;
}

static tdl_status no_memory(builder *b) { return tdl_fail(b->err, TDL_ERROR_MEMORY, "tokenizer.json: no memory"); }
