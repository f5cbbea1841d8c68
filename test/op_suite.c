// SPDX-License-Identifier: MIT
// op_suite.c - every CPU kernel of every op against the op's reference, over the cases in op_cases.c.
//
//     op_suite [--isa plain|avx2|avx512|avx512_bf16|neon] [--seed N] [--op NAME] [--part I/N] [--slow | --slow-only] [--guard-before] [--verbose]
//     op_suite --markdown            prints docs/OPS.md
//
// A kernel is run on each case that it accepts: all units at once, one by one, cut at random places in random order, and
// by two threads that take units as they get free. The bits must be the same each time, within the case set's bound of
// the reference, and nothing else may be written; where rows are independent, parts of the rows computed alone must give
// the same bits too. Inputs end where reading on is fatal, or, with --guard-before, begin where reading back is: after a crash,
// --verbose shows the case. --part 2/3: the second third of the ops. --slow-only: the cases whose reference takes long, but for the longest. It also fails where
// an op has no case, where a kernel that this CPU can run was accepted by no case, and where tdl_kernel_find never picks
// a kernel; and where docs/OPS.md is not what it would print. The WebGPU kernels: op_suite_webgpu.c.
#include "backend/cpu/cpu_features.h"
#include "base/hash.h"
#include "base/thread.h"
#include "ops/op_impl.h"
#include "support/op_cases.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { KERNELS_MAX = 64, SPLITS = 3, THREADS = 2 };

// Some ops are only made for devices that dispatch ops one by one.
#if defined(TDL_WEBGPU)
static const bool every_op_has_kernels = true;
#else
static const bool every_op_has_kernels = false;
#endif

typedef struct isa_level {
    const char *name;
    uint32_t features;
} isa_level;

static const isa_level isa_levels[] = {{"plain", 0},
                                       {"avx2", TDL_FEATURE_AVX2},
                                       {"avx512", TDL_FEATURE_AVX2 | TDL_FEATURE_AVX512},
                                       {"avx512_bf16", TDL_FEATURE_AVX2 | TDL_FEATURE_AVX512 | TDL_FEATURE_AVX512_BF16},
                                       {"neon", TDL_FEATURE_NEON}};
enum { ISA_LEVEL_COUNT = sizeof isa_levels / sizeof *isa_levels };

typedef struct options {
    uint32_t features; // of kernels to run
    uint64_t seed;
    int first, end;                // of the ops to test
    const char *op;                // NULL: all
    bool quick, verbose, markdown; // quick: cases that are not slow
    int slow;                      // cases as slow as this
} options;

typedef struct suite {
    options opt;
    int64_t passed, failed, skipped;
    char label[256]; // of the test that runs
    tdl_rng rng;
    tdl_pool *pool;
} suite;

// What a kernel computed, packed.
typedef struct result {
    uint8_t *data[TDL_OP_OUT_MAX];
} result;

static bool read_options(int argc, char **argv, options *opt);
static bool read_part(const char *text, options *opt);
static void test_op(suite *s, tdl_op op);
static void check_document(suite *s);
static void write_markdown(FILE *file);

int main(int argc, char **argv) {
    suite s = {0};
    if (!read_options(argc, argv, &s.opt)) return 2;
    if (s.opt.markdown) {
        write_markdown(stdout);
        return 0;
    }
    s.rng = tdl_rng_make(s.opt.seed, 0);
    tdl_error err = {0};
    if (tdl_pool_create(tdl_allocator_or_default(NULL), THREADS, &s.pool, &err) != TDL_OK) {
        fprintf(stderr, "op_suite: %s\n", err.message);
        return 2;
    }
    printf("seed %" PRIu64 "\n", s.opt.seed);
    for (int op = s.opt.first; op < s.opt.end; op++)
        if (!s.opt.op || strcmp(s.opt.op, tdl_op_get((tdl_op)op)->name) == 0) test_op(&s, (tdl_op)op);
    if (!s.opt.op && s.opt.quick && s.opt.end == TDL_OP_COUNT) check_document(&s);
    printf("%" PRId64 " passed, %" PRId64 " failed, %" PRId64 " skipped (no such CPU)\n", s.passed, s.failed,
           s.skipped);
    tdl_pool_destroy(s.pool);
    return s.failed ? 1 : 0;
}

static bool read_options(int argc, char **argv, options *opt) {
    *opt = (options){
        .features = tdl_cpu_features(), .seed = 1, .quick = true, .first = TDL_OP_NONE + 1, .end = TDL_OP_COUNT};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--slow") == 0) {
            opt->slow = 2;
        } else if (strcmp(argv[i], "--slow-only") == 0) {
            opt->slow = 1;
            opt->quick = false;
        } else if (strcmp(argv[i], "--guard-before") == 0) {
            op_guard_before();
        } else if (strcmp(argv[i], "--verbose") == 0) {
            opt->verbose = true;
        } else if (strcmp(argv[i], "--markdown") == 0) {
            opt->markdown = true;
        } else if (strcmp(argv[i], "--seed") == 0 && value) {
            opt->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--op") == 0 && value) {
            opt->op = argv[++i];
        } else if (strcmp(argv[i], "--part") == 0 && value && read_part(value, opt)) {
            i++;
        } else if (strcmp(argv[i], "--isa") == 0 && value) {
            int level = 0;
            while (level < ISA_LEVEL_COUNT && strcmp(isa_levels[level].name, value) != 0) level++;
            if (level == ISA_LEVEL_COUNT || (isa_levels[level].features & ~tdl_cpu_features()) != 0) {
                fprintf(stderr, "op_suite: --isa %s: expected an instruction set that this CPU has\n", value);
                return false;
            }
            opt->features = isa_levels[level].features;
            i++;
        } else {
            fprintf(stderr, "op_suite: %s: unknown option, or its value is missing\n", argv[i]);
            return false;
        }
    }
    return true;
}

// "2/3": the second third of the ops.
static bool read_part(const char *text, options *opt) {
    int part, n;
    if (sscanf(text, "%d/%d", &part, &n) != 2 || part < 1 || part > n) return false;
    opt->first = TDL_OP_NONE + 1 + (TDL_OP_COUNT - 1) * (part - 1) / n;
    opt->end = TDL_OP_NONE + 1 + (TDL_OP_COUNT - 1) * part / n;
    return true;
}

// ---- an op ----------------------------------------------------------------------------------------------------------

static void test_case(suite *s, tdl_op op, size_t index, bool *ran, bool *found);
static void verdict(suite *s, bool passed, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void label(suite *s, const char *text, const char *kernel, const char *isa) {
    snprintf(s->label, sizeof s->label, "%s%s%s%s%s", text, *kernel ? ": " : "", kernel, *isa ? " " : "", isa);
    if (s->opt.verbose) {
        printf("%s\n", s->label);
        fflush(stdout);
    }
}

static void test_op(suite *s, tdl_op op) {
    const char *name = tdl_op_get(op)->name;
    const op_case_set *set = op_case_set_of(op);
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n_kernels);
    bool ran[KERNELS_MAX] = {false}, found[KERNELS_MAX] = {false};
    label(s, name, "", "");
    verdict(s, set && set->n > 0 && (n_kernels > 0 || !every_op_has_kernels) && n_kernels <= KERNELS_MAX,
            "%zu cases, %zu kernels", set ? set->n : 0, n_kernels);
    if (!set || n_kernels > KERNELS_MAX) return;
    for (size_t i = 0; i < set->n; i++)
        if (!set->list[i].bench_gpu && (set->list[i].slow ? set->list[i].slow <= s->opt.slow : s->opt.quick))
            test_case(s, op, i, ran, found);
    for (size_t k = 0; k < n_kernels && s->opt.quick; k++) {
        if (kernels[k]->backend != TDL_BACKEND_CPU) continue;
        label(s, name, kernels[k]->name, op_isa_name(kernels[k]->needs));
        if ((kernels[k]->needs & ~s->opt.features) == 0) verdict(s, ran[k], "accepted by no case");
        verdict(s, found[k], "never picked by tdl_kernel_find");
    }
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
}

// ---- a case ---------------------------------------------------------------------------------------------------------

static void test_reference_in_place(suite *s, op_fixture *f);
static void test_kernel(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call);
static void mark_found(suite *s, const tdl_call *call, tdl_op op, bool *found);

static void test_case(suite *s, tdl_op op, size_t index, bool *ran, bool *found) {
    const op_case *c = &op_case_set_of(op)->list[index];
    char text[160];
    op_case_describe(op, c, text, sizeof text);
    label(s, text, "", "");
    op_fixture f;
    tdl_error err = {0};
    if (!op_fixture_init(&f, op, c, s->opt.seed + index * 1000003u, true, &err)) {
        verdict(s, false, "%s", err.message);
        op_fixture_deinit(&f);
        return;
    }
    mark_found(s, &f.call, op, found);
    if (c->in_place) test_reference_in_place(s, &f);
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n_kernels);
    for (size_t k = 0; k < n_kernels; k++) {
        if (kernels[k]->backend != TDL_BACKEND_CPU) continue;
        if ((kernels[k]->needs & ~s->opt.features) != 0) {
            s->skipped++;
            continue;
        }
        label(s, text, kernels[k]->name, op_isa_name(kernels[k]->needs));
        int32_t n_blocks = f.n_blocks;
        tdl_call call;
        if (op_fixture_prepare(&f, kernels[k], &call)) {
            ran[k] = true;
            test_kernel(s, &f, kernels[k], &call);
        }
        op_fixture_trim(&f, n_blocks);
    }
    op_fixture_deinit(&f);
}

// Which kernels dispatch picks for this call, at every level of features.
static void mark_found(suite *s, const tdl_call *call, tdl_op op, bool *found) {
    size_t n_kernels;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n_kernels);
    for (int level = 0; level < ISA_LEVEL_COUNT; level++)
        for (int plan = 0; plan < 4; plan++) {
            const tdl_kernel_want want = {.backend = TDL_BACKEND_CPU,
                                          .features = isa_levels[level].features,
                                          .may_round = plan & 1,
                                          .trains = plan & 2};
            const tdl_kernel *kernel = tdl_kernel_find(op, &want, call);
            verdict(s, !kernel || ((!kernel->rounds || want.may_round) && (!kernel->trains || want.trains)),
                    "%s picked for a plan that is not for it", kernel ? kernel->name : "");
            for (size_t k = 0; k < n_kernels; k++) found[k] |= kernels[k] == kernel;
        }
}

static result take_result(const op_fixture *f) {
    result taken = {0};
    for (int32_t i = 0; i < f->call.n_out; i++) {
        taken.data[i] = malloc(f->expected_size[i] + 1);
        if (!taken.data[i]) exit(1);
        tdl_tensor_pack(&f->call.out[i], taken.data[i]);
    }
    return taken;
}

static void free_result(result *taken) {
    for (int32_t i = 0; i < TDL_OP_OUT_MAX; i++) free(taken->data[i]);
}

static void test_reference_in_place(suite *s, op_fixture *f) {
    op_fixture_reset(f);
    tdl_op_get(f->op)->reference(&f->call);
    result got = take_result(f);
    verdict(s, op_fixture_same_bits(f, got.data, f->expected), "the reference in place gives other bits");
    verdict(s, op_fixture_guards_intact(f), "the reference in place wrote beside its output");
    free_result(&got);
}

// ---- a kernel -------------------------------------------------------------------------------------------------------

static result run_split(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                        bool single);
static result run_threads(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, size_t scratch_size);
static bool rows_independent(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                             const result *whole);

// A hash of all inputs but the one that the output shares.
static uint64_t hash_inputs(const op_fixture *f, const tdl_call *call) {
    uint64_t hash = 0;
    for (int32_t i = 0; i < call->n_in; i++) {
        if (f->c->in_place && i == tdl_op_get(f->op)->in_place) continue;
        size_t size = tdl_tensor_size(&call->in[i]);
        if (i == 1 && call->layout != TDL_LAYOUT_ROWS) size = tdl_layout_size(call->layout, &f->call.in[1]);
        if (size) hash = tdl_hash_bytes(call->in[i].data, size, hash);
    }
    return hash;
}

static void test_kernel(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call) {
    size_t scratch_size = kernel->scratch_size ? (kernel->scratch_size(call) + 63) / 64 * 64 : 0;
    void *scratch = scratch_size ? op_memory(f, scratch_size) : NULL;
    if (scratch) memset(scratch, 0xff, scratch_size);
    uint64_t inputs = hash_inputs(f, call);
    int64_t n_units = kernel->units(call);
    op_fixture_reset(f);
    if (n_units > 0) kernel->run(call, 0, n_units, scratch);
    result whole = take_result(f);
    op_bound bound = op_bound_of(f->op, TDL_BACKEND_CPU, false); // what is rounded, the reference got rounded too
    double error = op_fixture_error(f, whole.data, bound), limit = bound.metric == OP_METRIC_EXACT ? 0 : 1;
    if (s->opt.verbose) printf("    error %.2g, bound %g, %" PRId64 " units\n", error, limit, n_units);
    verdict(s, error <= limit, "error %g, bound %g", error, limit);
    verdict(s, op_fixture_guards_intact(f), "wrote beside its output");

    bool same = true;
    // A slow case is cut once; two threads take its units one by one below.
    for (int split = f->c->slow ? SPLITS : 0; split <= SPLITS && same; split++) {
        result again = run_split(s, f, kernel, call, scratch, split == 0);
        same = op_fixture_same_bits(f, whole.data, again.data) && op_fixture_guards_intact(f);
        free_result(&again);
    }
    verdict(s, same, "other bits where its %" PRId64 " units are run apart", n_units);
    result shared = run_threads(s, f, kernel, call, scratch_size);
    verdict(s, op_fixture_same_bits(f, whole.data, shared.data) && op_fixture_guards_intact(f),
            "other bits with %d threads", THREADS);
    free_result(&shared);
    if (op_case_set_of(f->op)->row_inputs)
        verdict(s, rows_independent(s, f, kernel, call, scratch, &whole),
                "other bits where some rows are computed alone");
    verdict(s, hash_inputs(f, call) == inputs, "changed an input");
    free_result(&whole);
}

// Runs the units one by one, or cut at random places and in random order.
static result run_split(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                        bool single) {
    int64_t n_units = kernel->units(call), n_runs = 0;
    int64_t *starts = malloc(((size_t)n_units + 1) * sizeof *starts),
            *order = malloc(((size_t)n_units + 1) * sizeof *order);
    if (!starts || !order) exit(1);
    for (int64_t unit = 0; unit < n_units; unit++)
        if (unit == 0 || single || tdl_rng_u32(&s->rng) % 3 == 0) starts[n_runs++] = unit;
    starts[n_runs] = n_units;
    for (int64_t i = 0; i < n_runs; i++) {
        int64_t at = single ? i : (int64_t)(tdl_rng_u32(&s->rng) % (uint64_t)(i + 1));
        order[i] = order[at];
        order[at] = i;
    }
    op_fixture_reset(f);
    for (int64_t i = 0; i < n_runs; i++)
        kernel->run(call, starts[order[i]], starts[order[i] + 1] - starts[order[i]], scratch);
    free(starts);
    free(order);
    return take_result(f);
}

// Units that threads take one by one, as a program's do.
typedef struct shared_units {
    const tdl_kernel *kernel;
    const tdl_call *call;
    void *scratch[THREADS];
    int64_t n;
    atomic_llong next;
} shared_units;

static void take_units(void *arg, int32_t index) {
    shared_units *units = arg;
    int64_t unit;
    while ((unit = atomic_fetch_add(&units->next, 1)) < units->n)
        units->kernel->run(units->call, unit, 1, units->scratch[index]);
}

static result run_threads(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                          size_t scratch_size) {
    shared_units units = {.kernel = kernel, .call = call, .n = kernel->units(call)};
    for (int i = 0; i < THREADS; i++) units.scratch[i] = scratch_size ? op_memory(f, scratch_size) : NULL;
    op_fixture_reset(f);
    tdl_pool_run(s->pool, take_units, &units);
    return take_result(f);
}

static bool part_matches(op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                         const result *whole, int64_t first, int64_t count);

static bool rows_independent(suite *s, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                             const result *whole) {
    int64_t n_rows = call->out[0].shape[0];
    if (n_rows < 2) return true;
    int64_t first = (int64_t)(tdl_rng_u32(&s->rng) % (uint64_t)n_rows);
    int64_t count = 1 + (int64_t)(tdl_rng_u32(&s->rng) % (uint64_t)(n_rows - first));
    return part_matches(f, kernel, call, scratch, whole, 0, 1) &&
           part_matches(f, kernel, call, scratch, whole, n_rows - 1, 1) &&
           part_matches(f, kernel, call, scratch, whole, n_rows / 2, 1) &&
           part_matches(f, kernel, call, scratch, whole, first, count);
}

// Computes rows [first, first + count) alone. They must be as in the whole, all others untouched.
static bool part_matches(op_fixture *f, const tdl_kernel *kernel, const tdl_call *call, void *scratch,
                         const result *whole, int64_t first, int64_t count) {
    const op_case_set *set = op_case_set_of(f->op);
    int32_t n_blocks = f->n_blocks;
    tdl_call part = *call;
    op_fixture_reset(f);
    result expected = take_result(f);
    for (int32_t i = 0; i < part.n_in; i++)
        if (set->row_inputs >> i & 1) part.in[i] = tdl_tensor_slice(&part.in[i], 0, first, count);
    for (int32_t i = 0; i < part.n_out; i++) {
        size_t row_size = f->expected_size[i] / (size_t)part.out[i].shape[0];
        part.out[i] = tdl_tensor_slice(&part.out[i], 0, first, count);
        memcpy(expected.data[i] + (size_t)first * row_size, whole->data[i] + (size_t)first * row_size,
               (size_t)count * row_size);
    }
    if (set->slice) set->slice(f, first, count, &part);
    int64_t n_units = kernel->units(&part);
    if (n_units > 0) kernel->run(&part, 0, n_units, scratch);
    result got = take_result(f);
    bool same = op_fixture_same_bits(f, got.data, expected.data) && op_fixture_guards_intact(f);
    free_result(&got);
    free_result(&expected);
    op_fixture_trim(f, n_blocks);
    return same;
}

// ---- docs/OPS.md ----------------------------------------------------------------------------------------------------

static void check_document(suite *s) {
    label(s, "docs/OPS.md", "", "");
    FILE *file = fopen(TDL_REPO "/docs/OPS.md", "rb");
    char *want = NULL;
    size_t want_size = 0;
    FILE *memory = open_memstream(&want, &want_size);
    if (!memory) exit(1);
    write_markdown(memory);
    fclose(memory);
    char *have = calloc(want_size + 2, 1);
    if (!have) exit(1);
    size_t have_size = file ? fread(have, 1, want_size + 1, file) : 0;
    verdict(s, have_size == want_size && memcmp(have, want, want_size) == 0,
            "is not what op_suite --markdown prints; write it again");
    if (file) fclose(file);
    free(have);
    free(want);
}

static void write_bound(FILE *file, op_bound bound) {
    switch (bound.metric) {
    case OP_METRIC_EXACT: fprintf(file, "the same bits"); break;
    case OP_METRIC_ELEMENT: fprintf(file, "%g + %g \\|r\\|", bound.abs, bound.rel); break;
    case OP_METRIC_ROW: fprintf(file, "%g + %g max \\|r\\| of the row", bound.abs, bound.rel); break;
    }
}

// The ops that WebGPU has kernels for, also where this build has none.
static bool on_webgpu(tdl_op op) {
    static const tdl_op ops[] = {
#define TDL_KERNEL_LIST(op, name)
#define TDL_KERNEL_BF16(op, name)
#define TDL_KERNEL_WEBGPU(op, name) TDL_OP_##op,
#include "ops/kernels.def"
#undef TDL_KERNEL_BF16
#undef TDL_KERNEL_WEBGPU
#undef TDL_KERNEL_LIST
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i] == op) return true;
    return false;
}

// A kernel's row, from the one of the plain instruction set, which every machine has.
static void write_kernel(FILE *file, tdl_op op, const char *name) {
    static const char *const layouts[TDL_LAYOUT_COUNT] = {[TDL_LAYOUT_ROWS] = "rows", [TDL_LAYOUT_TILE16] = "tile16"};
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(op, &n);
    for (size_t k = 0; k < n; k++)
        if (kernels[k]->needs == 0 && strcmp(kernels[k]->name, name) == 0)
            fprintf(file, "| %s | `%s` | cpu: avx512, avx2, neon, plain | %s | %s | %s |\n", tdl_op_get(op)->name, name,
                    kernels[k]->x == TDL_DTYPE_NONE ? "F32" : tdl_dtype_get(kernels[k]->x)->name,
                    layouts[kernels[k]->layout], kernels[k]->rounds ? "yes" : "no");
}

static void write_bf16_kernel(FILE *file, tdl_op op, const char *name) {
    fprintf(file, "| %s | `%s` | cpu: avx512_bf16 | F32 | rows | BF16, in training |\n", tdl_op_get(op)->name, name);
}

// From its name, since this build may have none; op_suite_webgpu sees to it that the name is true.
static void write_webgpu_kernel(FILE *file, tdl_op op, const char *name) {
    fprintf(file, "| %s | `%s_webgpu` | webgpu | F32 | rows | %s |\n", tdl_op_get(op)->name, name,
            strstr(name, "_matrix_") ? "F16"
            : strstr(name, "_dot")   ? "int8"
                                     : "no");
}

static void write_markdown(FILE *file) {
    fprintf(file,
            "# Ops and their kernels\n\n"
            "Written by `op_suite --markdown`, from the lists that dispatch reads; the op suite checks that it is "
            "current.\n\n"
            "An op's shape rule, formula, sources and plain reference are in `src/ops/<op>/<op>.c`. Every kernel is "
            "tested against\nthe reference r, which sums in double, on every case of `src/ops/<op>/<op>_cases.h`; "
            "its error |y - r| stays below the\nbound for every element. WGSL lets an adapter fuse, flush and divide "
            "less than exactly: where WebGPU's\nbounds are wider, that is why. Its kernels keep activations and caches "
            "in F32, and read weights of all types as the\nfile has them.\n\n"
            "| op | cases | bound, CPU | bound, WebGPU |\n|---|---|---|---|\n");
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        fprintf(file, "| %s | %zu | ", tdl_op_get((tdl_op)op)->name, set->n);
        write_bound(file, op_bound_of((tdl_op)op, TDL_BACKEND_CPU, false));
        fprintf(file, " | ");
        if (on_webgpu((tdl_op)op)) write_bound(file, op_bound_of((tdl_op)op, TDL_BACKEND_WEBGPU, false));
        else fprintf(file, "not there");
        if (set->half_rel > 0) {
            fprintf(file, "; in F16: ");
            write_bound(file, op_bound_of((tdl_op)op, TDL_BACKEND_WEBGPU, true));
        }
        fprintf(file, " |\n");
    }
    fprintf(
        file,
        "\nKernels, best first. A kernel that rounds takes activations in another type than the plan computes in: "
        "its bound\nholds from the rounded input on, and a plan of precision `f32` does not use it. Kernels that "
        "multiply "
        "matrices by hardware\nround both operands to F16, and their bound, \"in F16\", holds for that as well. Those "
        "in BF16 round both too, and are for\nplans of training.\n\n"
        "| op | kernel | runs on | input | weight layout | rounds |\n|---|---|---|---|---|---|\n");
#define TDL_KERNEL_LIST(op, name) write_kernel(file, TDL_OP_##op, #name);
#define TDL_KERNEL_BF16(op, name) write_bf16_kernel(file, TDL_OP_##op, #name);
#define TDL_KERNEL_WEBGPU(op, name) write_webgpu_kernel(file, TDL_OP_##op, #name);
#include "ops/kernels.def"
#undef TDL_KERNEL_WEBGPU
#undef TDL_KERNEL_BF16
#undef TDL_KERNEL_LIST
}
