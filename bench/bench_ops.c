// SPDX-License-Identifier: MIT
// bench_ops.c - how long every kernel takes, over the op suite's own cases (those marked `bench`), or one case more.
//
//     bench_ops [--op NAME] [--dims A,B,C...] [--dtype NAME] [--isa plain|avx2|avx512|avx512_bf16|neon] [--ms N]
//               [--device webgpu[:N[:min]]] [--library PATH]
//
// CPU kernels run on one thread; with --device the kernels of that GPU are timed instead, as plans of the same op many times
// over. --dims (as the head of the op's cases file says; --op is wanted too) is one case in place of the list.
//
// Times the best of several rounds of about N milliseconds each (default 50). GB/s counts every input and output once,
// what the caches hold of positions included; GFLOP/s is shown where the case set says how many there are.
#include "backend/backend.h"
#include "backend/cpu/cpu_features.h"
#include "ops/op_impl.h"
#include "support/op_cases.h"
#include "treadle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, DEVICE_OPS = 16, VALUES_MAX = TDL_OP_IN_MAX + TDL_OP_OUT_MAX };

typedef struct options {
    const char *op, *isa; // NULL: all
    double round_ms;
    op_case extra;        // dims[0] 0: none
    tdl_device_desc desc; // name NULL: the CPU
    tdl_device *device;
} options;

static bool read_options(int argc, char **argv, options *opt);
static void bench_case(const options *opt, tdl_op op, const op_case *c);

int main(int argc, char **argv) {
    options opt;
    if (!read_options(argc, argv, &opt)) return 2;
    tdl_error err = {0};
    if (opt.desc.name && tdl_device_open(&opt.desc, &opt.device, &err) != TDL_OK) {
        fprintf(stderr, "bench_ops: %s\n", err.message);
        return 1;
    }
    if (opt.device) printf("%s\n", opt.device->summary);
    printf("%-64s %-28s %12s %10s %10s\n", "case", "kernel", "us", "GB/s", "GFLOP/s");
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        if (opt.op && strcmp(opt.op, tdl_op_get((tdl_op)op)->name) != 0) continue;
        if (opt.extra.dims[0]) bench_case(&opt, (tdl_op)op, &opt.extra);
        for (size_t i = 0; i < set->n && !opt.extra.dims[0]; i++)
            if (set->list[i].bench || (opt.device && set->list[i].bench_gpu))
                bench_case(&opt, (tdl_op)op, &set->list[i]);
    }
    tdl_device_close(opt.device);
    return 0;
}

static bool read_dims(const char *text, int64_t *dims) {
    for (int i = 0; i < OP_DIMS_MAX; i++) {
        char *end;
        dims[i] = strtoll(text, &end, 10);
        if (end == text || dims[i] < 0) return false;
        if (!*end) return dims[0] > 0;
        if (*end != ',') return false;
        text = end + 1;
    }
    return false;
}

static bool read_dtype(const char *text, tdl_dtype *dtype) {
    for (int i = TDL_DTYPE_NONE + 1; i < TDL_DTYPE_COUNT; i++)
        if (strcmp(text, tdl_dtype_get((tdl_dtype)i)->name) == 0) *dtype = (tdl_dtype)i;
    return *dtype != TDL_DTYPE_NONE;
}

static bool read_options(int argc, char **argv, options *opt) {
    *opt = (options){.round_ms = 50, .desc = {.size = sizeof opt->desc}};
#if defined(TDL_WEBGPU_LIBRARY)
    opt->desc.library = TDL_WEBGPU_LIBRARY;
#endif
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "bench_ops: %s: a value is missing\n", argv[i]);
            return false;
        }
        if (strcmp(argv[i], "--op") == 0) {
            opt->op = argv[i + 1];
        } else if (strcmp(argv[i], "--isa") == 0) {
            opt->isa = argv[i + 1];
        } else if (strcmp(argv[i], "--device") == 0) {
            opt->desc.name = argv[i + 1];
        } else if (strcmp(argv[i], "--library") == 0) {
            opt->desc.library = argv[i + 1];
        } else if (strcmp(argv[i], "--dims") == 0 && read_dims(argv[i + 1], opt->extra.dims)) {
            continue;
        } else if (strcmp(argv[i], "--dtype") == 0 && read_dtype(argv[i + 1], &opt->extra.dtype)) {
            continue;
        } else if (strcmp(argv[i], "--ms") == 0 && strtod(argv[i + 1], NULL) > 0) {
            opt->round_ms = strtod(argv[i + 1], NULL);
        } else {
            fprintf(stderr, "bench_ops: %s %s: unknown option or value\n", argv[i], argv[i + 1]);
            return false;
        }
    }
    if (opt->extra.dims[0] && !opt->op) {
        fprintf(stderr, "bench_ops: --dims wants --op\n");
        return false;
    }
    return true;
}

static void bench_device_kernel(const options *opt, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                                const char *text);
static void bench_kernel(const options *opt, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                         const char *text);

static void bench_case(const options *opt, tdl_op op, const op_case *c) {
    char text[160];
    op_case_describe(op, c, text, sizeof text);
    op_fixture f;
    tdl_error err = {0};
    if (!op_fixture_init(&f, op, c, 1, false, &err)) {
        fprintf(stderr, "bench_ops: %s: %s\n", text, err.message);
        exit(1);
    }
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n);
    for (size_t k = 0; k < n; k++) {
        uint32_t features = opt->device ? opt->device->features : tdl_cpu_features();
        tdl_backend_id backend = opt->device ? opt->device->backend->id : TDL_BACKEND_CPU;
        if (kernels[k]->backend != backend || (kernels[k]->needs & ~features) != 0) continue;
        if (opt->isa && strcmp(opt->isa, op_isa_name(kernels[k]->needs)) != 0) continue;
        int32_t n_blocks = f.n_blocks;
        tdl_call call;
        if (op_fixture_prepare(&f, kernels[k], &call))
            (opt->device ? bench_device_kernel : bench_kernel)(opt, &f, kernels[k], &call, text);
        op_fixture_trim(&f, n_blocks);
    }
    op_fixture_deinit(&f);
}

static double now_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec * 1e-3;
}

static void print_line(const op_fixture *f, const tdl_call *call, const char *text, const char *name, double us) {
    double bytes = 0;
    for (int32_t i = 0; i < call->n_in; i++) bytes += (double)tdl_tensor_size(&call->in[i]);
    for (int32_t i = 0; i < call->n_out; i++) bytes += (double)tdl_tensor_size(&call->out[i]);
    double (*flops)(const tdl_call *) = op_case_set_of(f->op)->flops;
    printf("%-64s %-28s %12.2f %10.2f", text, name, us, bytes / us * 1e-3);
    if (flops) printf(" %10.1f", flops(call) / us * 1e-3);
    printf("\n");
    fflush(stdout);
}

static void run_times(const tdl_kernel *kernel, const tdl_call *call, int64_t n_units, void *scratch, int64_t n) {
    for (int64_t i = 0; i < n; i++) kernel->run(call, 0, n_units, scratch);
}

static void bench_kernel(const options *opt, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                         const char *text) {
    size_t scratch_size = kernel->scratch_size ? (kernel->scratch_size(call) + 63) / 64 * 64 : 0;
    void *scratch = scratch_size ? op_memory(f, scratch_size) : NULL;
    int64_t n_units = kernel->units(call), n = 1;
    double start, best = 1e30;
    run_times(kernel, call, n_units, scratch, 1);
    for (start = now_us(); now_us() - start < opt->round_ms * 1e3; n *= 2) run_times(kernel, call, n_units, scratch, n);
    for (int round = 0; round < ROUNDS; round++) {
        start = now_us();
        run_times(kernel, call, n_units, scratch, n / 2);
        double us = (now_us() - start) / (double)(n / 2);
        if (us < best) best = us;
    }
    char name[64];
    snprintf(name, sizeof name, "%s %s", kernel->name, op_isa_name(kernel->needs));
    print_line(f, call, text, name, best);
}

// ---- on a device ----------------------------------------------------------------------------------------------------

// The op DEVICE_OPS times over, in one plan.
typedef struct device_plan {
    tdl_plan plan;
    tdl_plan_op ops[DEVICE_OPS];
    tdl_value values[VALUES_MAX];
    size_t sizes[TDL_BUFFER_BOUND + VALUES_MAX];
    int32_t bound[TDL_BUFFER_BOUND + VALUES_MAX];
    tdl_buffer *buffers[TDL_BUFFER_BOUND + VALUES_MAX];
    tdl_program *program;
} device_plan;

static tdl_status device_plan_init(device_plan *d, const options *opt, const op_fixture *f, const tdl_kernel *kernel,
                                   const tdl_call *call, tdl_error *err);

static tdl_status run_plan(const options *opt, device_plan *d, tdl_error *err) {
    const tdl_backend *backend = opt->device->backend;
    tdl_status status = backend->submit(d->program, &(tdl_step_counts){.n = {0}}, err);
    while (status == TDL_OK && (status = backend->poll(opt->device, d->program, 0, err)) == TDL_PENDING)
        status = TDL_OK;
    return status;
}

static void bench_device_kernel(const options *opt, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                                const char *text) {
    device_plan *d = calloc(1, sizeof *d);
    tdl_error err = {0};
    if (!d) exit(1);
    tdl_status status = device_plan_init(d, opt, f, kernel, call, &err);
    double best = 1e30, began = now_us();
    for (int round = 0; status == TDL_OK && (round < ROUNDS || now_us() - began < opt->round_ms * 1e3); round++) {
        double start = now_us();
        status = run_plan(opt, d, &err);
        if (round > 0 && now_us() - start < best) best = now_us() - start; // the first one warms up
    }
    if (status == TDL_OK) print_line(f, call, text, kernel->name, best / DEVICE_OPS);
    else fprintf(stderr, "bench_ops: %s: %s: %s\n", text, kernel->name, err.message);
    if (d->program) opt->device->backend->program_destroy(d->program);
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + VALUES_MAX; i++)
        if (d->buffers[i]) opt->device->backend->buffer_destroy(d->buffers[i]);
    free(d);
}

// Inputs as the fixture has them; a view's gaps are not kept.
static tdl_status device_plan_init(device_plan *d, const options *opt, const op_fixture *f, const tdl_kernel *kernel,
                                   const tdl_call *call, tdl_error *err) {
    const tdl_backend *backend = opt->device->backend;
    int32_t n = call->n_in + call->n_out;
    tdl_status status = TDL_OK;
    d->plan = (tdl_plan){.values = d->values,
                         .ops = d->ops,
                         .buffer_sizes = d->sizes,
                         .buffer_value = d->bound,
                         .n_values = n,
                         .n_ops = DEVICE_OPS,
                         .n_buffers = TDL_BUFFER_BOUND + n,
                         .output = call->n_in};
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) d->plan.step_values[i] = -1;
    for (int i = 0; i < DEVICE_OPS; i++) {
        d->ops[i] = (tdl_plan_op){
            .op = f->op, .attrs = call->attrs, .n_in = call->n_in, .n_out = call->n_out, .kernel = kernel};
        for (int32_t v = 0; v < n; v++) *(v < call->n_in ? &d->ops[i].in[v] : &d->ops[i].out[v - call->n_in]) = v;
    }
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + n && status == TDL_OK; i++) {
        int32_t v = i - TDL_BUFFER_BOUND;
        d->bound[i] = v >= 0 ? v : -1;
        d->sizes[i] += 16;
        if (v < 0) continue;
        const tdl_tensor *from = v < call->n_in ? &call->in[v] : &call->out[v - call->n_in];
        bool index = v < call->n_in && from->dtype == TDL_DTYPE_I32 && !(kernel->indices_apart >> v & 1);
        int32_t buffer = index ? TDL_BUFFER_STEP : i; // indices lie in one
        tdl_value *value = &d->values[v];
        *value = (tdl_value){.name = "", .kind = TDL_VALUE_STATE, .base = -1, .weight = v, .buffer = buffer};
        status = tdl_tensor_make(from->dtype, from->n_dims, from->shape, NULL, &value->tensor, err);
        size_t size = (tdl_tensor_size(&value->tensor) + 15) / 16 * 16;
        if (buffer != i) value->offset = d->sizes[buffer];
        d->sizes[buffer] = buffer == i ? size : d->sizes[buffer] + size;
    }
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + n && status == TDL_OK; i++)
        status = backend->buffer_create(opt->device, d->sizes[i], &d->buffers[i], err);
    for (int32_t v = 0; v < call->n_in && status == TDL_OK; v++)
        status = backend->write(d->buffers[d->values[v].buffer], d->values[v].offset, call->in[v].data,
                                tdl_tensor_size(&d->values[v].tensor), err);
    return status == TDL_OK ? backend->compile(opt->device, &d->plan, d->buffers, &d->program, err) : status;
}
