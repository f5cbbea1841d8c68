// hf_dir.c - a directory as Hugging Face's libraries write it. Its files are untrusted input.
//
// config.json and generation_config.json become metadata (hf_config.c), tokenizer.json and tokenizer_config.json are
// held for the tokenizer, and tensors come from model.safetensors or from the shards that model.safetensors.index.json
// lists. The index is believed about which tensors there are and in which shard each lies; tensors that a shard has
// beyond that are not the model's. Shard names come from the file, so they must be plain names: nothing outside the
// directory opens.
#include "format/hf_dir.h"

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "format/hf_config.h"
#include "format/safetensors.h"
#include "format/weights_build.h"

#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"

static tdl_status open_texts(tdl_weights *weights, const char *dir, bool metadata_only, tdl_error *err);
static tdl_status open_text(tdl_weights *weights, const char *dir, const char *name, tdl_file_map *out, tdl_error *err);
static tdl_status open_tensors(tdl_weights *weights, const char *dir, const char *file_name, tdl_error *err);
static tdl_status open_index(const tdl_weights *weights, const char *dir, json_t **root, json_t **weight_map,
                             tdl_error *err);
static tdl_status open_shards(tdl_weights *weights, const char *dir, json_t *weight_map, tdl_error *err);
static tdl_status list_shards(tdl_weights *weights, const json_t *weight_map, tdl_vec *names, tdl_map *seen,
                              tdl_error *err);
static tdl_status open_file(tdl_weights *weights, const char *dir, const char *name, json_t *weight_map,
                            tdl_error *err);
static tdl_status add_tensors(tdl_weights *weights, const tdl_safetensors *file, const char *name, json_t *weight_map,
                              tdl_error *err);
static tdl_status add_metadata(tdl_weights *weights, json_t *metadata, tdl_error *err);
static bool index_names(const json_t *weight_map, const char *file_name);
static bool is_plain_name(const char *name);
static bool exists(const tdl_weights *weights, const char *dir, const char *name, tdl_status *status, tdl_error *err);

tdl_status tdl_hf_dir_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err) {
    tdl_weights *weights = NULL;
    char *dir = NULL;
    const char *file_name = NULL;
    tdl_status status = tdl_weights_create(desc->mem, TDL_WEIGHTS_HF, &weights, err);
    if (status) goto cleanup;
    if (tdl_path_is_dir(desc->path)) {
        dir = tdl_strndup(desc->mem, desc->path, strlen(desc->path));
    } else {
        dir = tdl_path_dir(desc->mem, desc->path);
        file_name = tdl_path_name(desc->path);
    }
    if (!dir) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "hf: no memory for a path");
        goto cleanup;
    }
    if ((status = open_texts(weights, dir, desc->metadata_only, err))) goto cleanup;
    if (!desc->metadata_only) {
        if ((status = open_tensors(weights, dir, file_name, err))) goto cleanup;
        if (weights->tensors.n == 0) {
            status = tdl_fail(err, TDL_ERROR_FORMAT, "hf: '%.200s': no tensors, expected a model", desc->path);
            goto cleanup;
        }
    }
    *out = weights;
    weights = NULL;
cleanup:
    tdl_free(desc->mem, dir);
    tdl_weights_close(weights);
    return status;
}

// ---- configuration and tokenizer

static tdl_status open_texts(tdl_weights *weights, const char *dir, bool metadata_only, tdl_error *err) {
    const struct {
        const char *name, *prefix; // of its keys; NULL: not read here
        tdl_file_map *map;
    } texts[] = {{"config.json", "", &weights->config_json},
                 {"generation_config.json", "generation.", &weights->generation_config},
                 {"tokenizer.json", NULL, &weights->tokenizer_json},
                 {"tokenizer_config.json", NULL, &weights->tokenizer_config}};
    tdl_status status = TDL_OK;
    bool has_config = exists(weights, dir, "config.json", &status, err);
    bool has_tokenizer = !status && exists(weights, dir, "tokenizer.json", &status, err);
    if (status) return status;
    if (!has_config && !(metadata_only && has_tokenizer))
        return tdl_fail(err, TDL_ERROR_IO, "hf: '%.200s': no config.json in this directory%s", dir,
                        metadata_only ? ", and no tokenizer.json" : "");
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !status; i++) {
        tdl_file_map *map = texts[i].map;
        if (!exists(weights, dir, texts[i].name, &status, err)) continue;
        if ((status = open_text(weights, dir, texts[i].name, map, err))) break;
        if (texts[i].prefix)
            status = tdl_hf_config_add(&weights->meta, texts[i].prefix, (const char *)map->data, map->size,
                                       texts[i].name, err);
    }
    return status;
}

static tdl_status open_text(tdl_weights *weights, const char *dir, const char *name, tdl_file_map *out,
                            tdl_error *err) {
    char *path = tdl_path_join(weights->mem, dir, name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "hf: no memory for a path");
    tdl_status status = tdl_file_map_open(weights->mem, path, out, err);
    tdl_free(weights->mem, path);
    return status;
}

// ---- tensors

// file_name: a .safetensors file of the directory, or NULL.
static tdl_status open_tensors(tdl_weights *weights, const char *dir, const char *file_name, tdl_error *err) {
    json_t *root = NULL, *weight_map = NULL;
    tdl_status status = TDL_OK;
    bool has_single = !file_name && exists(weights, dir, "model.safetensors", &status, err);
    bool has_index = !status && !has_single && exists(weights, dir, INDEX_NAME, &status, err);
    if (status) goto cleanup;
    if (has_single) file_name = "model.safetensors";
    if (!has_index && !file_name) {
        status = tdl_fail(err, TDL_ERROR_IO,
                          "hf: '%.200s': neither model.safetensors nor " INDEX_NAME " in this directory", dir);
        goto cleanup;
    }
    if (has_index && (status = open_index(weights, dir, &root, &weight_map, err))) goto cleanup;
    if (has_index && (!file_name || index_names(weight_map, file_name)))
        status = open_shards(weights, dir, weight_map, err);
    else status = open_file(weights, dir, file_name, NULL, err);
cleanup:
    json_decref(root);
    return status;
}

static tdl_status open_index(const tdl_weights *weights, const char *dir, json_t **root, json_t **weight_map,
                             tdl_error *err) {
    tdl_file_map map = {0};
    char *path = tdl_path_join(weights->mem, dir, INDEX_NAME);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "hf: no memory for a path");
    tdl_status status = tdl_file_map_open(weights->mem, path, &map, err);
    tdl_free(weights->mem, path);
    if (status) return status;
    status = tdl_json_parse((const char *)map.data, map.size, INDEX_NAME, root, err);
    tdl_file_map_close(&map);
    if (status) return status;
    *weight_map = json_object_get(*root, "weight_map");
    if (!json_is_object(*weight_map)) return tdl_fail(err, TDL_ERROR_FORMAT, INDEX_NAME ": no object 'weight_map'");
    return TDL_OK;
}

// Tensors that were found leave the weight_map, so that what is left at the end is missing.
static tdl_status open_shards(tdl_weights *weights, const char *dir, json_t *weight_map, tdl_error *err) {
    tdl_vec names = tdl_vec_make(weights->mem, sizeof(const char *));
    tdl_map seen = tdl_map_make(weights->mem);
    tdl_status status = list_shards(weights, weight_map, &names, &seen, err);
    if (status) goto cleanup;
    for (size_t i = 0; i < names.n; i++)
        if ((status = open_file(weights, dir, *tdl_vec_at(&names, const char *, i), weight_map, err))) goto cleanup;
    if (json_object_size(weight_map) > 0) {
        void *first = json_object_iter(weight_map);
        status = tdl_fail(err, TDL_ERROR_FORMAT, INDEX_NAME ": tensor '%.100s' is not in %.100s",
                          json_object_iter_key(first), json_string_value(json_object_iter_value(first)));
    }
cleanup:
    tdl_map_deinit(&seen);
    tdl_vec_deinit(&names);
    return status;
}

// The shards' names in the order of their first appearance. Copied: the index's tree shrinks while they are used.
static tdl_status list_shards(tdl_weights *weights, const json_t *weight_map, tdl_vec *names, tdl_map *seen,
                              tdl_error *err) {
    const char *tensor;
    json_t *value;
    if (json_object_size(weight_map) > TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, INDEX_NAME ": %zu tensors, at most %d", json_object_size(weight_map),
                        TDL_TENSORS_MAX);
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) { // the macro's iterator wants it writable
        const char *name = json_string_value(value);
        int32_t i;
        if (!name || strlen(name) != json_string_length(value) || !is_plain_name(name))
            return tdl_fail(err, TDL_ERROR_FORMAT,
                            INDEX_NAME ": tensor '%.100s' is in '%.100s', expected the name of a file in "
                                       "the same directory",
                            tensor, name ? name : "");
        if (tdl_map_get(seen, tdl_text_cstr(name), &i)) continue;
        if (names->n >= TDL_SHARDS_MAX)
            return tdl_fail(err, TDL_ERROR_LIMIT, INDEX_NAME ": more than %d files", TDL_SHARDS_MAX);
        const char *copy = tdl_arena_strndup(&weights->names, name, strlen(name));
        if (!copy || !tdl_map_put(seen, tdl_text_cstr(copy), (int32_t)names->n) || !tdl_vec_push(names, &copy, 1))
            return tdl_fail(err, TDL_ERROR_MEMORY, INDEX_NAME ": no memory for its list of files");
    }
    return TDL_OK;
}

// Adds a file's tensors: all, or those that the weight_map has in it.
static tdl_status open_file(tdl_weights *weights, const char *dir, const char *name, json_t *weight_map,
                            tdl_error *err) {
    tdl_safetensors file;
    tdl_file_map map = {0};
    bool is_first = weights->files.n == 0;
    tdl_status status = open_text(weights, dir, name, &map, err);
    if (status) return status;
    const uint8_t *bytes = map.data;
    size_t size = map.size;
    if ((status = tdl_weights_hold_file(weights, &map, err))) return status;
    status = tdl_safetensors_parse(weights->mem, bytes, size, &file, err);
    if (status) return tdl_fail_at(err, status, name);
    status = add_tensors(weights, &file, name, weight_map, err);
    if (!status && is_first && file.metadata) status = add_metadata(weights, file.metadata, err);
    tdl_safetensors_deinit(&file);
    return status ? tdl_fail_at(err, status, name) : TDL_OK;
}

static tdl_status add_tensors(tdl_weights *weights, const tdl_safetensors *file, const char *name, json_t *weight_map,
                              tdl_error *err) {
    tdl_status status = tdl_weights_reserve(weights, file->tensors.n, err);
    if (status) return status;
    for (size_t i = 0; i < file->tensors.n; i++) {
        const tdl_safetensors_tensor *t = tdl_vec_at(&file->tensors, tdl_safetensors_tensor, i);
        if (weight_map) {
            const char *place = json_string_value(json_object_get(weight_map, t->name.ptr));
            if (!place || strcmp(place, name) != 0) continue;
            json_object_del(weight_map, t->name.ptr);
        }
        if (!t->skipped && (status = tdl_weights_add_tensor(weights, t->name, &t->tensor, err)))
            return tdl_fail_at(err, status, "safetensors");
    }
    return TDL_OK;
}

// __metadata__ of the first file, whose values the parser found to be strings, under "safetensors.".
static tdl_status add_metadata(tdl_weights *weights, json_t *metadata, tdl_error *err) {
    const char *name;
    json_t *value;
    tdl_arena *arena = &weights->meta.arena;
    tdl_str key = tdl_str_make(weights->mem);
    tdl_status status = TDL_OK;
    json_object_foreach(metadata, name, value) {
        size_t size = json_string_length(value);
        tdl_str_clear(&key);
        tdl_str_format(&key, "safetensors.%s", name);
        const char *key_copy = key.failed ? NULL : tdl_arena_strndup(arena, key.ptr, key.size);
        const char *text = tdl_arena_strndup(arena, json_string_value(value), size);
        if (!key_copy || !text) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for __metadata__");
            break;
        }
        tdl_meta meta = {
            .type = TDL_META_STRING, .string = tdl_text_of(text, size), .gguf_type = -1, .gguf_element = -1};
        if ((status = tdl_meta_table_add(&weights->meta, tdl_text_of(key_copy, key.size), &meta, err))) break;
    }
    tdl_str_deinit(&key);
    return status;
}

static bool index_names(const json_t *weight_map, const char *file_name) {
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) { // the macro's iterator wants it writable
        const char *name = json_string_value(value);
        if (name && strcmp(name, file_name) == 0) return true;
    }
    return false;
}

static bool is_plain_name(const char *name) {
    return *name && !strpbrk(name, "/\\") && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

// False also where memory ran out, which *status then says.
static bool exists(const tdl_weights *weights, const char *dir, const char *name, tdl_status *status, tdl_error *err) {
    char *path = tdl_path_join(weights->mem, dir, name);
    if (!path) {
        *status = tdl_fail(err, TDL_ERROR_MEMORY, "hf: no memory for a path");
        return false;
    }
    bool found = tdl_path_exists(path);
    tdl_free(weights->mem, path);
    return found;
}
