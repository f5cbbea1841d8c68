// safetensors.c - the safetensors parser. Untrusted input.
//
// The header is JSON, so Jansson decides what is well-formed (no duplicate keys, valid UTF-8); here every tensor is
// checked: its type, its dimensions, and that its offsets lie in the data section and fit its size. Sorted by offset,
// the tensors must then follow each other exactly and end at the file's end, as the format demands: a gap could hide
// other content in the file.
#include "format/safetensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "format/extent.h"

#include <inttypes.h>
#include <string.h>

enum { LENGTH_SIZE = 8 };

typedef struct dtype_row {
    const char *name;
    tdl_dtype dtype; // NONE: skipped
    int size;        // bytes an element
} dtype_row;

static const dtype_row dtype_rows[] = {
    {"F32", TDL_DTYPE_F32, 4},   {"F16", TDL_DTYPE_F16, 2},  {"BF16", TDL_DTYPE_BF16, 2},
    {"I8", TDL_DTYPE_I8, 1},     {"U8", TDL_DTYPE_U8, 1},    {"I32", TDL_DTYPE_I32, 4},
    {"BOOL", TDL_DTYPE_NONE, 1}, {"I64", TDL_DTYPE_NONE, 8}, {"F64", TDL_DTYPE_NONE, 8},
};

static tdl_status parse_header(const uint8_t *bytes, size_t size, json_t **header, size_t *data_offset, tdl_error *err);
static tdl_status check_metadata(const json_t *metadata, tdl_error *err);
static tdl_status parse_tensor(const char *name, const json_t *info, const uint8_t *data, uint64_t data_size,
                               tdl_safetensors_tensor *out, tdl_extent *extent, tdl_error *err);
static tdl_status parse_dtype(const char *name, const json_t *info, const dtype_row **out, tdl_error *err);
static tdl_status parse_shape(const char *name, const json_t *info, int32_t *n_dims, int64_t *shape,
                              uint64_t *n_elements, tdl_error *err);
static tdl_status parse_offsets(const char *name, const json_t *info, uint64_t data_size, uint64_t size,
                                uint64_t *begin, tdl_error *err);
static tdl_status check_cover(const tdl_safetensors *file, tdl_extent *extents, uint64_t data_size, tdl_error *err);

tdl_status tdl_safetensors_parse(const tdl_allocator *mem, const uint8_t *bytes, size_t size, tdl_safetensors *out,
                                 tdl_error *err) {
    tdl_safetensors file = {.tensors = tdl_vec_make(mem, sizeof(tdl_safetensors_tensor))};
    tdl_extent *extents = NULL;
    size_t data_offset = 0, n;
    tdl_status status = parse_header(bytes, size, &file.header, &data_offset, err);
    if (status) goto cleanup;
    file.metadata = json_object_get(file.header, "__metadata__");
    if (file.metadata && (status = check_metadata(file.metadata, err))) goto cleanup;

    n = json_object_size(file.header) - (file.metadata != NULL);
    if (n > TDL_TENSORS_MAX) {
        status = tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: %zu tensors, at most %d", n, TDL_TENSORS_MAX);
        goto cleanup;
    }
    extents = tdl_alloc(mem, n, sizeof *extents);
    if (!extents || !tdl_vec_reserve(&file.tensors, n)) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "safetensors: no memory for a list of %zu tensors", n);
        goto cleanup;
    }
    const char *name;
    json_t *info;
    json_object_foreach(file.header, name, info) {
        if (info == file.metadata) continue;
        size_t i = file.tensors.n;
        tdl_safetensors_tensor *tensor = tdl_vec_add(&file.tensors); // there is room
        extents[i].owner = i;
        status = parse_tensor(name, info, bytes + data_offset, size - data_offset, tensor, &extents[i], err);
        if (status) goto cleanup;
    }
    if ((status = check_cover(&file, extents, size - data_offset, err))) goto cleanup;
    *out = file;

cleanup:
    tdl_free(mem, extents);
    if (status) tdl_safetensors_deinit(&file);
    return status;
}

void tdl_safetensors_deinit(tdl_safetensors *file) {
    tdl_vec_deinit(&file->tensors);
    json_decref(file->header);
    file->header = file->metadata = NULL;
}

static tdl_status parse_header(const uint8_t *bytes, size_t size, json_t **header, size_t *data_offset,
                               tdl_error *err) {
    uint64_t header_size;
    if (size < LENGTH_SIZE)
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: a file of %zu bytes, expected at least %d", size,
                        LENGTH_SIZE);
    memcpy(&header_size, bytes, sizeof header_size);
    if (header_size > TDL_SAFETENSORS_HEADER_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: a header of %" PRIu64 " bytes, at most %d", header_size,
                        TDL_SAFETENSORS_HEADER_MAX);
    if (header_size > size - LENGTH_SIZE)
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: a header of %" PRIu64 " bytes in a file of %zu",
                        header_size, size);
    tdl_status status = tdl_json_parse_unique((const char *)bytes + LENGTH_SIZE, header_size, "header", header, err);
    if (status) return tdl_fail_at(err, status, "safetensors");
    if (!json_is_object(*header)) {
        json_decref(*header);
        *header = NULL;
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: the header is no JSON object");
    }
    *data_offset = LENGTH_SIZE + (size_t)header_size;
    return TDL_OK;
}

static tdl_status check_metadata(const json_t *metadata, tdl_error *err) {
    if (!json_is_object(metadata))
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: __metadata__ is no JSON object");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) { // the macro's iterator wants it writable
        if (!json_is_string(value))
            return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: __metadata__ key '%.100s' is no string", key);
    }
    return TDL_OK;
}

static tdl_status parse_tensor(const char *name, const json_t *info, const uint8_t *data, uint64_t data_size,
                               tdl_safetensors_tensor *out, tdl_extent *extent, tdl_error *err) {
    const dtype_row *row = NULL;
    int32_t n_dims = 0;
    int64_t shape[TDL_DIMS_MAX];
    uint64_t n_elements = 0, size = 0, begin = 0;
    out->name = tdl_text_cstr(name);
    if (!json_is_object(info))
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: tensor '%.100s': no JSON object", name);
    tdl_status status = parse_dtype(name, info, &row, err);
    if (status) return status;
    if ((status = parse_shape(name, info, &n_dims, shape, &n_elements, err))) return status;
    if (__builtin_mul_overflow(n_elements, (uint64_t)row->size, &size))
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: tensor '%.100s': more than 2^64-1 bytes", name);
    if ((status = parse_offsets(name, info, data_size, size, &begin, err))) return status;
    extent->offset = begin;
    extent->size = size;

    out->skipped = row->dtype == TDL_DTYPE_NONE;
    if (out->skipped) return TDL_OK;
    // const is only for the parser's caller: tensors of weights are not written to.
    status = tdl_tensor_make(row->dtype, n_dims, shape, (uint8_t *)(uintptr_t)data + begin, &out->tensor, err);
    return status ? tdl_fail_at(err, status, "safetensors") : TDL_OK;
}

static tdl_status parse_dtype(const char *name, const json_t *info, const dtype_row **out, tdl_error *err) {
    const char *dtype = json_string_value(json_object_get(info, "dtype"));
    if (!dtype) return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: tensor '%.100s': no string 'dtype'", name);
    for (size_t i = 0; i < sizeof dtype_rows / sizeof *dtype_rows; i++) {
        if (strcmp(dtype_rows[i].name, dtype) != 0) continue;
        *out = &dtype_rows[i];
        return TDL_OK;
    }
    return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "safetensors: tensor '%.100s': dtype '%.20s' is not supported", name,
                    dtype);
}

static tdl_status parse_shape(const char *name, const json_t *info, int32_t *n_dims, int64_t *shape,
                              uint64_t *n_elements, tdl_error *err) {
    const json_t *dims = json_object_get(info, "shape");
    if (!json_is_array(dims))
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: tensor '%.100s': no array 'shape'", name);
    size_t n = json_array_size(dims);
    if (n > TDL_DIMS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: tensor '%.100s': %zu dimensions, at most %d", name, n,
                        TDL_DIMS_MAX);
    int64_t product = 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *dim = json_array_get(dims, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return tdl_fail(err, TDL_ERROR_FORMAT,
                            "safetensors: tensor '%.100s': dimension %zu is no integer from 0 on", name, i);
        shape[i] = json_integer_value(dim);
        if (shape[i] == 0)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "safetensors: tensor '%.100s': dimension %zu is 0: empty tensors are "
                            "not supported",
                            name, i);
        if (!tdl_mul_i64(product, shape[i], &product))
            return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: tensor '%.100s': more than 2^63-1 elements", name);
    }
    if (n == 0) shape[n++] = 1;
    *n_dims = (int32_t)n;
    *n_elements = (uint64_t)product;
    return TDL_OK;
}

static tdl_status parse_offsets(const char *name, const json_t *info, uint64_t data_size, uint64_t size,
                                uint64_t *begin, tdl_error *err) {
    const json_t *offsets = json_object_get(info, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: tensor '%.100s': 'data_offsets' is no array of two integers", name);
    int64_t a = json_integer_value(first), b = json_integer_value(last);
    if (a < 0 || b < a || (uint64_t)b > data_size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: tensor '%.100s': data_offsets [%" PRId64 ", %" PRId64
                        "] of a data section of %" PRIu64 " bytes",
                        name, a, b, data_size);
    if ((uint64_t)(b - a) != size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: tensor '%.100s': data_offsets span %" PRId64
                        " bytes, its dtype and shape need %" PRIu64,
                        name, b - a, size);
    *begin = (uint64_t)a;
    return TDL_OK;
}

// Sorts the extents; each must begin where the one before ends, the first at 0, and the last must end with the data.
static tdl_status check_cover(const tdl_safetensors *file, tdl_extent *extents, uint64_t data_size, tdl_error *err) {
    size_t n = file->tensors.n;
    const tdl_safetensors_tensor *tensors = file->tensors.data;
    tdl_extent_sort(extents, n);
    size_t second = tdl_extent_find_overlap(extents, n);
    if (second < n)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: tensors '%.*s' and '%.*s' overlap at byte %" PRIu64 " of the data",
                        TDL_SHOWN(tensors[extents[second - 1].owner].name),
                        TDL_SHOWN(tensors[extents[second].owner].name), extents[second].offset);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (extents[i].offset != end)
            return tdl_fail(err, TDL_ERROR_FORMAT,
                            "safetensors: bytes %" PRIu64 " to %" PRIu64 " of the data, before tensor "
                            "'%.*s', belong to no tensor",
                            end, extents[i].offset, TDL_SHOWN(tensors[extents[i].owner].name));
        end += extents[i].size;
    }
    if (end != data_size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: the tensors end at byte %" PRIu64 " of the data, the file at byte "
                        "%" PRIu64,
                        end, data_size);
    return TDL_OK;
}
