// bench_ops_webgpu.c - how long every WebGPU kernel takes, over the op suite's own cases (those marked `bench` or `bench_gpu`).
//
//     bench_ops_webgpu [--device NAME] [--library PATH] [--op NAME] [--rounds N]
//
// A case becomes two plans, of few and of many times the same op; the difference of their best times over N rounds (default
// 10) is what the additional ones take, without what a step costs by itself. GB/s counts every input and output once;
// GFLOP/s is shown where the case set says how many there are. Without WebGPU or an adapter it exits with 77.
#include "support/op_cases.h"

#include <stdio.h>

enum { SKIPPED = 77 };

#if defined(TDL_WEBGPU)

#include "backend/backend.h"
#include "ops/op_impl.h"
#include "treadle.h"

#include <stdlib.h>
#include <time.h>

enum { FEW = 4, MANY = 36, TENSORS_MAX = TDL_OP_IN_MAX + TDL_OP_OUT_MAX };

typedef struct options {
    tdl_device_desc device;
    const char *op; // NULL: all
    int rounds;
} options;

// One op many times, as a plan with its buffers.
typedef struct repeated_op {
    tdl_plan plan;
    tdl_plan_op ops[MANY];
    tdl_value values[TENSORS_MAX];
    size_t sizes[TDL_BUFFER_BOUND + TENSORS_MAX];
    int32_t bound[TDL_BUFFER_BOUND + TENSORS_MAX];
    tdl_buffer *buffers[TDL_BUFFER_BOUND + TENSORS_MAX];
    tdl_program *program;
} repeated_op;

static bool read_options(int argc, char **argv, options *opt);
static void bench_case(tdl_device *device, const options *opt, tdl_op op, const op_case *c);

int main(int argc, char **argv) {
    options opt;
    tdl_device *device;
    tdl_error err = {0};
    if (!read_options(argc, argv, &opt)) return 2;
    if (tdl_backend_webgpu.open(&opt.device, &device, &err) != TDL_OK) {
        printf("skipped: %s\n", err.message);
        return SKIPPED;
    }
    printf("%s\n%-72s %-32s %12s %10s %10s\n", device->summary, "case", "kernel", "us", "GB/s", "GFLOP/s");
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        if (opt.op && strcmp(opt.op, tdl_op_get((tdl_op)op)->name) != 0) continue;
        for (size_t i = 0; i < set->n; i++)
            if (set->list[i].bench || set->list[i].bench_gpu) bench_case(device, &opt, (tdl_op)op, &set->list[i]);
    }
    tdl_backend_webgpu.close(device);
    return 0;
}

static bool read_options(int argc, char **argv, options *opt) {
    *opt = (options){.device = {.size = sizeof opt->device, .name = "webgpu"}, .rounds = 10};
#if defined(TDL_WEBGPU_LIBRARY)
    opt->device.library = TDL_WEBGPU_LIBRARY;
#endif
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--device") == 0 && *value) {
            opt->device.name = value;
        } else if (strcmp(argv[i], "--library") == 0 && *value) {
            opt->device.library = value;
        } else if (strcmp(argv[i], "--op") == 0 && *value) {
            opt->op = value;
        } else if (strcmp(argv[i], "--rounds") == 0 && atoi(value) > 0) {
            opt->rounds = atoi(value);
        } else {
            fprintf(stderr, "bench_ops_webgpu: %s %s: unknown option or value\n", argv[i], value);
            return false;
        }
    }
    return true;
}

static void fail(const char *what, const tdl_error *err) {
    fprintf(stderr, "bench_ops_webgpu: %s: %s\n", what, err->message);
    exit(1);
}

static void bench_kernel(tdl_device *device, const options *opt, const op_fixture *f, const tdl_kernel *kernel,
                         const tdl_call *call, const char *text);

static void bench_case(tdl_device *device, const options *opt, tdl_op op, const op_case *c) {
    char text[160];
    op_case_describe(op, c, text, sizeof text);
    op_fixture f;
    tdl_error err = {0};
    if (!op_fixture_init(&f, op, c, 1, false, &err)) fail(text, &err);
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n);
    for (size_t k = 0; k < n; k++) {
        tdl_call call;
        if (kernels[k]->backend != TDL_BACKEND_WEBGPU || (kernels[k]->needs & ~device->features) != 0) continue;
        if (op_fixture_prepare(&f, kernels[k], &call)) bench_kernel(device, opt, &f, kernels[k], &call, text);
    }
    op_fixture_deinit(&f);
}

static tdl_status repeated_op_init(repeated_op *r, tdl_device *device, const op_fixture *f, const tdl_kernel *kernel,
                                   const tdl_call *call, int32_t n_ops, tdl_error *err);
static void repeated_op_deinit(repeated_op *r);
static double best_us(repeated_op *r, int rounds);

static void bench_kernel(tdl_device *device, const options *opt, const op_fixture *f, const tdl_kernel *kernel,
                         const tdl_call *call, const char *text) {
    static const int32_t n_ops[] = {FEW, MANY};
    double us[2] = {0}, bytes = 0;
    tdl_status status = TDL_OK;
    for (int i = 0; i < 2 && status == TDL_OK; i++) {
        tdl_error err = {0};
        repeated_op *r = calloc(1, sizeof *r);
        if (!r) exit(1);
        status = repeated_op_init(r, device, f, kernel, call, n_ops[i], &err);
        if (status == TDL_OK) us[i] = best_us(r, opt->rounds);
        else printf("%-72s %-32s %s\n", text, kernel->name, err.message); // too large for this device
        repeated_op_deinit(r);
        free(r);
    }
    if (status != TDL_OK) return;
    double one = (us[1] - us[0]) / (MANY - FEW);
    for (int32_t i = 0; i < call->n_in; i++) bytes += (double)tdl_tensor_size(&call->in[i]);
    for (int32_t i = 0; i < call->n_out; i++) bytes += (double)tdl_tensor_size(&call->out[i]);
    double (*flops)(const tdl_call *) = op_case_set_of(f->op)->flops;
    printf("%-72s %-32s %12.2f %10.1f", text, kernel->name, one, bytes / one * 1e-3);
    if (flops) printf(" %10.1f", flops(call) / one * 1e-3);
    printf("\n");
    fflush(stdout);
}

// Bytes from the first to the last element, gaps included.
static size_t span_of(const tdl_tensor *t) {
    size_t size = tdl_tensor_size(t) / (size_t)tdl_tensor_n_rows(t);
    for (int32_t d = 0; d < t->n_dims - 1; d++) size += (size_t)((t->shape[d] - 1) * t->strides[d]);
    return size;
}

static tdl_status repeated_op_init(repeated_op *r, tdl_device *device, const op_fixture *f, const tdl_kernel *kernel,
                                   const tdl_call *call, int32_t n_ops, tdl_error *err) {
    int32_t n = call->n_in + call->n_out;
    tdl_status status = TDL_OK;
    r->plan = (tdl_plan){.values = r->values,
                         .ops = r->ops,
                         .buffer_sizes = r->sizes,
                         .buffer_value = r->bound,
                         .n_values = n,
                         .n_ops = n_ops,
                         .n_buffers = TDL_BUFFER_BOUND + n,
                         .output = call->n_in};
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) r->plan.step_values[i] = -1;
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + n && status == TDL_OK; i++) {
        int32_t v = i - TDL_BUFFER_BOUND;
        r->bound[i] = v >= 0 ? v : -1;
        r->sizes[i] = 16;
        if (v >= 0) {
            tdl_tensor t = v < call->n_in ? call->in[v] : call->out[v - call->n_in];
            r->sizes[i] = (span_of(&t) + 15) / 16 * 16;
            t.data = NULL;
            r->values[v] =
                (tdl_value){.name = "", .kind = TDL_VALUE_STATE, .tensor = t, .base = -1, .weight = v, .buffer = i};
        }
        status = device->backend->buffer_create(device, r->sizes[i], &r->buffers[i], err);
    }
    for (int32_t v = 0; v < n && status == TDL_OK; v++) {
        const uint8_t *data = v < call->n_in ? call->in[v].data : f->initial[v - call->n_in];
        tdl_buffer *buffer = r->buffers[TDL_BUFFER_BOUND + v];
        status = device->backend->write(buffer, 0, data, span_of(&r->values[v].tensor), err);
    }
    for (int32_t i = 0; i < n_ops; i++) {
        r->ops[i] = (tdl_plan_op){
            .op = f->op, .attrs = call->attrs, .n_in = call->n_in, .n_out = call->n_out, .kernel = kernel};
        for (int32_t v = 0; v < n; v++) *(v < call->n_in ? &r->ops[i].in[v] : &r->ops[i].out[v - call->n_in]) = v;
    }
    if (status == TDL_OK) status = device->backend->compile(device, &r->plan, r->buffers, &r->program, err);
    return status;
}

static void repeated_op_deinit(repeated_op *r) {
    if (r->program) r->program->device->backend->program_destroy(r->program);
    for (int32_t i = 0; i < r->plan.n_buffers; i++)
        if (r->buffers[i]) r->buffers[i]->device->backend->buffer_destroy(r->buffers[i]);
}

static double now_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec * 1e-3;
}

// Of `rounds` steps and one before them, which fills caches and raises clocks.
static double best_us(repeated_op *r, int rounds) {
    const tdl_backend *backend = r->program->device->backend;
    tdl_error err = {0};
    double best = 1e30;
    for (int round = 0; round <= rounds; round++) {
        double start = now_us();
        tdl_status status = backend->submit(r->program, &(tdl_step_counts){{0}}, &err);
        while (status == TDL_OK && (status = backend->poll(r->program->device, r->program, &err)) == TDL_PENDING)
            status = TDL_OK;
        if (status != TDL_OK) fail("a step", &err);
        double us = now_us() - start;
        if (round > 0 && us < best) best = us;
    }
    return best;
}

#else

int main(void) {
    printf("skipped: this build has no WebGPU\n");
    return SKIPPED;
}

#endif
