// SPDX-License-Identifier: MIT
// weights.c - chooses the reader of a format, and answers questions about what it read.
#include "format/weights.h"

#include "base/error.h"
#include "format/gguf_open.h"
#include "format/hf_dir.h"
#include "format/weights_build.h"

#include <string.h>

static bool has_suffix(const char *text, const char *suffix);
static tdl_status find_run(const tdl_weights_desc *desc, char **out, tdl_error *err);

tdl_status tdl_weights_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err) {
    int n_sources = (desc->path != NULL) + (desc->bytes != NULL) + (desc->reader != NULL);
    if (n_sources != 1)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "model: %d of path, bytes and reader are set, expected one",
                        n_sources);
    char *run = NULL;
    tdl_status status = desc->path && tdl_path_is_dir(desc->path) ? find_run(desc, &run, err) : TDL_OK;
    if (status != TDL_OK) return status;
    if (run) {
        tdl_weights_desc inside = *desc;
        inside.path = run;
        status = tdl_gguf_open(&inside, out, err);
        tdl_free(desc->mem, run);
        return status;
    }
    if (desc->path && (tdl_path_is_dir(desc->path) || has_suffix(desc->path, ".safetensors")))
        return tdl_hf_dir_open(desc, out, err);
    return tdl_gguf_open(desc, out, err);
}

// The directory of a training run has its model as model.gguf, and no safetensors. *out: that file; NULL: another directory.
static tdl_status find_run(const tdl_weights_desc *desc, char **out, tdl_error *err) {
    static const char *const names[] = {"model.gguf", "model.safetensors", "model.safetensors.index.json"};
    for (int i = 0; i < 3; i++) {
        char *path = tdl_path_join(desc->mem, desc->path, names[i]);
        bool there = path && tdl_path_exists(path);
        if (i == 0 && there) *out = path;
        else tdl_free(desc->mem, path);
        if (path && there == (i == 0)) continue;
        tdl_free(desc->mem, *out);
        *out = NULL;
        return path ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for a path");
    }
    return TDL_OK;
}

tdl_weights_kind tdl_weights_get_kind(const tdl_weights *weights) { return weights->kind; }

size_t tdl_weights_n_tensors(const tdl_weights *weights) { return weights->tensors.n; }

const tdl_weights_tensor *tdl_weights_at(const tdl_weights *weights, size_t i) {
    return tdl_vec_at(&weights->tensors, const tdl_weights_tensor, i);
}

const tdl_weights_tensor *tdl_weights_find(const tdl_weights *weights, const char *name) {
    int32_t i;
    return tdl_map_get(&weights->index, tdl_text_cstr(name), &i) ? tdl_weights_at(weights, (size_t)i) : NULL;
}

size_t tdl_weights_n_meta(const tdl_weights *weights) { return weights->meta.entries.n; }

tdl_meta tdl_weights_meta_at(const tdl_weights *weights, size_t i, tdl_text *key) {
    const tdl_meta_entry *entry = tdl_vec_at(&weights->meta.entries, const tdl_meta_entry, i);
    *key = entry->key;
    return entry->value;
}

tdl_meta tdl_weights_meta(const tdl_weights *weights, const char *key) {
    const tdl_meta *value = tdl_meta_table_find(&weights->meta, key);
    return value && value->type != TDL_META_NULL ? *value : (tdl_meta){.type = TDL_META_NONE};
}

bool tdl_weights_is_null(const tdl_weights *weights, const char *key) {
    const tdl_meta *value = tdl_meta_table_find(&weights->meta, key);
    return value && value->type == TDL_META_NULL;
}

tdl_text tdl_weights_config_json(const tdl_weights *weights) {
    return tdl_text_of((const char *)weights->config_json.data, weights->config_json.size);
}

tdl_text tdl_weights_generation_config(const tdl_weights *weights) {
    return tdl_text_of((const char *)weights->generation_config.data, weights->generation_config.size);
}

tdl_text tdl_weights_tokenizer_json(const tdl_weights *weights) {
    return tdl_text_of((const char *)weights->tokenizer_json.data, weights->tokenizer_json.size);
}

tdl_text tdl_weights_tokenizer_config(const tdl_weights *weights) {
    return tdl_text_of((const char *)weights->tokenizer_config.data, weights->tokenizer_config.size);
}

tdl_status tdl_weights_read(const tdl_weights *weights, tdl_weights_place place, void *dst, size_t size,
                            tdl_error *err) {
    return tdl_file_read_at(tdl_vec_at(&weights->files, tdl_file, place.file), place.offset, dst, size, err);
}

tdl_status tdl_weights_load(tdl_weights *weights, size_t i, tdl_error *err) {
    tdl_weights_tensor *t = tdl_vec_at(&weights->tensors, tdl_weights_tensor, i);
    if (t->odd_type)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tensor '%s' has type %s, which is not supported", t->name,
                        t->odd_type);
    if (t->place.file < 0) return TDL_OK;
    uint8_t *data;
    tdl_status status = tdl_weights_hold_memory(weights, tdl_tensor_size(&t->tensor), &data, err);
    if (!status) status = tdl_weights_read(weights, t->place, data, tdl_tensor_size(&t->tensor), err);
    if (status) return status; // the memory goes with the weights
    t->tensor.data = data;
    t->place.file = -1;
    return TDL_OK;
}

// A block of memory holds one tensor, or what is none (metadata): the one that begins where the tensor does is its own.
void tdl_weights_drop(tdl_weights *weights, const tdl_tensor *tensor) {
    for (size_t i = 0; i < weights->memory.n && tensor->data; i++) {
        void **block = tdl_vec_at(&weights->memory, void *, i);
        if (*block != tensor->data) continue;
        tdl_free(weights->mem, *block);
        *block = NULL;
        return;
    }
}

size_t tdl_weights_n_unlisted(const tdl_weights *weights) { return weights->n_unlisted; }

uint64_t tdl_weights_n_spare(const tdl_weights *weights) { return weights->n_spare; }

uint64_t tdl_weights_size(const tdl_weights *weights) { return weights->size; }

static bool has_suffix(const char *text, const char *suffix) {
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(text + size - suffix_size, suffix) == 0;
}
