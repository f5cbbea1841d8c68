// SPDX-License-Identifier: MIT
// bench_matmul.c - the matmul kernels alone, over the shapes of two small models, beside what the machine can do.
//
//     bench_matmul [FORMAT [TOKENS [THREADS [ROWS COLUMNS]]]]        0 or "all" where any is meant
//
// Each row: time of one call, weight bytes and multiply-adds a second, and the fraction of the roof: the time that
// memory bandwidth or arithmetic would allow, whichever is longer, over the time taken. Weights are rotated through
// copies beyond the caches' size, as they come from memory in a model. The roofs are constants of the machine the
// numbers were taken on (docs/SPEED.md); elsewhere take the ratios between rows.
#include "backend/cpu/cpu_features.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/rng.h"
#include "base/thread.h"
#include "ops/kernel.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROTATE_SIZE = 128 << 20, SEED_ROWS = 64, SCRATCH_THREADS = 16 };

static const double roof_gops_f32 = 250, roof_gops_int8 = 1000; // a thread
static const double roof_gbps[] = {41, 47};                     // one thread, more

typedef struct bench {
    tdl_call call;
    const tdl_kernel *kernel;
    tdl_pool *pool;
    uint8_t *scratch;
    size_t scratch_size;
    int64_t n_units, chunk;
    atomic_llong next;
    uint8_t *copies;
    size_t copy_size;
    int64_t n_copies;
} bench;

static bool bench_init(bench *b, tdl_dtype dtype, int64_t tokens, int64_t rows, int64_t columns);
static void bench_deinit(bench *b);
static double bench_time(bench *b);

// With one thread the thread's own time, so that others on the machine count less.
static double now(const bench *b) {
    struct timespec t;
    clock_gettime(tdl_pool_n_threads(b->pool) == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool measure(tdl_pool *pool, tdl_dtype dtype, int64_t tokens, int64_t rows, int64_t columns) {
    bench b = {.pool = pool};
    bool ok = bench_init(&b, dtype, tokens, rows, columns);
    if (ok) {
        int32_t threads = tdl_pool_n_threads(pool);
        double seconds = bench_time(&b), gop = 2e-9 * (double)tokens * (double)rows * (double)columns;
        double gb = 1e-9 * (double)tdl_tensor_size(&b.call.in[1]);
        double roof_compute = gop / (threads * (b.kernel->rounds ? roof_gops_int8 : roof_gops_f32));
        double roof_memory = gb / roof_gbps[threads > 1];
        double roof = roof_compute > roof_memory ? roof_compute : roof_memory;
        printf("%-5s %6lld x %-5lld T %-4lld threads %d  %-10s %10.1f us %7.1f GB/s %8.1f Gop/s  %3.0f%% of %s\n",
               tdl_dtype_get(dtype)->name, (long long)rows, (long long)columns, (long long)tokens, threads,
               b.kernel->name, seconds * 1e6, gb / seconds, gop / seconds, 100 * roof / seconds,
               roof_compute > roof_memory ? "arithmetic" : "memory");
        fflush(stdout);
    }
    bench_deinit(&b);
    return ok;
}

int main(int argc, char **argv) {
    static const int64_t shapes[][2] = {{576, 576},   {192, 576},  {1536, 576},  {576, 1536},  {49152, 576},
                                        {2048, 2048}, {512, 2048}, {8192, 2048}, {2048, 8192}, {128256, 2048}};
    static const int64_t token_counts[] = {1, 8, 32, 512};
    static const tdl_dtype dtypes[] = {TDL_DTYPE_F32,  TDL_DTYPE_F16,  TDL_DTYPE_Q8_0, TDL_DTYPE_Q4_0,
                                       TDL_DTYPE_Q4_1, TDL_DTYPE_Q4_K, TDL_DTYPE_Q5_K, TDL_DTYPE_Q6_K};
    tdl_dtype only = argc > 1 ? tdl_dtype_from_name(argv[1]) : TDL_DTYPE_NONE;
    int64_t only_tokens = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    int32_t only_threads = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 0;
    int64_t only_rows = argc > 5 ? strtoll(argv[4], NULL, 10) : 0,
            only_columns = argc > 5 ? strtoll(argv[5], NULL, 10) : 0;
    for (int32_t threads = 1; threads <= SCRATCH_THREADS; threads++) {
        if (only_threads ? threads != only_threads : threads > 2) continue;
        tdl_error err = {0};
        tdl_pool *pool = NULL;
        if (tdl_pool_create(tdl_allocator_or_default(NULL), threads, &pool, &err) != TDL_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
            if (only != TDL_DTYPE_NONE && dtypes[d] != only) continue;
            for (size_t t = 0; t < sizeof token_counts / sizeof *token_counts; t++) {
                if (only_tokens && token_counts[t] != only_tokens) continue;
                for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                    if (only_rows && (shapes[s][0] != only_rows || shapes[s][1] != only_columns)) continue;
                    if (!measure(pool, dtypes[d], token_counts[t], shapes[s][0], shapes[s][1])) return 1;
                }
            }
        }
        tdl_pool_destroy(pool);
    }
    return 0;
}

// ---- one measurement ------------------------------------------------------------------------------------------------

static tdl_tensor make_tensor(tdl_dtype dtype, int64_t rows, int64_t columns) {
    tdl_tensor t = {0};
    if (tdl_tensor_make(dtype, 2, (int64_t[]){rows, columns}, NULL, &t, NULL) == TDL_OK)
        t.data = tdl_alloc(tdl_allocator_or_default(NULL), 1, tdl_tensor_size(&t));
    return t;
}

// A few random rows, over and over.
static void fill(tdl_tensor *t, uint64_t seed) {
    tdl_rng rng = tdl_rng_make(seed, 0);
    int64_t columns = t->shape[1];
    float *row = tdl_alloc(tdl_allocator_or_default(NULL), (size_t)columns, sizeof *row);
    for (int64_t r = 0; row && r < t->shape[0]; r++) {
        if (r < SEED_ROWS) {
            for (int64_t i = 0; i < columns; i++) row[i] = (float)(2 * tdl_rng_uniform(&rng) - 1);
            tdl_dtype_get(t->dtype)->encode(row, t->data + r * t->strides[0], columns);
        } else {
            memcpy(t->data + r * t->strides[0], t->data + r % SEED_ROWS * t->strides[0], (size_t)t->strides[0]);
        }
    }
    tdl_free(tdl_allocator_or_default(NULL), row);
}

static bool bench_init(bench *b, tdl_dtype dtype, int64_t tokens, int64_t rows, int64_t columns) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_call *call = &b->call;
    call->n_in = 2, call->n_out = 1;
    call->in[0] = make_tensor(TDL_DTYPE_F32, tokens, columns);
    call->in[1] = make_tensor(dtype, rows, columns);
    call->out[0] = make_tensor(TDL_DTYPE_F32, tokens, rows);
    if (!call->in[0].data || !call->in[1].data || !call->out[0].data) return false;
    fill(&call->in[0], 1);
    fill(&call->in[1], 2);
    const tdl_kernel_want want = {.backend = TDL_BACKEND_CPU, .features = tdl_cpu_features(), .may_round = true};
    b->kernel = tdl_kernel_find(TDL_OP_MATMUL, &want, call);
    if (b->kernel->x != TDL_DTYPE_NONE) {
        tdl_tensor x = make_tensor(b->kernel->x, tokens, columns);
        if (!x.data) return false;
        tdl_dtype_get(x.dtype)->encode((const float *)call->in[0].data, x.data, tokens * columns);
        tdl_free(mem, call->in[0].data);
        call->in[0] = x;
    }
    call->layout = b->kernel->layout;
    size_t prepared = tdl_layout_size(call->layout, &call->in[1]);
    if (!tdl_align_size(prepared ? prepared : tdl_tensor_size(&call->in[1]), 64, &b->copy_size)) return false;
    b->n_copies = tdl_div_up(ROTATE_SIZE, (int64_t)b->copy_size);
    b->copies = tdl_alloc(mem, (size_t)b->n_copies, b->copy_size);
    b->scratch_size = b->kernel->scratch_size ? (b->kernel->scratch_size(call) + 63) / 64 * 64 : 0;
    b->scratch = tdl_alloc(mem, (size_t)tdl_pool_n_threads(b->pool), b->scratch_size);
    if (!b->copies || !b->scratch) return false;
    if (prepared) tdl_layout_prepare(call->layout, &call->in[1], call->in[1].data, b->copies, 0, rows);
    else memcpy(b->copies, call->in[1].data, tdl_tensor_size(&call->in[1]));
    for (int64_t i = 1; i < b->n_copies; i++) memcpy(b->copies + (size_t)i * b->copy_size, b->copies, b->copy_size);
    tdl_free(mem, call->in[1].data);
    call->in[1].data = b->copies;
    return true;
}

static void bench_deinit(bench *b) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_free(mem, b->call.in[0].data);
    tdl_free(mem, b->call.out[0].data);
    tdl_free(mem, b->copies);
    tdl_free(mem, b->scratch);
}

static void run_units(void *arg, int32_t index) {
    bench *b = arg;
    int64_t first;
    while ((first = atomic_fetch_add(&b->next, b->chunk)) < b->n_units)
        b->kernel->run(&b->call, first, tdl_min_i64(b->chunk, b->n_units - first),
                       b->scratch + (size_t)index * b->scratch_size);
}

// The best of some calls, each over another copy of the weights.
static double bench_time(bench *b) {
    int32_t threads = tdl_pool_n_threads(b->pool);
    b->n_units = b->kernel->units(&b->call);
    b->chunk = threads == 1 ? b->n_units : tdl_max_i64(1, b->n_units / (threads * 8));
    double best = 1e9, end = now(b) + 0.3;
    for (int64_t i = 0; i < 3 || now(b) < end; i++) {
        // Several calls a measurement, so that the clock and the pool's hand-off do not count for small shapes.
        int64_t calls = tdl_max_i64(1, tdl_min_i64(b->n_copies, 4));
        double start = now(b);
        for (int64_t c = 0; c < calls; c++) {
            b->call.in[1].data = b->copies + (size_t)((i * calls + c) % b->n_copies) * b->copy_size;
            atomic_store(&b->next, 0);
            tdl_pool_run(b->pool, run_units, b);
        }
        double seconds = (now(b) - start) / (double)calls;
        if (seconds < best) best = seconds;
    }
    return best;
}
