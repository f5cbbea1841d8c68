// SPDX-License-Identifier: MIT
// thread.c - the pool: workers that wait for a generation number to change, and a barrier made of another one.
//
// Both waits are the same: a 32-bit word that one thread advances and the others watch (`signal_word`). A waiter first
// spins, because the ops of a step are microseconds apart; then it offers its core to others with sched_yield; then it
// sleeps on a condition variable. A pool with more threads than cores yields at once: the thread it waits for may need
// this very core. The thread that advances the word takes the mutex only if somebody sleeps.
//
// No wake-up is lost: a waiter counts itself as a sleeper before it looks at the word for the last time, the other side
// advances the word before it looks at the count, and all four are sequentially consistent. So at least one sees the
// other, and if it is the advancing side, its broadcast waits for the mutex that the waiter holds until it sleeps.
#include "base/thread.h"

#include "base/cgroup.h"
#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum {
    CACHE_LINE = 64,
    SPIN_NS = 20000,   // then yield
    YIELD_NS = 100000, // then sleep
    SPIN_BURST = 32,   // looks between two looks at the clock
    CPUS_MAX = 1 << 16 // cores that the system may number
};

typedef struct signal_word {
    _Alignas(CACHE_LINE) atomic_uint value;
    atomic_int n_sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
} signal_word;

typedef struct worker {
    tdl_pool *pool;
    int32_t index;
    pthread_t thread;
} worker;

struct tdl_pool {
    signal_word start;   // advanced to hand out work, or to end
    signal_word barrier; // advanced by the last thread to arrive
    _Alignas(CACHE_LINE) atomic_int n_arrived;
    const tdl_allocator *mem;
    int32_t n_threads;
    int32_t n_workers; // started; n_threads - 1 once the pool is made
    bool may_spin;
    // Written before `start` is advanced.
    bool ending;
    void (*fn)(void *arg, int32_t index);
    void *arg;
    worker workers[]; // [n_threads - 1]
};

static tdl_status pool_start(tdl_pool *pool, tdl_error *err);
static void *worker_main(void *arg);
static void signal_init(signal_word *word);
static void signal_deinit(signal_word *word);
static void signal_advance(signal_word *word);
static void signal_wait(signal_word *word, unsigned old, bool may_spin);

void tdl_thread_yield(void) { sched_yield(); }

int32_t tdl_cpu_affinity(void) {
    // The kernel refuses a set that is too small for its highest core: grow until it fits.
    for (int n_max = CPU_SETSIZE; n_max <= CPUS_MAX; n_max *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)n_max);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE((size_t)n_max);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
    return 1;
}

int32_t tdl_cpu_count(void) {
    int32_t n = tdl_cpu_affinity();
    double quota = tdl_cgroup_cpus("");
    if (quota > 0.0 && quota < (double)n) n = quota < 1.0 ? 1 : (int32_t)quota;
    return n;
}

tdl_status tdl_pool_create(const tdl_allocator *mem, int32_t n_threads, tdl_pool **out, tdl_error *err) {
    if (n_threads < 1 || n_threads > TDL_THREADS_MAX) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "threads: %d asked for, expected 1 to %d", n_threads, TDL_THREADS_MAX);
    }
    tdl_pool *pool = tdl_alloc(mem, 1, sizeof *pool + (size_t)(n_threads - 1) * sizeof(worker));
    if (!pool) return tdl_fail(err, TDL_ERROR_MEMORY, "threads: no memory for a pool of %d", n_threads);
    pool->mem = mem;
    pool->n_threads = n_threads;
    pool->may_spin = n_threads <= tdl_cpu_count();
    signal_init(&pool->start);
    signal_init(&pool->barrier);
    tdl_status status = pool_start(pool, err);
    if (status == TDL_OK) *out = pool;
    else tdl_pool_destroy(pool);
    return status;
}

void tdl_pool_destroy(tdl_pool *pool) {
    if (!pool) return;
    pool->ending = true;
    signal_advance(&pool->start);
    for (int32_t i = 0; i < pool->n_workers; i++) pthread_join(pool->workers[i].thread, NULL);
    signal_deinit(&pool->start);
    signal_deinit(&pool->barrier);
    tdl_free(pool->mem, pool);
}

int32_t tdl_pool_n_threads(const tdl_pool *pool) { return pool->n_threads; }

void tdl_pool_run(tdl_pool *pool, void (*fn)(void *arg, int32_t index), void *arg) {
    if (pool->n_threads > 1) {
        pool->fn = fn;
        pool->arg = arg;
        signal_advance(&pool->start);
    }
    fn(arg, 0);
    tdl_pool_barrier(pool); // the workers call it too when they return
}

void tdl_pool_barrier(tdl_pool *pool) {
    if (pool->n_threads == 1) return;
    // Read before arriving: the last to arrive may advance it at once.
    unsigned old = atomic_load_explicit(&pool->barrier.value, memory_order_acquire);
    if (atomic_fetch_add(&pool->n_arrived, 1) == pool->n_threads - 1) {
        atomic_store_explicit(&pool->n_arrived, 0, memory_order_relaxed);
        signal_advance(&pool->barrier);
    } else {
        signal_wait(&pool->barrier, old, pool->may_spin);
    }
}

// Signals are left to the host's own threads: the workers block all of them.
static tdl_status pool_start(tdl_pool *pool, tdl_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = 0;
    while (code == 0 && pool->n_workers < pool->n_threads - 1) {
        worker *next = &pool->workers[pool->n_workers];
        next->pool = pool;
        next->index = pool->n_workers + 1;
        code = pthread_create(&next->thread, NULL, worker_main, next);
        if (code == 0) pool->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) return TDL_OK;
    errno = code;
    return tdl_fail(err, TDL_ERROR_DEVICE, "threads: cannot start thread %d of %d: %m", pool->n_workers + 2,
                    pool->n_threads);
}

static void *worker_main(void *arg) {
    const worker *self = arg;
    tdl_pool *pool = self->pool;
    for (unsigned seen = 0;; seen++) { // the pool cannot run ahead: a run ends when all workers have
        signal_wait(&pool->start, seen, pool->may_spin);
        if (pool->ending) return NULL;
        pool->fn(pool->arg, self->index);
        tdl_pool_barrier(pool);
    }
}

// ---- signal word

static void cpu_relax(void);

static void signal_init(signal_word *word) {
    pthread_mutex_init(&word->mutex, NULL); // default attributes: cannot fail on Linux
    pthread_cond_init(&word->cond, NULL);
}

static void signal_deinit(signal_word *word) {
    pthread_mutex_destroy(&word->mutex);
    pthread_cond_destroy(&word->cond);
}

static void signal_advance(signal_word *word) {
    atomic_fetch_add(&word->value, 1);
    if (atomic_load(&word->n_sleepers) == 0) return;
    pthread_mutex_lock(&word->mutex);
    pthread_cond_broadcast(&word->cond);
    pthread_mutex_unlock(&word->mutex);
}

// Returns when the word is no longer `old`.
static void signal_wait(signal_word *word, unsigned old, bool may_spin) {
    uint64_t begin = tdl_now_ns(), waited = 0;
    for (; waited < YIELD_NS; waited = tdl_now_ns() - begin) {
        for (int i = 0; i < SPIN_BURST; i++) {
            if (atomic_load_explicit(&word->value, memory_order_acquire) != old) return;
            cpu_relax();
        }
        if (!may_spin || waited >= SPIN_NS) sched_yield();
    }
    pthread_mutex_lock(&word->mutex);
    atomic_fetch_add(&word->n_sleepers, 1);
    while (atomic_load(&word->value) == old) pthread_cond_wait(&word->cond, &word->mutex);
    atomic_fetch_sub(&word->n_sleepers, 1);
    pthread_mutex_unlock(&word->mutex);
}

uint64_t tdl_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
