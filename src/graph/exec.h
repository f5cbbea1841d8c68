// SPDX-License-Identifier: MIT
// exec.h - a plan bound to a device: step inputs in, one submit, outputs out.
//
//     tdl_exec_step(exec, &step, err);                 // begins
//     tdl_exec_read(exec, plan->output, 0, n_bytes, logits, err);
//     while ((status = tdl_exec_poll(exec, err)) == TDL_PENDING) ...;      // OK: logits are there
#ifndef TDL_GRAPH_EXEC_H
#define TDL_GRAPH_EXEC_H

#include "backend/backend.h"

typedef struct tdl_exec tdl_exec;

// One step's inputs; each array is as long as its counts say (tdl_step_input). Borrowed for the call.
typedef struct tdl_step {
    tdl_step_counts counts;
    const void *inputs[TDL_STEP_INPUT_COUNT];
} tdl_step;

// bound [plan->n_buffers]: the weights' and states' buffers where plan->buffer_value says so, borrowed until destroy like the
// plan.
tdl_status tdl_exec_create(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *bound, tdl_exec **out,
                           tdl_error *err);
void tdl_exec_destroy(tdl_exec *exec);
tdl_status tdl_exec_step(tdl_exec *exec, const tdl_step *step, tdl_error *err);
tdl_status tdl_exec_poll(tdl_exec *exec, tdl_error *err); // for the last step, and all that was read since
// Where several steps may be under way (tdl_backend.steps_max): the number of the last one, and a poll for one of them.
uint64_t tdl_exec_last(const tdl_exec *exec);
tdl_status tdl_exec_poll_step(tdl_exec *exec, uint64_t step, tdl_error *err);
// Bytes [offset, offset + size) of a value as the last step leaves it, in dst by the time poll returns OK. Errors: ARGUMENT,
// DEVICE, DEVICE_LOST.
tdl_status tdl_exec_read(tdl_exec *exec, int32_t value, size_t offset, size_t size, void *dst, tdl_error *err);

#endif
