// SPDX-License-Identifier: MIT
// gguf_write.c - the GGUF writer.
//
// Metadata and tensor infos are kept as the bytes they will be in the file, growing as they are added; only the
// tensors' data comes later. The file is: header, metadata, infos, padding, then each tensor and its padding. What
// the reader refuses (limits, names that are no text, a key twice) is refused here, so that every file written can be
// read.
#include "format/gguf_write.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "format/gguf.h"

#include <inttypes.h>
#include <string.h>

enum { VERSION = 3 };

struct tdl_gguf_writer {
    const tdl_allocator *mem;
    tdl_arena texts;       // copies of keys and names
    tdl_map keys, names;   // what has been added
    tdl_vec meta;          // bytes, as in the file
    tdl_vec infos;         // bytes, as in the file
    tdl_vec tensors;       // tdl_tensor
    uint64_t data_size;    // of all tensors with their padding
    tdl_file_writer *file; // NULL: not open
    size_t n_written;      // tensors in it
};

static tdl_status add_meta(tdl_gguf_writer *writer, tdl_text key, uint32_t type, uint32_t element,
                           const tdl_meta *value, tdl_error *err);
static tdl_status check_meta(const tdl_gguf_writer *writer, tdl_text key, uint32_t type, uint32_t element,
                             const tdl_meta *value, tdl_error *err);
static bool choose_types(const tdl_meta *value, uint32_t *type, uint32_t *element);
static uint32_t choose_type(const tdl_meta *value);
static uint32_t choose_element(tdl_meta_type element);
static tdl_meta element_at(const tdl_meta *array, size_t i);
static bool value_fits(const tdl_meta *value, uint32_t type);
static bool put_value(tdl_vec *bytes, const tdl_meta *value, uint32_t type);
static bool put_u32(tdl_vec *bytes, uint32_t value);
static bool put_u64(tdl_vec *bytes, uint64_t value);
static bool put_text(tdl_vec *bytes, tdl_text text);
static bool put_info(tdl_vec *bytes, tdl_text name, const tdl_tensor *tensor, uint64_t offset);
static tdl_status check_text(tdl_text text, size_t size_max, const char *what, tdl_error *err);
static void close_file(tdl_gguf_writer *writer);
static tdl_status write_head(const tdl_gguf_writer *writer, tdl_file_writer *file, tdl_error *err);
static tdl_status write_padding(tdl_file_writer *file, tdl_error *err);

tdl_status tdl_gguf_writer_create(const tdl_allocator *mem, tdl_gguf_writer **out, tdl_error *err) {
    tdl_gguf_writer *writer = tdl_alloc(mem, 1, sizeof *writer);
    if (!writer) return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for a writer");
    writer->mem = mem;
    tdl_arena_init(&writer->texts, mem);
    writer->keys = tdl_map_make(mem);
    writer->names = tdl_map_make(mem);
    writer->meta = tdl_vec_make(mem, 1);
    writer->infos = tdl_vec_make(mem, 1);
    writer->tensors = tdl_vec_make(mem, sizeof(tdl_tensor));
    *out = writer;
    return TDL_OK;
}

void tdl_gguf_writer_destroy(tdl_gguf_writer *writer) {
    if (!writer) return;
    close_file(writer);
    tdl_vec_deinit(&writer->tensors);
    tdl_vec_deinit(&writer->infos);
    tdl_vec_deinit(&writer->meta);
    tdl_map_deinit(&writer->names);
    tdl_map_deinit(&writer->keys);
    tdl_arena_deinit(&writer->texts);
    tdl_free(writer->mem, writer);
}

tdl_status tdl_gguf_writer_save(tdl_gguf_writer *writer, const char *path, tdl_error *err) {
    tdl_status status = tdl_gguf_writer_open(writer, path, err);
    for (size_t i = 0; i < writer->tensors.n && status == TDL_OK; i++)
        status = tdl_gguf_writer_data(writer, tdl_vec_at(&writer->tensors, const tdl_tensor, i), err);
    return status == TDL_OK ? tdl_gguf_writer_commit(writer, err) : status;
}

// ---- metadata

tdl_status tdl_gguf_writer_meta(tdl_gguf_writer *writer, tdl_text key, const tdl_meta *value, tdl_error *err) {
    uint32_t type, element;
    bool of_read_file = tdl_text_is(key, "general.alignment") || (key.size >= 6 && memcmp(key.ptr, "split.", 6) == 0);
    if (of_read_file) return TDL_OK;
    if (!choose_types(value, &type, &element))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: metadata key '%.*s': no value to write (type %d, element %d)",
                        TDL_SHOWN(key), value->type, value->element);
    return add_meta(writer, key, type, element, value, err);
}

tdl_status tdl_gguf_writer_string(tdl_gguf_writer *writer, const char *key, const char *value, tdl_error *err) {
    tdl_meta meta = {.type = TDL_META_STRING, .string = tdl_text_cstr(value)};
    return add_meta(writer, tdl_text_cstr(key), TDL_GGUF_STRING, 0, &meta, err);
}

tdl_status tdl_gguf_writer_u32(tdl_gguf_writer *writer, const char *key, uint32_t value, tdl_error *err) {
    tdl_meta meta = {.type = TDL_META_INT, .integer = value};
    return add_meta(writer, tdl_text_cstr(key), TDL_GGUF_U32, 0, &meta, err);
}

tdl_status tdl_gguf_writer_f32(tdl_gguf_writer *writer, const char *key, float value, tdl_error *err) {
    tdl_meta meta = {.type = TDL_META_FLOAT, .number = (double)value};
    return add_meta(writer, tdl_text_cstr(key), TDL_GGUF_F32, 0, &meta, err);
}

tdl_status tdl_gguf_writer_bool(tdl_gguf_writer *writer, const char *key, bool value, tdl_error *err) {
    tdl_meta meta = {.type = TDL_META_BOOL, .boolean = value};
    return add_meta(writer, tdl_text_cstr(key), TDL_GGUF_BOOL, 0, &meta, err);
}

static tdl_status add_meta(tdl_gguf_writer *writer, tdl_text key, uint32_t type, uint32_t element,
                           const tdl_meta *value, tdl_error *err) {
    tdl_status status = check_meta(writer, key, type, element, value, err);
    if (status) return status;
    size_t size_before = writer->meta.n;
    bool ok = put_text(&writer->meta, key) && put_u32(&writer->meta, type);
    if (type == TDL_GGUF_ARRAY) {
        ok = ok && put_u32(&writer->meta, element) && put_u64(&writer->meta, value->n);
        for (size_t i = 0; ok && i < value->n; i++) {
            tdl_meta one = element_at(value, i);
            ok = put_value(&writer->meta, &one, element);
        }
    } else {
        ok = ok && put_value(&writer->meta, value, type);
    }
    const char *copy = ok ? tdl_arena_strndup(&writer->texts, key.ptr, key.size) : NULL;
    if (copy && tdl_map_put(&writer->keys, tdl_text_of(copy, key.size), 0)) return TDL_OK;
    writer->meta.n = size_before;
    return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for metadata key '%.*s'", TDL_SHOWN(key));
}

static tdl_status check_meta(const tdl_gguf_writer *writer, tdl_text key, uint32_t type, uint32_t element,
                             const tdl_meta *value, tdl_error *err) {
    int32_t there;
    tdl_status status = check_text(key, TDL_META_KEY_SIZE_MAX, "metadata key", err);
    if (status) return status;
    if (tdl_map_get(&writer->keys, key, &there))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: metadata key '%.*s' was added before", TDL_SHOWN(key));
    if (writer->keys.n >= TDL_META_KEYS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: more than %d metadata keys", TDL_META_KEYS_MAX);
    bool is_array = type == TDL_GGUF_ARRAY;
    if (is_array && value->n > TDL_META_ARRAY_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: metadata key '%.*s': an array of %zu elements, at most %d",
                        TDL_SHOWN(key), value->n, TDL_META_ARRAY_MAX);
    for (size_t i = 0; i < (is_array ? value->n : 1); i++) {
        tdl_meta one = is_array ? element_at(value, i) : *value;
        if (one.type == TDL_META_STRING && one.string.size > TDL_META_STRING_SIZE_MAX)
            return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: metadata key '%.*s': a string of %zu bytes, at most %d",
                            TDL_SHOWN(key), one.string.size, TDL_META_STRING_SIZE_MAX);
        if (!value_fits(&one, is_array ? element : type))
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: metadata key '%.*s': value %zu does not fit GGUF type %u",
                            TDL_SHOWN(key), i, is_array ? element : type);
    }
    return TDL_OK;
}

// False where the value is none, or an array of nothing that can be written.
static bool choose_types(const tdl_meta *value, uint32_t *type, uint32_t *element) {
    *type = value->gguf_type >= 0 ? (uint32_t)value->gguf_type : choose_type(value);
    *element = 0;
    if ((value->type == TDL_META_ARRAY) != (*type == TDL_GGUF_ARRAY)) return false;
    if (value->type != TDL_META_ARRAY) return *type < TDL_GGUF_TYPE_COUNT;
    *element = value->gguf_element >= 0 ? (uint32_t)value->gguf_element : choose_element(value->element);
    return *element < TDL_GGUF_TYPE_COUNT && *element != TDL_GGUF_ARRAY;
}

static uint32_t choose_type(const tdl_meta *value) {
    switch (value->type) {
    case TDL_META_INT:
        if (value->integer >= 0 && value->integer <= UINT32_MAX) return TDL_GGUF_U32;
        return value->integer >= INT32_MIN && value->integer <= INT32_MAX ? TDL_GGUF_I32 : TDL_GGUF_I64;
    case TDL_META_ARRAY: return TDL_GGUF_ARRAY;
    default: return choose_element(value->type);
    }
}

// The type that holds every value of an array of `element`.
static uint32_t choose_element(tdl_meta_type element) {
    switch (element) {
    case TDL_META_BOOL: return TDL_GGUF_BOOL;
    case TDL_META_INT: return TDL_GGUF_I64;
    case TDL_META_UINT: return TDL_GGUF_U64;
    case TDL_META_FLOAT: return TDL_GGUF_F64;
    case TDL_META_STRING: return TDL_GGUF_STRING;
    default: return TDL_GGUF_TYPE_COUNT;
    }
}

static tdl_meta element_at(const tdl_meta *array, size_t i) {
    tdl_meta one = {.type = array->element};
    switch (array->element) {
    case TDL_META_BOOL: one.boolean = ((const bool *)array->array)[i]; break;
    case TDL_META_INT: one.integer = ((const int64_t *)array->array)[i]; break;
    case TDL_META_UINT: one.uinteger = ((const uint64_t *)array->array)[i]; break;
    case TDL_META_FLOAT: one.number = ((const double *)array->array)[i]; break;
    case TDL_META_STRING: one.string = ((const tdl_text *)array->array)[i]; break;
    default: break;
    }
    return one;
}

static bool value_fits(const tdl_meta *value, uint32_t type) {
    int64_t i = value->integer;
    bool is_int = value->type == TDL_META_INT;
    switch (type) {
    case TDL_GGUF_U8: return is_int && i >= 0 && i <= UINT8_MAX;
    case TDL_GGUF_I8: return is_int && i >= INT8_MIN && i <= INT8_MAX;
    case TDL_GGUF_U16: return is_int && i >= 0 && i <= UINT16_MAX;
    case TDL_GGUF_I16: return is_int && i >= INT16_MIN && i <= INT16_MAX;
    case TDL_GGUF_U32: return is_int && i >= 0 && i <= UINT32_MAX;
    case TDL_GGUF_I32: return is_int && i >= INT32_MIN && i <= INT32_MAX;
    case TDL_GGUF_U64: return value->type == TDL_META_UINT || (is_int && i >= 0);
    case TDL_GGUF_I64: return is_int;
    case TDL_GGUF_F32:
    case TDL_GGUF_F64: return value->type == TDL_META_FLOAT;
    case TDL_GGUF_BOOL: return value->type == TDL_META_BOOL;
    case TDL_GGUF_STRING: return value->type == TDL_META_STRING;
    default: return false;
    }
}

// A value that fits, in the file's form. Integers are little-endian two's complement: their first bytes.
static bool put_value(tdl_vec *bytes, const tdl_meta *value, uint32_t type) {
    switch (type) {
    case TDL_GGUF_STRING: return put_text(bytes, value->string);
    case TDL_GGUF_F32: {
        float f = (float)value->number;
        return tdl_vec_push(bytes, &f, sizeof f);
    }
    case TDL_GGUF_F64: return tdl_vec_push(bytes, &value->number, sizeof value->number);
    case TDL_GGUF_BOOL: return tdl_vec_push(bytes, &(uint8_t){value->boolean}, 1);
    default:
        return tdl_vec_push(bytes, value->type == TDL_META_UINT ? (const void *)&value->uinteger : &value->integer,
                            tdl_gguf_type_size(type));
    }
}

static bool put_u32(tdl_vec *bytes, uint32_t value) { return tdl_vec_push(bytes, &value, sizeof value); }

static bool put_u64(tdl_vec *bytes, uint64_t value) { return tdl_vec_push(bytes, &value, sizeof value); }

static bool put_text(tdl_vec *bytes, tdl_text text) {
    return put_u64(bytes, text.size) && tdl_vec_push(bytes, text.ptr, text.size);
}

// ---- tensors

tdl_status tdl_gguf_writer_tensor(tdl_gguf_writer *writer, const char *name, const tdl_tensor *tensor, tdl_error *err) {
    tdl_text text = tdl_text_cstr(name);
    int32_t there;
    tdl_status status = check_text(text, TDL_TENSOR_NAME_SIZE_MAX, "tensor name", err);
    if (status) return status;
    if (tdl_map_get(&writer->names, text, &there))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: tensor '%.*s' was added before", TDL_SHOWN(text));
    if (tdl_dtype_get(tensor->dtype)->ggml_id < 0)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "gguf: tensor '%.*s': GGUF has no type %s", TDL_SHOWN(text),
                        tdl_dtype_get(tensor->dtype)->name);
    if (tensor->n_dims < 1 || tdl_tensor_n_elements(tensor) < 1)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: tensor '%.*s': no elements", TDL_SHOWN(text));
    if (writer->tensors.n >= TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: more than %d tensors", TDL_TENSORS_MAX);
    size_t padded;
    uint64_t end;
    if (!tdl_align_size(tdl_tensor_size(tensor), TDL_GGUF_ALIGNMENT_DEFAULT, &padded) ||
        __builtin_add_overflow(writer->data_size, padded, &end))
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: tensor '%.*s': more than 2^64-1 bytes in one file",
                        TDL_SHOWN(text));

    size_t size_before = writer->infos.n;
    const char *copy = tdl_arena_strndup(&writer->texts, text.ptr, text.size);
    bool ok =
        copy && put_info(&writer->infos, text, tensor, writer->data_size) && tdl_vec_push(&writer->tensors, tensor, 1);
    if (ok && !tdl_map_put(&writer->names, tdl_text_of(copy, text.size), 0)) {
        writer->tensors.n--;
        ok = false;
    }
    if (!ok) {
        writer->infos.n = size_before;
        return tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for tensor '%.*s'", TDL_SHOWN(text));
    }
    writer->data_size = end;
    return TDL_OK;
}

static bool put_info(tdl_vec *bytes, tdl_text name, const tdl_tensor *tensor, uint64_t offset) {
    bool ok = put_text(bytes, name) && put_u32(bytes, (uint32_t)tensor->n_dims);
    for (int32_t i = tensor->n_dims; ok && i-- > 0;) ok = put_u64(bytes, (uint64_t)tensor->shape[i]); // innermost first
    return ok && put_u32(bytes, (uint32_t)tdl_dtype_get(tensor->dtype)->ggml_id) && put_u64(bytes, offset);
}

static tdl_status check_text(tdl_text text, size_t size_max, const char *what, tdl_error *err) {
    if (text.size == 0) return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: a %s is empty", what);
    if (text.size > size_max)
        return tdl_fail(err, TDL_ERROR_LIMIT, "gguf: %s '%.*s...': %zu bytes, at most %zu", what, TDL_SHOWN(text),
                        text.size, size_max);
    if (memchr(text.ptr, 0, text.size) || !tdl_utf8_valid(text.ptr, text.size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: %s '%.*s': not valid UTF-8 without NUL", what, TDL_SHOWN(text));
    return TDL_OK;
}

// ---- saving

static void close_file(tdl_gguf_writer *writer) {
    tdl_file_writer_abort(writer->file);
    writer->file = NULL;
}

tdl_status tdl_gguf_writer_open(tdl_gguf_writer *writer, const char *path, tdl_error *err) {
    close_file(writer);
    writer->n_written = 0;
    tdl_status status = tdl_file_writer_open(writer->mem, path, &writer->file, err);
    if (status == TDL_OK) status = write_head(writer, writer->file, err);
    if (status != TDL_OK) close_file(writer);
    return status;
}

tdl_status tdl_gguf_writer_data(tdl_gguf_writer *writer, const tdl_tensor *tensor, tdl_error *err) {
    size_t size = tdl_tensor_size(tensor), i = writer->n_written;
    uint8_t *packed = NULL;
    const tdl_tensor *added = i < writer->tensors.n ? tdl_vec_at(&writer->tensors, const tdl_tensor, i) : NULL;
    if (!writer->file || !added || added->dtype != tensor->dtype || !tdl_tensor_same_shape(added, tensor)) {
        close_file(writer);
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: tensor %zu of %zu: data of another type or shape", i,
                        writer->tensors.n);
    }
    tdl_status status = TDL_OK;
    if (!tdl_tensor_contiguous(tensor)) {
        packed = tdl_alloc(writer->mem, size, 1);
        if (packed) tdl_tensor_pack(tensor, packed);
        else status = tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory to pack a tensor of %zu bytes", size);
    }
    if (status == TDL_OK) status = tdl_file_writer_write(writer->file, packed ? packed : tensor->data, size, err);
    if (status == TDL_OK) status = write_padding(writer->file, err);
    tdl_free(writer->mem, packed);
    writer->n_written++;
    if (status != TDL_OK) close_file(writer);
    return status;
}

tdl_status tdl_gguf_writer_commit(tdl_gguf_writer *writer, tdl_error *err) {
    tdl_file_writer *file = writer->file;
    if (!file || writer->n_written < writer->tensors.n) {
        close_file(writer);
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "gguf: %zu of %zu tensors are written", writer->n_written,
                        writer->tensors.n);
    }
    writer->file = NULL;
    return tdl_file_writer_commit(file, err);
}

static tdl_status write_head(const tdl_gguf_writer *writer, tdl_file_writer *file, tdl_error *err) {
    uint64_t head[3];
    const uint32_t version = VERSION;
    memcpy(head, "GGUF", 4);
    memcpy((char *)head + 4, &version, 4);
    head[1] = writer->tensors.n;
    head[2] = writer->keys.n;
    tdl_status status = tdl_file_writer_write(file, head, sizeof head, err);
    if (!status && writer->meta.n) status = tdl_file_writer_write(file, writer->meta.data, writer->meta.n, err);
    if (!status && writer->infos.n) status = tdl_file_writer_write(file, writer->infos.data, writer->infos.n, err);
    return status ? status : write_padding(file, err);
}

static tdl_status write_padding(tdl_file_writer *file, tdl_error *err) {
    static const uint8_t zeros[TDL_GGUF_ALIGNMENT_DEFAULT];
    size_t over = tdl_file_writer_offset(file) % TDL_GGUF_ALIGNMENT_DEFAULT;
    return over ? tdl_file_writer_write(file, zeros, TDL_GGUF_ALIGNMENT_DEFAULT - over, err) : TDL_OK;
}
