// SPDX-License-Identifier: MIT
// checkpoint_read.c - reads checkpoints: untrusted input. See checkpoint.h for the format.
//
// Everything is checked when the file is opened, so that a run either goes on from exactly what was saved or not at all:
// header and trailer, the table's sum, that the tensors lie one behind the other with nothing but zeros between them, and
// each tensor's sum. With that every byte of the file is covered by a check.
#include "base/checked.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/utf8.h"
#include "train/checkpoint_impl.h"

#include <string.h>

typedef struct value {
    uint32_t type;
    tdl_text data;
} value;

struct tdl_checkpoint {
    const tdl_allocator *mem;
    tdl_file_map map; // empty where the bytes are the caller's
    const uint8_t *bytes;
    size_t size;
    tdl_arena names;
    tdl_vec values;  // value
    tdl_vec tensors; // tdl_checkpoint_tensor
    tdl_map keys, index;
};

// A position in the table.
typedef struct cursor {
    const uint8_t *p, *end;
    bool failed; // something reached over the end
} cursor;

static tdl_status parse(tdl_checkpoint *c, tdl_error *err);
static tdl_status read_trailer(const tdl_checkpoint *c, checkpoint_trailer *trailer, tdl_error *err);
static tdl_status read_value(tdl_checkpoint *c, cursor *at, uint32_t i, tdl_error *err);
static tdl_status read_tensor(tdl_checkpoint *c, cursor *at, uint32_t i, uint64_t *data_end, tdl_error *err);
static tdl_status read_shape(cursor *at, const char *name, tdl_tensor *out, tdl_error *err);
static tdl_status check_gap(const tdl_checkpoint *c, uint64_t begin, uint64_t end, tdl_error *err);
static tdl_status find(const tdl_checkpoint *c, const char *key, uint32_t type, tdl_text *out, tdl_error *err);
static bool take(cursor *at, void *dst, size_t size);
static tdl_text take_text(cursor *at, uint64_t size);
static bool is_name(tdl_text text, size_t size_max);

tdl_status tdl_checkpoint_open(const tdl_allocator *mem, const char *path, tdl_checkpoint **out, tdl_error *err) {
    tdl_file_map map = {0};
    tdl_checkpoint *c = NULL;
    tdl_status status = tdl_file_map_open(mem, path, &map, err);
    if (status != TDL_OK) return status;
    status = tdl_checkpoint_parse(mem, map.data, map.size, &c, err);
    if (status != TDL_OK) {
        tdl_file_map_close(&map);
        return tdl_fail_at(err, status, path);
    }
    c->map = map;
    *out = c;
    return TDL_OK;
}

tdl_status tdl_checkpoint_parse(const tdl_allocator *mem, const uint8_t *bytes, size_t size, tdl_checkpoint **out,
                                tdl_error *err) {
    tdl_checkpoint *c = tdl_alloc(mem, 1, sizeof *c);
    if (!c) return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory to open it");
    *c = (tdl_checkpoint){.mem = mem, .bytes = bytes, .size = size};
    tdl_arena_init(&c->names, mem);
    c->values = tdl_vec_make(mem, sizeof(value));
    c->tensors = tdl_vec_make(mem, sizeof(tdl_checkpoint_tensor));
    c->keys = c->index = tdl_map_make(mem);
    tdl_status status = parse(c, err);
    if (status == TDL_OK) *out = c;
    else tdl_checkpoint_close(c);
    return status;
}

void tdl_checkpoint_close(tdl_checkpoint *c) {
    if (!c) return;
    if (c->map.mem) tdl_file_map_close(&c->map);
    tdl_map_deinit(&c->keys);
    tdl_map_deinit(&c->index);
    tdl_vec_deinit(&c->values);
    tdl_vec_deinit(&c->tensors);
    tdl_arena_deinit(&c->names);
    tdl_free(c->mem, c);
}

// ---- parsing

static tdl_status parse(tdl_checkpoint *c, tdl_error *err) {
    checkpoint_trailer trailer;
    uint32_t counts[2];
    tdl_status status = read_trailer(c, &trailer, err);
    if (status != TDL_OK) return status;
    cursor at = {c->bytes + trailer.table_offset, c->bytes + trailer.table_offset + trailer.table_size, false};
    take(&at, counts, sizeof counts);
    if (at.failed)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: a table of %zu bytes", (size_t)trailer.table_size);
    if (counts[0] > TDL_META_KEYS_MAX || counts[1] > TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "checkpoint: %u values and %u tensors, at most %d and %d", counts[0],
                        counts[1], TDL_META_KEYS_MAX, TDL_TENSORS_MAX);
    for (uint32_t i = 0; i < counts[0]; i++)
        if ((status = read_value(c, &at, i, err)) != TDL_OK) return status;
    uint64_t data_end = sizeof(checkpoint_header);
    for (uint32_t i = 0; i < counts[1]; i++)
        if ((status = read_tensor(c, &at, i, &data_end, err)) != TDL_OK) return status;
    if (at.p != at.end)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: %zu bytes behind the last tensor of the table",
                        (size_t)(at.end - at.p));
    return check_gap(c, data_end, trailer.table_offset, err);
}

// Header and trailer, and the table's sum.
static tdl_status read_trailer(const tdl_checkpoint *c, checkpoint_trailer *trailer, tdl_error *err) {
    checkpoint_header header, expected = {.magic = TDL_CHECKPOINT_MAGIC, .version = TDL_CHECKPOINT_VERSION};
    if (c->size < sizeof header || memcmp(c->bytes, expected.magic, sizeof expected.magic) != 0)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: this is no checkpoint: the file does not begin with %s",
                        TDL_CHECKPOINT_MAGIC);
    memcpy(&header, c->bytes, sizeof header);
    if (header.version != expected.version)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "checkpoint: version %u, expected %d", header.version,
                        TDL_CHECKPOINT_VERSION);
    if (memcmp(&header, &expected, sizeof header) != 0)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: the header is damaged");
    if (c->size < sizeof header + sizeof *trailer)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: %zu bytes: the file is truncated", c->size);
    memcpy(trailer, c->bytes + c->size - sizeof *trailer, sizeof *trailer);
    if (trailer->sum != tdl_xxh64_of(trailer, offsetof(checkpoint_trailer, sum)))
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "checkpoint: %zu bytes, and no valid trailer at their end: the file is "
                        "truncated or damaged",
                        c->size);
    uint64_t table_max = c->size - sizeof *trailer;
    if (trailer->file_size != c->size || trailer->table_offset < sizeof header ||
        trailer->table_offset % TDL_CHECKPOINT_ALIGN != 0 || trailer->table_offset > table_max ||
        trailer->table_size != table_max - trailer->table_offset)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: the trailer says %llu bytes, the file has %zu",
                        (unsigned long long)trailer->file_size, c->size);
    if (trailer->table_sum != tdl_xxh64_of(c->bytes + trailer->table_offset, (size_t)trailer->table_size))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: the table of tensors is damaged");
    return TDL_OK;
}

static tdl_status read_value(tdl_checkpoint *c, cursor *at, uint32_t i, tdl_error *err) {
    uint32_t key_size = 0;
    uint64_t size = 0;
    int32_t there;
    value v = {0};
    take(at, &key_size, sizeof key_size);
    tdl_text key = take_text(at, key_size);
    take(at, &v.type, sizeof v.type);
    take(at, &size, sizeof size);
    v.data = take_text(at, size);
    bool number = v.type == CHECKPOINT_INT || v.type == CHECKPOINT_FLOAT;
    if (at->failed || !is_name(key, TDL_META_KEY_SIZE_MAX) || !v.type || v.type > CHECKPOINT_BYTES ||
        (number && size != 8) || size > TDL_META_STRING_SIZE_MAX || tdl_map_get(&c->keys, key, &there))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: value %u: its key, type or size is not valid", i);
    if (!tdl_map_put(&c->keys, key, (int32_t)c->values.n) || !tdl_vec_push(&c->values, &v, 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for its values");
    return TDL_OK;
}

// *data_end: where the data of the tensor before ends.
static tdl_status read_tensor(tdl_checkpoint *c, cursor *at, uint32_t i, uint64_t *data_end, tdl_error *err) {
    uint32_t name_size = 0;
    uint64_t places[3] = {0}; // offset, size, sum
    int32_t there;
    size_t begin;
    tdl_checkpoint_tensor t = {0};
    take(at, &name_size, sizeof name_size);
    tdl_text name = take_text(at, name_size);
    if (at->failed || !is_name(name, TDL_TENSOR_NAME_SIZE_MAX) || tdl_map_get(&c->index, name, &there))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor %u: its name is not valid or there twice", i);
    t.name = tdl_arena_strndup(&c->names, name.ptr, name.size);
    if (!t.name) return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for names");
    tdl_status status = read_shape(at, t.name, &t.tensor, err);
    if (status != TDL_OK) return status;
    if (!take(at, places, sizeof places) || !tdl_align_size((size_t)*data_end, TDL_CHECKPOINT_ALIGN, &begin) ||
        places[0] != begin || places[1] != tdl_tensor_size(&t.tensor) || !tdl_range_ok(places[0], places[1], c->size))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor '%.100s': its place in the file is not valid",
                        t.name);
    if ((status = check_gap(c, *data_end, begin, err)) != TDL_OK) return status;
    if (tdl_xxh64_of(c->bytes + begin, (size_t)places[1]) != places[2])
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor '%.100s' is damaged: its checksum differs", t.name);
    *data_end = begin + places[1];
    t.tensor.data = (uint8_t *)(uintptr_t)(c->bytes + begin); // const only for the readers
    if (!tdl_map_put(&c->index, name, (int32_t)c->tensors.n) || !tdl_vec_push(&c->tensors, &t, 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, "checkpoint: no memory for its list of tensors");
    return TDL_OK;
}

static tdl_status read_shape(cursor *at, const char *name, tdl_tensor *out, tdl_error *err) {
    char dtype_name[16] = {0};
    uint32_t size = 0, n_dims = 0;
    int64_t shape[TDL_DIMS_MAX] = {0};
    take(at, &size, sizeof size);
    tdl_text text = take_text(at, size);
    if (!at->failed && text.size < sizeof dtype_name && text.size) memcpy(dtype_name, text.ptr, text.size);
    take(at, &n_dims, sizeof n_dims);
    if (at->failed || n_dims > TDL_DIMS_MAX || !take(at, shape, n_dims * sizeof *shape))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor '%.100s': its shape is not valid", name);
    tdl_dtype dtype = tdl_dtype_from_name(dtype_name);
    if (!dtype)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "checkpoint: tensor '%.100s' has the unknown type '%s'", name,
                        dtype_name);
    tdl_status status = tdl_tensor_make(dtype, (int32_t)n_dims, shape, NULL, out, err);
    return status == TDL_OK ? TDL_OK : tdl_fail_at(err, status, "checkpoint");
}

static tdl_status check_gap(const tdl_checkpoint *c, uint64_t begin, uint64_t end, tdl_error *err) {
    if (end < begin || end - begin >= TDL_CHECKPOINT_ALIGN)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: bytes %llu to %llu belong to nothing",
                        (unsigned long long)begin, (unsigned long long)end);
    for (uint64_t i = begin; i < end; i++)
        if (c->bytes[i])
            return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: byte %llu, between tensors, is %d, expected 0",
                            (unsigned long long)i, c->bytes[i]);
    return TDL_OK;
}

static bool take(cursor *at, void *dst, size_t size) {
    if (at->failed || (size_t)(at->end - at->p) < size) {
        at->failed = true;
        return false;
    }
    memcpy(dst, at->p, size);
    at->p += size;
    return true;
}

static tdl_text take_text(cursor *at, uint64_t size) {
    if (at->failed || (uint64_t)(at->end - at->p) < size) {
        at->failed = true;
        return tdl_text_of("", 0);
    }
    tdl_text text = tdl_text_of((const char *)at->p, (size_t)size);
    at->p += size;
    return text;
}

static bool is_name(tdl_text text, size_t size_max) {
    return text.size && text.size <= size_max && !memchr(text.ptr, 0, text.size) && tdl_utf8_valid(text.ptr, text.size);
}

// ---- questions

size_t tdl_checkpoint_n_tensors(const tdl_checkpoint *c) { return c->tensors.n; }

const tdl_checkpoint_tensor *tdl_checkpoint_tensor_at(const tdl_checkpoint *c, size_t i) {
    return tdl_vec_at(&c->tensors, const tdl_checkpoint_tensor, i);
}

tdl_status tdl_checkpoint_get_tensor(const tdl_checkpoint *c, const char *name, const tdl_tensor *shape,
                                     tdl_tensor *out, tdl_error *err) {
    int32_t i;
    char have[96], want[96];
    if (!tdl_map_get(&c->index, tdl_text_cstr(name), &i))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor '%.100s' is missing: it is of another model", name);
    const tdl_tensor *t = &tdl_checkpoint_tensor_at(c, (size_t)i)->tensor;
    if (t->dtype != shape->dtype || t->n_dims != shape->n_dims || !tdl_tensor_same_shape(t, shape))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: tensor '%.100s' is %s, expected %s: it is of another model",
                        name, tdl_tensor_describe(t, have), tdl_tensor_describe(shape, want));
    tdl_status status = tdl_file_map_check(&c->map, err); // a large file is mapped
    if (status == TDL_OK) *out = *t;
    return status;
}

bool tdl_checkpoint_has(const tdl_checkpoint *c, const char *key) {
    int32_t i;
    return tdl_map_get(&c->keys, tdl_text_cstr(key), &i);
}

tdl_status tdl_checkpoint_get_int(const tdl_checkpoint *c, const char *key, int64_t *out, tdl_error *err) {
    tdl_text data = {0};
    tdl_status status = find(c, key, CHECKPOINT_INT, &data, err);
    if (status == TDL_OK) memcpy(out, data.ptr, sizeof *out);
    return status;
}

tdl_status tdl_checkpoint_get_float(const tdl_checkpoint *c, const char *key, double *out, tdl_error *err) {
    tdl_text data = {0};
    tdl_status status = find(c, key, CHECKPOINT_FLOAT, &data, err);
    if (status == TDL_OK) memcpy(out, data.ptr, sizeof *out);
    return status;
}

tdl_status tdl_checkpoint_get_text(const tdl_checkpoint *c, const char *key, tdl_text *out, tdl_error *err) {
    return find(c, key, CHECKPOINT_TEXT, out, err);
}

tdl_status tdl_checkpoint_get_bytes(const tdl_checkpoint *c, const char *key, void *out, size_t size, tdl_error *err) {
    tdl_text data = {0};
    tdl_status status = find(c, key, CHECKPOINT_BYTES, &data, err);
    if (status != TDL_OK) return status;
    if (data.size != size)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: value '%.100s' has %zu bytes, expected %zu", key, data.size,
                        size);
    if (size) memcpy(out, data.ptr, size);
    return TDL_OK;
}

static tdl_status find(const tdl_checkpoint *c, const char *key, uint32_t type, tdl_text *out, tdl_error *err) {
    static const char *const names[] = {"", "an integer", "a float", "a text", "bytes"};
    int32_t i;
    if (!tdl_map_get(&c->keys, tdl_text_cstr(key), &i))
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: value '%.100s' is missing", key);
    const value *v = tdl_vec_at(&c->values, const value, (size_t)i);
    if (v->type != type)
        return tdl_fail(err, TDL_ERROR_FORMAT, "checkpoint: value '%.100s' is %s, expected %s", key, names[v->type],
                        names[type]);
    *out = v->data;
    return TDL_OK;
}
