// SPDX-License-Identifier: MIT
// hf_dir.c - a directory as Hugging Face's libraries write it. Its files are untrusted input.
//
// config.json and generation_config.json become metadata (hf_config.c), tokenizer.json and tokenizer_config.json are
// held for the tokenizer, and tensors come from model.safetensors or from the shards that model.safetensors.index.json
// lists. The index is believed about which tensors there are and in which shard each lies; tensors that a shard has
// beyond that are not the model's, and are counted. Shard names come from the file, so they must be plain names: nothing outside the
// directory opens.
#include "format/hf_dir.h"

#include "base/error.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "format/hf_config.h"
#include "format/safetensors.h"
#include "format/weights_build.h"

#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"

// What the index says: which tensors there are, and in which shard each lies.
typedef struct index_entry {
    tdl_text tensor;
    int32_t shard;
    bool found;
} index_entry;

typedef struct shard_index {
    tdl_file_map map; // entries point into it
    tdl_arena arena;
    tdl_vec entries; // index_entry
    tdl_map tensors; // name -> entry
    tdl_vec shards;  // const char *: names, in the order of their first appearance
    tdl_map seen;    // name -> shard
} shard_index;

static tdl_status open_texts(tdl_weights *weights, const char *dir, bool metadata_only, tdl_error *err);
static tdl_status open_text(tdl_weights *weights, const char *dir, const char *name, tdl_file_map *out, tdl_error *err);
static tdl_status open_tensors(tdl_weights *weights, const char *dir, const char *file_name, tdl_error *err);
static tdl_status read_index(tdl_weights *weights, const char *dir, shard_index *index, tdl_error *err);
static tdl_status read_weight_map(tdl_weights *weights, shard_index *index, tdl_json_scan *s);
static tdl_status add_place(tdl_weights *weights, shard_index *index, tdl_text tensor, tdl_text shard, tdl_error *err);
static void index_deinit(shard_index *index);
static tdl_status open_shards(tdl_weights *weights, const char *dir, shard_index *index, tdl_error *err);
static tdl_status open_file(tdl_weights *weights, const char *dir, const char *name, shard_index *index, int32_t shard,
                            tdl_error *err);
static tdl_status add_tensors(tdl_weights *weights, const tdl_safetensors *file, int32_t number, shard_index *index,
                              int32_t shard, tdl_error *err);
static tdl_status add_metadata(tdl_weights *weights, const tdl_vec *metadata, tdl_error *err);
static bool is_plain_name(tdl_text name);
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
    tdl_file_stat stat;
    tdl_status status = tdl_file_stat_get(path, &stat, err);
    if (!status && stat.size > TDL_JSON_SIZE_MAX)
        status = tdl_fail(err, TDL_ERROR_LIMIT, "%s: %llu bytes, at most %d", name, (unsigned long long)stat.size,
                          TDL_JSON_SIZE_MAX);
    if (!status) status = tdl_file_copy_open(weights->mem, path, out, err);
    tdl_free(weights->mem, path);
    return status;
}

// ---- tensors

// file_name: a .safetensors file of the directory, or NULL.
static tdl_status open_tensors(tdl_weights *weights, const char *dir, const char *file_name, tdl_error *err) {
    shard_index index = {0};
    tdl_status status = TDL_OK;
    int32_t shard;
    bool has_single = !file_name && exists(weights, dir, "model.safetensors", &status, err);
    bool has_index = !status && !has_single && exists(weights, dir, INDEX_NAME, &status, err);
    if (status) return status;
    if (has_single) file_name = "model.safetensors";
    if (!has_index && !file_name)
        return tdl_fail(err, TDL_ERROR_IO,
                        "hf: '%.200s': neither model.safetensors nor " INDEX_NAME " in this directory", dir);
    if (has_index && (status = read_index(weights, dir, &index, err))) goto cleanup;
    if (has_index && (!file_name || tdl_map_get(&index.seen, tdl_text_cstr(file_name), &shard)))
        status = open_shards(weights, dir, &index, err);
    else status = open_file(weights, dir, file_name, NULL, 0, err);
cleanup:
    if (has_index) index_deinit(&index);
    return status;
}

static tdl_status read_index(tdl_weights *weights, const char *dir, shard_index *index, tdl_error *err) {
    const tdl_allocator *mem = weights->mem;
    *index = (shard_index){.map = {.mem = mem},
                           .entries = tdl_vec_make(mem, sizeof(index_entry)),
                           .tensors = tdl_map_make(mem),
                           .shards = tdl_vec_make(mem, sizeof(const char *)),
                           .seen = tdl_map_make(mem)};
    tdl_arena_init(&index->arena, mem);
    tdl_status status = open_text(weights, dir, INDEX_NAME, &index->map, err);
    if (status) return status;
    tdl_json_scan s = {.text = (const char *)index->map.data,
                       .size = index->map.size,
                       .what = INDEX_NAME,
                       .arena = &index->arena,
                       .err = err};
    bool has_map = false, is_object = tdl_json_scan_peek(&s) != '[';
    if (is_object) status = tdl_json_scan_open(&s, '{');
    for (bool more; is_object && !status && !(status = tdl_json_scan_more(&s, '}', &more)) && more;) {
        tdl_text key;
        if ((status = tdl_json_scan_key(&s, &key))) break;
        if (tdl_text_is(key, "weight_map") && tdl_json_scan_peek(&s) == '{') {
            has_map = true;
            status = read_weight_map(weights, index, &s);
        } else status = tdl_json_scan_skip(&s);
    }
    if (!status && is_object) status = tdl_json_scan_end(&s);
    if (!status && !has_map) status = tdl_fail(err, TDL_ERROR_FORMAT, INDEX_NAME ": no object 'weight_map'");
    return status;
}

static tdl_status read_weight_map(tdl_weights *weights, shard_index *index, tdl_json_scan *s) {
    tdl_status status = tdl_json_scan_open(s, '{');
    for (bool more; !status && !(status = tdl_json_scan_more(s, '}', &more)) && more;) {
        tdl_text tensor, shard = {"", 0};
        if ((status = tdl_json_scan_key(s, &tensor))) break;
        status = tdl_json_scan_peek(s) == '"' ? tdl_json_scan_string(s, &shard) : tdl_json_scan_skip(s);
        if (!status) status = add_place(weights, index, tensor, shard, s->err);
    }
    return status;
}

// Of a tensor that is named twice the last place counts, as in Python.
static tdl_status add_place(tdl_weights *weights, shard_index *index, tdl_text tensor, tdl_text shard, tdl_error *err) {
    int32_t number = (int32_t)index->shards.n, entry;
    if (!is_plain_name(shard))
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        INDEX_NAME ": tensor '%.*s' is in '%.*s', expected the name of a file in the same directory",
                        TDL_SHOWN(tensor), TDL_SHOWN(shard));
    if (!tdl_map_get(&index->seen, shard, &number)) {
        if (index->shards.n >= TDL_SHARDS_MAX)
            return tdl_fail(err, TDL_ERROR_LIMIT, INDEX_NAME ": more than %d files", TDL_SHARDS_MAX);
        const char *copy = tdl_arena_strndup(&weights->names, shard.ptr, shard.size);
        if (!copy || !tdl_map_put(&index->seen, tdl_text_of(copy, shard.size), number) ||
            !tdl_vec_push(&index->shards, &copy, 1))
            return tdl_fail(err, TDL_ERROR_MEMORY, INDEX_NAME ": no memory for its list of files");
    }
    int32_t n = entry = (int32_t)index->entries.n;
    index_entry made = {.tensor = tensor, .shard = number};
    if (!tdl_map_add(&index->tensors, tensor, &entry))
        return tdl_fail(err, TDL_ERROR_MEMORY, INDEX_NAME ": no memory for its list of tensors");
    if (entry != n) {
        tdl_vec_at(&index->entries, index_entry, entry)->shard = number;
        return TDL_OK;
    }
    if (n == TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, INDEX_NAME ": more than %d tensors", TDL_TENSORS_MAX);
    if (!tdl_vec_push(&index->entries, &made, 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, INDEX_NAME ": no memory for its list of tensors");
    return TDL_OK;
}

static void index_deinit(shard_index *index) {
    tdl_map_deinit(&index->seen);
    tdl_vec_deinit(&index->shards);
    tdl_map_deinit(&index->tensors);
    tdl_vec_deinit(&index->entries);
    tdl_arena_deinit(&index->arena);
    tdl_file_map_close(&index->map);
}

static tdl_status open_shards(tdl_weights *weights, const char *dir, shard_index *index, tdl_error *err) {
    const char *const *names = index->shards.data;
    const index_entry *entries = index->entries.data;
    for (int32_t i = 0; i < (int32_t)index->shards.n; i++) {
        tdl_status status = open_file(weights, dir, names[i], index, i, err);
        if (status) return status;
    }
    for (size_t i = 0; i < index->entries.n; i++)
        if (!entries[i].found)
            return tdl_fail(err, TDL_ERROR_FORMAT, INDEX_NAME ": tensor '%.*s' is not in %.100s",
                            TDL_SHOWN(entries[i].tensor), names[entries[i].shard]);
    return TDL_OK;
}

// Adds a file's tensors: all, or those that the index has in this shard. Only the header is read.
static tdl_status open_file(tdl_weights *weights, const char *dir, const char *name, shard_index *index, int32_t shard,
                            tdl_error *err) {
    tdl_safetensors file;
    uint8_t length[8] = {0}, *header = NULL;
    size_t size = 0;
    int32_t number;
    bool is_first = weights->files.n == 0;
    char *path = tdl_path_join(weights->mem, dir, name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "hf: no memory for a path");
    tdl_status status = tdl_weights_open_file(weights, path, &number, err);
    tdl_free(weights->mem, path);
    if (status) return status;
    const tdl_file *from = tdl_weights_file(weights, number);
    if (from->size >= sizeof length) status = tdl_file_read_at(from, 0, length, sizeof length, err);
    if (!status) status = tdl_safetensors_header_size(length, from->size, &size, err);
    if (!status && !(header = tdl_alloc(weights->mem, size, 1)))
        status = tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for a header of %zu bytes", size);
    if (!status) status = tdl_file_read_at(from, 0, header, size, err);
    const tdl_safetensors_source source = {.bytes = header, .size = size, .file_size = from->size};
    if (!status && !(status = tdl_safetensors_parse(weights->mem, &source, &file, err))) {
        status = add_tensors(weights, &file, number, index, shard, err);
        if (!status && is_first) status = add_metadata(weights, &file.metadata, err);
        tdl_safetensors_deinit(&file);
    }
    tdl_free(weights->mem, header);
    return status ? tdl_fail_at(err, status, name) : TDL_OK;
}

static tdl_status add_tensors(tdl_weights *weights, const tdl_safetensors *file, int32_t number, shard_index *index,
                              int32_t shard, tdl_error *err) {
    tdl_status status = tdl_weights_reserve(weights, file->tensors.n, err);
    for (size_t i = 0; i < file->tensors.n && !status; i++) {
        const tdl_safetensors_tensor *t = tdl_vec_at(&file->tensors, tdl_safetensors_tensor, i);
        if (index) {
            int32_t entry = -1;
            index_entry *listed =
                tdl_map_get(&index->tensors, t->name, &entry) ? tdl_vec_at(&index->entries, index_entry, entry) : NULL;
            if (!listed || listed->shard != shard) {
                weights->n_unlisted += !listed;
                continue;
            }
            listed->found = true;
        }
        status = t->odd_type.ptr ? tdl_weights_add_odd(weights, t->name, t->odd_type, err)
                                 : tdl_weights_add_placed(weights, t->name, &t->tensor,
                                                          (tdl_weights_place){number, t->offset}, err);
    }
    return status ? tdl_fail_at(err, status, "safetensors") : TDL_OK;
}

// __metadata__ of the first file under "safetensors.".
static tdl_status add_metadata(tdl_weights *weights, const tdl_vec *metadata, tdl_error *err) {
    tdl_arena *arena = &weights->meta.arena;
    tdl_str key = tdl_str_make(weights->mem);
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < metadata->n && !status; i++) {
        const tdl_safetensors_text *text = tdl_vec_at(metadata, const tdl_safetensors_text, i);
        tdl_str_clear(&key);
        tdl_str_append(&key, "safetensors.", strlen("safetensors."));
        tdl_str_append(&key, text->key.ptr, text->key.size);
        const char *key_copy = key.failed ? NULL : tdl_arena_strndup(arena, key.ptr, key.size);
        const char *value = tdl_arena_strndup(arena, text->value.ptr, text->value.size);
        if (!key_copy || !value) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for __metadata__");
            break;
        }
        tdl_meta meta = {.type = TDL_META_STRING,
                         .string = tdl_text_of(value, text->value.size),
                         .gguf_type = -1,
                         .gguf_element = -1};
        status = tdl_meta_table_add(&weights->meta, tdl_text_of(key_copy, key.size), &meta, err);
    }
    tdl_str_deinit(&key);
    return status;
}

static bool is_plain_name(tdl_text name) {
    if (name.size == 0 || memchr(name.ptr, 0, name.size)) return false;
    if (memchr(name.ptr, '/', name.size) || memchr(name.ptr, '\\', name.size)) return false;
    return !tdl_text_is(name, ".") && !tdl_text_is(name, "..");
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
