// SPDX-License-Identifier: MIT
// trace.h - when each op of each step ran: what a device notes while its trace is on. Public: tdl_device_trace.
//
// A backend calls tdl_trace_step where a step begins and tdl_trace_op for each op and lane (a CPU's thread) when the step has
// ended, one thread at a time. What finds no memory is left out and remembered as lost.
#ifndef TDL_BACKEND_TRACE_H
#define TDL_BACKEND_TRACE_H

#include "backend/plan.h"

typedef struct tdl_trace {
    bool on, lost;
    uint64_t begin_ns; // when it was switched on, by tdl_now_ns
    int64_t n_steps;
    tdl_vec events; // tdl_trace_event
} tdl_trace;

static inline bool tdl_tracing(const tdl_trace *trace) { return trace && trace->on; }
static inline int64_t tdl_trace_step(tdl_trace *trace) { return trace->n_steps++; }
// begin_ns and end_ns by tdl_now_ns. kernel NULL: the reference.
void tdl_trace_op(tdl_trace *trace, int64_t step, const tdl_plan *plan, int32_t op, const tdl_kernel *kernel,
                  int32_t lane, uint64_t begin_ns, uint64_t end_ns);
void tdl_trace_destroy(tdl_trace *trace);

#endif
