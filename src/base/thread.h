// SPDX-License-Identifier: MIT
// thread.h - a pool of threads that runs one function on all of them, and a barrier inside it.
//
// The pool is handed work once a step; between the ops of a step its threads meet at a barrier, which spins for a short
// while and then sleeps, so that a machine shared with others is not held.
#ifndef TDL_BASE_THREAD_H
#define TDL_BASE_THREAD_H

#include "alloc.h"

typedef struct tdl_pool tdl_pool;

void tdl_thread_yield(void);    // lets other threads go first: for a loop that waits for a device
uint64_t tdl_now_ns(void);      // monotonic
int32_t tdl_cpu_affinity(void); // CPUs that the process may run on, at least 1
// The same, but no more than its control groups' quota of CPU time, rounded down: threads beyond that would be stopped.
int32_t tdl_cpu_count(void);

// n_threads counts the calling thread: 1 starts none. Errors: ARGUMENT, MEMORY, DEVICE (a thread could not be started).
tdl_status tdl_pool_create(const tdl_allocator *mem, int32_t n_threads, tdl_pool **out, tdl_error *err);
void tdl_pool_destroy(tdl_pool *pool);
int32_t tdl_pool_n_threads(const tdl_pool *pool);
// Runs fn(arg, index) on every thread, index 0 on the caller's, and returns when all have returned. One call at a time.
void tdl_pool_run(tdl_pool *pool, void (*fn)(void *arg, int32_t index), void *arg);
// Inside tdl_pool_run: returns when every thread of the pool has called it.
void tdl_pool_barrier(tdl_pool *pool);

#endif
