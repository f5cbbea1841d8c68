// SPDX-License-Identifier: MIT
// run_lock.h - a run's directory belongs to one run at a time.
//
//     tdl_run_lock *lock = NULL;
//     status = tdl_run_lock_take(mem, "run", &lock, err);    // makes the directory, and those above it, where they are not there
//     ...
//     tdl_run_lock_give(lock);
//
// The lock is one of the operating system's on DIR/lock, so it ends with the process, however that ends. It does not keep
// out programs that do not ask for it, nor runs on other machines where the file system has no locks.
#ifndef TDL_TRAIN_RUN_LOCK_H
#define TDL_TRAIN_RUN_LOCK_H

#include "base/alloc.h"

typedef struct tdl_run_lock tdl_run_lock;

// Removes what writers that were killed have left in the directory ("NAME.tmp-PID-N"). Errors: ARGUMENT (another run is in
// this directory), IO, MEMORY, UNSUPPORTED (the file system has no locks).
tdl_status tdl_run_lock_take(const tdl_allocator *mem, const char *dir, tdl_run_lock **out, tdl_error *err);
void tdl_run_lock_give(tdl_run_lock *lock); // accepts NULL

#endif
