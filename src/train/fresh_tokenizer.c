// SPDX-License-Identifier: MIT
// fresh_tokenizer.c - see fresh_tokenizer.h.
//
// A GGUF file's keys become the text of a tokenizer.json and of a tokenizer_config.json, so that the model's directory has
// them when it is written, and training knows one kind of tokenizer.
#include "train/fresh_tokenizer.h"

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "format/weights_build.h"
#include "model/tokenizer_load.h"
#include "token/tokenizer_json_write.h"

#include <string.h>

typedef struct texts {
    const tdl_weights *source;
    tdl_str json, config;
} texts;

static tdl_status from_gguf(tdl_weights *weights, const char *path, tdl_error *err);
static tdl_status write_texts(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err);
static tdl_status write_config(texts *t, const tdl_tokenizer_desc *desc, tdl_error *err);
static int append(const char *text, size_t size, void *str);
static void hold(tdl_file_map *map, tdl_str *text);

tdl_status tdl_fresh_tokenizer(tdl_weights *weights, const char *path, tdl_error *err) {
    const tdl_allocator *mem = weights->mem;
    tdl_status status = tdl_file_map_open(mem, path, &weights->tokenizer_json, err);
    if (status != TDL_OK) return status;
    if (weights->tokenizer_json.size >= 4 && memcmp(weights->tokenizer_json.data, "GGUF", 4) == 0) {
        tdl_file_map_close(&weights->tokenizer_json);
        return from_gguf(weights, path, err);
    }
    char *dir = tdl_path_dir(mem, path), *config = dir ? tdl_path_join(mem, dir, "tokenizer_config.json") : NULL;
    if (!config) status = tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a path");
    else if (tdl_path_exists(config)) status = tdl_file_map_open(mem, config, &weights->tokenizer_config, err);
    tdl_free(mem, config);
    tdl_free(mem, dir);
    return status;
}

static tdl_status from_gguf(tdl_weights *weights, const char *path, tdl_error *err) {
    tdl_weights *source = NULL;
    texts t = {.json = tdl_str_make(weights->mem), .config = tdl_str_make(weights->mem)};
    const tdl_weights_desc desc = {.mem = weights->mem, .path = path, .metadata_only = true};
    tdl_status status = tdl_weights_open(&desc, &source, err);
    t.source = source;
    if (status == TDL_OK) {
        status = tdl_tokenizer_describe_gguf(source, weights->mem, write_texts, &t, err);
        if (status == TDL_ERROR_UNSUPPORTED || status == TDL_ERROR_FORMAT) tdl_fail_at(err, status, path);
    }
    if (status == TDL_OK) {
        hold(&weights->tokenizer_json, &t.json);
        hold(&weights->tokenizer_config, &t.config);
    }
    tdl_str_deinit(&t.json);
    tdl_str_deinit(&t.config);
    tdl_weights_close(source);
    return status;
}

static tdl_status write_texts(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err) {
    texts *t = arg;
    tdl_meta whole = tdl_weights_meta(t->source, "tokenizer.huggingface.json");
    tdl_status status = TDL_OK;
    if (whole.type == TDL_META_STRING) tdl_str_append(&t->json, whole.string.ptr, whole.string.size);
    else if (desc->scheme == TDL_SCHEME_BPE) status = tdl_tokenizer_json_write(desc, &t->json, err);
    else
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                          "a SentencePiece vocabulary in a GGUF file cannot be used for a new model: give the "
                          "tokenizer.json that it was made from");
    return status == TDL_OK ? write_config(t, desc, err) : status;
}

static tdl_status write_config(texts *t, const tdl_tokenizer_desc *desc, tdl_error *err) {
    tdl_meta template = tdl_weights_meta(t->source, "tokenizer.chat_template");
    json_t *root = json_pack("{s:s, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "add_bos_token",
                             desc->add_bos, "add_eos_token", desc->add_eos);
    bool ok = root != NULL;
    for (int i = 0; i < 2 && ok; i++) {
        int32_t id = i ? desc->eos : desc->bos;
        if (id < 0) continue;
        ok = json_object_set_new(root, i ? "eos_token" : "bos_token",
                                 json_stringn(desc->tokens[id].ptr, desc->tokens[id].size)) == 0;
    }
    if (ok && template.type == TDL_META_STRING)
        ok = json_object_set_new(root, "chat_template", json_stringn(template.string.ptr, template.string.size)) == 0;
    ok = ok && json_dump_callback(root, append, &t->config, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0;
    ok = ok && !t->config.failed && !t->json.failed;
    json_decref(root);
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a tokenizer");
}

static int append(const char *text, size_t size, void *str) { return tdl_str_append(str, text, size) ? 0 : -1; }

// The map owns the text from now on.
static void hold(tdl_file_map *map, tdl_str *text) {
    *map = (tdl_file_map){.mem = text->mem, .data = (const uint8_t *)text->ptr, .size = text->size};
    *text = tdl_str_make(text->mem);
}
