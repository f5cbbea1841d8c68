// SPDX-License-Identifier: MIT
// op_suite_webgpu.c - every WebGPU kernel of every op against the op's reference, over the cases in op_cases.c.
//
//     op_suite_webgpu [--device NAME] [--library PATH] [--seed N] [--op NAME] [--slow] [--cases N] [--compile]
//                     [--repeat N] [--verbose] [--matrix SIDE] [--far]
//
// --cases: each kernel on the first N cases that it accepts.
// --compile: nothing runs; says whether Dawn takes every shader, on its adapter that computes nothing.
// --matrix: only the kernels that multiply matrices by hardware, of SIDE by SIDE, made such as any device with F16 can run.
// --far: only the cases whose numbers are far beyond F16's, and whatever kernels take them.
//
// A case becomes a plan of one op, run by the backend as any plan is: a step of fewer rows than the plan has, so that bindings go
// on behind the tensors and no driver's bounds hide an access there. Inputs and outputs lie at odd places of buffers of their
// own: NaN round the inputs, guard bytes round the outputs. The result must be within WebGPU's bound of the
// reference, nothing else may be written, and the bits must be the same at every repetition. It also fails where a kernel
// was accepted by no case, or is never picked by tdl_kernel_find. Without a WebGPU library or an adapter it is skipped (77).
#include "support/op_cases.h"

#include <stdio.h>

enum { SKIPPED = 77 };

#if defined(TDL_WEBGPU)

#include "backend/backend.h"
#include "ops/op_impl.h"
#include "support/matrix_emulation.h"
#include "treadle.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

// A tensor begins MARGIN bytes into its buffer: a multiple of 16, as in a plan, but of no alignment that bindings may want.
enum { KERNELS_MAX = 64, MARGIN = 368, GUARD_BYTE = 0xa5, VALUES_MAX = TDL_OP_IN_MAX + TDL_OP_OUT_MAX };

typedef struct options {
    tdl_device_desc device;
    uint64_t seed;
    const char *op; // NULL: all
    int repeat;
    int cases;  // that a kernel is run on; 0: all that it accepts
    int matrix; // 0: all kernels
    bool slow, verbose, compile, far;
} options;

typedef struct ran_with {
    const tdl_kernel *kernel;
    tdl_dtype dtype;
} ran_with;

enum { RAN_MAX = 512 };

typedef struct suite {
    options opt;
    ran_with ran[RAN_MAX]; // of --matrix
    size_t n_ran;
    tdl_device *device;
    int64_t passed, failed, skipped;
    double worst;             // of the op, as a multiple of its bound
    int n_cases[KERNELS_MAX]; // the op's kernels: cases that they were run on
    char label[256];
} suite;

// One op as a plan, with its buffers.
typedef struct one_op {
    tdl_plan plan;
    tdl_plan_op op;
    tdl_value values[VALUES_MAX];
    size_t sizes[TDL_BUFFER_BOUND + VALUES_MAX];
    int32_t bound[TDL_BUFFER_BOUND + VALUES_MAX];
    tdl_buffer *buffers[TDL_BUFFER_BOUND + VALUES_MAX];
    tdl_program *program;
} one_op;

static bool read_options(int argc, char **argv, options *opt);
static void with_matrices(suite *s);
static void test_op(suite *s, tdl_op op);

int main(int argc, char **argv) {
    suite s = {0};
    tdl_error err = {0};
    if (!read_options(argc, argv, &s.opt)) return 2;
    tdl_status opened = s.opt.compile ? tdl_webgpu_open_null(&s.opt.device, &s.device, &err)
                                      : tdl_backend_webgpu.open(&s.opt.device, &s.device, &err);
    if (opened != TDL_OK) {
        printf("skipped: %s\n", err.message);
        return SKIPPED;
    }
    printf("%s; seed %" PRIu64 "\n", s.device->summary, s.opt.seed);
    if (s.opt.matrix && !s.opt.compile && !(s.device->features & TDL_FEATURE_GPU_F16)) {
        printf("skipped: no F16\n");
        tdl_backend_webgpu.close(s.device);
        return SKIPPED;
    }
    if (s.opt.matrix || (s.opt.compile && s.device->features)) with_matrices(&s);
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++)
        if (!s.opt.op || strcmp(s.opt.op, tdl_op_get((tdl_op)op)->name) == 0) test_op(&s, (tdl_op)op);
    printf("%" PRId64 " passed, %" PRId64 " failed, %" PRId64 " skipped (larger than a binding)\n", s.passed, s.failed,
           s.skipped);
    tdl_backend_webgpu.close(s.device);
    return s.failed ? 1 : 0;
}

// As if the device multiplied matrices: where shaders are only made, they are the real ones.
static void with_matrices(suite *s) {
    tdl_webgpu_device *device = (tdl_webgpu_device *)s->device;
    device->matrix_size = s->opt.matrix ? (uint32_t)s->opt.matrix : 16;
    device->subgroup_size = 32;
    device->rewrite = s->opt.compile ? NULL : emulate_matrices;
    s->device->features |= TDL_FEATURE_GPU_MATRIX;
}

static bool read_options(int argc, char **argv, options *opt) {
    *opt = (options){.device = {.size = sizeof opt->device, .name = "webgpu"}, .seed = 1, .repeat = 1};
#if defined(TDL_WEBGPU_LIBRARY)
    opt->device.library = TDL_WEBGPU_LIBRARY;
#endif
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--compile") == 0) {
            opt->compile = true;
        } else if (strcmp(argv[i], "--far") == 0) {
            opt->far = true;
        } else if (strcmp(argv[i], "--slow") == 0) {
            opt->slow = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            opt->verbose = true;
        } else if (!value) {
            fprintf(stderr, "op_suite_webgpu: %s: unknown option, or its value is missing\n", argv[i]);
            return false;
        } else if (strcmp(argv[i], "--device") == 0) {
            opt->device.name = argv[++i];
        } else if (strcmp(argv[i], "--library") == 0) {
            opt->device.library = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0) {
            opt->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--repeat") == 0) {
            opt->repeat = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--matrix") == 0) {
            opt->matrix = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--cases") == 0) {
            opt->cases = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--op") == 0) {
            opt->op = argv[++i];
        } else {
            fprintf(stderr, "op_suite_webgpu: %s: unknown option\n", argv[i]);
            return false;
        }
    }
    return true;
}

// ---- an op ----------------------------------------------------------------------------------------------------------

static void test_case(suite *s, tdl_op op, size_t index, bool *ran, bool *found);
static void verdict(suite *s, bool passed, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Whether the adapter can run it.
static bool ours(const suite *s, const tdl_kernel *kernel) {
    if (s->opt.matrix && !(kernel->needs & TDL_FEATURE_GPU_MATRIX)) return false;
    return kernel->backend == TDL_BACKEND_WEBGPU && (kernel->needs & ~s->device->features) == 0;
}

static void test_op(suite *s, tdl_op op) {
    const char *name = tdl_op_get(op)->name;
    const op_case_set *set = op_case_set_of(op);
    size_t n_kernels, n_ours = 0;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n_kernels);
    bool ran[KERNELS_MAX] = {false}, found[KERNELS_MAX] = {false};
    snprintf(s->label, sizeof s->label, "%s", name);
    verdict(s, n_kernels <= KERNELS_MAX, "%zu kernels, at most %d", n_kernels, KERNELS_MAX);
    if (n_kernels > KERNELS_MAX) return;
    s->worst = 0;
    memset(s->n_cases, 0, sizeof s->n_cases);
    for (size_t i = 0; i < set->n; i++) {
        const op_case *c = &set->list[i];
        if (s->opt.far && !c->far_rows && !c->far_columns) continue;
        if (!c->bench_gpu && (!c->slow || s->opt.slow)) test_case(s, op, i, ran, found);
    }
    for (size_t k = 0; k < n_kernels; k++) {
        if (!ours(s, kernels[k])) continue;
        n_ours++;
        snprintf(s->label, sizeof s->label, "%s: %s", name, kernels[k]->name);
        if (s->opt.far) continue;
        verdict(s, ran[k], "accepted by no case");
        verdict(s, kernels[k]->rounds == (strstr(kernels[k]->name, "_matrix_") || strstr(kernels[k]->name, "_dot")),
                "docs/OPS.md goes by its name");
        verdict(s, found[k], "never picked by tdl_kernel_find");
    }
    if (n_ours) printf("%-16s worst error %.3g of its bound\n", name, s->worst);
}

static void verdict(suite *s, bool passed, const char *format, ...) {
    if (passed) {
        s->passed++;
        return;
    }
    s->failed++;
    va_list args;
    va_start(args, format);
    printf("FAILED %s: ", s->label);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
}

// ---- a case ---------------------------------------------------------------------------------------------------------

static void test_kernel(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call);
static void compile_kernel(suite *s, const tdl_kernel *kernel, const tdl_call *call);

// Whether the adapter binds tensors as large as the case's; where not, a plan is an error.
static bool fits(const tdl_device *device, const tdl_call *call) {
    bool fit = true;
    for (int32_t i = 0; i < call->n_in + call->n_out; i++) {
        const tdl_tensor *t = i < call->n_in ? &call->in[i] : &call->out[i - call->n_in];
        fit &= tdl_tensor_size(t) <= device->value_size_max;
    }
    return fit;
}

// A kernel for few rows reads the weights once a row or once eight, and in an invariant plan it takes any number of them: with
// thousands that is minutes on a CPU's driver and shows nothing that hundreds do not.
static bool quick(const tdl_kernel *kernel, const tdl_call *call) {
    enum { ROWS_MAX = 512 };
    return kernel->rows_max == 0 || call->out[0].shape[0] <= ROWS_MAX;
}

// Matrices made without hardware take long: one case for each kernel and type will do, and those of numbers beyond F16.
static bool enough(suite *s, const tdl_kernel *kernel, const op_case *c) {
    const ran_with now = {kernel, c->dtype};
    for (size_t i = 0; i < s->n_ran; i++)
        if (s->ran[i].kernel == kernel && s->ran[i].dtype == c->dtype) return !c->far_rows && !c->far_columns;
    if (s->n_ran < RAN_MAX) s->ran[s->n_ran++] = now;
    return false;
}

static void test_case(suite *s, tdl_op op, size_t index, bool *ran, bool *found) {
    const op_case *c = &op_case_set_of(op)->list[index];
    char text[160];
    op_case_describe(op, c, text, sizeof text);
    op_fixture f;
    tdl_error err = {0};
    bool made = s->opt.compile ? op_fixture_init_shapes(&f, op, c, &err)
                               : op_fixture_init(&f, op, c, s->opt.seed + index * 1000003u, true, &err);
    snprintf(s->label, sizeof s->label, "%s", text);
    verdict(s, made, "%s", err.message);
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n_kernels);
    for (size_t k = 0; made && k < n_kernels; k++) {
        tdl_call call;
        if (!ours(s, kernels[k]) || !op_fixture_prepare(&f, kernels[k], &call)) continue;
        for (int may_round = 0; may_round <= 1; may_round++) {
            const tdl_kernel_want want = {
                .backend = TDL_BACKEND_WEBGPU, .features = s->device->features, .may_round = may_round};
            found[k] |= tdl_kernel_find(op, &want, &call) == kernels[k];
        }
        if (!s->opt.compile && !s->opt.slow && !quick(kernels[k], &call)) continue;
        if (s->opt.matrix && !s->opt.slow && !s->opt.compile && enough(s, kernels[k], c)) continue;
        if (s->opt.cases > 0 && s->n_cases[k]++ >= s->opt.cases) continue;
        snprintf(s->label, sizeof s->label, "%s: %s", text, kernels[k]->name);
        if (s->opt.verbose) {
            printf("%s\n", s->label);
            fflush(stdout);
        }
        if (s->opt.compile) {
            compile_kernel(s, kernels[k], &call);
        } else if (fits(s->device, &call)) {
            test_kernel(s, &f, kernels[k], &call);
        } else {
            s->skipped++;
            continue;
        }
        ran[k] = true;
    }
    op_fixture_deinit(&f);
}

// ---- a kernel -------------------------------------------------------------------------------------------------------

static tdl_status one_op_init(one_op *o, const suite *s, const op_fixture *f, const tdl_kernel *kernel,
                              const tdl_call *call, tdl_error *err);
static void one_op_deinit(one_op *o);
static bool run(suite *s, op_fixture *f, one_op *o, uint8_t **packed);

// Pipelines are kept, so once for each shader. Of the kernels with matrices, which may use more workgroup memory than this adapter has, the
// module alone, that is, all but the limits (test_webgpu_needs.c).
static void compile_kernel(suite *s, const tdl_kernel *kernel, const tdl_call *call) {
    tdl_webgpu_device *device = (tdl_webgpu_device *)s->device;
    tdl_error err = {0};
    WGPUComputePipeline pipeline;
    tdl_status status = TDL_OK;
    if (kernel->needs & TDL_FEATURE_GPU_MATRIX) {
        tdl_str code = tdl_str_make(s->device->mem);
        const char *decoder = kernel->wgsl_decoder ? kernel->wgsl_decoder(call) : NULL;
        if (!tdl_webgpu_shader_text(device, kernel, decoder, &code)) exit(1);
        tdl_webgpu_scope_begin(device);
        WGPUShaderModule module = tdl_webgpu_make_module(device, code.ptr);
        status = tdl_webgpu_scope_end(device, "making a module", &err);
        if (module) device->api.ShaderModuleRelease(module);
        tdl_str_deinit(&code);
    } else {
        status = tdl_webgpu_pipeline_get(device, kernel, call, &pipeline, &err);
    }
    verdict(s, status == TDL_OK, "%s", err.message);
    if (kernel->merge) compile_kernel(s, kernel->merge, call);
}

static void test_kernel(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call) {
    one_op o;
    tdl_error err = {0};
    uint8_t *got[TDL_OP_OUT_MAX] = {NULL}, *again[TDL_OP_OUT_MAX] = {NULL};
    op_bound bound = op_bound_of(f->op, TDL_BACKEND_WEBGPU, kernel->needs & TDL_FEATURE_GPU_MATRIX);
    for (int32_t i = 0; i < f->call.n_out; i++) {
        got[i] = malloc(f->expected_size[i] + 1);
        again[i] = malloc(f->expected_size[i] + 1);
        if (!got[i] || !again[i]) exit(1);
    }
    tdl_status status = one_op_init(&o, s, f, kernel, call, &err);
    verdict(s, status == TDL_OK, "%s", err.message);
    if (status == TDL_OK && run(s, f, &o, got)) {
        double error = op_fixture_error(f, got, bound), limit = bound.metric == OP_METRIC_EXACT ? 0 : 1;
        if (s->opt.verbose) printf("    error %.3g, bound %g\n", error, limit);
        if (error > s->worst) s->worst = error;
        verdict(s, error <= limit, "error %g, bound %g", error, limit);
        bool same = true;
        for (int i = 0; i < s->opt.repeat && same; i++)
            same = run(s, f, &o, again) && op_fixture_same_bits(f, got, again);
        verdict(s, same, "other bits where it is run again");
    }
    one_op_deinit(&o);
    for (int32_t i = 0; i < TDL_OP_OUT_MAX; i++) {
        free(got[i]);
        free(again[i]);
    }
}

// Bytes from the first to the last element, gaps included.
static size_t span_of(const tdl_tensor *t) {
    if (tdl_tensor_n_elements(t) == 0) return 0;
    size_t size = tdl_tensor_size(t) / (size_t)tdl_tensor_n_rows(t);
    for (int32_t d = 0; d < t->n_dims - 1; d++) size += (size_t)((t->shape[d] - 1) * t->strides[d]);
    return size;
}

static size_t buffer_size(size_t span) { return (MARGIN + span + MARGIN + 15) / 16 * 16; }

// The tensor at the plan's maximum: more rows, of so many bytes that what one workgroup too many, or the rest of one, would touch
// is bound too.
static tdl_tensor with_more_rows(const tdl_tensor *t) {
    enum { BEHIND = 16384 };
    tdl_tensor longer = *t;
    longer.shape[0] += 1 + BEHIND / tdl_max_i64(1, t->n_dims > 1 ? t->strides[0] : (int64_t)sizeof(float));
    return longer;
}

// A buffer with the tensor at MARGIN and `around` before and behind it.
static tdl_status fill_buffer(tdl_buffer *buffer, const tdl_tensor *t, const uint8_t *data, uint8_t around,
                              tdl_error *err) {
    uint8_t *bytes = malloc(buffer->size);
    if (!bytes) exit(1);
    memset(bytes, around, buffer->size);
    if (span_of(t)) memcpy(bytes + MARGIN, data, span_of(t));
    tdl_status status = buffer->device->backend->write(buffer, 0, bytes, buffer->size, err);
    free(bytes);
    return status;
}

static tdl_status one_op_init(one_op *o, const suite *s, const op_fixture *f, const tdl_kernel *kernel,
                              const tdl_call *call, tdl_error *err) {
    *o =
        (one_op){.op = {.op = f->op, .attrs = call->attrs, .n_in = call->n_in, .n_out = call->n_out, .kernel = kernel}};
    int32_t n = call->n_in + call->n_out;
    o->plan = (tdl_plan){.values = o->values,
                         .ops = &o->op,
                         .buffer_sizes = o->sizes,
                         .buffer_value = o->bound,
                         .n_values = n,
                         .n_ops = 1,
                         .n_buffers = TDL_BUFFER_BOUND + n,
                         .max = {.n = {[TDL_ROWS_TOKENS] = 1}},
                         .output = call->n_in};
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) o->plan.step_values[i] = -1;
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + n; i++) {
        int32_t v = i - TDL_BUFFER_BOUND;
        o->bound[i] = v >= 0 ? v : -1;
        o->sizes[i] += 16;
        if (v < 0) continue;
        tdl_tensor t = v < call->n_in ? call->in[v] : call->out[v - call->n_in];
        bool index = v < call->n_in && t.dtype == TDL_DTYPE_I32 && !(kernel->indices_apart >> v & 1); // in one buffer
        int32_t buffer = index ? TDL_BUFFER_STEP : i;
        tdl_tensor longer = index ? t : with_more_rows(&t);
        o->values[v] = (tdl_value){.name = "",
                                   .kind = TDL_VALUE_STATE,
                                   .tensor = longer,
                                   .rows = index ? TDL_ROWS_FIXED : TDL_ROWS_TOKENS, // with the one of the step: t's
                                   .rows_add = (int32_t)t.shape[0] - 1,
                                   .base = -1,
                                   .weight = v,
                                   .buffer = buffer,
                                   .offset = index ? o->sizes[TDL_BUFFER_STEP] : MARGIN};
        o->values[v].tensor.data = NULL;
        if (index) o->sizes[buffer] += (span_of(&t) + 15) / 16 * 16;
        else o->sizes[buffer] = buffer_size(span_of(&longer));
        if (v < call->n_in) o->op.in[v] = v;
        else o->op.out[v - call->n_in] = v;
    }
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + n && status == TDL_OK; i++)
        status = s->device->backend->buffer_create(s->device, o->sizes[i], &o->buffers[i], err);
    for (int32_t v = 0; v < call->n_in && status == TDL_OK; v++) {
        bool shared = f->c->in_place && v == tdl_op_get(f->op)->in_place; // its numbers lie in `initial`
        if (o->values[v].buffer == TDL_BUFFER_STEP)
            status = s->device->backend->write(o->buffers[TDL_BUFFER_STEP], o->values[v].offset, call->in[v].data,
                                               span_of(&call->in[v]), err);
        else
            status = fill_buffer(o->buffers[TDL_BUFFER_BOUND + v], &call->in[v],
                                 shared ? f->initial[0] : call->in[v].data, 0xff, err);
    }
    if (status == TDL_OK) status = s->device->backend->compile(s->device, &o->plan, o->buffers, &o->program, err);
    return status;
}

static void one_op_deinit(one_op *o) {
    if (o->program) o->program->device->backend->program_destroy(o->program);
    for (int32_t i = 0; i < TDL_BUFFER_BOUND + VALUES_MAX; i++)
        if (o->buffers[i]) o->buffers[i]->device->backend->buffer_destroy(o->buffers[i]);
}

static tdl_status wait(suite *s, one_op *o, tdl_error *err) {
    tdl_status status;
    while ((status = s->device->backend->poll(s->device, o->program, 0, err)) == TDL_PENDING)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    return status;
}

// Runs the op over fresh outputs; takes them back, looks at what lies round them, packs them.
static bool run(suite *s, op_fixture *f, one_op *o, uint8_t **packed) {
    const tdl_backend *backend = s->device->backend;
    tdl_call *call = &f->call;
    tdl_error err = {0};
    uint8_t *bytes[TDL_OP_OUT_MAX] = {NULL};
    tdl_status status = TDL_OK;
    tdl_buffer **outputs = &o->buffers[TDL_BUFFER_BOUND + call->n_in];
    for (int32_t i = 0; i < call->n_out && status == TDL_OK; i++)
        status = fill_buffer(outputs[i], &call->out[i], f->initial[i], GUARD_BYTE, &err);
    if (status == TDL_OK) status = backend->submit(o->program, &(tdl_step_counts){.n = {[TDL_ROWS_TOKENS] = 1}}, &err);
    for (int32_t i = 0; i < call->n_out && status == TDL_OK; i++) {
        bytes[i] = malloc(outputs[i]->size);
        if (!bytes[i]) exit(1);
        status = backend->read(outputs[i], 0, bytes[i], outputs[i]->size, &err);
    }
    if (status == TDL_OK) status = wait(s, o, &err);
    verdict(s, status == TDL_OK, "%s", err.message);
    bool intact = true;
    for (int32_t i = 0; i < call->n_out && status == TDL_OK; i++) {
        size_t span = span_of(&call->out[i]);
        for (size_t at = 0; at < outputs[i]->size; at++)
            if (at < MARGIN || at >= MARGIN + span) intact &= bytes[i][at] == GUARD_BYTE;
        if (span) memcpy(call->out[i].data, bytes[i] + MARGIN, span);
        tdl_tensor_pack(&call->out[i], packed[i]);
    }
    if (status == TDL_OK) verdict(s, intact && op_fixture_guards_intact(f), "wrote beside its output");
    for (int32_t i = 0; i < TDL_OP_OUT_MAX; i++) free(bytes[i]);
    op_fixture_reset(f);
    return status == TDL_OK;
}

#else

int main(void) {
    printf("skipped: this build has no WebGPU\n");
    return SKIPPED;
}

#endif
