// SPDX-License-Identifier: MIT
// checkpoint.c - writes checkpoints. The reader is checkpoint_read.c, the format is described in checkpoint.h.
//
// Weights may come from a device piece by piece, so data goes to the file at once and only sums and places are kept. They
// are the table, which is therefore written last, with a trailer of fixed size behind it from which a reader starts.
// base/file.h does the rest: temporary name, fsync, rename, fsync of the directory. An interrupted writer leaves the old
// file and a temporary one, which run_lock.h removes when the next run begins.
#include "train/checkpoint.h"

#include "base/checked.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/utf8.h"
#include "train/checkpoint_impl.h"

#include <string.h>

struct tdl_checkpoint_writer {
    const tdl_allocator *mem;
    tdl_file_writer *file; // NULL once committed
    tdl_arena texts;       // copies of keys and names
    tdl_map keys, names;
    tdl_vec values, tensors; // bytes, as in the file
    uint32_t n_values, n_tensors;
    uint64_t left;      // bytes that the tensor at hand still lacks
    const char *name;   // of the tensor at hand
    tdl_xxh64 hash;     // of its bytes so far
    size_t hash_offset; // where in `tensors` its sum belongs
};

static tdl_status add_value(tdl_checkpoint_writer *writer, const char *key, uint32_t type, const void *data,
                            size_t size, tdl_error *err);
static tdl_status check_name(const tdl_map *seen, const char *name, size_t size_max, const char *what, tdl_error *err);
static tdl_status check_full(const tdl_checkpoint_writer *writer, tdl_error *err);
static tdl_status write_padding(tdl_checkpoint_writer *writer, tdl_error *err);
static tdl_status write_table(tdl_checkpoint_writer *writer, tdl_error *err);
static bool put_info(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *shape, uint64_t offset);
static bool put_text(tdl_vec *bytes, const char *text);

tdl_status tdl_checkpoint_writer_create(const tdl_allocator *mem, const char *path, tdl_checkpoint_writer **out,
                                        tdl_error *err) {
    tdl_checkpoint_writer *writer = tdl_alloc(mem, 1, sizeof *writer);
    if (!writer) return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for a writer");
    writer->mem = mem;
    tdl_arena_init(&writer->texts, mem);
    writer->keys = writer->names = tdl_map_make(mem);
    writer->values = writer->tensors = tdl_vec_make(mem, 1);
    checkpoint_header header = {.magic = TDL_CHECKPOINT_MAGIC, .version = TDL_CHECKPOINT_VERSION};
    tdl_status status = tdl_file_writer_open(mem, path, &writer->file, err);
    if (status == TDL_OK) status = tdl_file_writer_write(writer->file, &header, sizeof header, err);
    if (status == TDL_OK) *out = writer;
    else tdl_checkpoint_writer_destroy(writer);
    return status;
}

void tdl_checkpoint_writer_destroy(tdl_checkpoint_writer *writer) {
    if (!writer) return;
    tdl_file_writer_abort(writer->file);
    tdl_vec_deinit(&writer->values);
    tdl_vec_deinit(&writer->tensors);
    tdl_map_deinit(&writer->keys);
    tdl_map_deinit(&writer->names);
    tdl_arena_deinit(&writer->texts);
    tdl_free(writer->mem, writer);
}

tdl_status tdl_checkpoint_writer_commit(tdl_checkpoint_writer *writer, tdl_error *err) {
    tdl_status status = check_full(writer, err);
    if (status == TDL_OK) status = write_table(writer, err);
    if (status != TDL_OK) return status;
    status = tdl_file_writer_commit(writer->file, err);
    writer->file = NULL;
    return status;
}

// ---- values

tdl_status tdl_checkpoint_writer_int(tdl_checkpoint_writer *writer, const char *key, int64_t value, tdl_error *err) {
    return add_value(writer, key, CHECKPOINT_INT, &value, sizeof value, err);
}

tdl_status tdl_checkpoint_writer_float(tdl_checkpoint_writer *writer, const char *key, double value, tdl_error *err) {
    return add_value(writer, key, CHECKPOINT_FLOAT, &value, sizeof value, err);
}

tdl_status tdl_checkpoint_writer_text(tdl_checkpoint_writer *writer, const char *key, tdl_text value, tdl_error *err) {
    return add_value(writer, key, CHECKPOINT_TEXT, value.ptr, value.size, err);
}

tdl_status tdl_checkpoint_writer_bytes(tdl_checkpoint_writer *writer, const char *key, const void *data, size_t size,
                                       tdl_error *err) {
    return add_value(writer, key, CHECKPOINT_BYTES, data, size, err);
}

static tdl_status add_value(tdl_checkpoint_writer *writer, const char *key, uint32_t type, const void *data,
                            size_t size, tdl_error *err) {
    tdl_status status = check_name(&writer->keys, key, TDL_META_KEY_SIZE_MAX, "key", err);
    if (status != TDL_OK) return status;
    if (size > TDL_META_STRING_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "checkpoint: value '%.100s': %zu bytes, at most %d", key, size,
                        TDL_META_STRING_SIZE_MAX);
    if (writer->n_values >= TDL_META_KEYS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "checkpoint: more than %d values", TDL_META_KEYS_MAX);
    const uint64_t size64 = size;
    const char *copy = tdl_arena_strndup(&writer->texts, key, strlen(key));
    if (!copy || !tdl_map_put(&writer->keys, tdl_text_cstr(copy), 0) || !put_text(&writer->values, key) ||
        !tdl_vec_push(&writer->values, &type, sizeof type) || !tdl_vec_push(&writer->values, &size64, sizeof size64) ||
        (size && !tdl_vec_push(&writer->values, data, size)))
        return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for value '%.100s'", key);
    writer->n_values++;
    return TDL_OK;
}

static tdl_status check_name(const tdl_map *seen, const char *name, size_t size_max, const char *what, tdl_error *err) {
    int32_t there;
    size_t size = strlen(name);
    if (size == 0 || !tdl_utf8_valid(name, size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "checkpoint: %s '%.100s': empty or not valid UTF-8", what, name);
    if (size > size_max)
        return tdl_fail(err, TDL_ERROR_LIMIT, "checkpoint: %s '%.100s...': %zu bytes, at most %zu", what, name, size,
                        size_max);
    if (tdl_map_get(seen, tdl_text_cstr(name), &there))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "checkpoint: %s '%.100s' was added before", what, name);
    return TDL_OK;
}

// ---- tensors

tdl_status tdl_checkpoint_writer_tensor(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *tensor,
                                        tdl_error *err) {
    size_t size = tdl_tensor_size(tensor);
    tdl_status status = tdl_checkpoint_writer_begin(writer, name, tensor, err);
    if (status != TDL_OK || tdl_tensor_contiguous(tensor))
        return status != TDL_OK ? status : tdl_checkpoint_writer_add(writer, tensor->data, size, err);
    uint8_t *packed = tdl_alloc(writer->mem, size, 1);
    if (!packed)
        return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: tensor '%.100s': no memory to pack %zu bytes", name, size);
    tdl_tensor_pack(tensor, packed);
    status = tdl_checkpoint_writer_add(writer, packed, size, err);
    tdl_free(writer->mem, packed);
    return status;
}

tdl_status tdl_checkpoint_writer_begin(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *shape,
                                       tdl_error *err) {
    tdl_status status = check_full(writer, err);
    if (status == TDL_OK) status = check_name(&writer->names, name, TDL_TENSOR_NAME_SIZE_MAX, "tensor", err);
    if (status == TDL_OK) status = write_padding(writer, err);
    if (status != TDL_OK) return status;
    if (writer->n_tensors >= TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "checkpoint: more than %d tensors", TDL_TENSORS_MAX);
    const char *copy = tdl_arena_strndup(&writer->texts, name, strlen(name));
    if (!copy || !tdl_map_put(&writer->names, tdl_text_cstr(copy), 0) ||
        !put_info(writer, name, shape, tdl_file_writer_offset(writer->file)))
        return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for tensor '%.100s'", name);
    writer->n_tensors++;
    writer->name = copy;
    writer->left = tdl_tensor_size(shape);
    tdl_xxh64_init(&writer->hash, 0);
    return tdl_checkpoint_writer_add(writer, NULL, 0, err); // an empty tensor is full already
}

tdl_status tdl_checkpoint_writer_add(tdl_checkpoint_writer *writer, const void *data, size_t size, tdl_error *err) {
    if (size > writer->left)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "checkpoint: tensor '%.100s': %zu bytes added where %llu are missing",
                        writer->name ? writer->name : "", size, (unsigned long long)writer->left);
    if (size) {
        tdl_status status = tdl_file_writer_write(writer->file, data, size, err);
        if (status != TDL_OK) return status;
        tdl_xxh64_add(&writer->hash, data, size);
        writer->left -= size;
    }
    if (writer->left == 0 && writer->n_tensors) {
        uint64_t sum = tdl_xxh64_sum(&writer->hash);
        memcpy(tdl_vec_at(&writer->tensors, uint8_t, writer->hash_offset), &sum, sizeof sum);
    }
    return TDL_OK;
}

static tdl_status check_full(const tdl_checkpoint_writer *writer, tdl_error *err) {
    if (!writer->left) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "checkpoint: tensor '%.100s' still lacks %llu bytes", writer->name,
                    (unsigned long long)writer->left);
}

static bool put_info(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *shape, uint64_t offset) {
    tdl_vec *bytes = &writer->tensors;
    uint32_t n_dims = (uint32_t)shape->n_dims;
    uint64_t places[3] = {offset, tdl_tensor_size(shape), 0};
    if (!put_text(bytes, name) || !put_text(bytes, tdl_dtype_get(shape->dtype)->name) ||
        !tdl_vec_push(bytes, &n_dims, sizeof n_dims) || !tdl_vec_push(bytes, shape->shape, n_dims * sizeof(int64_t)) ||
        !tdl_vec_push(bytes, places, sizeof places))
        return false;
    writer->hash_offset = bytes->n - sizeof(uint64_t);
    return true;
}

// ---- the file

static tdl_status write_padding(tdl_checkpoint_writer *writer, tdl_error *err) {
    static const uint8_t zeros[TDL_CHECKPOINT_ALIGN];
    size_t over = tdl_file_writer_offset(writer->file) % TDL_CHECKPOINT_ALIGN;
    return over ? tdl_file_writer_write(writer->file, zeros, TDL_CHECKPOINT_ALIGN - over, err) : TDL_OK;
}

static tdl_status write_table(tdl_checkpoint_writer *writer, tdl_error *err) {
    tdl_status status = write_padding(writer, err);
    const uint32_t counts[2] = {writer->n_values, writer->n_tensors};
    const struct {
        const void *data;
        size_t size;
    } parts[] = {
        {counts, sizeof counts}, {writer->values.data, writer->values.n}, {writer->tensors.data, writer->tensors.n}};
    tdl_xxh64 hash;
    tdl_xxh64_init(&hash, 0);
    checkpoint_trailer trailer = {.table_offset = tdl_file_writer_offset(writer->file)};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == TDL_OK; i++) {
        if (!parts[i].size) continue;
        tdl_xxh64_add(&hash, parts[i].data, parts[i].size);
        trailer.table_size += parts[i].size;
        status = tdl_file_writer_write(writer->file, parts[i].data, parts[i].size, err);
    }
    trailer.table_sum = tdl_xxh64_sum(&hash);
    trailer.file_size = trailer.table_offset + trailer.table_size + sizeof trailer;
    trailer.sum = tdl_xxh64_of(&trailer, offsetof(checkpoint_trailer, sum));
    return status == TDL_OK ? tdl_file_writer_write(writer->file, &trailer, sizeof trailer, err) : status;
}

static bool put_text(tdl_vec *bytes, const char *text) {
    uint32_t size = (uint32_t)strlen(text);
    return tdl_vec_push(bytes, &size, sizeof size) && tdl_vec_push(bytes, text, size);
}
