// SPDX-License-Identifier: MIT
// trace.c - the trace's list of events, and the public functions over it. See trace.h.
#include "backend/trace.h"

#include "backend/backend.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

void tdl_trace_op(tdl_trace *trace, int64_t step, const tdl_plan *plan, int32_t op, const tdl_kernel *kernel,
                  int32_t lane, uint64_t begin_ns, uint64_t end_ns) {
    const tdl_plan_op *from = &plan->ops[op];
    tdl_trace_event event = {.op = tdl_op_get(from->op)->name,
                             .kernel = kernel ? kernel->name : "reference",
                             .step = step,
                             .index = op,
                             .lane = lane,
                             .begin_ns = (int64_t)(begin_ns - trace->begin_ns),
                             .end_ns = (int64_t)(end_ns - trace->begin_ns)};
    snprintf(event.name, sizeof event.name, "%s", plan->values[from->out[0]].name);
    if (!tdl_vec_push(&trace->events, &event, 1)) trace->lost = true;
}

void tdl_trace_destroy(tdl_trace *trace) {
    if (!trace) return;
    const tdl_allocator *mem = trace->events.mem;
    tdl_vec_deinit(&trace->events);
    tdl_free(mem, trace);
}

tdl_status tdl_device_trace(tdl_device *device, bool on, tdl_error *err) {
    if (!device) return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: device must not be NULL");
    if (!on) {
        if (device->trace) device->trace->on = false;
        return TDL_OK;
    }
    if (!device->can_trace)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "trace: %s does not tell when its ops run", device->summary);
    if (!device->trace) {
        device->trace = tdl_alloc(device->mem, 1, sizeof *device->trace);
        if (!device->trace) return tdl_fail(err, TDL_ERROR_MEMORY, "trace: no memory");
        device->trace->events = tdl_vec_make(device->mem, sizeof(tdl_trace_event));
    }
    device->trace->events.n = 0;
    device->trace->n_steps = 0;
    device->trace->lost = false;
    device->trace->begin_ns = tdl_now_ns();
    device->trace->on = true;
    return TDL_OK;
}

tdl_status tdl_device_trace_events(const tdl_device *device, const tdl_trace_event **events, size_t *n_events,
                                   tdl_error *err) {
    if (!device || !events || !n_events)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trace: device, events and n_events must not be NULL");
    const tdl_trace *trace = device->trace;
    if (trace && trace->lost)
        return tdl_fail(err, TDL_ERROR_MEMORY, "trace: no memory for more than %zu events", trace->events.n);
    *events = trace ? trace->events.data : NULL;
    *n_events = trace ? trace->events.n : 0;
    return TDL_OK;
}
