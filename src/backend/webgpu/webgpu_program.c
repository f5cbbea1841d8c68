// SPDX-License-Identifier: MIT
// webgpu_program.c - a plan on the GPU: bind groups made once, then, a step, one write of uniforms, one pass, one submit.
//
// Every value has a fixed place, so each op's bind group is made when the plan is compiled. What changes with the step
// (rows, and what follows from them) goes into the op's uniforms: one buffer for all ops, 256 bytes each, bound with a dynamic
// offset. submit encodes the pass and leaves the encoder open for the reads that follow; the first poll submits it.
//
// A step of as many rows as the last one has the same dispatches and uniforms: its commands are encoded while the GPU is
// still at work on the last one, and nothing is left to do but to submit them.
#include "backend/webgpu/webgpu_device.h"
#include "base/checked.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { UNIFORM_STRIDE = 256, BINDINGS_MAX = 1 + TDL_OP_IN_MAX + TDL_OP_OUT_MAX + 1 };

// A kernel with its pipeline, borrowed from the device, and its bindings.
typedef struct webgpu_stage {
    const tdl_kernel *kernel;
    WGPUComputePipeline pipeline;
    WGPUBindGroup group;
} webgpu_stage;

typedef struct webgpu_op {
    tdl_call call;                                  // shapes of the current step; no data
    int32_t in[TDL_OP_IN_MAX], out[TDL_OP_OUT_MAX]; // value ids
    tdl_offsets offsets;
    // By rising rows_max, the last takes any step; and what merges its results, where it has such a kernel.
    webgpu_stage stages[TDL_PLAN_FEW_MAX + 1], merges[TDL_PLAN_FEW_MAX + 1];
    int32_t n_stages;
    int32_t stage; // of the current step
    uint32_t groups[3], merge_groups[3];
} webgpu_op;

struct tdl_webgpu_program {
    tdl_program program;
    tdl_buffer *const *buffers; // [plan->n_buffers], borrowed
    webgpu_op *ops;             // [plan->n_ops]
    uint8_t *uniforms;          // [2 * plan->n_ops, UNIFORM_STRIDE]: the ops', then their merges'
    WGPUBuffer uniform_buffer;
    WGPUBuffer scratch; // of the ops that want it, in turns; NULL: none does
    size_t scratch_size;
    bool merges;             // some op has a kernel that merges
    tdl_step_counts counts;  // of the last step; its uniforms are in the buffer
    bool repeats;            // the last step had the counts of the one before
    WGPUCommandBuffer ahead; // a step of as many rows, encoded already; NULL: none
    tdl_webgpu_times *times; // NULL: never traced
    const tdl_kernel **ran;  // [plan->n_ops] the kernels of the last step that was traced; NULL: never
};

static void set_call(tdl_webgpu_program *p, int32_t index);
static tdl_status compile_op(tdl_webgpu_program *p, int32_t index, tdl_error *err);
static tdl_status make_stage(tdl_webgpu_program *p, webgpu_op *op, webgpu_stage *stage, tdl_error *err);
static tdl_status bind_indices(tdl_webgpu_program *p, int32_t id, const WGPUBindGroupEntry *first,
                               WGPUBindGroupEntry *entry, uint32_t *offset, tdl_error *err);
static tdl_status bind(tdl_webgpu_program *p, int32_t value, WGPUBindGroupEntry *entry, uint32_t *offset,
                       tdl_error *err);
static void set_rows(tdl_webgpu_program *p, webgpu_op *op, const tdl_step_counts *counts);
static void dispatch_op(tdl_webgpu_program *p, int32_t index, const tdl_step_counts *counts);
static tdl_status begin_trace(tdl_webgpu_program *p, tdl_error *err);
static void encode(tdl_webgpu_program *p, WGPUCommandEncoder encoder, bool timed);
static tdl_status encode_ahead(tdl_webgpu_program *p, tdl_error *err);
static tdl_status finish_encoder(tdl_webgpu_device *d, WGPUCommandEncoder *encoder, WGPUCommandBuffer *out,
                                 tdl_error *err);
static void end_pass(tdl_webgpu_device *d, WGPUComputePassEncoder pass);

static void on_work_done(WGPUQueueWorkDoneStatus status, WGPUStringView message, void *user, void *number) {
    (void)status, (void)message;
    tdl_webgpu_device *d = user;
    unsigned long long n = (uintptr_t)number;
    if (n > atomic_load(&d->n_done)) atomic_store(&d->n_done, n);
}

WGPUCommandEncoder tdl_webgpu_encoder(tdl_webgpu_device *d) {
    if (!d->encoder) d->encoder = d->api.DeviceCreateCommandEncoder(d->handle, NULL);
    return d->encoder;
}

tdl_status tdl_webgpu_flush(tdl_webgpu_device *d, tdl_error *err) {
    if (!d->encoder && !d->ready) return TDL_OK;
    WGPUCommandBuffer commands[2];
    size_t n = 0;
    tdl_status status = TDL_OK;
    if (d->ready) commands[n++] = d->ready;
    if (d->encoder) status = finish_encoder(d, &d->encoder, &commands[n++], err);
    d->ready = NULL;
    if (status == TDL_OK) status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK) {
        d->n_submitted++;
        d->api.QueueSubmit(d->queue, n, commands);
        d->n_written = 0;
        tdl_webgpu_reads_begin(d);
        d->api.QueueOnSubmittedWorkDone(
            d->queue, (WGPUQueueWorkDoneCallbackInfo){.mode = WGPUCallbackMode_AllowSpontaneous,
                                                      .callback = on_work_done,
                                                      .userdata1 = d,
                                                      .userdata2 = (void *)(uintptr_t)d->n_submitted});
    } else {
        tdl_webgpu_reads_abandon(d);
    }
    for (size_t i = 0; i < n; i++)
        if (commands[i]) d->api.CommandBufferRelease(commands[i]);
    return status;
}

static tdl_status finish_encoder(tdl_webgpu_device *d, WGPUCommandEncoder *encoder, WGPUCommandBuffer *out,
                                 tdl_error *err) {
    tdl_webgpu_scope_begin(d);
    *out = d->api.CommandEncoderFinish(*encoder, NULL);
    d->api.CommandEncoderRelease(*encoder);
    *encoder = NULL;
    return tdl_webgpu_scope_end(d, "encoding a step", err);
}

tdl_status tdl_webgpu_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                              tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)device;
    for (int32_t i = 0; i < plan->n_buffers; i++)
        if (!buffers[i] || buffers[i]->size < plan->buffer_sizes[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: buffer %d has %zu bytes, the plan needs %zu", i,
                            buffers[i] ? buffers[i]->size : 0, plan->buffer_sizes[i]);
    tdl_webgpu_program *p = tdl_alloc(device->mem, 1, sizeof *p);
    if (!p) return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for a program");
    p->program = (tdl_program){.device = device, .plan = plan};
    p->buffers = buffers;
    size_t n_ops = (size_t)plan->n_ops;
    p->ops = tdl_alloc(device->mem, n_ops, sizeof *p->ops);
    p->uniforms = tdl_alloc(device->mem, 2 * n_ops, UNIFORM_STRIDE);
    tdl_status status = TDL_OK;
    if (!p->ops || !p->uniforms)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for a program of %d ops", plan->n_ops);
    pthread_mutex_lock(&d->lock);
    if (status == TDL_OK) status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK) {
        tdl_webgpu_scope_begin(d);
        for (int32_t i = 0; i < plan->n_ops; i++) set_call(p, i);
        p->uniform_buffer = tdl_webgpu_make_buffer(d, (2 * n_ops + 1) * UNIFORM_STRIDE,
                                                   WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst);
        p->scratch_size = (p->scratch_size + 15) / 16 * 16;
        if (p->scratch_size) p->scratch = tdl_webgpu_make_buffer(d, p->scratch_size, WGPUBufferUsage_Storage);
        status = tdl_webgpu_scope_end(d, "making the uniforms' and the scratch buffer", err);
    }
    if (status == TDL_OK) tdl_webgpu_pipelines_ahead(d, plan);
    for (int32_t i = 0; i < plan->n_ops && status == TDL_OK; i++) status = compile_op(p, i, err);
    pthread_mutex_unlock(&d->lock);
    if (status != TDL_OK) {
        tdl_webgpu_program_destroy(&p->program);
        return status;
    }
    *out = &p->program;
    return TDL_OK;
}

void tdl_webgpu_program_destroy(tdl_program *program) {
    if (!program) return;
    tdl_webgpu_program *p = (tdl_webgpu_program *)program;
    tdl_webgpu_device *d = (tdl_webgpu_device *)program->device;
    pthread_mutex_lock(&d->lock);
    for (int32_t i = 0; i < program->plan->n_ops && p->ops; i++)
        for (int32_t j = 0; j <= TDL_PLAN_FEW_MAX; j++) {
            if (p->ops[i].stages[j].group) d->api.BindGroupRelease(p->ops[i].stages[j].group);
            if (p->ops[i].merges[j].group) d->api.BindGroupRelease(p->ops[i].merges[j].group);
        }
    if (p->ahead) d->api.CommandBufferRelease(p->ahead);
    if (p->scratch) d->api.BufferRelease(p->scratch);
    if (p->uniform_buffer) d->api.BufferRelease(p->uniform_buffer);
    tdl_webgpu_times_destroy(d, p->times);
    pthread_mutex_unlock(&d->lock);
    tdl_free(d->device.mem, p->ran);
    tdl_free(d->device.mem, p->ops);
    tdl_free(d->device.mem, p->uniforms);
    tdl_free(d->device.mem, p);
}

// The call at the plan's maximum, the pipelines, the bind groups.
static tdl_status compile_op(tdl_webgpu_program *p, int32_t index, tdl_error *err) {
    const tdl_plan *plan = p->program.plan;
    const tdl_plan_op *from = &plan->ops[index];
    webgpu_op *op = &p->ops[index];
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i <= TDL_PLAN_FEW_MAX && status == TDL_OK; i++) {
        const tdl_kernel *kernel = i < TDL_PLAN_FEW_MAX ? from->few[i] : from->kernel;
        if (!kernel) continue;
        int32_t n = op->n_stages++;
        op->stages[n].kernel = kernel;
        status = make_stage(p, op, &op->stages[n], err);
        op->merges[n].kernel = kernel->merge;
        if (status == TDL_OK && kernel->merge) status = make_stage(p, op, &op->merges[n], err);
    }
    return status;
}

// Shapes at the plan's maximum.
static void set_call(tdl_webgpu_program *p, int32_t index) {
    const tdl_plan *plan = p->program.plan;
    const tdl_plan_op *from = &plan->ops[index];
    webgpu_op *op = &p->ops[index];
    op->call = (tdl_call){.attrs = from->attrs, .n_in = from->n_in, .n_out = from->n_out};
    memcpy(op->in, from->in, sizeof op->in);
    memcpy(op->out, from->out, sizeof op->out);
    for (int32_t i = 0; i < from->n_in; i++) op->call.in[i] = plan->values[from->in[i]].tensor;
    for (int32_t i = 0; i < from->n_out; i++) op->call.out[i] = plan->values[from->out[i]].tensor;
    for (int32_t i = 0; i <= TDL_PLAN_FEW_MAX; i++) {
        const tdl_kernel *kernel = i < TDL_PLAN_FEW_MAX ? from->few[i] : from->kernel;
        size_t size = kernel && kernel->scratch_size ? kernel->scratch_size(&op->call) + 1
                                                     : 0; // bound where there are no rows too
        if (size > p->scratch_size) p->scratch_size = size;
        p->merges |= kernel && kernel->merge;
    }
}

static tdl_status make_stage(tdl_webgpu_program *p, webgpu_op *op, webgpu_stage *stage, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)p->program.device;
    const tdl_call *call = &op->call;
    WGPUBindGroupEntry entries[BINDINGS_MAX] = {{.buffer = p->uniform_buffer, .size = UNIFORM_STRIDE}};
    const WGPUBindGroupEntry scratch = {.buffer = p->scratch, .size = p->scratch_size};
    int32_t n = 1, n_in, n_out, indices = -1; // the binding of I32
    tdl_webgpu_count_bindings(stage->kernel, call, &n_in, &n_out);
    tdl_status status = tdl_webgpu_pipeline_get(d, stage->kernel, call, &stage->pipeline, err);
    if (stage->kernel->is_merge) entries[n++] = scratch;
    for (int32_t i = 0; i < call->n_in && !stage->kernel->is_merge && status == TDL_OK; i++) {
        WGPUBindGroupEntry *entry = &entries[n];
        bool index = call->in[i].dtype == TDL_DTYPE_I32 && !(stage->kernel->indices_apart >> i & 1);
        if (index)
            status = bind_indices(p, op->in[i], indices < 0 ? NULL : &entries[indices], entry, &op->offsets.in[i], err);
        else status = bind(p, op->in[i], entry, &op->offsets.in[i], err);
        if (index && indices < 0) indices = n++;
        else if (!index) n++;
    }
    for (int32_t i = 0; i < (stage->kernel->is_merge ? 1 : call->n_out) && status == TDL_OK; i++)
        status = bind(p, op->out[i], &entries[n++], &op->offsets.out[i], err);
    if (stage->kernel->scratch_size) entries[n++] = scratch;
    if (status != TDL_OK) return status;
    for (int32_t i = 1; i < n; i++) entries[i].binding = (uint32_t)i;
    assert(n == 1 + n_in + n_out);
    char what[80];
    snprintf(what, sizeof what, "binding the memory of op %d, %s", (int32_t)(op - p->ops), stage->kernel->name);
    tdl_webgpu_scope_begin(d);
    stage->group = d->api.DeviceCreateBindGroup(
        d->handle, &(WGPUBindGroupDescriptor){
                       .layout = d->group_layouts[n_in][n_out], .entryCount = (size_t)n, .entries = entries});
    return tdl_webgpu_scope_end(d, what, err);
}

// The whole buffer that a value of I32 lies in, the step's; `first`: bound already.
static tdl_status bind_indices(tdl_webgpu_program *p, int32_t id, const WGPUBindGroupEntry *first,
                               WGPUBindGroupEntry *entry, uint32_t *offset, tdl_error *err) {
    const tdl_value *value = &p->program.plan->values[id];
    const tdl_webgpu_buffer *buffer = (const tdl_webgpu_buffer *)p->buffers[value->buffer];
    if ((first && first->buffer != buffer->handle) || value->offset % 4)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: '%s' does not lie beside the op's other indices",
                        value->name);
    if (buffer->size_padded > p->program.device->value_size_max + 16)
        return tdl_fail(err, TDL_ERROR_LIMIT,
                        "webgpu: the step's inputs have %zu bytes, this device binds at most %llu", buffer->size_padded,
                        (unsigned long long)p->program.device->value_size_max);
    *offset = (uint32_t)(value->offset / 4);
    if (first) return TDL_OK;
    entry->buffer = buffer->handle;
    entry->size = buffer->size_padded;
    return TDL_OK;
}

// A value's bytes at the plan's maximum, as a range of its buffer that begins at an aligned place.
static tdl_status bind(tdl_webgpu_program *p, int32_t id, WGPUBindGroupEntry *entry, uint32_t *offset, tdl_error *err) {
    const tdl_webgpu_device *d = (const tdl_webgpu_device *)p->program.device;
    const tdl_value *value = &p->program.plan->values[id];
    const tdl_webgpu_buffer *buffer = (const tdl_webgpu_buffer *)p->buffers[value->buffer];
    const tdl_tensor *t = &value->tensor;
    size_t first = value->offset / d->offset_align * d->offset_align, end = value->offset + tdl_tensor_extent(t);
    bool ok = value->offset % 16 == 0 && end <= buffer->buffer.size && tdl_align_size(end, 16, &end);
    if (!ok || end - first > d->device.value_size_max + 16)
        return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: '%s': bytes %zu to %zu of a buffer of %zu cannot be bound",
                        value->name, first, end, buffer->buffer.size);
    *offset = (uint32_t)((value->offset - first) / 4);
    entry->buffer = buffer->handle;
    entry->offset = first;
    entry->size = end - first;
    return TDL_OK;
}

tdl_status tdl_webgpu_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err) {
    tdl_webgpu_program *p = (tdl_webgpu_program *)program;
    tdl_webgpu_device *d = (tdl_webgpu_device *)program->device;
    for (int i = TDL_ROWS_TOKENS; i < TDL_ROWS_COUNT; i++)
        if (counts->n[i] < 0 || counts->n[i] > program->plan->max.n[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: a step of %d rows of kind %d, the plan has at most %d",
                            counts->n[i], i, program->plan->max.n[i]);
    int32_t n_ops = program->plan->n_ops;
    bool timed = tdl_tracing(d->device.trace);
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_webgpu_flush(d, err); // the uniforms of a step that is encoded must not change
    if (status == TDL_OK) status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK && timed) status = begin_trace(p, err);
    if (status == TDL_OK) {
        bool same = memcmp(counts, &p->counts, sizeof *counts) == 0 && p->program.step;
        tdl_webgpu_scope_begin(d);
        if (!same) {
            for (int32_t i = 0; i < n_ops; i++) dispatch_op(p, i, counts);
            d->api.QueueWriteBuffer(d->queue, p->uniform_buffer, 0, p->uniforms,
                                    (size_t)n_ops * (p->merges ? 2 : 1) * UNIFORM_STRIDE);
        }
        if (same && p->ahead && !timed) d->ready = p->ahead;
        else encode(p, tdl_webgpu_encoder(d), timed);
        if (p->ahead && !d->ready) d->api.CommandBufferRelease(p->ahead);
        p->ahead = NULL;
        p->counts = *counts;
        p->repeats = same;
        status = tdl_webgpu_scope_end(d, "encoding a step", err);
        if (status != TDL_OK && d->ready) {
            d->api.CommandBufferRelease(d->ready);
            d->ready = NULL;
        }
        if (status == TDL_OK && timed) status = tdl_webgpu_times_submit(d, p->times, err);
        p->program.step = d->n_submitted + 1; // the next flush's
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

// The first dimension of what follows the step's rows, and the part of the page table that is in use.
static void set_rows(tdl_webgpu_program *p, webgpu_op *op, const tdl_step_counts *counts) {
    for (int32_t i = 0; i < op->call.n_in + op->call.n_out; i++) {
        bool in = i < op->call.n_in;
        const tdl_value *value = &p->program.plan->values[in ? op->in[i] : op->out[i - op->call.n_in]];
        tdl_tensor *t = in ? &op->call.in[i] : &op->call.out[i - op->call.n_in];
        if (value->rows != TDL_ROWS_FIXED) t->shape[0] = counts->n[value->rows] + value->rows_add;
        bool pages = value->kind == TDL_VALUE_STEP && value->weight == TDL_STEP_PAGES;
        if (pages && counts->n_seq_pages) t->shape[1] = counts->n_seq_pages;
    }
}

// The step's kernel, its uniforms and workgroups.
static void dispatch_op(tdl_webgpu_program *p, int32_t index, const tdl_step_counts *counts) {
    webgpu_op *op = &p->ops[index];
    tdl_dispatch dispatch = {0}, merge = {0};
    set_rows(p, op, counts);
    op->stage = 0;
    while (op->stage + 1 < op->n_stages && op->call.out[0].shape[0] > op->stages[op->stage].kernel->rows_max)
        op->stage++;
    const tdl_kernel *kernel = op->stages[op->stage].kernel;
    kernel->dispatch(&op->call, &op->offsets, &dispatch);
    if (kernel->merge) kernel->merge->dispatch(&op->call, &op->offsets, &merge);
    assert(dispatch.n_uniforms <= TDL_UNIFORMS_MAX && merge.n_uniforms <= TDL_UNIFORMS_MAX);
    memcpy(op->groups, dispatch.groups, sizeof op->groups);
    memcpy(op->merge_groups, merge.groups, sizeof op->merge_groups);
    size_t n_ops = (size_t)p->program.plan->n_ops, i = (size_t)index;
    memcpy(p->uniforms + i * UNIFORM_STRIDE, dispatch.uniforms, sizeof dispatch.uniforms);
    memcpy(p->uniforms + (n_ops + i) * UNIFORM_STRIDE, merge.uniforms, sizeof merge.uniforms);
}

static tdl_status begin_trace(tdl_webgpu_program *p, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)p->program.device;
    size_t n_ops = (size_t)p->program.plan->n_ops;
    if (!p->ran) p->ran = tdl_alloc(d->device.mem, n_ops, sizeof *p->ran);
    if (!p->ran) return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory to trace %zu ops", n_ops);
    return p->times ? TDL_OK : tdl_webgpu_times_create(d, p->program.plan, &p->times, err);
}

static void encode_stage(tdl_webgpu_device *d, WGPUComputePassEncoder pass, const webgpu_stage *stage,
                         const uint32_t groups[3], int32_t slot, WGPUComputePipeline *set) {
    if (stage->pipeline != *set) d->api.ComputePassEncoderSetPipeline(pass, stage->pipeline);
    *set = stage->pipeline;
    d->api.ComputePassEncoderSetBindGroup(pass, 0, stage->group, 1, &(uint32_t){(uint32_t)slot * UNIFORM_STRIDE});
    d->api.ComputePassEncoderDispatchWorkgroups(pass, groups[0], groups[1], groups[2]);
}

// One pass for all ops; timed: one for each.
static void encode(tdl_webgpu_program *p, WGPUCommandEncoder encoder, bool timed) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)p->program.device;
    WGPUComputePassEncoder pass = timed ? NULL : d->api.CommandEncoderBeginComputePass(encoder, NULL);
    WGPUComputePipeline set = NULL;
    int32_t n_ops = p->program.plan->n_ops;
    for (int32_t i = 0; i < n_ops; i++) {
        const webgpu_op *op = &p->ops[i];
        bool idle = !op->groups[0] || !op->groups[1] || !op->groups[2]; // nothing to do in this step
        if (timed) p->ran[i] = idle ? NULL : op->stages[op->stage].kernel;
        if (idle) continue;
        if (timed) {
            const WGPUComputePassDescriptor desc = {.timestampWrites = tdl_webgpu_times_of(p->times, i)};
            pass = d->api.CommandEncoderBeginComputePass(encoder, &desc);
            set = NULL;
        }
        encode_stage(d, pass, &op->stages[op->stage], op->groups, i, &set);
        if (op->merge_groups[0]) encode_stage(d, pass, &op->merges[op->stage], op->merge_groups, n_ops + i, &set);
        if (timed) end_pass(d, pass);
    }
    if (!timed) end_pass(d, pass);
}

static void end_pass(tdl_webgpu_device *d, WGPUComputePassEncoder pass) {
    d->api.ComputePassEncoderEnd(pass);
    d->api.ComputePassEncoderRelease(pass);
}

static tdl_status encode_ahead(tdl_webgpu_program *p, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)p->program.device;
    tdl_webgpu_scope_begin(d);
    WGPUCommandEncoder encoder = d->api.DeviceCreateCommandEncoder(d->handle, NULL);
    encode(p, encoder, false);
    tdl_status status = tdl_webgpu_scope_end(d, "encoding a step ahead", err);
    return status == TDL_OK ? finish_encoder(d, &encoder, &p->ahead, err) : status;
}

tdl_status tdl_webgpu_poll(tdl_device *device, tdl_program *program, uint64_t step, tdl_error *err) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)device;
    tdl_webgpu_program *p = (tdl_webgpu_program *)program;
    bool reading = false, timing = false;
    pthread_mutex_lock(&d->lock);
    tdl_status status = tdl_webgpu_flush(d, err);
    if (status == TDL_OK && p && p->repeats && !p->ahead && !tdl_tracing(d->device.trace))
        status = encode_ahead(p, err);
    if (status == TDL_OK) status = tdl_webgpu_alive(d, err);
    if (status == TDL_OK)
        status = tdl_webgpu_reads_finish(d, p ? p->buffers : NULL, p ? p->program.plan->n_buffers : 0,
                                         p && step ? step : UINT64_MAX, &reading, err);
    if (status == TDL_OK && p) status = tdl_webgpu_times_finish(d, p->times, p->ran, &timing, err);
    if (status != TDL_OK) tdl_webgpu_reads_drop(d, NULL);
    uint64_t last = !p ? d->n_submitted : step ? step : p->program.step;
    if (status == TDL_OK && (reading || timing || atomic_load(&d->n_done) < last)) status = TDL_PENDING;
    pthread_mutex_unlock(&d->lock);
    return status;
}
