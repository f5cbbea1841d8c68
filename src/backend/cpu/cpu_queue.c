// SPDX-License-Identifier: MIT
// cpu_queue.c - runs a plan on the CPU: one hand-off to the pool a step, then every thread walks the op list.
//
// Each op divides into units; threads take runs of units from the op's counter as they get free, and meet at a barrier only
// before an op that needs what others wrote (the plan says where). A unit's result does not depend on who computes it, so
// the bits do not depend on the number of threads. While a trace is on, each thread notes when it began and ended its part of an op.
#include "backend/cpu/cpu_device.h"
#include "base/checked.h"

#include <stdatomic.h>
#include <string.h>

typedef struct cpu_op {
    tdl_call call; // shapes of the current step
    const tdl_kernel *kernel;
    void (*reference)(const tdl_call *call);
    bool barrier;
    int64_t n_units, chunk; // of the current step
    atomic_llong next;
} cpu_op;

// Which tensors' first dimension changes with the step.
typedef struct cpu_dim {
    int64_t *size;
    tdl_rows rows;
    int32_t add;
} cpu_dim;

// When a thread had its part in an op.
typedef struct cpu_time {
    uint64_t begin_ns, end_ns; // 0: it had none
} cpu_time;

typedef struct cpu_program {
    tdl_program program;
    cpu_op *ops;   // [n_ops]
    cpu_dim *dims; // [n_dims]
    int32_t n_ops, n_dims;
    size_t scratch_size; // a thread, a multiple of 64
    uint8_t *scratch;    // [n_threads, scratch_size]
    cpu_time *times;     // [n_threads, n_ops], of the current step; NULL: no trace
} cpu_program;

enum { CHUNKS_PER_THREAD = 8 };

static void run_ops(void *arg, int32_t index);
static bool run_units(cpu_op *op, uint8_t *scratch);
static void begin_trace(cpu_program *p);
static void end_trace(cpu_program *p);
static tdl_status check_extents(const tdl_plan *plan, const tdl_plan_op *op, tdl_buffer *const *buffers,
                                tdl_error *err);
static void bind_tensor(cpu_program *p, tdl_tensor *t, int32_t id, tdl_buffer *const *buffers);

tdl_status tdl_cpu_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                           tdl_error *err) {
    for (int32_t i = 0; i < plan->n_buffers; i++)
        if (!buffers[i] || buffers[i]->size < plan->buffer_sizes[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: buffer %d has %zu bytes, the plan needs %zu", i,
                            buffers[i] ? buffers[i]->size : 0, plan->buffer_sizes[i]);
    for (int32_t i = 0; i < plan->n_ops; i++) {
        tdl_status status = check_extents(plan, &plan->ops[i], buffers, err);
        if (status != TDL_OK) return status;
    }
    const tdl_allocator *mem = device->mem;
    int32_t n_threads = tdl_pool_n_threads(((tdl_cpu_device *)device)->pool);
    cpu_program *p = tdl_alloc(mem, 1, sizeof *p);
    if (!p) goto no_memory;
    p->program = (tdl_program){.device = device, .plan = plan};
    p->ops = tdl_alloc(mem, (size_t)plan->n_ops, sizeof *p->ops);
    p->dims = tdl_alloc(mem, (size_t)plan->n_ops * (TDL_OP_IN_MAX + TDL_OP_OUT_MAX), sizeof *p->dims);
    if (!p->ops || !p->dims) goto no_memory;
    p->n_ops = plan->n_ops;
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *from = &plan->ops[i];
        cpu_op *op = &p->ops[i];
        op->kernel = from->kernel;
        op->reference = tdl_op_get(from->op)->reference;
        op->barrier = from->barrier;
        op->call = (tdl_call){.attrs = from->attrs, .n_in = from->n_in, .n_out = from->n_out};
        if (from->kernel) op->call.layout = from->kernel->layout;
        for (int32_t j = 0; j < from->n_in; j++) bind_tensor(p, &op->call.in[j], from->in[j], buffers);
        for (int32_t j = 0; j < from->n_out; j++) bind_tensor(p, &op->call.out[j], from->out[j], buffers);
        size_t scratch = from->kernel && from->kernel->scratch_size ? from->kernel->scratch_size(&op->call) : 0;
        if (scratch > p->scratch_size) p->scratch_size = scratch;
    }
    if (!tdl_align_size(p->scratch_size, 64, &p->scratch_size)) goto no_memory;
    p->scratch = tdl_alloc(mem, (size_t)n_threads, p->scratch_size);
    if (!p->scratch) goto no_memory;
    *out = &p->program;
    return TDL_OK;
no_memory:
    if (p) tdl_cpu_program_destroy(&p->program);
    return tdl_fail(err, TDL_ERROR_MEMORY, "cpu: no memory for a program of %d ops", plan->n_ops);
}

void tdl_cpu_program_destroy(tdl_program *program) {
    if (!program) return;
    cpu_program *p = (cpu_program *)program;
    const tdl_allocator *mem = program->device->mem;
    tdl_free(mem, p->ops);
    tdl_free(mem, p->dims);
    tdl_free(mem, p->scratch);
    tdl_free(mem, p->times);
    tdl_free(mem, p);
}

tdl_status tdl_cpu_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err) {
    cpu_program *p = (cpu_program *)program;
    for (int i = TDL_ROWS_TOKENS; i < TDL_ROWS_COUNT; i++)
        if (counts->n[i] < 0 || counts->n[i] > program->plan->max.n[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: a step of %d rows of kind %d, the plan has at most %d",
                            counts->n[i], i, program->plan->max.n[i]);
    tdl_cpu_device *device = (tdl_cpu_device *)program->device;
    int32_t n_threads = tdl_pool_n_threads(device->pool);
    pthread_mutex_lock(&device->busy);
    for (int32_t i = 0; i < p->n_dims; i++) *p->dims[i].size = counts->n[p->dims[i].rows] + p->dims[i].add;
    for (int32_t i = 0; i < p->n_ops; i++) {
        cpu_op *op = &p->ops[i];
        op->n_units = op->kernel ? op->kernel->units(&op->call) : 1;
        op->chunk = tdl_max_i64(1, n_threads == 1 ? op->n_units : op->n_units / (n_threads * CHUNKS_PER_THREAD));
        atomic_store_explicit(&op->next, 0, memory_order_relaxed);
    }
    if (tdl_tracing(program->device->trace)) begin_trace(p);
    tdl_pool_run(device->pool, run_ops, p);
    if (p->times) end_trace(p);
    pthread_mutex_unlock(&device->busy);
    return TDL_OK;
}

static void run_ops(void *arg, int32_t index) {
    cpu_program *p = arg;
    tdl_pool *pool = ((tdl_cpu_device *)p->program.device)->pool;
    uint8_t *scratch = p->scratch + (size_t)index * p->scratch_size;
    cpu_time *times = p->times ? p->times + (size_t)index * (size_t)p->n_ops : NULL;
    for (int32_t i = 0; i < p->n_ops; i++) {
        cpu_op *op = &p->ops[i];
        if (op->barrier) tdl_pool_barrier(pool);
        uint64_t begin_ns = times ? tdl_now_ns() : 0;
        bool some = run_units(op, scratch);
        if (times && some) times[i] = (cpu_time){begin_ns, tdl_now_ns()};
    }
}

// Takes units until none is left; whether there were any for this thread.
static bool run_units(cpu_op *op, uint8_t *scratch) {
    int64_t first;
    bool some = false;
    while ((first = atomic_fetch_add_explicit(&op->next, op->chunk, memory_order_relaxed)) < op->n_units) {
        some = true;
        if (op->kernel) op->kernel->run(&op->call, first, tdl_min_i64(op->chunk, op->n_units - first), scratch);
        else op->reference(&op->call);
    }
    return some;
}

// Without memory the step is not noted.
static void begin_trace(cpu_program *p) {
    size_t n = (size_t)tdl_pool_n_threads(((tdl_cpu_device *)p->program.device)->pool) * (size_t)p->n_ops;
    p->times = tdl_alloc(p->program.device->mem, n, sizeof *p->times);
    if (!p->times) p->program.device->trace->lost = true;
}

static void end_trace(cpu_program *p) {
    tdl_trace *trace = p->program.device->trace;
    int64_t step = tdl_trace_step(trace);
    int32_t n_threads = tdl_pool_n_threads(((tdl_cpu_device *)p->program.device)->pool);
    for (int32_t i = 0; i < p->n_ops; i++)
        for (int32_t t = 0; t < n_threads; t++) {
            const cpu_time *time = &p->times[(size_t)t * (size_t)p->n_ops + (size_t)i];
            if (time->end_ns)
                tdl_trace_op(trace, step, p->program.plan, i, p->ops[i].kernel, t, time->begin_ns, time->end_ns);
        }
    tdl_free(p->program.device->mem, p->times);
    p->times = NULL;
}

// What the op will touch at the plan's maximum lies within its buffers. (A prepared weight's bytes are the kernel's affair:
// its buffer has the size that the layout asks for.)
static tdl_status check_extents(const tdl_plan *plan, const tdl_plan_op *op, tdl_buffer *const *buffers,
                                tdl_error *err) {
    for (int32_t j = 0; j < op->n_in + op->n_out; j++) {
        const tdl_value *value = &plan->values[j < op->n_in ? op->in[j] : op->out[j - op->n_in]];
        bool rows = value->layout == TDL_LAYOUT_ROWS;
        size_t size = rows ? tdl_tensor_extent(&value->tensor) : tdl_layout_size(value->layout, &value->tensor);
        if (!tdl_range_ok(value->offset, size, buffers[value->buffer]->size))
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: '%s': %zu bytes at %zu of a buffer of %zu", value->name,
                            size, value->offset, buffers[value->buffer]->size);
    }
    return TDL_OK;
}

// Points a call's tensor at its value's memory and remembers the dimension that changes with the step.
static void bind_tensor(cpu_program *p, tdl_tensor *t, int32_t id, tdl_buffer *const *buffers) {
    const tdl_value *value = &p->program.plan->values[id];
    *t = value->tensor;
    t->data = ((tdl_cpu_buffer *)buffers[value->buffer])->data + value->offset;
    if (value->rows != TDL_ROWS_FIXED)
        p->dims[p->n_dims++] = (cpu_dim){.size = &t->shape[0], .rows = value->rows, .add = value->rows_add};
}
