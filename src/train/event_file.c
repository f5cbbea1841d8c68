// SPDX-License-Identifier: MIT
// event_file.c - protocol buffers by hand: a field is a key (number << 3 | wire type) and a value. See event_file.h.
//
// Wire types used: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. A message's length stands before it, so an
// inner message is made in a buffer of its own first.
#include "train/event_file.h"

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { VARINT = 0, BYTES_8 = 1, BYTES_N = 2, BYTES_4 = 5 };
enum { FILE_NAMES_MAX = 1000 }; // event files begun in one second

struct tdl_event_file {
    const tdl_allocator *mem;
    char *path;
    int fd;
    tdl_vec record; // bytes
};

static bool encode_record(double wall_time, int64_t step, uint32_t field, const tdl_vec *payload, tdl_vec *out);
static tdl_status create_file(tdl_event_file *file, const char *dir, int64_t now, tdl_error *err);
static tdl_status write_record(tdl_event_file *file, tdl_error *err);
static bool put_varint(tdl_vec *out, uint64_t value);
static bool put_key(tdl_vec *out, uint32_t field, uint32_t wire);
static bool put_bytes(tdl_vec *out, uint32_t field, const void *data, size_t size);
static uint32_t masked_crc(const void *data, size_t size);

tdl_status tdl_event_file_open(const tdl_allocator *mem, const char *dir, int64_t first_step, tdl_event_file **out,
                               tdl_error *err) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    tdl_event_file *file = tdl_alloc(mem, 1, sizeof *file);
    if (!file) return tdl_fail(err, TDL_ERROR_MEMORY, "events: no memory for a writer");
    *file = (tdl_event_file){.mem = mem, .fd = -1, .record = tdl_vec_make(mem, 1)};
    tdl_status status = create_file(file, dir, now.tv_sec, err);
    if (status == TDL_OK) {
        bool encoded =
            tdl_event_encode_start((double)now.tv_sec + (double)now.tv_nsec * 1e-9, first_step, &file->record);
        status = encoded ? write_record(file, err) : tdl_fail(err, TDL_ERROR_MEMORY, "events: no memory for a record");
    }
    if (status == TDL_OK) *out = file;
    else tdl_event_file_close(file);
    return status;
}

tdl_status tdl_event_file_add(tdl_event_file *file, const tdl_event *event, tdl_error *err) {
    file->record.n = 0;
    if (!tdl_event_encode(event, &file->record))
        return tdl_fail(err, TDL_ERROR_MEMORY, "events: no memory for a record");
    return write_record(file, err);
}

void tdl_event_file_close(tdl_event_file *file) {
    if (!file) return;
    if (file->fd >= 0) close(file->fd);
    tdl_vec_deinit(&file->record);
    tdl_free(file->mem, file->path);
    tdl_free(file->mem, file);
}

// TensorBoard reads the files of a directory in the order of their names, of which only "tfevents" must be a part.
static tdl_status create_file(tdl_event_file *file, const char *dir, int64_t now, tdl_error *err) {
    tdl_str path = tdl_str_make(file->mem);
    tdl_status status = TDL_OK;
    for (int i = 0; i < FILE_NAMES_MAX && file->fd < 0; i++) {
        tdl_str_clear(&path);
        if (!tdl_str_format(&path, "%s/events.out.tfevents.%010lld.%03d.treadle", dir, (long long)now, i)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "events: no memory for a path");
            goto cleanup;
        }
        file->fd = open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd < 0 && errno != EEXIST && errno != EINTR) break;
    }
    if (file->fd < 0) {
        status = tdl_fail(err, TDL_ERROR_IO, "events: '%s': cannot create: %m", path.ptr);
        goto cleanup;
    }
    file->path = path.ptr;
    path = tdl_str_make(file->mem);
cleanup:
    tdl_str_deinit(&path);
    return status;
}

static tdl_status write_record(tdl_event_file *file, tdl_error *err) {
    const uint8_t *rest = file->record.data;
    for (size_t left = file->record.n; left;) {
        ssize_t n = write(file->fd, rest, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return tdl_fail(err, TDL_ERROR_IO, "events: '%s': cannot write: %m", file->path);
        rest += n;
        left -= (size_t)n;
    }
    return TDL_OK;
}

// ---- messages

bool tdl_event_encode(const tdl_event *event, tdl_vec *out) {
    tdl_vec summary = tdl_vec_make(out->mem, 1), value = summary;
    bool ok = true;
    for (size_t i = 0; i < event->n && ok; i++) { // Summary.value = 1: { tag = 1, simple_value = 2 }
        const tdl_scalar *s = &event->scalars[i];
        value.n = 0;
        ok = put_bytes(&value, 1, s->tag, strlen(s->tag)) && put_key(&value, 2, BYTES_4) &&
             tdl_vec_push(&value, &s->value, sizeof s->value) && put_bytes(&summary, 1, value.data, value.n);
    }
    ok = ok && encode_record(event->wall_time, event->step, 5, &summary, out); // Event.summary
    tdl_vec_deinit(&summary);
    tdl_vec_deinit(&value);
    return ok;
}

bool tdl_event_encode_start(double wall_time, int64_t first_step, tdl_vec *out) {
    static const char version[] = "brain.Event:2";
    tdl_vec text = tdl_vec_make(out->mem, 1), session = text;
    bool ok = tdl_vec_push(&text, version, sizeof version - 1) && encode_record(wall_time, 0, 3, &text, out);
    // SessionLog.status = 1: START = 1. TensorBoard then drops steps from first_step on that it has read before.
    ok = ok && put_key(&session, 1, VARINT) && put_varint(&session, 1) &&
         encode_record(wall_time, first_step, 7, &session, out);
    tdl_vec_deinit(&text);
    tdl_vec_deinit(&session);
    return ok;
}

// Event { wall_time = 1, step = 2, the payload as `field` } in its record.
static bool encode_record(double wall_time, int64_t step, uint32_t field, const tdl_vec *payload, tdl_vec *out) {
    tdl_vec event = tdl_vec_make(out->mem, 1);
    bool ok = put_key(&event, 1, BYTES_8) && tdl_vec_push(&event, &wall_time, sizeof wall_time) &&
              (!step || (put_key(&event, 2, VARINT) && put_varint(&event, (uint64_t)step))) &&
              put_bytes(&event, field, payload->data, payload->n);
    if (ok) {
        const uint64_t size = event.n;
        const uint32_t size_crc = masked_crc(&size, sizeof size), data_crc = masked_crc(event.data, event.n);
        ok = tdl_vec_push(out, &size, sizeof size) && tdl_vec_push(out, &size_crc, sizeof size_crc) &&
             tdl_vec_push(out, event.data, event.n) && tdl_vec_push(out, &data_crc, sizeof data_crc);
    }
    tdl_vec_deinit(&event);
    return ok;
}

static bool put_varint(tdl_vec *out, uint64_t value) {
    do {
        uint8_t byte = (uint8_t)(value & 127) | (value > 127 ? 128 : 0);
        if (!tdl_vec_push(out, &byte, 1)) return false;
        value >>= 7;
    } while (value);
    return true;
}

static bool put_key(tdl_vec *out, uint32_t field, uint32_t wire) { return put_varint(out, field << 3 | wire); }

static bool put_bytes(tdl_vec *out, uint32_t field, const void *data, size_t size) {
    return put_key(out, field, BYTES_N) && put_varint(out, size) && (!size || tdl_vec_push(out, data, size));
}

// A CRC of data that itself contains CRCs would be weak: TensorFlow turns and shifts it.
static uint32_t masked_crc(const void *data, size_t size) {
    uint32_t crc = tdl_crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}
