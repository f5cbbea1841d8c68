// SPDX-License-Identifier: MIT
// exec.c - one step of a plan: write the step's inputs into the step buffer, submit, poll, read. See exec.h.
//
// The loop over the ops is the backend's (cpu_queue.c walks it with threads, a GPU backend encodes it); this file knows the
// plan's inputs and outputs and nothing of how they are computed.
#include "graph/exec.h"

#include "base/checked.h"

#include <string.h>

struct tdl_exec {
    tdl_device *device;
    const tdl_plan *plan;
    tdl_buffer **buffers; // [plan->n_buffers]; the plan's own are owned, weights and states borrowed
    uint8_t *step;        // the step buffer as the host fills it, so that it is written at once
    tdl_program *program;
};

tdl_status tdl_exec_create(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *bound, tdl_exec **out,
                           tdl_error *err) {
    const tdl_backend *backend = device->backend;
    tdl_status status = TDL_OK;
    tdl_exec *exec = tdl_alloc(device->mem, 1, sizeof *exec);
    if (!exec) return tdl_fail(err, TDL_ERROR_MEMORY, "exec: no memory");
    exec->device = device;
    exec->plan = plan;
    exec->buffers = tdl_alloc(device->mem, (size_t)plan->n_buffers, sizeof *exec->buffers);
    if (!exec->buffers) status = tdl_fail(err, TDL_ERROR_MEMORY, "exec: no memory for %d buffers", plan->n_buffers);
    exec->step = tdl_alloc(device->mem, plan->buffer_sizes[TDL_BUFFER_STEP], 1);
    if (status == TDL_OK && !exec->step)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "exec: no memory for a step's inputs");
    for (int32_t i = 0; i < plan->n_buffers && status == TDL_OK; i++)
        if (plan->buffer_value[i] >= 0) exec->buffers[i] = bound[i];
        else status = backend->buffer_create(device, plan->buffer_sizes[i], &exec->buffers[i], err);
    if (status == TDL_OK) status = backend->compile(device, plan, exec->buffers, &exec->program, err);
    if (status != TDL_OK) {
        tdl_exec_destroy(exec);
        return status;
    }
    *out = exec;
    return TDL_OK;
}

void tdl_exec_destroy(tdl_exec *exec) {
    if (!exec) return;
    const tdl_backend *backend = exec->device->backend;
    backend->program_destroy(exec->program);
    for (int32_t i = 0; i < exec->plan->n_buffers && exec->buffers; i++)
        if (exec->plan->buffer_value[i] < 0) backend->buffer_destroy(exec->buffers[i]);
    tdl_free(exec->device->mem, exec->step);
    tdl_free(exec->device->mem, exec->buffers);
    tdl_free(exec->device->mem, exec);
}

tdl_status tdl_exec_step(tdl_exec *exec, const tdl_step *step, tdl_error *err) {
    const tdl_plan *plan = exec->plan;
    const tdl_backend *backend = exec->device->backend;
    size_t end = 0;
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) {
        if (plan->step_values[i] < 0) continue;
        const tdl_value *value = &plan->values[plan->step_values[i]];
        int64_t rows =
            value->rows == TDL_ROWS_FIXED ? value->tensor.shape[0] : step->counts.n[value->rows] + value->rows_add;
        if (rows > value->tensor.shape[0])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "exec: %lld rows of '%s', the plan has at most %lld",
                            (long long)rows, value->name, (long long)value->tensor.shape[0]);
        size_t size = (size_t)(rows * value->tensor.strides[0]);
        memcpy(exec->step + value->offset, step->inputs[i], size);
        if (value->offset + size > end) end = value->offset + size;
    }
    tdl_status status = backend->write(exec->buffers[TDL_BUFFER_STEP], 0, exec->step, end, err);
    return status == TDL_OK ? backend->submit(exec->program, &step->counts, err) : status;
}

tdl_status tdl_exec_poll(tdl_exec *exec, tdl_error *err) { return tdl_exec_poll_step(exec, 0, err); }

uint64_t tdl_exec_last(const tdl_exec *exec) { return exec->program->step; }

tdl_status tdl_exec_poll_step(tdl_exec *exec, uint64_t step, tdl_error *err) {
    return exec->device->backend->poll(exec->device, exec->program, step, err);
}

tdl_status tdl_exec_read(tdl_exec *exec, int32_t id, size_t offset, size_t size, void *dst, tdl_error *err) {
    const tdl_value *value = &exec->plan->values[id];
    if (!tdl_range_ok(offset, size, tdl_tensor_size(&value->tensor)))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "exec: read of %zu bytes at %zu of '%s', it has %zu", size, offset,
                        value->name, tdl_tensor_size(&value->tensor));
    return exec->device->backend->read(exec->buffers[value->buffer], value->offset + offset, dst, size, err);
}
