// SPDX-License-Identifier: MIT
// null_device.c - the device "null": buffers in host memory, a list of tasks that polls work off, faults. See null_device.h.
//
// Writes, steps and reads are tasks in the order they were asked for. A poll says PENDING n_pending times after a submit; the
// next one does the tasks up to its step's, and not one more. A write while there are none is done at once: weights are
// loaded that way.
#include "backend/null/null_device.h"

#include "base/checked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { POISON = 0xff, STEPS_MAX = 3 }; // as F32: NaN

static void drop_reads(tdl_null_device *d, const tdl_null_buffer *from);
static void end_steps(tdl_null_device *d);
static void do_task(tdl_null_device *d, tdl_null_task *task);
static void free_tasks(tdl_null_device *d, uint64_t step);

static tdl_status null_list(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max, size_t *n,
                            tdl_error *err) {
    (void)err;
    *n = desc->name && strcmp(desc->name, "null") == 0; // who does not ask for it is not told
    if (*n && infos_max) {
        *infos = (tdl_device_info){0};
        snprintf(infos->name, sizeof infos->name, "null");
        snprintf(infos->summary, sizeof infos->summary, "null: references, for tests");
    }
    return TDL_OK;
}

static tdl_status null_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    if (strcmp(desc->name, "null") != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "null: no device named '%s', expected null", desc->name);
    tdl_null_device *d = tdl_alloc(mem, 1, sizeof *d);
    if (!d) return tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory for the device");
    d->device = (tdl_device){.backend = &tdl_backend_null, .mem = mem};
    snprintf(d->device.summary, sizeof d->device.summary, "null: references, for tests");
    d->n_pending = 1;
    d->last_task = &d->tasks;
    if (pthread_mutex_init(&d->lock, NULL) != 0) {
        tdl_free(mem, d);
        return tdl_fail(err, TDL_ERROR_MEMORY, "null: cannot make a mutex");
    }
    *out = &d->device;
    return TDL_OK;
}

static void null_close(tdl_device *device) {
    tdl_null_device *d = (tdl_null_device *)device;
    if (d->buffers || d->programs)
        tdl_null_violation(d, NULL, "null: closed with %d buffers and %d programs", d->report.n_buffers,
                           d->report.n_programs);
    if (d->report_to) *d->report_to = d->report;
    free_tasks(d, UINT64_MAX);
    pthread_mutex_destroy(&d->lock);
    tdl_free(device->mem, d);
}

tdl_status tdl_null_begin(tdl_null_device *d, tdl_null_call call, tdl_error *err) {
    static const char *const names[TDL_NULL_CALL_COUNT] = {"",        "making a buffer", "a write", "a read",
                                                           "compile", "a submit",        "a poll"};
    int64_t n = ++d->report.n_calls[call];
    if (d->lost) return tdl_fail(err, TDL_ERROR_DEVICE_LOST, "null: the device is lost");
    if (d->fault.call != call || d->fault.at != n) return TDL_OK;
    d->report.failed = true;
    d->lost = d->fault.status == TDL_ERROR_DEVICE_LOST;
    end_steps(d);
    return tdl_fail(err, d->fault.status, "null: %s, number %lld, fails with %s, as asked", names[call], (long long)n,
                    tdl_status_name(d->fault.status));
}

tdl_status tdl_null_violation(tdl_null_device *d, tdl_error *err, const char *format, ...) {
    char text[sizeof d->report.violation];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!d->report.n_violations++) memcpy(d->report.violation, text, sizeof text);
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s", text);
}

bool tdl_null_alive(const tdl_null_device *d, const tdl_buffer *buffer) {
    for (const tdl_null_buffer *b = d->buffers; b; b = b->next)
        if (&b->buffer == buffer) return true;
    return false;
}

tdl_null_task *tdl_null_add_task(tdl_null_device *d, tdl_null_call call, tdl_error *err) {
    tdl_null_task *task = tdl_alloc(d->device.mem, 1, sizeof *task);
    if (!task) {
        tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory for a task");
        return NULL;
    }
    task->call = call;
    if (call == TDL_NULL_SUBMIT) d->n_submitted++;
    uint64_t step = d->n_submitted + (call == TDL_NULL_WRITE); // a write is of the step that follows
    if (step > d->last_step) d->last_step = step;
    task->step = d->last_step;
    *d->last_task = task;
    d->last_task = &task->next;
    return task;
}

// ---- buffers --------------------------------------------------------------------------------------------------------

static tdl_status null_buffer_create(tdl_device *device, size_t size, tdl_buffer **out, tdl_error *err) {
    tdl_null_device *d = (tdl_null_device *)device;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_BUFFER_CREATE, err);
    tdl_null_buffer *b = status == TDL_OK ? tdl_alloc(device->mem, 1, sizeof *b) : NULL;
    uint8_t *data = b ? tdl_alloc(device->mem, size, 1) : NULL;
    if (data) {
        *b = (tdl_null_buffer){.buffer = {.device = device, .size = size}, .next = d->buffers, .data = data};
        d->buffers = b;
        d->report.n_buffers++;
        *out = &b->buffer;
    } else {
        tdl_free(device->mem, b);
        if (status == TDL_OK)
            status = tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory for a buffer of %zu bytes", size);
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

static void null_buffer_destroy(tdl_buffer *buffer) {
    if (!buffer) return;
    tdl_null_device *d = (tdl_null_device *)buffer->device;
    pthread_mutex_lock(&d->lock);
    for (const tdl_null_program *p = d->programs; p; p = p->next)
        for (int32_t i = 0; i < p->program.plan->n_buffers; i++)
            if (p->buffers[i] == buffer)
                tdl_null_violation(d, NULL, "null: buffer %d of a program is destroyed before it", i);
    for (tdl_null_task *t = d->tasks; t; t = t->next)
        if (t->buffer && &t->buffer->buffer == buffer) {
            if (t->call == TDL_NULL_WRITE) tdl_free(d->device.mem, t->bytes);
            t->call = TDL_NULL_NONE;
        }
    for (tdl_null_buffer **at = &d->buffers; *at; at = &(*at)->next)
        if (&(*at)->buffer == buffer) {
            tdl_null_buffer *b = *at;
            *at = b->next;
            tdl_free(d->device.mem, b->data);
            tdl_free(d->device.mem, b);
            d->report.n_buffers--;
            break;
        }
    pthread_mutex_unlock(&d->lock);
}

// A range of a buffer that is there.
static tdl_status check_range(tdl_null_device *d, const tdl_buffer *buffer, const char *what, size_t offset,
                              size_t size, tdl_error *err) {
    if (!tdl_null_alive(d, buffer)) return tdl_null_violation(d, err, "null: %s of a buffer that is gone", what);
    if (tdl_range_ok(offset, size, buffer->size)) return TDL_OK;
    return tdl_null_violation(d, err, "null: %s of %zu bytes at %zu, the buffer has %zu", what, size, offset,
                              buffer->size);
}

static tdl_status null_write(tdl_buffer *buffer, size_t offset, const void *src, size_t size, tdl_error *err) {
    tdl_null_device *d = (tdl_null_device *)buffer->device;
    tdl_null_buffer *b = (tdl_null_buffer *)buffer;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_WRITE, err);
    if (status == TDL_OK) status = check_range(d, buffer, "write", offset, size, err);
    if (status == TDL_OK && (offset % 4 || (size % 4 && offset + size != buffer->size)))
        status = tdl_null_violation(
            d, err, "null: write of %zu bytes at %zu: expected multiples of 4, or the buffer's end", size, offset);
    if (status == TDL_OK && !d->tasks) {
        if (size) memcpy(b->data + offset, src, size);
    } else if (status == TDL_OK) {
        uint8_t *bytes = tdl_alloc(d->device.mem, size, 1);
        tdl_null_task *task = bytes ? tdl_null_add_task(d, TDL_NULL_WRITE, err) : NULL;
        if (task) {
            if (size) memcpy(bytes, src, size);
            task->buffer = b;
            task->offset = offset;
            task->size = size;
            task->bytes = bytes;
        } else {
            tdl_free(d->device.mem, bytes);
            status = tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory to write %zu bytes", size);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

static tdl_status null_read(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err) {
    tdl_null_device *d = (tdl_null_device *)buffer->device;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_READ, err);
    if (status == TDL_OK) status = check_range(d, buffer, "read", offset, size, err);
    tdl_null_task *task = status == TDL_OK ? tdl_null_add_task(d, TDL_NULL_READ, err) : NULL;
    if (task) {
        task->buffer = (tdl_null_buffer *)buffer;
        task->offset = offset;
        task->size = size;
        task->bytes = dst;
        if (size) memset(dst, POISON, size);
    } else {
        if (status == TDL_OK) status = TDL_ERROR_MEMORY;
        drop_reads(d, (const tdl_null_buffer *)buffer);
        end_steps(d);
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

// NULL: all.
static void drop_reads(tdl_null_device *d, const tdl_null_buffer *from) {
    for (tdl_null_task *t = d->tasks; t; t = t->next)
        if (t->call == TDL_NULL_READ && (!from || t->buffer == from)) t->call = TDL_NULL_NONE;
}

// After a call that failed nobody polls for the steps under way: they are computed before what comes next.
static void end_steps(tdl_null_device *d) {
    for (tdl_null_program *p = d->programs; p; p = p->next) p->n_under_way = 0;
}

// ---- working off ----------------------------------------------------------------------------------------------------

static tdl_status null_poll(tdl_device *device, tdl_program *program, uint64_t step, tdl_error *err) {
    tdl_null_device *d = (tdl_null_device *)device;
    if (!program || !step) step = UINT64_MAX; // all programs' tasks end together
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_POLL, err);
    if (status != TDL_OK) {
        drop_reads(d, NULL);
    } else if (d->n_pending_left > 0) {
        d->n_pending_left--;
        status = TDL_PENDING;
    } else {
        for (tdl_null_task *t = d->tasks; t && t->step <= step; t = t->next) do_task(d, t);
        free_tasks(d, step);
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

static void do_task(tdl_null_device *d, tdl_null_task *t) {
    if (t->call == TDL_NULL_WRITE && t->size) memcpy(t->buffer->data + t->offset, t->bytes, t->size);
    if (t->call == TDL_NULL_READ && t->size) memcpy(t->bytes, t->buffer->data + t->offset, t->size);
    if (t->call != TDL_NULL_SUBMIT) return;
    tdl_null_run(t->program, &t->counts);
    if (t->program->n_under_way > 0) t->program->n_under_way--;
    d->report.n_steps++;
}

// Those of the steps up to this one.
static void free_tasks(tdl_null_device *d, uint64_t step) {
    while (d->tasks && d->tasks->step <= step) {
        tdl_null_task *task = d->tasks;
        d->tasks = task->next;
        if (task->call == TDL_NULL_WRITE) tdl_free(d->device.mem, task->bytes);
        tdl_free(d->device.mem, task);
    }
    if (!d->tasks) d->last_task = &d->tasks;
}

const tdl_backend tdl_backend_null = {
    .name = "null",
    .id = TDL_BACKEND_NULL,
    .has_reference = true,
    .temps_apart = true,
    .f32_cache = true,
    .steps_max = STEPS_MAX,
    .list = null_list,
    .open = null_open,
    .close = null_close,
    .buffer_create = null_buffer_create,
    .buffer_destroy = null_buffer_destroy,
    .write = null_write,
    .read = null_read,
    .compile = tdl_null_compile,
    .program_destroy = tdl_null_program_destroy,
    .submit = tdl_null_submit,
    .poll = null_poll,
};
