// SPDX-License-Identifier: MIT
// test_thread.c - the pool: every thread once a run, nobody through a barrier early, and what happens when a thread
// cannot start. Meant to run under ThreadSanitizer too.
#include "base/limits.h"
#include "base/thread.h"
#include "support/fail_alloc.h"
#include "support/sanitizer.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

// Plain integers on purpose: the pool alone has to order the accesses.
typedef struct shared {
    tdl_pool *pool;
    int32_t n_threads;
    int n_runs[TDL_THREADS_MAX]; // each thread its own
    int64_t cells[TDL_THREADS_MAX];
    bool wrong;
    bool signals_open;
    int pause_us; // before the first barrier, by thread 1
} shared;

static void count_run(void *arg, int32_t index) {
    shared *s = arg;
    s->n_runs[index]++;
}

// Each thread writes its cell, and after the barrier reads everybody's.
static void cross_barriers(void *arg, int32_t index) {
    shared *s = arg;
    for (int64_t phase = 1; phase <= 20; phase++) {
        if (phase == 1 && index == 1 && s->pause_us) {
            nanosleep(&(struct timespec){.tv_nsec = s->pause_us * 1000L}, NULL);
        }
        s->cells[index] = phase * 1000 + index;
        tdl_pool_barrier(s->pool);
        for (int32_t i = 0; i < s->n_threads; i++) {
            if (s->cells[i] != phase * 1000 + i) s->wrong = true;
        }
        tdl_pool_barrier(s->pool);
    }
}

static void check_pool(int32_t n_threads, int n_rounds) {
    fail_alloc fa;
    fail_alloc_init(&fa);
    shared s = {.n_threads = n_threads};
    tdl_error err = {0};
    assert_int_equal(tdl_pool_create(&fa.mem, n_threads, &s.pool, &err), TDL_OK);
    assert_int_equal(tdl_pool_n_threads(s.pool), n_threads);
    for (int round = 1; round <= n_rounds; round++) {
        tdl_pool_run(s.pool, count_run, &s);
        for (int32_t i = 0; i < n_threads; i++) assert_int_equal(s.n_runs[i], round); // all have returned
        tdl_pool_run(s.pool, cross_barriers, &s);
    }
    assert_false(s.wrong);
    tdl_pool_destroy(s.pool);
    fail_alloc_check(&fa);
}

static void test_one_thread(void **state) {
    (void)state;
    check_pool(1, 100);
}

static void test_some_threads(void **state) {
    (void)state;
    check_pool(2, 200);
    check_pool(3, 100);
}

static void test_more_threads_than_cores(void **state) {
    (void)state;
    check_pool(2 * tdl_cpu_count() + 3 <= 33 ? 2 * tdl_cpu_count() + 3 : 33, 20);
}

// Waits long enough for the others to stop spinning and go to sleep, at the start and at a barrier.
static void test_sleepers_wake(void **state) {
    (void)state;
    shared s = {.n_threads = 4};
    assert_int_equal(tdl_pool_create(tdl_allocator_or_default(NULL), 4, &s.pool, NULL), TDL_OK);
    for (int pause_us = 1; pause_us < 5000; pause_us = pause_us * 3 / 2 + 7) { // before, at and after each stage
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000L}, NULL);
        s.pause_us = pause_us;
        tdl_pool_run(s.pool, cross_barriers, &s);
    }
    assert_false(s.wrong);
    tdl_pool_destroy(s.pool);
}

static void test_create_and_destroy(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    for (int i = 0; i < 50; i++) {
        tdl_pool *pool;
        assert_int_equal(tdl_pool_create(mem, 1 + i % 5, &pool, NULL), TDL_OK);
        tdl_pool_destroy(pool); // never ran
    }
    tdl_pool_destroy(NULL);
}

static void test_limits(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    static const int32_t bad[] = {0, -1, INT32_MIN, TDL_THREADS_MAX + 1, INT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tdl_pool *pool = NULL;
        tdl_error err = {0};
        assert_int_equal(tdl_pool_create(mem, bad[i], &pool, &err), TDL_ERROR_ARGUMENT);
        assert_non_null(strstr(err.message, "expected 1 to 256"));
        assert_null(pool);
    }
    check_pool(TDL_THREADS_MAX, 1);
    assert_in_range(tdl_cpu_count(), 1, 1 << 16);
}

static tdl_status pool_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    shared s = {.n_threads = 2};
    tdl_status status = tdl_pool_create(mem, 2, &s.pool, NULL);
    if (status == TDL_OK) {
        tdl_pool_run(s.pool, count_run, &s);
        tdl_pool_destroy(s.pool);
    }
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(pool_scenario, NULL), 1, 4);
}

static void look_at_signals(void *arg, int32_t index) {
    shared *s = arg;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    if (index > 0 && !(sigismember(&set, SIGINT) && sigismember(&set, SIGTERM))) s->wrong = true;
    if (index == 0) s->signals_open = !sigismember(&set, SIGINT);
}

// The host's handlers run on the host's threads.
static void test_workers_take_no_signals(void **state) {
    (void)state;
    shared s = {.n_threads = 3};
    assert_int_equal(tdl_pool_create(tdl_allocator_or_default(NULL), 3, &s.pool, NULL), TDL_OK);
    tdl_pool_run(s.pool, look_at_signals, &s);
    assert_false(s.wrong);
    assert_true(s.signals_open);
    tdl_pool_destroy(s.pool);
}

// In a process with little address space left there is no room for 200 stacks. Exit status 0: as it should be.
static int create_without_room(void) {
    long long n_pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lld", &n_pages) != 1) return 1;
    fclose(file);
    rlim_t size = (rlim_t)n_pages * (rlim_t)sysconf(_SC_PAGESIZE) + (100 << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){size, size}) != 0) return 2;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_pool *pool = NULL;
    tdl_error err = {0};
    if (tdl_pool_create(&fa.mem, 200, &pool, &err) != TDL_ERROR_DEVICE || pool) return 3;
    if (!strstr(err.message, "cannot start thread") || !strstr(err.message, "of 200")) return 4;
    if (fa.n_live != 0 || fa.n_damaged != 0) return 5;
    return 0;
}

static void test_thread_that_cannot_start(void **state) {
    (void)state;
    if (SANITIZED) skip(); // they need address space of their own
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(create_without_room());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_some_threads),
        cmocka_unit_test(test_more_threads_than_cores),
        cmocka_unit_test(test_sleepers_wake),
        cmocka_unit_test(test_create_and_destroy),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_workers_take_no_signals),
        cmocka_unit_test(test_thread_that_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
