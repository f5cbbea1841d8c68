// SPDX-License-Identifier: MIT
// webgpu_buffer.c - GPU memory: made, written through the queue, read through staging buffers that are mapped.
//
// A read is a copy at the end of the open encoder, so that it travels with the step before it; when that is submitted the
// staging buffer is mapped, and the poll that finds it mapped copies the bytes out. Staging buffers are kept for the next.
#include "backend/webgpu/webgpu_device.h"
#include "base/checked.h"

#include <stdio.h>
#include <string.h>

enum {
    WRITE_PIECE = 8 << 20,     // bytes given to the queue at once
    WRITTEN_MAX = 64 << 20,    // bytes the queue may hold before it is told to begin
    STAGING_SIZE_MIN = 1 << 12 // bytes
};

static tdl_webgpu_read *find_read(tdl_webgpu_device *d, size_t size, tdl_error *err);
static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused);
static void finish_read(tdl_webgpu_device *d, tdl_webgpu_read *read);

WGPUBuffer tdl_webgpu_make_buffer(tdl_webgpu_device *d, size_t size, WGPUBufferUsage usage) {
    return d->api.DeviceCreateBuffer(d->handle, &(WGPUBufferDescriptor){.usage = usage, .size = size});
}

static tdl_status make_handle(tdl_webgpu_device *d, tdl_webgpu_buffer *buffer, tdl_error *err) {
    char what[64];
    snprintf(what, sizeof what, "making a buffer of %zu bytes", buffer->buffer.size);
    if (buffer->handle) d->api.BufferRelease(buffer->handle); // of a failed attempt
    tdl_webgpu_scope_begin(d);
    buffer->handle = tdl_webgpu_make_buffer(
        d, buffer->size_padded, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
    return tdl_webgpu_scope_end(d, what, err);
}

tdl_status tdl_webgpu_buffer_create(tdl_device *device, size_t size, tdl_buffer **out, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)device;
    size_t padded;
    if (!tdl_align_size(size ? size : 1, 16, &padded) || padded > d->buffer_size_max)
        return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: a buffer of %zu bytes, this device has at most %llu", size,
                        (unsigned long long)d->buffer_size_max);
    tdl_webgpu_buffer *buffer = tdl_alloc(device->mem, 1, sizeof *buffer);
    if (!buffer) return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for a buffer");
    *buffer = (tdl_webgpu_buffer){.buffer = {.device = device, .size = size}, .size_padded = padded};
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK) status = make_handle(d, buffer, err);
    if (status ==
        TDL_ERROR_MEMORY) { // once more: buffers that were let go live until what was written to them is submitted
        d->api.QueueSubmit(d->queue, 0, NULL);
        d->n_written = 0;
        if (d->api.DevicePoll) d->api.DevicePoll(d->handle, true, NULL);
        status = tdl_webgpu_alive(d, err);
        if (status == TDL_OK) status = make_handle(d, buffer, err);
    }
    pthread_mutex_unlock(&d->lock);
    if (status == TDL_OK && !buffer->handle)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no buffer of %zu bytes", size);
    if (status != TDL_OK) {
        tdl_webgpu_buffer_destroy(&buffer->buffer);
        return status;
    }
    *out = &buffer->buffer;
    return TDL_OK;
}

void tdl_webgpu_buffer_destroy(tdl_buffer *buffer) {
    if (!buffer) return;
    tdl_webgpu_device *d = (tdl_webgpu_device *)buffer->device;
    tdl_webgpu_buffer *b = (tdl_webgpu_buffer *)buffer;
    pthread_mutex_lock(&d->lock);
    tdl_webgpu_reads_drop(d, buffer);
    if (b->handle) d->api.BufferRelease(b->handle);
    pthread_mutex_unlock(&d->lock);
    tdl_free(d->device.mem, b);
}

// The queue copies the bytes at once and writes them before what is submitted next.
tdl_status tdl_webgpu_write(tdl_buffer *buffer, size_t offset, const void *src, size_t size, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)buffer->device;
    const tdl_webgpu_buffer *b = (const tdl_webgpu_buffer *)buffer;
    if (!tdl_range_ok(offset, size, buffer->size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: write of %zu bytes at %zu, the buffer has %zu", size, offset,
                        buffer->size);
    if (offset % 4 || (size % 4 && offset + size != buffer->size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "webgpu: write of %zu bytes at %zu: expected multiples of 4, or the buffer's end", size,
                        offset);
    const uint8_t *bytes = src;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_webgpu_flush(d, err); // a step that is encoded reads what was there before
    if (status == TDL_OK) status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK) {
        tdl_webgpu_scope_begin(d);
        size_t whole = size / 4 * 4;
        for (size_t at = 0; at < whole; at += WRITE_PIECE) {
            size_t n = (size_t)tdl_min_i64(WRITE_PIECE, (int64_t)(whole - at));
            d->api.QueueWriteBuffer(d->queue, b->handle, offset + at, bytes + at, n);
            d->n_written += n;
            if (d->n_written < WRITTEN_MAX) continue;
            d->api.QueueSubmit(d->queue, 0, NULL);
            d->n_written = 0;
        }
        if (size > whole) { // the buffer's own padding takes the rest of the last word
            uint8_t last[4] = {0};
            memcpy(last, bytes + whole, size - whole);
            d->api.QueueWriteBuffer(d->queue, b->handle, offset + whole, last, sizeof last);
        }
        status = tdl_webgpu_scope_end(d, "writing a buffer", err);
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

tdl_status tdl_webgpu_read_buffer(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)buffer->device;
    if (!tdl_range_ok(offset, size, buffer->size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: read of %zu bytes at %zu, the buffer has %zu", size, offset,
                        buffer->size);
    if (size == 0) return TDL_OK;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_webgpu_read_locked(buffer, offset, dst, size, err);
    pthread_mutex_unlock(&d->lock);
    return status;
}

tdl_status tdl_webgpu_read_locked(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)buffer->device;
    const tdl_webgpu_buffer *b = (const tdl_webgpu_buffer *)buffer;
    size_t first = offset / 4 * 4, n = (offset + size - first + 3) / 4 * 4; // within the padding
    tdl_status status = tdl_webgpu_alive(d, err);
    tdl_webgpu_read *read = status == TDL_OK ? find_read(d, n, err) : NULL;
    if (read) {
        read->state = TDL_WEBGPU_READ_ENCODED;
        read->submission = UINT64_MAX;
        read->source = buffer;
        read->dst = dst;
        read->skip = offset - first;
        read->size = size;
        d->api.CommandEncoderCopyBufferToBuffer(tdl_webgpu_encoder(d), b->handle, first, read->staging, 0, n);
    } else {
        if (status == TDL_OK) status = err ? err->code : TDL_ERROR_MEMORY;
        tdl_webgpu_reads_drop(d, buffer);
    }
    return status;
}

// One that is free and has room, without taking a much larger one; else a new one. NULL: MEMORY, DEVICE.
static tdl_webgpu_read *find_read(tdl_webgpu_device *d, size_t size, tdl_error *err) {
    for (tdl_webgpu_read *r = d->reads; r; r = r->next)
        if (r->state == TDL_WEBGPU_READ_FREE && r->staging_size >= size &&
            r->staging_size / 4 <= size + STAGING_SIZE_MIN)
            return r;
    tdl_webgpu_read *read = tdl_alloc(d->device.mem, 1, sizeof *read);
    if (!read) {
        tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for a read");
        return NULL;
    }
    size_t room = size < STAGING_SIZE_MIN ? STAGING_SIZE_MIN : size;
    tdl_webgpu_scope_begin(d);
    read->staging = tdl_webgpu_make_buffer(d, room, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
    if (tdl_webgpu_scope_end(d, "making a buffer to read through", err) != TDL_OK) {
        if (read->staging) d->api.BufferRelease(read->staging);
        tdl_free(d->device.mem, read);
        return NULL;
    }
    read->staging_size = room;
    read->next = d->reads;
    d->reads = read;
    return read;
}

void tdl_webgpu_reads_begin(tdl_webgpu_device *d) {
    for (tdl_webgpu_read *r = d->reads; r; r = r->next) {
        if (r->state != TDL_WEBGPU_READ_ENCODED) continue;
        r->state = TDL_WEBGPU_READ_MAPPING;
        r->submission = d->n_submitted;
        d->api.BufferMapAsync(r->staging, WGPUMapMode_Read, 0, (r->skip + r->size + 3) / 4 * 4,
                              (WGPUBufferMapCallbackInfo){
                                  .mode = WGPUCallbackMode_AllowSpontaneous, .callback = on_mapped, .userdata1 = r});
    }
}

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused) {
    (void)message, (void)unused;
    tdl_webgpu_read *read = user;
    read->state = status == WGPUMapAsyncStatus_Success ? TDL_WEBGPU_READ_MAPPED : TDL_WEBGPU_READ_FAILED;
}

void tdl_webgpu_reads_abandon(tdl_webgpu_device *d) {
    for (tdl_webgpu_read *r = d->reads; r; r = r->next)
        if (r->state == TDL_WEBGPU_READ_ENCODED) r->state = TDL_WEBGPU_READ_FREE;
}

void tdl_webgpu_reads_drop(tdl_webgpu_device *d, const tdl_buffer *source) {
    for (tdl_webgpu_read *r = d->reads; r; r = r->next)
        if (r->state != TDL_WEBGPU_READ_FREE && (!source || r->source == source)) r->source = NULL;
}

tdl_status tdl_webgpu_reads_finish(tdl_webgpu_device *d, tdl_buffer *const *sources, int32_t n, uint64_t last,
                                   bool *pending, tdl_error *err) {
    bool arrived = false;
    *pending = false;
    for (const tdl_webgpu_read *r = d->reads; r; r = r->next)
        arrived |= r->state == TDL_WEBGPU_READ_MAPPED || r->state == TDL_WEBGPU_READ_FAILED;
    // What is mapped on a device that is destroyed must not be touched: wgpu-native's process dies.
    tdl_status status = arrived ? tdl_webgpu_probe(d, err) : TDL_OK;
    if (status != TDL_OK) return status;
    for (tdl_webgpu_read *r = d->reads; r; r = r->next) {
        if (r->state == TDL_WEBGPU_READ_FREE) continue;
        bool asked = r->source && n == 0;
        for (int32_t i = 0; i < n && r->source && !asked; i++) asked = sources[i] == r->source;
        asked &= r->submission <= last;
        if (r->state == TDL_WEBGPU_READ_MAPPED) {
            finish_read(d, r);
        } else if (r->state == TDL_WEBGPU_READ_FAILED) {
            r->state = TDL_WEBGPU_READ_FREE;
            if (asked) status = tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: cannot map the memory to read");
        } else if (asked) {
            *pending = true;
        }
    }
    return status;
}

static void finish_read(tdl_webgpu_device *d, tdl_webgpu_read *r) {
    if (r->source) {
        const uint8_t *bytes = d->api.BufferGetConstMappedRange(r->staging, 0, (r->skip + r->size + 3) / 4 * 4);
        if (bytes) memcpy(r->dst, bytes + r->skip, r->size);
    }
    d->api.BufferUnmap(r->staging);
    r->state = TDL_WEBGPU_READ_FREE;
}

void tdl_webgpu_reads_free(tdl_webgpu_device *d) {
    while (d->reads) {
        tdl_webgpu_read *read = d->reads;
        d->reads = read->next;
        d->api.BufferRelease(read->staging);
        tdl_free(d->device.mem, read);
    }
}
