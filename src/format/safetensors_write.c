// SPDX-License-Identifier: MIT
// safetensors_write.c - the safetensors writer.
//
// The header is made first, in the order in which the data will follow: all tensors of 4-byte elements, then of 2, then
// of 1. With the header padded by spaces to a multiple of 8, that aligns every tensor without a gap, which the format
// does not allow. "__metadata__" says {"format": "pt"}, without which Transformers refuses a file.
#include "format/safetensors_write.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>

enum { HEADER_ALIGN = 8 };

static const int32_t element_sizes[] = {4, 2, 1};
enum { N_SIZES = sizeof element_sizes / sizeof *element_sizes };

struct tdl_safetensors_writer {
    const tdl_allocator *mem;
    const tdl_weights_tensor *tensors; // [n]
    size_t n;
    tdl_file_writer *file;
    size_t size, at; // of the tensor that comes next: its place in element_sizes, its number
};

static tdl_status check_tensors(const tdl_allocator *mem, const tdl_weights_tensor *tensors, size_t n, tdl_error *err);
static tdl_status check_tensor(const tdl_weights_tensor *tensor, tdl_error *err);
static tdl_status make_header(tdl_str *header, const tdl_weights_tensor *tensors, size_t n, tdl_error *err);
static void append_json_string(tdl_str *out, const char *text);
static tdl_status write_tensor(const tdl_allocator *mem, tdl_file_writer *file, const tdl_tensor *tensor,
                               tdl_error *err);
static bool has_size(const tdl_tensor *tensor, int32_t element_size);
static void seek_next(tdl_safetensors_writer *writer);

tdl_status tdl_safetensors_writer_create(const tdl_allocator *mem, const char *path, const tdl_weights_tensor *tensors,
                                         size_t n, tdl_safetensors_writer **out, tdl_error *err) {
    tdl_str header = tdl_str_make(mem);
    tdl_safetensors_writer *w = tdl_alloc(mem, 1, sizeof *w);
    if (!w) return tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for a writer");
    *w = (tdl_safetensors_writer){.mem = mem, .tensors = tensors, .n = n};
    tdl_status status = check_tensors(mem, tensors, n, err);
    if (status) goto cleanup;
    if ((status = make_header(&header, tensors, n, err))) goto cleanup;
    if ((status = tdl_file_writer_open(mem, path, &w->file, err))) goto cleanup;
    const uint64_t header_size = header.size;
    if ((status = tdl_file_writer_write(w->file, &header_size, sizeof header_size, err))) goto cleanup;
    if ((status = tdl_file_writer_write(w->file, header.ptr, header.size, err))) goto cleanup;
    seek_next(w);
    *out = w;
    w = NULL;
cleanup:
    tdl_safetensors_writer_destroy(w);
    tdl_str_deinit(&header);
    return status;
}

void tdl_safetensors_writer_destroy(tdl_safetensors_writer *w) {
    if (!w) return;
    tdl_file_writer_abort(w->file);
    tdl_free(w->mem, w);
}

// From tensor `at` on to the next of the present element size, or of the sizes after it.
static void seek_next(tdl_safetensors_writer *w) {
    for (; w->size < N_SIZES; w->size++, w->at = 0)
        for (; w->at < w->n; w->at++)
            if (has_size(&w->tensors[w->at].tensor, element_sizes[w->size])) return;
}

int64_t tdl_safetensors_writer_next(const tdl_safetensors_writer *w) { return w->size < N_SIZES ? (int64_t)w->at : -1; }

tdl_status tdl_safetensors_writer_data(tdl_safetensors_writer *w, const tdl_tensor *tensor, tdl_error *err) {
    int64_t next = tdl_safetensors_writer_next(w);
    const tdl_tensor *named = next >= 0 ? &w->tensors[next].tensor : NULL;
    if (!named || named->dtype != tensor->dtype || !tdl_tensor_same_shape(named, tensor))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "safetensors: tensor %lld of %zu: data of another type or shape",
                        (long long)next, w->n);
    tdl_status status = write_tensor(w->mem, w->file, tensor, err);
    w->at++;
    seek_next(w);
    return status;
}

tdl_status tdl_safetensors_writer_commit(tdl_safetensors_writer *w, tdl_error *err) {
    if (tdl_safetensors_writer_next(w) >= 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "safetensors: tensor %zu of %zu is not written", w->at, w->n);
    tdl_file_writer *file = w->file;
    w->file = NULL;
    return tdl_file_writer_commit(file, err);
}

tdl_status tdl_safetensors_save(const tdl_allocator *mem, const char *path, const tdl_weights_tensor *tensors, size_t n,
                                tdl_error *err) {
    tdl_safetensors_writer *w = NULL;
    tdl_status status = tdl_safetensors_writer_create(mem, path, tensors, n, &w, err);
    for (int64_t i; status == TDL_OK && (i = tdl_safetensors_writer_next(w)) >= 0;)
        status = tdl_safetensors_writer_data(w, &tensors[i].tensor, err);
    if (status == TDL_OK) status = tdl_safetensors_writer_commit(w, err);
    tdl_safetensors_writer_destroy(w);
    return status;
}

static tdl_status check_tensors(const tdl_allocator *mem, const tdl_weights_tensor *tensors, size_t n, tdl_error *err) {
    tdl_map names = tdl_map_make(mem);
    tdl_status status = TDL_OK;
    if (n > TDL_TENSORS_MAX) {
        status = tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: %zu tensors, at most %d", n, TDL_TENSORS_MAX);
        goto cleanup;
    }
    for (size_t i = 0; i < n; i++) {
        tdl_text name = tdl_text_cstr(tensors[i].name);
        int32_t first;
        if ((status = check_tensor(&tensors[i], err))) goto cleanup;
        if (tdl_map_get(&names, name, &first)) {
            status = tdl_fail(err, TDL_ERROR_ARGUMENT, "safetensors: tensors %d and %zu are both named '%.100s'", first,
                              i, name.ptr);
            goto cleanup;
        }
        if (!tdl_map_put(&names, name, (int32_t)i)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for the names of %zu tensors", n);
            goto cleanup;
        }
    }
cleanup:
    tdl_map_deinit(&names);
    return status;
}

static tdl_status check_tensor(const tdl_weights_tensor *tensor, tdl_error *err) {
    const char *name = tensor->name;
    const tdl_dtype_info *info = tdl_dtype_get(tensor->tensor.dtype);
    size_t size = strlen(name);
    if (size == 0 || !tdl_utf8_valid(name, size) || strcmp(name, "__metadata__") == 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "safetensors: tensor name '%.100s': empty, reserved or not valid UTF-8", name);
    if (size > TDL_TENSOR_NAME_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: tensor name '%.100s...': %zu bytes, at most %d", name, size,
                        TDL_TENSOR_NAME_SIZE_MAX);
    if (info->block_n != 1 || info->block_size == 0)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "safetensors: tensor '%.100s': the format has no type %s", name,
                        info->name);
    return TDL_OK;
}

static tdl_status make_header(tdl_str *header, const tdl_weights_tensor *tensors, size_t n, tdl_error *err) {
    uint64_t offset = 0;
    tdl_str_format(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t k = 0; k < N_SIZES; k++) {
        for (size_t i = 0; i < n; i++) {
            const tdl_tensor *t = &tensors[i].tensor;
            uint64_t end;
            if (!has_size(t, element_sizes[k])) continue;
            if (__builtin_add_overflow(offset, tdl_tensor_size(t), &end))
                return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: more than 2^64-1 bytes in one file");
            tdl_str_append(header, ",", 1);
            append_json_string(header, tensors[i].name);
            tdl_str_format(header, ":{\"dtype\":\"%s\",\"shape\":[", tdl_dtype_get(t->dtype)->name);
            for (int32_t d = 0; d < t->n_dims; d++) tdl_str_format(header, "%s%" PRId64, d ? "," : "", t->shape[d]);
            tdl_str_format(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, end);
            offset = end;
        }
    }
    tdl_str_append(header, "}", 1);
    while (!header->failed && header->size % HEADER_ALIGN != 0) tdl_str_append(header, " ", 1);
    if (header->failed)
        return tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for the header of %zu tensors", n);
    if (header->size > TDL_SAFETENSORS_HEADER_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: a header of %zu bytes, at most %d", header->size,
                        TDL_SAFETENSORS_HEADER_MAX);
    return TDL_OK;
}

static void append_json_string(tdl_str *out, const char *text) {
    tdl_str_append(out, "\"", 1);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') tdl_str_format(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20) tdl_str_format(out, "\\u%04x", (unsigned)*c);
        else tdl_str_append(out, c, 1);
    }
    tdl_str_append(out, "\"", 1);
}

static tdl_status write_tensor(const tdl_allocator *mem, tdl_file_writer *file, const tdl_tensor *tensor,
                               tdl_error *err) {
    size_t size = tdl_tensor_size(tensor);
    if (tdl_tensor_contiguous(tensor)) return tdl_file_writer_write(file, tensor->data, size, err);
    uint8_t *packed = tdl_alloc(mem, size, 1);
    if (!packed) return tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory to pack a tensor of %zu bytes", size);
    tdl_tensor_pack(tensor, packed);
    tdl_status status = tdl_file_writer_write(file, packed, size, err);
    tdl_free(mem, packed);
    return status;
}

static bool has_size(const tdl_tensor *tensor, int32_t element_size) {
    return tdl_dtype_get(tensor->dtype)->block_size == element_size;
}
