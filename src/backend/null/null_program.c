// SPDX-License-Identifier: MIT
// null_program.c - a plan on the device "null": every op checked when it is compiled, computed by its reference when it runs.
#include "backend/null/null_device.h"
#include "base/checked.h"

#include <string.h>

enum { POISON = 0xff };

static tdl_status check_plan(tdl_null_device *d, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_error *err);
static tdl_status check_value(tdl_null_device *d, const tdl_plan *plan, const tdl_value *value, tdl_error *err);
static tdl_status check_op(tdl_null_device *d, const tdl_plan *plan, int32_t index, tdl_error *err);
static tdl_status check_written(tdl_null_device *d, const tdl_plan *plan, tdl_error *err);
static int32_t root_of(const tdl_plan *plan, int32_t id);

tdl_status tdl_null_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                            tdl_error *err) {
    tdl_null_device *d = (tdl_null_device *)device;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_COMPILE, err);
    if (status == TDL_OK) status = check_plan(d, plan, buffers, err);
    tdl_null_program *p = status == TDL_OK ? tdl_alloc(device->mem, 1, sizeof *p) : NULL;
    if (p) {
        *p = (tdl_null_program){.program = {.device = device, .plan = plan}, .next = d->programs, .buffers = buffers};
        d->programs = p;
        d->report.n_programs++;
        *out = &p->program;
    } else if (status == TDL_OK) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory for a program");
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

void tdl_null_program_destroy(tdl_program *program) {
    if (!program) return;
    tdl_null_device *d = (tdl_null_device *)program->device;
    pthread_mutex_lock(&d->lock);
    for (tdl_null_task *t = d->tasks; t; t = t->next)
        if (t->program && &t->program->program == program) t->call = TDL_NULL_NONE;
    for (tdl_null_program **at = &d->programs; *at; at = &(*at)->next)
        if (&(*at)->program == program) {
            tdl_null_program *p = *at;
            *at = p->next;
            tdl_free(d->device.mem, p);
            d->report.n_programs--;
            break;
        }
    pthread_mutex_unlock(&d->lock);
}

tdl_status tdl_null_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err) {
    tdl_null_program *p = (tdl_null_program *)program;
    tdl_null_device *d = (tdl_null_device *)program->device;
    const tdl_plan *plan = program->plan;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_null_begin(d, TDL_NULL_SUBMIT, err);
    if (status == TDL_OK && p->n_under_way == tdl_backend_null.steps_max)
        status = tdl_null_violation(d, err, "null: a submit while %d steps are under way", p->n_under_way);
    for (int i = TDL_ROWS_TOKENS; i < TDL_ROWS_COUNT && status == TDL_OK; i++)
        if (counts->n[i] < 0 || counts->n[i] > plan->max.n[i])
            status = tdl_null_violation(d, err, "null: a step of %d rows of kind %d, the plan has at most %d",
                                        counts->n[i], i, plan->max.n[i]);
    for (int32_t i = 0; i < plan->n_buffers && status == TDL_OK; i++)
        if (!tdl_null_alive(d, p->buffers[i]))
            status = tdl_null_violation(d, err, "null: buffer %d of the program is gone", i);
    tdl_null_task *task = status == TDL_OK ? tdl_null_add_task(d, TDL_NULL_SUBMIT, err) : NULL;
    if (task) {
        task->program = p;
        task->counts = *counts;
        p->n_under_way++;
        p->program.step = task->step;
        d->n_pending_left = d->n_pending;
    } else if (status == TDL_OK) {
        status = TDL_ERROR_MEMORY;
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

void tdl_null_run(const tdl_null_program *p, const tdl_step_counts *counts) {
    const tdl_plan *plan = p->program.plan;
    for (int32_t i = 0; i < plan->n_buffers; i++) { // nothing of an earlier step may count
        if (plan->buffer_value[i] >= 0 || i == TDL_BUFFER_STEP) continue;
        memset(((tdl_null_buffer *)p->buffers[i])->data, POISON, p->buffers[i]->size);
    }
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        tdl_call call = {.attrs = op->attrs, .n_in = op->n_in, .n_out = op->n_out};
        for (int32_t j = 0; j < op->n_in + op->n_out; j++) {
            const tdl_value *value = &plan->values[j < op->n_in ? op->in[j] : op->out[j - op->n_in]];
            tdl_tensor *t = j < op->n_in ? &call.in[j] : &call.out[j - op->n_in];
            *t = value->tensor;
            t->data = ((tdl_null_buffer *)p->buffers[value->buffer])->data + value->offset;
            if (value->rows != TDL_ROWS_FIXED) t->shape[0] = counts->n[value->rows] + value->rows_add;
        }
        tdl_op_get(op->op)->reference(&call);
    }
}

// ---- checks ---------------------------------------------------------------------------------------------------------

static tdl_status check_plan(tdl_null_device *d, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < plan->n_buffers && status == TDL_OK; i++)
        if (!buffers[i] || !tdl_null_alive(d, buffers[i]))
            status = tdl_null_violation(d, err, "null: buffer %d of %d is not there", i, plan->n_buffers);
        else if (buffers[i]->size < plan->buffer_sizes[i])
            status = tdl_null_violation(d, err, "null: buffer %d has %zu bytes, the plan needs %zu", i,
                                        buffers[i]->size, plan->buffer_sizes[i]);
    for (int32_t i = 0; i < plan->n_ops && status == TDL_OK; i++) status = check_op(d, plan, i, err);
    return status == TDL_OK ? check_written(d, plan, err) : status;
}

// A value's bytes at the plan's maximum lie within its buffer, at a multiple of 4.
static tdl_status check_value(tdl_null_device *d, const tdl_plan *plan, const tdl_value *value, tdl_error *err) {
    const tdl_tensor *t = &value->tensor;
    if (value->buffer < 0 || value->buffer >= plan->n_buffers)
        return tdl_null_violation(d, err, "null: '%s' lies in buffer %d of %d", value->name, value->buffer,
                                  plan->n_buffers);
    size_t extent = tdl_tensor_extent(t), room = plan->buffer_sizes[value->buffer];
    if (value->offset % 4 || !tdl_range_ok(value->offset, extent, room))
        return tdl_null_violation(d, err, "null: '%s': %zu bytes at %zu of a buffer of %zu", value->name, extent,
                                  value->offset, room);
    if (value->rows != TDL_ROWS_FIXED && t->shape[0] != plan->max.n[value->rows] + value->rows_add)
        return tdl_null_violation(d, err, "null: '%s' has %lld rows, the plan has at most %d", value->name,
                                  (long long)t->shape[0], plan->max.n[value->rows] + value->rows_add);
    return TDL_OK;
}

// An op: values in range, no buffer both read and written, no weight written, shapes as the rule says.
static tdl_status check_op(tdl_null_device *d, const tdl_plan *plan, int32_t index, tdl_error *err) {
    const tdl_plan_op *op = &plan->ops[index];
    const tdl_op_info *info = tdl_op_get(op->op);
    tdl_call call = {.attrs = op->attrs, .n_in = op->n_in, .n_out = op->n_out};
    if (op->kernel || op->n_in < info->n_in_min || op->n_in > info->n_in_max || op->n_out != info->n_out)
        return tdl_null_violation(d, err, "null: op %d, %s: kernel %s, %d inputs, %d outputs", index, info->name,
                                  op->kernel ? op->kernel->name : "none", op->n_in, op->n_out);
    for (int32_t j = 0; j < op->n_in + op->n_out; j++) {
        int32_t id = j < op->n_in ? op->in[j] : op->out[j - op->n_in];
        if (id < 0 || id >= plan->n_values)
            return tdl_null_violation(d, err, "null: op %d, %s: value %d of %d", index, info->name, id, plan->n_values);
        tdl_status status = check_value(d, plan, &plan->values[id], err);
        if (status != TDL_OK) return status;
        if (j < op->n_in) call.in[j] = plan->values[id].tensor;
        else call.out[j - op->n_in] = plan->values[id].tensor;
    }
    for (int32_t i = 0; i < op->n_out; i++) {
        const tdl_value *out = &plan->values[op->out[i]];
        bool shared = out->kind == TDL_VALUE_WEIGHT || out->kind == TDL_VALUE_STEP;
        for (int32_t j = 0; j < op->n_in; j++) shared |= plan->values[op->in[j]].buffer == out->buffer;
        for (int32_t j = 0; j < i; j++) shared |= plan->values[op->out[j]].buffer == out->buffer;
        if (shared)
            return tdl_null_violation(d, err, "null: op %d, %s, reads or writes the buffer of '%s' twice", index,
                                      info->name, out->name);
    }
    tdl_error why = {0};
    if (info->infer(&call, &why) != TDL_OK) return tdl_null_violation(d, err, "null: op %d: %s", index, why.message);
    for (int32_t i = 0; i < op->n_out; i++) {
        const tdl_value *out = &plan->values[op->out[i]];
        if (!tdl_tensor_same_shape(&call.out[i], &out->tensor) || call.out[i].dtype != out->tensor.dtype)
            return tdl_null_violation(d, err, "null: op %d, %s: '%s' has not the shape of its inputs", index,
                                      info->name, out->name);
    }
    return TDL_OK;
}

// Whatever an op reads of the plan's own values, an earlier one has written.
static tdl_status check_written(tdl_null_device *d, const tdl_plan *plan, tdl_error *err) {
    bool *written = tdl_alloc(d->device.mem, (size_t)plan->n_values, sizeof *written);
    if (!written) return tdl_fail(err, TDL_ERROR_MEMORY, "null: no memory to check %d values", plan->n_values);
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < plan->n_ops && status == TDL_OK; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        for (int32_t j = 0; j < op->n_in && status == TDL_OK; j++) {
            int32_t root = root_of(plan, op->in[j]);
            if (plan->values[root].kind == TDL_VALUE_TEMP && !written[root])
                status = tdl_null_violation(d, err, "null: op %d, %s, reads '%s', which no op has written", i,
                                            tdl_op_get(op->op)->name, plan->values[root].name);
        }
        for (int32_t j = 0; j < op->n_out; j++) written[root_of(plan, op->out[j])] = true;
    }
    tdl_free(d->device.mem, written);
    return status;
}

static int32_t root_of(const tdl_plan *plan, int32_t id) {
    while (plan->values[id].base >= 0) id = plan->values[id].base;
    return id;
}
