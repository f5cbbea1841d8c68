// SPDX-License-Identifier: MIT
// fresh.c - initializes a model. See fresh.h.
//
// The result is a tdl_weights like that of a Hugging Face directory: same keys, same names, so that opening takes the
// path that every model takes and nothing is known twice. GPT-2's Conv1D matrices are given as views of row-major memory,
// which opening turns back: no copy is made.
#include "train/fresh.h"

#include "base/hash.h"
#include "base/rng.h"
#include "format/hf_config.h"
#include "format/weights_build.h"
#include "model/config_keys.h"
#include "model/params.h"
#include "model/tokenizer_load.h"
#include "train/fresh_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tdl_status read_files(tdl_weights *weights, const tdl_fresh_desc *desc, tdl_error *err);
static tdl_status read_file(tdl_weights *weights, const char *dir, const char *name, tdl_file_map *out, tdl_error *err);
static tdl_status check_sizes(const tdl_weights *weights, tdl_error *err);
static tdl_status check_pairs(const tdl_weights *weights, tdl_error *err);
static tdl_status check_vocab(const tdl_weights *weights, const tdl_allocator *mem, tdl_config *config, tdl_error *err);
static tdl_status check_biases(const tdl_weights *weights, const tdl_arch *arch, tdl_error *err);
static tdl_status read_std(const tdl_weights *weights, double *std, tdl_error *err);
static tdl_status add_tensors(tdl_weights *weights, const tdl_fresh_desc *desc, const tdl_arch *arch,
                              const tdl_config *config, tdl_error *err);
static void fill(float *data, int64_t n, tdl_role role, const char *name, double std, uint64_t seed);

tdl_status tdl_fresh_weights(const tdl_fresh_desc *desc, tdl_weights **out, tdl_error *err) {
    tdl_weights *weights = NULL;
    const tdl_arch *arch = NULL;
    tdl_config *config = tdl_alloc(desc->mem, 1, sizeof *config);
    if (!config) return tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory");
    tdl_status status = tdl_weights_create(desc->mem, TDL_WEIGHTS_HF, &weights, err);
    if (status == TDL_OK) status = read_files(weights, desc, err);
    if (status == TDL_OK) status = check_sizes(weights, err);
    if (status == TDL_OK) status = check_pairs(weights, err);
    if (status == TDL_OK) status = tdl_config_read(weights, &arch, config, err);
    if (status == TDL_OK) status = tdl_config_keys_check(weights, arch, true, NULL, err);
    if (status == TDL_OK) status = check_biases(weights, arch, err);
    if (status == TDL_OK) status = check_vocab(weights, desc->mem, config, err);
    if (status == TDL_OK) status = add_tensors(weights, desc, arch, config, err);
    if (status == TDL_OK) *out = weights;
    else tdl_weights_close(weights);
    tdl_free(desc->mem, config);
    return status;
}

// ---- files

static tdl_status read_files(tdl_weights *weights, const tdl_fresh_desc *desc, tdl_error *err) {
    const tdl_allocator *mem = desc->mem;
    bool is_dir = tdl_path_is_dir(desc->config);
    char *dir = is_dir ? tdl_strndup(mem, desc->config, strlen(desc->config)) : tdl_path_dir(mem, desc->config);
    char *tokenizer = tdl_path_join(mem, dir ? dir : "", "tokenizer.json");
    tdl_status status = TDL_OK;
    if (!dir || !tokenizer) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a path");
        goto cleanup;
    }
    status = is_dir ? read_file(weights, dir, "config.json", &weights->config_json, err)
                    : tdl_file_map_open(mem, desc->config, &weights->config_json, err);
    if (status == TDL_OK && !weights->config_json.data)
        status = tdl_fail(err, TDL_ERROR_IO, "fresh model: '%.200s': no config.json in this directory", dir);
    if (status == TDL_OK) status = read_file(weights, dir, "generation_config.json", &weights->generation_config, err);
    if (status == TDL_OK && (desc->tokenizer || tdl_path_exists(tokenizer)))
        status = tdl_fresh_tokenizer(weights, desc->tokenizer ? desc->tokenizer : tokenizer, err);
    tdl_text config = tdl_weights_config_json(weights), generation = tdl_weights_generation_config(weights);
    if (status == TDL_OK) status = tdl_hf_config_add(&weights->meta, "", config.ptr, config.size, "config.json", err);
    if (status == TDL_OK && generation.size)
        status = tdl_hf_config_add(&weights->meta, "generation.", generation.ptr, generation.size,
                                   "generation_config.json", err);
cleanup:
    tdl_free(mem, tokenizer);
    tdl_free(mem, dir);
    return status;
}

// A file that may be absent: then *out stays empty.
static tdl_status read_file(tdl_weights *weights, const char *dir, const char *name, tdl_file_map *out,
                            tdl_error *err) {
    char *path = tdl_path_join(weights->mem, dir, name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a path");
    tdl_status status = tdl_path_exists(path) ? tdl_file_map_open(weights->mem, path, out, err) : TDL_OK;
    tdl_free(weights->mem, path);
    return status;
}

// ---- what the config says

// A checkpoint's config.json leaves out what is its family's default. For a model to be made, these would be the sizes of the
// family's first model, which has billions of weights: so they must be there. GPT-2's feed-forward follows from its embedding.
static tdl_status check_sizes(const tdl_weights *weights, tdl_error *err) {
    static const char *const names[][2] = {{"model_type", NULL},
                                           {"num_hidden_layers", "n_layer"},
                                           {"hidden_size", "n_embd"},
                                           {"num_attention_heads", "n_head"},
                                           {"intermediate_size", "n_inner"},
                                           {"max_position_embeddings", "n_positions"}};
    char missing[256] = "";
    size_t size = 0, n = 0;
    tdl_meta type = tdl_weights_meta(weights, "model_type");
    bool gpt2 = type.type == TDL_META_STRING && tdl_text_is(type.string, "gpt2");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool there = tdl_weights_meta(weights, names[i][0]).type != TDL_META_NONE;
        bool other = names[i][1] && tdl_weights_meta(weights, names[i][1]).type != TDL_META_NONE;
        if (there || other || (gpt2 && strcmp(names[i][0], "intermediate_size") == 0)) continue;
        size += (size_t)snprintf(missing + size, sizeof missing - size, "%s'%s'", n++ ? ", " : "",
                                 gpt2 ? names[i][1] : names[i][0]);
    }
    if (n == 0) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: %s %s missing", missing, n == 1 ? "is" : "are");
}

// Two names for one number must agree.
static tdl_status check_pairs(const tdl_weights *weights, tdl_error *err) {
    static const char *const pairs[][2] = {
        {"num_hidden_layers", "n_layer"},           {"hidden_size", "n_embd"},
        {"num_attention_heads", "n_head"},          {"intermediate_size", "n_inner"},
        {"max_position_embeddings", "n_positions"}, {"rope_theta", "rope_parameters.rope_theta"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        tdl_meta a = tdl_weights_meta(weights, pairs[i][0]), b = tdl_weights_meta(weights, pairs[i][1]);
        double x = a.type == TDL_META_INT ? (double)a.integer : a.number;
        double y = b.type == TDL_META_INT ? (double)b.integer : b.number;
        if (a.type && b.type && x != y)
            return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: '%s' is %g, but '%s' is %g", pairs[i][0], x,
                            pairs[i][1], y);
    }
    return TDL_OK;
}

static tdl_status check_vocab(const tdl_weights *weights, const tdl_allocator *mem, tdl_config *config,
                              tdl_error *err) {
    static const char *const ids[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
    tdl_tokenizer *tokenizer = NULL;
    tdl_status status = tdl_tokenizer_load(weights, mem, &tokenizer, err);
    if (status != TDL_OK) return status;
    int32_t n_tokens = tokenizer ? tdl_tokenizer_n_vocab(tokenizer) : 0;
    tdl_tokenizer_close(tokenizer);
    if (!config->n_vocab) config->n_vocab = n_tokens;
    if (!config->n_vocab)
        return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: 'vocab_size' is missing, and there is no tokenizer.json");
    if (n_tokens > config->n_vocab)
        return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: 'vocab_size' is %d, but the tokenizer has %d tokens",
                        config->n_vocab, n_tokens);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        tdl_meta id = tdl_weights_meta(weights, ids[i]);
        if (id.type == TDL_META_INT && id.integer >= config->n_vocab)
            return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: '%s' is %lld, expected less than the %d tokens",
                            ids[i], (long long)id.integer, config->n_vocab);
    }
    return TDL_OK;
}

static tdl_status check_biases(const tdl_weights *weights, const tdl_arch *arch, tdl_error *err) {
    tdl_meta bias = tdl_weights_meta(weights, "attention_bias");
    if (bias.type == TDL_META_BOOL && !bias.boolean && (arch->biases & TDL_BIAS_QKV))
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "config.json: 'attention_bias' is false, but %s models have these biases", arch->name);
    return TDL_OK;
}

static tdl_status read_std(const tdl_weights *weights, double *std, tdl_error *err) {
    tdl_meta range = tdl_weights_meta(weights, "initializer_range");
    *std = range.type == TDL_META_INT ? (double)range.integer : range.type == TDL_META_FLOAT ? range.number : 0.02;
    bool number = range.type == TDL_META_NONE || range.type == TDL_META_INT || range.type == TDL_META_FLOAT;
    if (number && *std > 0 && *std <= 1) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT, "config.json: 'initializer_range' is %g, expected above 0 and at most 1",
                    number ? *std : 0.0);
}

// ---- tensors

static tdl_status add_tensors(tdl_weights *weights, const tdl_fresh_desc *desc, const tdl_arch *arch,
                              const tdl_config *config, tdl_error *err) {
    // Optional ones are not made: a tied output, divisors that the config's own scaling makes superfluous.
    double std = 0;
    tdl_status status = read_std(weights, &std, err);
    for (int32_t layer = TDL_NO_LAYER; layer < config->n_layers && status == TDL_OK; layer++)
        for (tdl_role role = 0; role < TDL_ROLE_COUNT && status == TDL_OK; role++) {
            char name[TDL_ROLE_NAME_SIZE], stream[TDL_ROLE_NAME_SIZE];
            int64_t shape[2], n = tdl_role_is_experts(role) ? config->n_experts : 1; // tensors
            tdl_tensor t;
            uint8_t *data;
            if (tdl_role_per_layer(role) != (layer >= 0) || tdl_role_need(role, arch, config) != TDL_NEED_REQUIRED ||
                !tdl_role_name(role, arch->naming, layer, 0, name))
                continue;
            tdl_role_name(role, TDL_NAMING_GGUF, layer, 0, stream);
            status = tdl_tensor_make(TDL_DTYPE_F32, tdl_role_shape(role, config, shape), shape, NULL, &t, err);
            if (status == TDL_OK) status = tdl_weights_hold_memory(weights, tdl_tensor_size(&t), &data, err);
            if (status != TDL_OK) return status;
            bool residual = role == TDL_ROLE_ATTN_OUT || role == TDL_ROLE_FFN_DOWN || role == TDL_ROLE_FFN_DOWN_EXPS;
            fill((float *)(void *)data, tdl_tensor_n_elements(&t), role, stream,
                 residual ? std / sqrt(2.0 * config->n_layers) : std, desc->seed);
            t.data = data;
            if (arch->conv1d && layer >= 0 && t.n_dims == 2) t = tdl_tensor_transpose(&t, 0, 1);
            for (int64_t i = 0; i < n && status == TDL_OK; i++) {
                tdl_tensor one = n > 1 ? tdl_tensor_slice(&t, 0, i * (t.shape[0] / n), t.shape[0] / n) : t;
                tdl_role_name(role, arch->naming, layer, (int32_t)i, name);
                status = tdl_weights_add_tensor(weights, tdl_text_cstr(name), &one, err);
            }
        }
    return status;
}

// name: GGUF's, which says of a vector whether it is a norm's weight or a bias.
static void fill(float *data, int64_t n, tdl_role role, const char *name, double std, uint64_t seed) {
    if (tdl_role_is_vector(role)) {
        size_t size = strlen(name);
        bool bias = size > 5 && strcmp(name + size - 5, ".bias") == 0;
        for (int64_t i = 0; i < n; i++) data[i] = bias ? 0.0f : 1.0f;
        return;
    }
    tdl_rng rng = tdl_rng_make(seed, tdl_hash_bytes(name, strlen(name), 0));
    for (int64_t i = 0; i < n; i += 2) {
        double pair[2];
        tdl_rng_normals(&rng, pair);
        for (int64_t k = i; k < n && k < i + 2; k++) data[k] = (float)(std * pair[k - i]);
    }
}
