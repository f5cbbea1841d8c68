// bench_ops.c - how long every kernel takes on one thread, over the op suite's own cases (those marked `bench`).
//
//     bench_ops [--op NAME] [--isa plain|avx2|avx512|neon] [--ms N]
//
// Times the best of several rounds of about N milliseconds each (default 50). GB/s counts every input and output once,
// what the caches hold of positions included; GFLOP/s is shown where the case set says how many there are.
#include "backend/cpu/cpu_features.h"
#include "ops/op_impl.h"
#include "support/op_cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5 };

typedef struct options {
    const char *op, *isa; // NULL: all
    double round_ms;
} options;

static bool read_options(int argc, char **argv, options *opt);
static void bench_case(const options *opt, tdl_op op, const op_case *c);

int main(int argc, char **argv) {
    options opt;
    if (!read_options(argc, argv, &opt)) return 2;
    printf("%-64s %-24s %12s %10s %10s\n", "case", "kernel", "us", "GB/s", "GFLOP/s");
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        if (opt.op && strcmp(opt.op, tdl_op_get((tdl_op)op)->name) != 0) continue;
        for (size_t i = 0; i < set->n; i++)
            if (set->list[i].bench) bench_case(&opt, (tdl_op)op, &set->list[i]);
    }
    return 0;
}

static bool read_options(int argc, char **argv, options *opt) {
    *opt = (options){.round_ms = 50};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "bench_ops: %s: a value is missing\n", argv[i]);
            return false;
        }
        if (strcmp(argv[i], "--op") == 0) {
            opt->op = argv[i + 1];
        } else if (strcmp(argv[i], "--isa") == 0) {
            opt->isa = argv[i + 1];
        } else if (strcmp(argv[i], "--ms") == 0 && strtod(argv[i + 1], NULL) > 0) {
            opt->round_ms = strtod(argv[i + 1], NULL);
        } else {
            fprintf(stderr, "bench_ops: %s %s: unknown option or value\n", argv[i], argv[i + 1]);
            return false;
        }
    }
    return true;
}

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
        if (kernels[k]->backend != TDL_BACKEND_CPU || (kernels[k]->needs & ~tdl_cpu_features()) != 0) continue;
        if (opt->isa && strcmp(opt->isa, op_isa_name(kernels[k]->needs)) != 0) continue;
        int32_t n_blocks = f.n_blocks;
        tdl_call call;
        if (op_fixture_prepare(&f, kernels[k], &call)) bench_kernel(opt, &f, kernels[k], &call, text);
        op_fixture_trim(&f, n_blocks);
    }
    op_fixture_deinit(&f);
}

static double now_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec * 1e-3;
}

static void run_times(const tdl_kernel *kernel, const tdl_call *call, int64_t n_units, void *scratch, int64_t n) {
    for (int64_t i = 0; i < n; i++) kernel->run(call, 0, n_units, scratch);
}

static void bench_kernel(const options *opt, op_fixture *f, const tdl_kernel *kernel, const tdl_call *call,
                         const char *text) {
    size_t scratch_size = kernel->scratch_size ? (kernel->scratch_size(call) + 63) / 64 * 64 : 0;
    void *scratch = scratch_size ? op_memory(f, scratch_size) : NULL;
    int64_t n_units = kernel->units(call), n = 1;
    double bytes = 0, start = now_us(), best = 1e30;
    run_times(kernel, call, n_units, scratch, 1);
    for (start = now_us(); now_us() - start < opt->round_ms * 1e3; n *= 2) run_times(kernel, call, n_units, scratch, n);
    for (int round = 0; round < ROUNDS; round++) {
        start = now_us();
        run_times(kernel, call, n_units, scratch, n / 2);
        double us = (now_us() - start) / (double)(n / 2);
        if (us < best) best = us;
    }
    for (int32_t i = 0; i < call->n_in; i++) bytes += (double)tdl_tensor_size(&call->in[i]);
    for (int32_t i = 0; i < call->n_out; i++) bytes += (double)tdl_tensor_size(&call->out[i]);
    double (*flops)(const tdl_call *) = op_case_set_of(f->op)->flops;
    char name[64];
    snprintf(name, sizeof name, "%s %s", kernel->name, op_isa_name(kernel->needs));
    printf("%-64s %-24s %12.2f %10.2f", text, name, best, bytes / best * 1e-3);
    if (flops) printf(" %10.1f", flops(call) / best * 1e-3);
    printf("\n");
}
