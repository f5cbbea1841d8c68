// SPDX-License-Identifier: MIT
// dataset.c - see dataset.h.
//
// The tokenizer's part of the key hashes its vocabulary and what it makes of a sample text: merges, normalizers and
// pre-tokenizers have no other face here, and two that agree on both would have to be made to differ elsewhere.
#include "train/dataset.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/thread.h"
#include "train/token_build.h"

#include <string.h>

struct tdl_dataset {
    const tdl_allocator *mem;
    char *path; // of the token file
    tdl_file_map map;
    tdl_token_file tokens;
    bool cached, has_texts;
    size_t n_like_json; // text files that begin as records do
    char first_like_json[128];
};

// What opening needs besides.
typedef struct opening {
    const tdl_dataset_desc *desc;
    tdl_text separator;
    int32_t n_vocab;
    tdl_data_source *sources; // [n_paths]
    tdl_data_style style;
    tdl_token_file_key key;
} opening;

static tdl_status check_desc(const tdl_dataset_desc *desc, opening *o, tdl_error *err);
static tdl_status find_key(const tdl_allocator *mem, opening *o, tdl_error *err);
static uint64_t hash_sources(const opening *o, bool with_stat, uint64_t seed);
static tdl_status hash_tokenizer(const tdl_allocator *mem, const tdl_data_style *style, uint64_t *hash, tdl_error *err);
static tdl_status use_tokens(tdl_dataset *dataset, const opening *o, tdl_error *err);
static tdl_status use_cache(tdl_dataset *dataset, const opening *o, tdl_error *err);
static tdl_status map_tokens(tdl_dataset *dataset, const opening *o, bool with_sources, tdl_error *err);
static tdl_status build_tokens(tdl_dataset *dataset, const opening *o, tdl_error *err);

tdl_status tdl_dataset_open(const tdl_allocator *mem, const tdl_dataset_desc *desc, tdl_dataset **out, tdl_error *err) {
    opening o = {.desc = desc};
    tdl_dataset *dataset = NULL;
    tdl_status status = check_desc(desc, &o, err);
    if (status != TDL_OK) return status;
    dataset = tdl_alloc(mem, 1, sizeof *dataset);
    if (dataset) *dataset = (tdl_dataset){.mem = mem, .map.mem = mem};
    o.sources = tdl_alloc(mem, desc->n_paths, sizeof *o.sources);
    if (!dataset || !o.sources) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for %zu files", desc->n_paths);
        goto cleanup;
    }
    for (size_t i = 0; i < desc->n_paths && status == TDL_OK; i++) {
        status = tdl_data_source_find(mem, desc->paths[i], desc->format, &o.sources[i], err);
        if (status == TDL_OK && desc->n_paths > 1 && o.sources[i].format == TDL_DATA_TOKENS) {
            status =
                tdl_fail(err, TDL_ERROR_ARGUMENT, "data: '%s': a token file is given by itself, these are %zu files",
                         desc->paths[i], desc->n_paths);
        }
    }
    for (size_t i = 0; i < desc->n_paths && status == TDL_OK; i++) {
        dataset->has_texts |= o.sources[i].format == TDL_DATA_TEXT;
        if (!o.sources[i].looks_json || dataset->n_like_json++) continue;
        snprintf(dataset->first_like_json, sizeof dataset->first_like_json, "%s", desc->paths[i]);
    }
    if (status == TDL_OK) status = tdl_data_style_find(desc->tokenizer, &o.style, err);
    if (status == TDL_OK) status = find_key(mem, &o, err);
    if (status != TDL_OK) goto cleanup;

    if (o.sources[0].format == TDL_DATA_TOKENS) status = use_tokens(dataset, &o, err);
    else status = use_cache(dataset, &o, err);
cleanup:
    if (o.sources) tdl_free(mem, o.sources);
    if (status == TDL_OK) *out = dataset;
    else tdl_dataset_close(dataset);
    return status;
}

void tdl_dataset_close(tdl_dataset *dataset) {
    if (!dataset) return;
    tdl_file_map_close(&dataset->map);
    tdl_free(dataset->mem, dataset->path);
    tdl_free(dataset->mem, dataset);
}

tdl_status tdl_dataset_check(const tdl_dataset *dataset, tdl_error *err) {
    tdl_status status = tdl_file_map_check(&dataset->map, err);
    return status == TDL_OK ? status : tdl_fail_at(err, status, dataset->path);
}

const tdl_token_file *tdl_dataset_tokens(const tdl_dataset *dataset) { return &dataset->tokens; }
const char *tdl_dataset_cache_path(const tdl_dataset *dataset) { return dataset->path; }
bool tdl_dataset_was_cached(const tdl_dataset *dataset) { return dataset->cached; }

bool tdl_dataset_has_texts(const tdl_dataset *dataset) { return dataset->has_texts; }

size_t tdl_dataset_n_like_json(const tdl_dataset *dataset, const char **first) {
    *first = dataset->first_like_json;
    return dataset->n_like_json;
}

static tdl_status check_desc(const tdl_dataset_desc *desc, opening *o, tdl_error *err) {
    if (!desc->paths || desc->n_paths == 0 || !desc->tokenizer || !desc->cache_dir) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: no files, no tokenizer or no cache directory");
    }
    if (desc->n_paths > TDL_DATA_FILES_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "data: %zu files, at most %d", desc->n_paths, TDL_DATA_FILES_MAX);
    }
    if (desc->separator.size > TDL_DATA_SEPARATOR_SIZE_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "data: a separator of %zu bytes, at most %d", desc->separator.size,
                        TDL_DATA_SEPARATOR_SIZE_MAX);
    }
    o->separator = desc->separator.size ? desc->separator : tdl_text_of("", 1);
    o->n_vocab = desc->n_vocab ? desc->n_vocab : tdl_tokenizer_n_vocab(desc->tokenizer);
    if (o->n_vocab < 1 || o->n_vocab > TDL_VOCAB_MAX) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: a vocabulary of %d, expected 1 to %d", o->n_vocab,
                        TDL_VOCAB_MAX);
    }
    return TDL_OK;
}

// ---- keys

static tdl_status find_key(const tdl_allocator *mem, opening *o, tdl_error *err) {
    uint64_t hash = 0;
    tdl_status status = hash_tokenizer(mem, &o->style, &hash, err);
    if (status != TDL_OK) return status;
    o->key.tokenizer = tdl_hash_bytes(&o->n_vocab, sizeof o->n_vocab, hash);
    o->key.sources = hash_sources(o, true, 0);
    return TDL_OK;
}

static uint64_t hash_sources(const opening *o, bool with_stat, uint64_t seed) {
    uint64_t hash = tdl_hash_bytes(o->separator.ptr, o->separator.size, seed);
    for (size_t i = 0; i < o->desc->n_paths; i++) {
        const tdl_data_source *source = &o->sources[i];
        int32_t format = (int32_t)source->format;
        hash = tdl_hash_bytes(source->path, strlen(source->path), hash);
        hash = tdl_hash_bytes(&format, sizeof format, hash);
        if (with_stat) hash = tdl_hash_bytes(&source->stat, sizeof source->stat, hash);
    }
    return hash;
}

static tdl_status hash_tokenizer(const tdl_allocator *mem, const tdl_data_style *style, uint64_t *hash,
                                 tdl_error *err) {
    static const char sample[] = " The quick brown foxes' 1234567 jumps, over\n\n\tlazy dogs!  \xC3\x84rger "
                                 "\xE2\x80\x94 na\xC3\xAFve cafe\xCC\x81"
                                 " \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E \xD0\x9C\xD0\xB8\xD1\x80 \xF0\x9F\x98\x80 <s> "
                                 "<|im_end|> it's f(x) = 3.14;";
    int32_t n = tdl_tokenizer_n_vocab(style->tokenizer);
    uint64_t h = (uint64_t)n;
    for (int32_t i = 0; i < n; i++) {
        tdl_text token = tdl_tokenizer_token(style->tokenizer, i);
        h = tdl_hash_bytes(token.ptr ? token.ptr : "", token.size, h);
    }
    tdl_token_run run;
    tdl_token_run_init(&run, mem);
    tdl_status status = tdl_token_run_text(&run, style, tdl_text_of(sample, sizeof sample - 1), true, err);
    if (status == TDL_OK) {
        const int32_t around[] = {style->bos, style->eos, (int32_t)style->chat};
        h = tdl_hash_bytes(around, sizeof around, h);
        *hash = tdl_hash_bytes(run.ids.data, run.ids.n * sizeof(int32_t), h);
    }
    tdl_token_run_deinit(&run);
    return status;
}

// ---- the token file

static tdl_status use_tokens(tdl_dataset *dataset, const opening *o, tdl_error *err) {
    const char *path = o->desc->paths[0];
    dataset->path = tdl_strndup(dataset->mem, path, strlen(path));
    if (!dataset->path) return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for the path '%s'", path);
    dataset->cached = true;
    return map_tokens(dataset, o, false, err);
}

static tdl_status use_cache(tdl_dataset *dataset, const opening *o, tdl_error *err) {
    const char *dir = o->desc->cache_dir;
    tdl_status status = TDL_OK;
    char name[64];
    uint64_t hash = hash_sources(o, false, o->key.tokenizer);
    snprintf(name, sizeof name, "tokens-%016llx.bin", (unsigned long long)hash);
    dataset->path = tdl_path_join(dataset->mem, dir, name);
    if (!dataset->path) return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for a path in '%s'", dir);
    if (tdl_path_exists(dataset->path)) {
        status = map_tokens(dataset, o, true, err);
        dataset->cached = status == TDL_OK;
    }
    // Damaged, of another version, or stale: made anew. Unreadable: the writer will say so, if it cannot replace it.
    if (dataset->cached || status == TDL_ERROR_MEMORY) return status;
    return build_tokens(dataset, o, err);
}

static tdl_status map_tokens(tdl_dataset *dataset, const opening *o, bool with_sources, tdl_error *err) {
    tdl_status status = tdl_file_map_open(dataset->mem, dataset->path, &dataset->map, err);
    if (status != TDL_OK) return status;
    status = tdl_token_file_parse(dataset->map.data, dataset->map.size, &dataset->tokens, err);
    if (status != TDL_OK) tdl_fail_at(err, status, dataset->path);
    const tdl_token_file_key *key = &dataset->tokens.key;
    if (status == TDL_OK && key->tokenizer != o->key.tokenizer) {
        status = tdl_fail(err, TDL_ERROR_ARGUMENT, "data: '%s': made with another tokenizer, or for another vocabulary",
                          dataset->path);
    } else if (status == TDL_OK && with_sources && key->sources != o->key.sources) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "data: '%s': its sources have changed", dataset->path);
    }
    if (status != TDL_OK) tdl_file_map_close(&dataset->map);
    return status;
}

static tdl_status build_tokens(tdl_dataset *dataset, const opening *o, tdl_error *err) {
    const tdl_dataset_desc *desc = o->desc;
    int32_t n_cpus = tdl_cpu_count();
    const tdl_token_build_desc build = {.sources = o->sources,
                                        .n_sources = desc->n_paths,
                                        .separator = o->separator,
                                        .style = &o->style,
                                        .n_vocab = o->n_vocab,
                                        .n_threads = desc->n_threads            ? desc->n_threads
                                                     : n_cpus < TDL_THREADS_MAX ? n_cpus
                                                                                : TDL_THREADS_MAX,
                                        .key = o->key,
                                        .path = dataset->path,
                                        .progress = desc->progress,
                                        .progress_user = desc->progress_user};
    if (err) *err = (tdl_error){0}; // of the file that is replaced
    tdl_status status = tdl_token_build(dataset->mem, &build, err);
    return status == TDL_OK ? map_tokens(dataset, o, true, err) : status;
}
