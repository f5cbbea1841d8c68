// SPDX-License-Identifier: MIT
// gguf_open.c - from a path, bytes or a reader to a tdl_weights, by way of the parser in gguf.c.
//
// The caller's bytes are used where they lie. Of a file, and of a reader's, as much of its beginning is read as the header
// needs: the parser says PENDING until that is there. A reader's tensors are read at once too, a file's when they are wanted.
//
// A split model is a set of GGUF files "PREFIX-00001-of-00003.gguf", each whole in itself. All carry split.no (from 0)
// and split.count, and the first has the model's metadata and split.tensors.count, the number of tensors in all of
// them.
#include "format/gguf_open.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "format/gguf.h"
#include "format/weights_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PREFIX_SIZE = 256 << 10, // read at first; doubled while the header is longer
    PART_SUFFIX_SIZE = 20,   // "-00001-of-00003.gguf"
};

// What a tdl_reader over a file needs to know.
typedef struct file_source {
    const tdl_file *file;
    tdl_error *err;
} file_source;

typedef struct split_info {
    int64_t no, count; // count is 1 where the file is whole
    int64_t n_tensors; // in all parts; -1 where the file does not say
} split_info;

static tdl_status open_path(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err);
static tdl_status open_part(tdl_weights *weights, const char *path, bool metadata_only, const split_info *expected,
                            split_info *found, tdl_error *err);
static tdl_status open_other_parts(tdl_weights *weights, const char *path, const split_info *first, tdl_error *err);
static tdl_status check_first_part(const char *path, const split_info *split, tdl_error *err);
static void part_suffix(int64_t no, int64_t count, char suffix[PART_SUFFIX_SIZE + 1]);
static tdl_status open_bytes(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err);
static tdl_status open_reader(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err);
static tdl_status read_header(tdl_weights *weights, const tdl_reader *reader, bool metadata_only, tdl_gguf *gguf,
                              tdl_error *err);
static tdl_status read_file(void *user, uint64_t offset, void *dst, size_t size);
static tdl_status read_at(const tdl_reader *reader, uint64_t offset, void *dst, size_t size, tdl_error *err);
static tdl_status add_tensors(tdl_weights *weights, const tdl_gguf *gguf, const uint8_t *bytes, int32_t file,
                              tdl_error *err);
static tdl_status add_tensor(tdl_weights *weights, const tdl_gguf_tensor *tensor, const uint8_t *data, int32_t file,
                             tdl_error *err);
static void take_meta(tdl_weights *weights, tdl_gguf *gguf);
static tdl_status get_split(const tdl_meta_table *meta, split_info *split, tdl_error *err);
static tdl_status get_count(const tdl_meta_table *meta, const char *key, int64_t max, int64_t *out, tdl_error *err);
static tdl_status refuse_split(const tdl_meta_table *meta, tdl_error *err);

tdl_status tdl_gguf_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err) {
    tdl_weights *weights = NULL;
    tdl_status status = tdl_weights_create(desc->mem, TDL_WEIGHTS_GGUF, &weights, err);
    if (status) goto cleanup;
    if (desc->path) status = open_path(weights, desc, err);
    else if (desc->bytes) status = open_bytes(weights, desc, err);
    else status = open_reader(weights, desc, err);
    if (status) goto cleanup;
    if (!desc->metadata_only && weights->tensors.n == 0) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "gguf: no tensors, expected a model");
        goto cleanup;
    }
    *out = weights;
    weights = NULL;
cleanup:
    tdl_weights_close(weights);
    return status;
}

// ---- files

static tdl_status open_path(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err) {
    split_info split;
    tdl_status status = open_part(weights, desc->path, desc->metadata_only, NULL, &split, err);
    if (status || split.count == 1) return status;
    if ((status = check_first_part(desc->path, &split, err)))
        return tdl_fail_at(err, status, tdl_path_name(desc->path));
    return desc->metadata_only ? TDL_OK : open_other_parts(weights, desc->path, &split, err);
}

// Adds a file's tensors. The first part (`expected` is NULL) also gives the metadata; of the others only the split
// numbers are looked at, which must be as expected.
static tdl_status open_part(tdl_weights *weights, const char *path, bool metadata_only, const split_info *expected,
                            split_info *found, tdl_error *err) {
    int32_t number;
    tdl_status status = tdl_weights_open_file(weights, path, &number, err);
    if (status) return status;
    file_source source = {.file = tdl_weights_file(weights, number), .err = err};
    tdl_reader reader = {.read = read_file, .user = &source, .size = source.file->size};
    tdl_gguf gguf;
    if ((status = read_header(weights, &reader, metadata_only, &gguf, err)))
        return tdl_fail_at(err, status, tdl_path_name(path));
    if ((status = get_split(&gguf.meta, found, err))) goto cleanup;
    if (expected && (found->no != expected->no || found->count != expected->count)) {
        status = tdl_fail(err, TDL_ERROR_FORMAT,
                          "gguf: split.no %" PRId64 " of split.count %" PRId64 ", expected %" PRId64 " of %" PRId64,
                          found->no, found->count, expected->no, expected->count);
        goto cleanup;
    }
    if ((status = add_tensors(weights, &gguf, NULL, number, err))) goto cleanup;
    if (!expected) take_meta(weights, &gguf);
cleanup:
    tdl_gguf_deinit(&gguf);
    return status ? tdl_fail_at(err, status, tdl_path_name(path)) : TDL_OK;
}

static tdl_status open_other_parts(tdl_weights *weights, const char *path, const split_info *first, tdl_error *err) {
    char suffix[PART_SUFFIX_SIZE + 1];
    size_t prefix_size = strlen(path) - PART_SUFFIX_SIZE;
    char *part_path = tdl_strndup(weights->mem, path, strlen(path));
    if (!part_path) return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for a path");
    tdl_status status = TDL_OK;
    for (int64_t no = 1; no < first->count; no++) {
        split_info expected = {.no = no, .count = first->count}, found;
        part_suffix(no, first->count, suffix);
        memcpy(part_path + prefix_size, suffix, PART_SUFFIX_SIZE);
        if ((status = open_part(weights, part_path, false, &expected, &found, err))) goto cleanup;
    }
    if (first->n_tensors >= 0 && (uint64_t)first->n_tensors != weights->tensors.n)
        status = tdl_fail(err, TDL_ERROR_FORMAT,
                          "%s: gguf: split.tensors.count is %" PRId64 ", but the %" PRId64 " parts have %zu tensors",
                          tdl_path_name(path), first->n_tensors, first->count, weights->tensors.n);
cleanup:
    tdl_free(weights->mem, part_path);
    return status;
}

static tdl_status check_first_part(const char *path, const split_info *split, tdl_error *err) {
    char suffix[PART_SUFFIX_SIZE + 1];
    if (split->no != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "gguf: part %" PRId64 " of a model split in %" PRId64 ", open its first part", split->no + 1,
                        split->count);
    part_suffix(0, split->count, suffix);
    size_t size = strlen(path);
    if (size < PART_SUFFIX_SIZE || strcmp(path + size - PART_SUFFIX_SIZE, suffix) != 0)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "gguf: the first part of a model split in %" PRId64 ", expected its name to end "
                        "in %s",
                        split->count, suffix);
    return TDL_OK;
}

// "-00001-of-00003.gguf" for part 0 of 3.
static void part_suffix(int64_t no, int64_t count, char suffix[PART_SUFFIX_SIZE + 1]) {
    snprintf(suffix, PART_SUFFIX_SIZE + 1, "-%05u-of-%05u.gguf", (unsigned)(no + 1) % 100000, (unsigned)count % 100000);
}

// ---- bytes

static tdl_status open_bytes(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err) {
    tdl_gguf_source source = {.bytes = desc->bytes,
                              .size = desc->bytes_size,
                              .file_size = desc->bytes_size,
                              .metadata_only = desc->metadata_only};
    tdl_gguf gguf;
    tdl_status status = tdl_gguf_parse(weights->mem, &source, &gguf, err);
    if (status) return status;
    if (!desc->metadata_only && (status = refuse_split(&gguf.meta, err))) goto cleanup;
    if ((status = add_tensors(weights, &gguf, source.bytes, -1, err))) goto cleanup;
    take_meta(weights, &gguf);
cleanup:
    tdl_gguf_deinit(&gguf);
    return status;
}

// ---- reader

static tdl_status open_reader(tdl_weights *weights, const tdl_weights_desc *desc, tdl_error *err) {
    tdl_gguf gguf;
    tdl_status status = read_header(weights, desc->reader, desc->metadata_only, &gguf, err);
    if (status) return status;
    if (!desc->metadata_only && (status = refuse_split(&gguf.meta, err))) goto cleanup;
    if ((status = tdl_weights_reserve(weights, gguf.tensors.n, err))) goto cleanup;
    for (size_t i = 0; i < gguf.tensors.n; i++) {
        const tdl_gguf_tensor *t = tdl_vec_at(&gguf.tensors, tdl_gguf_tensor, i);
        uint8_t *data = NULL;
        if (t->odd_type[0]) {
            if ((status = add_tensor(weights, t, NULL, -1, err))) goto cleanup;
            continue;
        }
        if ((status = tdl_weights_hold_memory(weights, t->size, &data, err))) goto cleanup;
        if ((status = read_at(desc->reader, t->offset, data, t->size, err))) goto cleanup;
        if ((status = add_tensor(weights, t, data, -1, err))) goto cleanup;
    }
    take_meta(weights, &gguf);
cleanup:
    tdl_gguf_deinit(&gguf);
    return status;
}

// Reads and parses a growing part of the file's beginning. The weights own the last one: keys and texts point into it.
static tdl_status read_header(tdl_weights *weights, const tdl_reader *reader, bool metadata_only, tdl_gguf *gguf,
                              tdl_error *err) {
    tdl_gguf_source source = {.file_size = reader->size, .metadata_only = metadata_only};
    uint8_t *prefix = NULL;
    size_t size = 0;
    tdl_status status = TDL_PENDING;
    while (status == TDL_PENDING) {
        uint64_t wanted = size ? (uint64_t)size * 2 : PREFIX_SIZE;
        if (wanted > reader->size) wanted = reader->size;
        uint8_t *longer = wanted <= PTRDIFF_MAX ? tdl_alloc(weights->mem, (size_t)wanted, 1) : NULL;
        if (!longer) {
            status =
                tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for a header of %" PRIu64 " bytes or more", wanted);
            break;
        }
        if (size) memcpy(longer, prefix, size);
        tdl_free(weights->mem, prefix);
        prefix = longer;
        if ((status = read_at(reader, size, prefix + size, wanted - size, err))) break;
        size = wanted;
        source.bytes = prefix;
        source.size = size;
        status = tdl_gguf_parse(weights->mem, &source, gguf, err);
    }
    if (status) {
        tdl_free(weights->mem, prefix);
        return status;
    }
    if ((status = tdl_weights_take_memory(weights, prefix, err))) tdl_gguf_deinit(gguf);
    return status;
}

static tdl_status read_file(void *user, uint64_t offset, void *dst, size_t size) {
    const file_source *source = user;
    return tdl_file_read_at(source->file, offset, dst, size, source->err);
}

static tdl_status read_at(const tdl_reader *reader, uint64_t offset, void *dst, size_t size, tdl_error *err) {
    if (size == 0) return TDL_OK;
    tdl_status status = reader->read(reader->user, offset, dst, size);
    if (status == TDL_OK || reader->read == read_file) return status; // which has said what the matter is
    return tdl_fail(err, status < 0 ? status : TDL_ERROR_IO, "reader: %zu bytes at byte %" PRIu64 " of %" PRIu64 ": %s",
                    size, offset, reader->size, tdl_status_name(status));
}

// ---- common parts

// All tensors of a file that lies at `bytes`, or, where that is NULL, that the weights have open.
static tdl_status add_tensors(tdl_weights *weights, const tdl_gguf *gguf, const uint8_t *bytes, int32_t file,
                              tdl_error *err) {
    tdl_status status = tdl_weights_reserve(weights, gguf->tensors.n, err);
    weights->n_spare += gguf->n_spare;
    for (size_t i = 0; !status && i < gguf->tensors.n; i++) {
        const tdl_gguf_tensor *t = tdl_vec_at(&gguf->tensors, tdl_gguf_tensor, i);
        status = add_tensor(weights, t, bytes ? bytes + t->offset : NULL, file, err);
    }
    return status;
}

static tdl_status add_tensor(tdl_weights *weights, const tdl_gguf_tensor *tensor, const uint8_t *data, int32_t file,
                             tdl_error *err) {
    tdl_tensor placed = tensor->tensor;
    tdl_status status;
    placed.data = (uint8_t *)(uintptr_t)data; // tensors of weights are not written to
    if (tensor->odd_type[0]) status = tdl_weights_add_odd(weights, tensor->name, tdl_text_cstr(tensor->odd_type), err);
    else if (data) status = tdl_weights_add_tensor(weights, tensor->name, &placed, err);
    else
        status = tdl_weights_add_placed(weights, tensor->name, &placed, (tdl_weights_place){file, tensor->offset}, err);
    return status ? tdl_fail_at(err, status, "gguf") : TDL_OK;
}

static void take_meta(tdl_weights *weights, tdl_gguf *gguf) {
    tdl_meta_table_deinit(&weights->meta);
    weights->meta = gguf->meta;
    tdl_meta_table_init(&gguf->meta, weights->mem);
}

static tdl_status get_split(const tdl_meta_table *meta, split_info *split, tdl_error *err) {
    *split = (split_info){.no = 0, .count = 1, .n_tensors = -1};
    tdl_status status = get_count(meta, "split.count", TDL_SHARDS_MAX, &split->count, err);
    if (status) return status;
    if (split->count <= 1) { // 0 and 1 are what tools leave in a file that was put together again
        split->count = 1;
        return TDL_OK;
    }
    split->no = -1;
    if ((status = get_count(meta, "split.no", TDL_SHARDS_MAX - 1, &split->no, err))) return status;
    if (split->no < 0 || split->no >= split->count)
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: split.no is %" PRId64 "%s, expected 0 to %" PRId64, split->no,
                        split->no < 0 ? " (absent)" : "", split->count - 1);
    return get_count(meta, "split.tensors.count", TDL_TENSORS_MAX, &split->n_tensors, err);
}

// *out stays as it is where the key is absent.
static tdl_status get_count(const tdl_meta_table *meta, const char *key, int64_t max, int64_t *out, tdl_error *err) {
    const tdl_meta *value = tdl_meta_table_find(meta, key);
    if (!value) return TDL_OK;
    if (value->type != TDL_META_INT)
        return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: %s is no integer (type %d)", key, value->gguf_type);
    if (value->integer < 0 || value->integer > max)
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: %s is %" PRId64 ", expected 0 to %" PRId64, key, value->integer,
                        max);
    *out = value->integer;
    return TDL_OK;
}

// Bytes and readers have no names to find other parts by.
static tdl_status refuse_split(const tdl_meta_table *meta, tdl_error *err) {
    split_info split;
    tdl_status status = get_split(meta, &split, err);
    if (status || split.count == 1) return status;
    return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                    "gguf: part %" PRId64 " of a model split in %" PRId64 ": open it by the path of "
                    "its first part",
                    split.no + 1, split.count);
}
