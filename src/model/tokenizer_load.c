// SPDX-License-Identifier: MIT
// tokenizer_load.c - what GGUF's tokenizer.ggml.* keys and a directory's configuration mean for a tokenizer.
//
// Here is also the public tdl_tokenizer_open, which opens a model file only as far as its metadata, or a bare
// tokenizer.json.
#include "model/tokenizer_load.h"

#include "base/error.h"
#include "base/limits.h"
#include "model/model_impl.h"
#include "token/tokenizer_json.h"

#include <string.h>

// Arrays that the file holds in wider types than the tokenizer wants.
typedef struct gguf_vocab {
    tdl_tokenizer_desc desc;
    int32_t *kinds;
    float *scores;
    uint8_t *flags;
    char *pre;
    int32_t ends[2];
} gguf_vocab;

typedef struct gguf_load {
    const tdl_weights *weights;
    const tdl_tokenizer_desc *keys; // what tokenizer.ggml.* say, where there is a tokenizer.json too
    tdl_tokenizer **out;
} gguf_load;

static tdl_status load_gguf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out, tdl_error *err);
static tdl_status read_gguf(const tdl_weights *weights, gguf_vocab *v, tdl_error *err);
static tdl_status create_gguf(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status create_whole(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status read_arrays(const tdl_weights *weights, gguf_vocab *v, tdl_error *err);
static tdl_status read_token_ids(const tdl_weights *weights, gguf_vocab *v, tdl_error *err);
static tdl_status read_options(const tdl_weights *weights, gguf_vocab *v, tdl_error *err);
static tdl_status set_flags(const tdl_weights *weights, gguf_vocab *v, tdl_error *err);
static tdl_status get_array(const tdl_weights *weights, const char *key, tdl_meta_type element, size_t n, tdl_meta *out,
                            tdl_error *err);
static tdl_status get_id(const tdl_weights *weights, const char *key, size_t n_tokens, int32_t *out, tdl_error *err);
static tdl_status get_bool(const tdl_weights *weights, const char *key, bool *out, tdl_error *err);
static tdl_status load_hf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out, tdl_error *err);
static tdl_status create(void *out, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status read_hf_ids(tdl_meta meta, const char *key, tdl_vec *ids, tdl_error *err);
static tdl_status open_json(const tdl_allocator *mem, const char *path, tdl_tokenizer **out, tdl_error *err);
static bool ends_with(const char *text, const char *end);

tdl_status tdl_tokenizer_load(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out,
                              tdl_error *err) {
    *out = NULL;
    if (tdl_weights_get_kind(weights) == TDL_WEIGHTS_GGUF) return load_gguf(weights, mem, out, err);
    return load_hf(weights, mem, out, err);
}

tdl_status tdl_tokenizer_open(const tdl_model_desc *desc, tdl_tokenizer **out, tdl_error *err) {
    if (!desc || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer: desc or out is NULL");
    tdl_model_desc d;
    tdl_status status = tdl_model_desc_copy("tokenizer", desc, &d, err);
    if (status < 0) return status;
    const tdl_allocator *mem = tdl_allocator_or_default(d.allocator);
    if (d.path && !d.bytes && !d.reader && ends_with(d.path, ".json")) return open_json(mem, d.path, out, err);

    tdl_weights *weights = NULL;
    tdl_tokenizer *tokenizer = NULL;
    tdl_weights_desc weights_desc = {.mem = mem,
                                     .path = d.path,
                                     .bytes = d.bytes,
                                     .bytes_size = d.bytes_size,
                                     .reader = d.reader,
                                     .metadata_only = true};
    status = tdl_weights_open(&weights_desc, &weights, err);
    if (status >= 0) status = tdl_tokenizer_load(weights, mem, &tokenizer, err);
    if (status >= 0 && !tokenizer) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: %s carries none", d.path ? d.path : "the model");
    }
    if (status >= 0) *out = tokenizer;
    tdl_weights_close(weights);
    return status;
}

// ---- GGUF

static tdl_status load_gguf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out, tdl_error *err) {
    tdl_meta model = tdl_weights_meta(weights, "tokenizer.ggml.model");
    if (model.type == TDL_META_NONE) return TDL_OK;
    if (model.type == TDL_META_STRING && (tdl_text_is(model.string, "none") || tdl_text_is(model.string, "no_vocab")))
        return TDL_OK;
    gguf_load load = {.weights = weights, .out = out};
    return tdl_tokenizer_describe_gguf(weights, mem, create_gguf, &load, err);
}

tdl_status tdl_tokenizer_describe_gguf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer_use use,
                                       void *arg, tdl_error *err) {
    tdl_meta model = tdl_weights_meta(weights, "tokenizer.ggml.model");
    gguf_vocab v = {.desc = {.mem = mem}};
    if (model.type != TDL_META_STRING) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tokenizer.ggml.model is %s",
                        model.type == TDL_META_NONE ? "missing" : "not a string");
    }
    if (tdl_text_is(model.string, "gpt2")) v.desc.scheme = TDL_SCHEME_BPE;
    else if (tdl_text_is(model.string, "llama")) v.desc.scheme = TDL_SCHEME_SPM;
    else {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "gguf: tokenizer.ggml.model '%.*s' is not supported, only gpt2 and llama",
                        (int)(model.string.size < 80 ? model.string.size : 80), model.string.ptr);
    }
    tdl_status status = read_gguf(weights, &v, err);
    if (status >= 0) status = use(arg, &v.desc, err);
    tdl_free(mem, v.kinds);
    tdl_free(mem, v.scores);
    tdl_free(mem, v.flags);
    tdl_free(mem, v.pre);
    return status;
}

static tdl_status create_gguf(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err) {
    gguf_load *load = arg;
    tdl_meta json = tdl_weights_meta(load->weights, "tokenizer.huggingface.json");
    if (json.type != TDL_META_STRING) return tdl_tokenizer_create(desc, load->out, err);
    tdl_tokenizer_json_desc whole = {.mem = desc->mem, .json = json.string, .bos = -1, .eos = -1};
    load->keys = desc;
    return tdl_tokenizer_json_describe(&whole, create_whole, load, err);
}

// The file has a whole tokenizer.json as well, where GGUF's own keys lose something: it says how text becomes ids, the keys which
// ids have a meaning.
static tdl_status create_whole(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err) {
    const gguf_load *load = arg;
    const tdl_tokenizer_desc *keys = load->keys;
    tdl_tokenizer_desc whole = *desc;
    if (desc->n_tokens > keys->n_tokens)
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tokenizer.huggingface.json has %zu tokens, expected at most %zu",
                        desc->n_tokens, keys->n_tokens);
    whole.bos = keys->bos, whole.eos = keys->eos;
    whole.add_bos = keys->add_bos, whole.add_eos = keys->add_eos;
    whole.ends = keys->ends, whole.n_ends = keys->n_ends;
    return tdl_tokenizer_create(&whole, load->out, err);
}

static tdl_status read_gguf(const tdl_weights *weights, gguf_vocab *v, tdl_error *err) {
    tdl_status status;
    if ((status = read_arrays(weights, v, err)) < 0 || (status = read_options(weights, v, err)) < 0 ||
        (status = read_token_ids(weights, v, err)) < 0) {
        return status;
    }
    return set_flags(weights, v, err);
}

static tdl_status read_arrays(const tdl_weights *weights, gguf_vocab *v, tdl_error *err) {
    tdl_tokenizer_desc *desc = &v->desc;
    tdl_meta tokens, kinds, scores, merges;
    tdl_status status = get_array(weights, "tokenizer.ggml.tokens", TDL_META_STRING, 0, &tokens, err);
    if (status < 0) return status;
    if (tokens.type == TDL_META_NONE || tokens.n == 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tokenizer.ggml.tokens is missing or empty");
    }
    if (tokens.n > TDL_VOCAB_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: tokenizer.ggml.tokens: %zu, at most %d", tokens.n, TDL_VOCAB_MAX);
    }
    size_t n = tokens.n;
    desc->n_tokens = n;
    desc->tokens = tokens.array;
    if ((status = get_array(weights, "tokenizer.ggml.token_type", TDL_META_INT, n, &kinds, err)) < 0 ||
        (status = get_array(weights, "tokenizer.ggml.scores", TDL_META_FLOAT, n, &scores, err)) < 0 ||
        (status = get_array(weights, "tokenizer.ggml.merges", TDL_META_STRING, 0, &merges, err)) < 0) {
        return status;
    }
    v->kinds = tdl_alloc(desc->mem, n, sizeof *v->kinds);
    v->scores = tdl_alloc(desc->mem, n, sizeof *v->scores);
    if (!v->kinds || !v->scores) return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        int64_t kind = kinds.n ? ((const int64_t *)kinds.array)[i] : TDL_TOKEN_NORMAL;
        v->kinds[i] = kind >= 0 && kind <= INT32_MAX ? (int32_t)kind : -1;
        v->scores[i] = scores.n ? (float)((const double *)scores.array)[i] : 0;
    }
    desc->kinds = v->kinds;
    desc->kinds_doubtful = true;
    if (desc->scheme == TDL_SCHEME_SPM && scores.n) desc->scores = v->scores;
    if (desc->scheme == TDL_SCHEME_BPE) {
        if (merges.type == TDL_META_NONE)
            return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tokenizer.ggml.merges is missing");
        desc->merges = merges.array;
        desc->n_merges = merges.n;
    }
    return TDL_OK;
}

// Needs the pre-tokenizer's name: some imply a beginning-of-sequence token.
static tdl_status read_options(const tdl_weights *weights, gguf_vocab *v, tdl_error *err) {
    tdl_tokenizer_desc *desc = &v->desc;
    desc->add_bos = desc->add_space_prefix = desc->scheme == TDL_SCHEME_SPM;
    if (desc->scheme == TDL_SCHEME_BPE) {
        tdl_meta pre = tdl_weights_meta(weights, "tokenizer.ggml.pre");
        if (pre.type != TDL_META_NONE && pre.type != TDL_META_STRING) {
            return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tokenizer.ggml.pre is not a string");
        }
        tdl_text name = pre.type == TDL_META_STRING ? pre.string : tdl_text_cstr("default");
        v->pre = tdl_strndup(desc->mem, name.ptr, name.size);
        if (!v->pre) return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for the tokenizer");
        desc->pre = v->pre;
        desc->add_bos = tdl_pretokenizer_wants_bos(v->pre);
    }
    tdl_status status;
    if ((status = get_bool(weights, "tokenizer.ggml.add_bos_token", &desc->add_bos, err)) < 0 ||
        (status = get_bool(weights, "tokenizer.ggml.add_eos_token", &desc->add_eos, err)) < 0) {
        return status;
    }
    return get_bool(weights, "tokenizer.ggml.add_space_prefix", &desc->add_space_prefix, err);
}

static tdl_status read_token_ids(const tdl_weights *weights, gguf_vocab *v, tdl_error *err) {
    tdl_tokenizer_desc *desc = &v->desc;
    size_t n = desc->n_tokens;
    bool spm = desc->scheme == TDL_SCHEME_SPM && n > 2; // SentencePiece's own numbers
    desc->unk = spm ? 0 : -1;
    desc->bos = spm ? 1 : -1;
    desc->eos = spm ? 2 : -1;
    tdl_status status;
    if ((status = get_id(weights, "tokenizer.ggml.bos_token_id", n, &desc->bos, err)) < 0 ||
        (status = get_id(weights, "tokenizer.ggml.eos_token_id", n, &desc->eos, err)) < 0 ||
        (status = get_id(weights, "tokenizer.ggml.unknown_token_id", n, &desc->unk, err)) < 0) {
        return status;
    }
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    desc->ends = v->ends;
    for (size_t i = 0; i < 2; i++) {
        int32_t id = -1;
        if ((status = get_id(weights, keys[i], n, &id, err)) < 0) return status;
        if (id >= 0) v->ends[desc->n_ends++] = id;
    }
    return TDL_OK;
}

// GGUF does not carry how added tokens treat the white space round them. Phi-3's take what follows along, but for three.
static tdl_status set_flags(const tdl_weights *weights, gguf_vocab *v, tdl_error *err) {
    static const char *const keep[] = {"<unk>", "<s>", "<|endoftext|>"};
    tdl_meta name = tdl_weights_meta(weights, "general.name");
    bool phi3 = false;
    for (size_t i = 0; name.type == TDL_META_STRING && i < name.string.size; i++) {
        const char *at = name.string.ptr + i;
        size_t left = name.string.size - i;
        if ((left >= 5 && strncasecmp(at, "phi-3", 5) == 0) || (left >= 4 && strncasecmp(at, "phi3", 4) == 0))
            phi3 = true;
    }
    if (!phi3) return TDL_OK;
    v->flags = tdl_alloc(v->desc.mem, v->desc.n_tokens, sizeof *v->flags);
    if (!v->flags) return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for %zu tokens", v->desc.n_tokens);
    for (size_t i = 0; i < v->desc.n_tokens; i++) {
        v->flags[i] = TDL_TOKEN_RSTRIP;
        for (size_t k = 0; k < sizeof keep / sizeof *keep; k++) {
            if (tdl_text_is(v->desc.tokens[i], keep[k])) v->flags[i] = 0;
        }
    }
    v->desc.flags = v->flags;
    return TDL_OK;
}

// An array of `n` elements, or of any number where n is 0. Absent: type NONE and no elements.
static tdl_status get_array(const tdl_weights *weights, const char *key, tdl_meta_type element, size_t n, tdl_meta *out,
                            tdl_error *err) {
    *out = tdl_weights_meta(weights, key);
    if (out->type == TDL_META_NONE) {
        out->n = 0;
        return TDL_OK;
    }
    if (out->type != TDL_META_ARRAY || (out->n && out->element != element)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s: expected an array of %s", key,
                        element == TDL_META_STRING ? "strings"
                        : element == TDL_META_INT  ? "integers"
                                                   : "floats");
    }
    if (n && out->n != n) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s: %zu elements, expected %zu as tokens", key, out->n, n);
    }
    return TDL_OK;
}

static tdl_status get_id(const tdl_weights *weights, const char *key, size_t n_tokens, int32_t *out, tdl_error *err) {
    tdl_meta meta = tdl_weights_meta(weights, key);
    if (meta.type == TDL_META_NONE) return TDL_OK;
    if (meta.type != TDL_META_INT) return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s is not an integer", key);
    // Converters write 2^32 - 1, or -1, for a token that there is not.
    if (meta.integer == -1 || meta.integer == UINT32_MAX) {
        *out = -1;
        return TDL_OK;
    }
    if (meta.integer < 0 || (uint64_t)meta.integer >= n_tokens) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s: %lld, expected 0 to %zu", key, (long long)meta.integer,
                        n_tokens - 1);
    }
    *out = (int32_t)meta.integer;
    return TDL_OK;
}

static tdl_status get_bool(const tdl_weights *weights, const char *key, bool *out, tdl_error *err) {
    tdl_meta meta = tdl_weights_meta(weights, key);
    if (meta.type == TDL_META_NONE) return TDL_OK;
    if (meta.type != TDL_META_BOOL) return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s is not a boolean", key);
    *out = meta.boolean;
    return TDL_OK;
}

// ---- Hugging Face

static tdl_status load_hf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out, tdl_error *err) {
    return tdl_weights_tokenizer_json(weights).size ? tdl_tokenizer_describe(weights, mem, create, out, err) : TDL_OK;
}

static tdl_status create(void *out, const tdl_tokenizer_desc *desc, tdl_error *err) {
    return tdl_tokenizer_create(desc, out, err);
}

tdl_status tdl_tokenizer_describe(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer_use use,
                                  void *arg, tdl_error *err) {
    tdl_tokenizer_json_desc desc = {.mem = mem,
                                    .json = tdl_weights_tokenizer_json(weights),
                                    .config_json = tdl_weights_tokenizer_config(weights),
                                    .bos = -1,
                                    .eos = -1};
    tdl_vec ends = tdl_vec_make(mem, sizeof(int32_t)), bos = ends;
    if (desc.json.size == 0) return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer: there is no tokenizer.json");
    // Generation ends at all of generation_config.json's; the first, which config.json repeats, ends a sequence.
    static const char *const keys[] = {"generation.eos_token_id", "eos_token_id"};
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < 2 && status >= 0; i++) {
        status = read_hf_ids(tdl_weights_meta(weights, keys[i]), keys[i], &ends, err);
    }
    if (status >= 0) status = read_hf_ids(tdl_weights_meta(weights, "bos_token_id"), "bos_token_id", &bos, err);
    if (status >= 0) {
        if (bos.n) desc.bos = *tdl_vec_at(&bos, int32_t, 0);
        if (ends.n) desc.eos = *tdl_vec_at(&ends, int32_t, 0);
        desc.ends = ends.data;
        desc.n_ends = ends.n;
        status = tdl_tokenizer_json_describe(&desc, use, arg, err);
    }
    tdl_vec_deinit(&ends);
    tdl_vec_deinit(&bos);
    return status;
}

// Appends the ids of a number or an array of numbers; negative ones mean none.
static tdl_status read_hf_ids(tdl_meta meta, const char *key, tdl_vec *ids, tdl_error *err) {
    const int64_t *values = meta.type == TDL_META_ARRAY ? meta.array : &meta.integer;
    size_t n = meta.type == TDL_META_ARRAY ? meta.n : 1;
    if (meta.type == TDL_META_NONE || n == 0) return TDL_OK;
    if (meta.type != TDL_META_INT && !(meta.type == TDL_META_ARRAY && meta.element == TDL_META_INT)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: %s: expected a number or an array of numbers", key);
    }
    for (size_t i = 0; i < n; i++) {
        if (values[i] > INT32_MAX) {
            return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: %s: %lld is no token id", key, (long long)values[i]);
        }
        int32_t id = (int32_t)values[i];
        if (values[i] >= 0 && !tdl_vec_push(ids, &id, 1))
            return tdl_fail(err, TDL_ERROR_MEMORY, "config.json: no memory");
    }
    return TDL_OK;
}

// A tokenizer.json by itself, with the tokenizer_config.json beside it where there is one.
static tdl_status open_json(const tdl_allocator *mem, const char *path, tdl_tokenizer **out, tdl_error *err) {
    tdl_file_map json = {0}, config = {0};
    tdl_status status = TDL_ERROR_MEMORY;
    char *dir = tdl_path_dir(mem, path), *config_path = dir ? tdl_path_join(mem, dir, "tokenizer_config.json") : NULL;
    if (!config_path) {
        tdl_fail(err, status, "tokenizer: no memory");
        goto cleanup;
    }
    if ((status = tdl_file_map_open(mem, path, &json, err)) < 0) goto cleanup;
    if (tdl_path_exists(config_path) && (status = tdl_file_map_open(mem, config_path, &config, err)) < 0) goto cleanup;
    tdl_tokenizer_json_desc desc = {.mem = mem,
                                    .json = {(const char *)json.data, json.size},
                                    .config_json = {(const char *)config.data, config.size},
                                    .bos = -1,
                                    .eos = -1};
    status = tdl_tokenizer_from_json(&desc, out, err);
cleanup:
    if (json.mem) tdl_file_map_close(&json);
    if (config.mem) tdl_file_map_close(&config);
    tdl_free(mem, config_path);
    tdl_free(mem, dir);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}
