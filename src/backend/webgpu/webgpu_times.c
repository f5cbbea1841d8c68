// SPDX-License-Identifier: MIT
// webgpu_times.c - when a program's ops ran, from timestamp queries: each op in a pass of its own, two timestamps a pass.
//
// They are resolved into a buffer and read like any other; the poll that finds them hands them to the trace. The adapter's
// clock has no known beginning, so the first op of a step is taken to begin when the step was submitted.
#include "backend/webgpu/webgpu_device.h"

#include "base/checked.h"
#include "base/thread.h"

#include <string.h>

enum { SET_OPS = 2048, OP_TICKS = 2 }; // a set has at most 4096 queries

struct tdl_webgpu_times {
    const tdl_plan *plan;
    int32_t n_ops, n_sets;
    WGPUQuerySet *sets;           // [n_sets]
    tdl_webgpu_buffer resolved;   // [n_ops, OP_TICKS] of uint64_t
    uint64_t *ticks;              // the same, read
    WGPUPassTimestampWrites pass; // of the op being encoded
    uint64_t submit_ns;
    int64_t step;
    bool pending;
};

tdl_status tdl_webgpu_times_create(tdl_webgpu_device *d, const tdl_plan *plan, tdl_webgpu_times **out, tdl_error *err) {
    tdl_webgpu_times *t = tdl_alloc(d->device.mem, 1, sizeof *t);
    if (!t) return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for a trace");
    t->plan = plan;
    t->n_ops = plan->n_ops;
    t->n_sets = (int32_t)tdl_div_up(t->n_ops, SET_OPS);
    t->resolved.buffer = (tdl_buffer){.device = &d->device, .size = (size_t)t->n_ops * OP_TICKS * sizeof *t->ticks};
    t->sets = tdl_alloc(d->device.mem, (size_t)t->n_sets, sizeof *t->sets);
    t->ticks = tdl_alloc(d->device.mem, t->resolved.buffer.size, 1);
    tdl_status status = TDL_OK;
    if (!t->sets || !t->ticks) status = tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory to trace %d ops", t->n_ops);
    if (status == TDL_OK) {
        tdl_webgpu_scope_begin(d);
        for (int32_t i = 0; i < t->n_sets; i++)
            t->sets[i] = d->api.DeviceCreateQuerySet(
                d->handle, &(WGPUQuerySetDescriptor){.type = WGPUQueryType_Timestamp, .count = SET_OPS * OP_TICKS});
        t->resolved.handle =
            tdl_webgpu_make_buffer(d, t->resolved.buffer.size, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc);
        status = tdl_webgpu_scope_end(d, "making timestamp queries", err);
    }
    if (status != TDL_OK) {
        tdl_webgpu_times_destroy(d, t);
        return status;
    }
    *out = t;
    return TDL_OK;
}

void tdl_webgpu_times_destroy(tdl_webgpu_device *d, tdl_webgpu_times *t) {
    if (!t) return;
    tdl_webgpu_reads_drop(d, &t->resolved.buffer);
    for (int32_t i = 0; i < t->n_sets && t->sets; i++)
        if (t->sets[i]) d->api.QuerySetRelease(t->sets[i]);
    if (t->resolved.handle) d->api.BufferRelease(t->resolved.handle);
    tdl_free(d->device.mem, t->sets);
    tdl_free(d->device.mem, t->ticks);
    tdl_free(d->device.mem, t);
}

const WGPUPassTimestampWrites *tdl_webgpu_times_of(tdl_webgpu_times *t, int32_t op) {
    uint32_t first = (uint32_t)(op % SET_OPS) * OP_TICKS;
    t->pass = (WGPUPassTimestampWrites){
        .querySet = t->sets[op / SET_OPS], .beginningOfPassWriteIndex = first, .endOfPassWriteIndex = first + 1};
    return &t->pass;
}

tdl_status tdl_webgpu_times_submit(tdl_webgpu_device *d, tdl_webgpu_times *t, tdl_error *err) {
    size_t size = t->resolved.buffer.size;
    memset(t->ticks, 0, size);
    tdl_webgpu_scope_begin(d);
    for (int32_t i = 0; i < t->n_sets; i++) {
        uint32_t n = (uint32_t)tdl_min_i64(SET_OPS, t->n_ops - i * SET_OPS) * OP_TICKS;
        d->api.CommandEncoderResolveQuerySet(tdl_webgpu_encoder(d), t->sets[i], 0, n, t->resolved.handle,
                                             (uint64_t)i * SET_OPS * OP_TICKS * sizeof *t->ticks);
    }
    tdl_status status = tdl_webgpu_scope_end(d, "asking for timestamps", err);
    if (status == TDL_OK) status = tdl_webgpu_read_locked(&t->resolved.buffer, 0, t->ticks, size, err);
    t->pending = status == TDL_OK;
    t->step = tdl_trace_step(d->device.trace);
    t->submit_ns = tdl_now_ns();
    return status;
}

tdl_status tdl_webgpu_times_finish(tdl_webgpu_device *d, tdl_webgpu_times *t, const tdl_kernel *const *ran,
                                   bool *pending, tdl_error *err) {
    *pending = false;
    if (!t || !t->pending) return TDL_OK;
    tdl_buffer *source = &t->resolved.buffer;
    tdl_status status = tdl_webgpu_reads_finish(d, &source, 1, UINT64_MAX, pending, err);
    if (*pending && status == TDL_OK) return TDL_OK;
    t->pending = false;
    double period_ns = d->api.QueueGetTimestampPeriod ? (double)d->api.QueueGetTimestampPeriod(d->queue) : 1;
    uint64_t zero = 0;
    for (int32_t i = 0; i < t->n_ops && status == TDL_OK; i++) {
        uint64_t begin = t->ticks[OP_TICKS * i], end = t->ticks[OP_TICKS * i + 1];
        if (!ran[i]) continue;
        if (!zero) zero = begin;
        if (begin < zero) begin = zero; // clocks of some adapters step back
        if (end < begin) end = begin;
        tdl_trace_op(d->device.trace, t->step, t->plan, i, ran[i], 0,
                     t->submit_ns + (uint64_t)((double)(begin - zero) * period_ns),
                     t->submit_ns + (uint64_t)((double)(end - zero) * period_ns));
    }
    return status;
}
