// SPDX-License-Identifier: MIT
// parts.c - where a tensor is divided, and its buffers. See parts.h.
#include "graph/parts.h"

#include "base/checked.h"

#include <assert.h>

// Rows begin at multiples of 64, so that tiles stay whole, or, where rows are huge, of 4: a device may want tensors to begin
// at multiples of 16 bytes. A head is a multiple of 16 bytes by itself.
enum { PART_ROWS = 64, PART_ROWS_MIN = 4 };

struct tdl_parts {
    tdl_device *device;
    size_t size, part_size; // bytes: of all, of each part but the last
    int64_t n_rows;         // of each part but the last
    int32_t n;
    tdl_buffer **buffers; // [n]
};

int64_t tdl_part_rows(const tdl_tensor *t, int32_t dim, uint64_t size_max) {
    uint64_t size = tdl_tensor_size(t), n = (uint64_t)tdl_tensor_n_elements(t), n_max_elements = UINT32_MAX - 1;
    if (size_max == 0 || (size <= size_max && n <= n_max_elements) || t->n_dims < 2) return t->shape[dim];
    int64_t n_rows = t->shape[dim];
    int64_t n_max = tdl_min_i64((int64_t)(size_max / (size / (uint64_t)n_rows)),
                                (int64_t)(n_max_elements / (n / (uint64_t)n_rows)));
    int64_t unit = dim > 0 ? 1 : n_max >= PART_ROWS ? PART_ROWS : PART_ROWS_MIN;
    n_max = n_max / unit * unit;
    if (n_max == 0) return n_rows;
    int64_t even = tdl_div_up(n_rows, tdl_div_up(n_rows, n_max)); // of about one size
    return tdl_min_i64(n_rows, tdl_div_up(even, unit) * unit);
}

tdl_status tdl_part_tensor(const tdl_tensor *t, int32_t dim, int64_t count, tdl_tensor *out, tdl_error *err) {
    tdl_tensor part = *t;
    part.shape[dim] = count;
    return tdl_tensor_make(t->dtype, t->n_dims, part.shape, NULL, out, err);
}

tdl_status tdl_parts_create(tdl_device *device, const tdl_tensor *t, int32_t dim, tdl_parts **out, tdl_error *err) {
    tdl_tensor part;
    tdl_parts *parts = tdl_alloc(device->mem, 1, sizeof *parts);
    if (!parts) return tdl_fail(err, TDL_ERROR_MEMORY, "parts: no memory");
    parts->device = device;
    parts->size = tdl_tensor_size(t);
    parts->n_rows = tdl_part_rows(t, dim, device->value_size_max);
    int64_t n = parts->n_rows ? tdl_div_up(t->shape[dim], parts->n_rows) : 1;
    tdl_status status = tdl_part_tensor(t, dim, parts->n_rows, &part, err);
    if (status == TDL_OK) parts->buffers = tdl_alloc(device->mem, (size_t)n, sizeof(tdl_buffer *));
    if (status == TDL_OK && !parts->buffers)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "parts: no memory for %lld buffers", (long long)n);
    if (status == TDL_OK) parts->part_size = tdl_tensor_size(&part);
    for (size_t at = 0; status == TDL_OK && parts->n < n; at += parts->part_size, parts->n++) {
        size_t rest = parts->size - at, size = rest < parts->part_size ? rest : parts->part_size;
        status = device->backend->buffer_create(device, size, &parts->buffers[parts->n], err);
    }
    if (status != TDL_OK) {
        tdl_parts_destroy(parts);
        return status;
    }
    *out = parts;
    return TDL_OK;
}

void tdl_parts_destroy(tdl_parts *parts) {
    if (!parts) return;
    for (int32_t i = 0; i < parts->n; i++) parts->device->backend->buffer_destroy(parts->buffers[i]);
    tdl_free(parts->device->mem, parts->buffers);
    tdl_free(parts->device->mem, parts);
}

tdl_buffer *tdl_parts_buffer(const tdl_parts *parts, int64_t first) {
    int64_t i = first ? first / parts->n_rows : 0;
    assert(i < parts->n && i * parts->n_rows == first);
    return parts->buffers[i];
}

// The piece of a range that lies in the part where it begins.
static size_t piece_of(const tdl_parts *parts, size_t offset, size_t size, tdl_buffer **buffer, size_t *at) {
    size_t i = offset ? offset / parts->part_size : 0, room;
    assert(i < (size_t)parts->n);
    *buffer = parts->buffers[i];
    *at = offset - i * parts->part_size;
    room = (*buffer)->size - *at;
    return size < room ? size : room;
}

static bool in_range(const tdl_parts *parts, size_t offset, size_t size, tdl_error *err) {
    if (tdl_range_ok(offset, size, parts->size)) return true;
    tdl_fail(err, TDL_ERROR_ARGUMENT, "parts: %zu bytes at %zu, there are %zu", size, offset, parts->size);
    return false;
}

tdl_status tdl_parts_read(const tdl_parts *parts, size_t offset, void *dst, size_t size, tdl_error *err) {
    tdl_status status = TDL_OK;
    if (!in_range(parts, offset, size, err)) return TDL_ERROR_ARGUMENT;
    for (size_t done = 0, n; done < size && status == TDL_OK; done += n) {
        tdl_buffer *buffer;
        size_t at;
        n = piece_of(parts, offset + done, size - done, &buffer, &at);
        status = parts->device->backend->read(buffer, at, (uint8_t *)dst + done, n, err);
    }
    return status;
}

tdl_status tdl_parts_write(const tdl_parts *parts, size_t offset, const void *src, size_t size, tdl_error *err) {
    tdl_status status = TDL_OK;
    if (!in_range(parts, offset, size, err)) return TDL_ERROR_ARGUMENT;
    for (size_t done = 0, n; done < size && status == TDL_OK; done += n) {
        tdl_buffer *buffer;
        size_t at;
        n = piece_of(parts, offset + done, size - done, &buffer, &at);
        status = parts->device->backend->write(buffer, at, (const uint8_t *)src + done, n, err);
    }
    return status;
}
