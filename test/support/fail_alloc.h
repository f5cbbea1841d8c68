// SPDX-License-Identifier: MIT
// fail_alloc.h - an allocator for tests: fails the Nth allocation, finds leaks and writes outside of blocks.
//
//     fail_alloc fa;
//     fail_alloc_init(&fa);
//     fa.fail_at = 3;                            // the third allocation fails, and only that one
//     tdl_status status = thing_create(&fa.mem, &thing, &err);
//     ...
//     fail_alloc_check(&fa);                     // fails the test if a block is alive or was damaged
//
// Most tests want all N at once:
//
//     static tdl_status scenario(const tdl_allocator *mem, void *arg) { ...create, use, destroy; return the status... }
//     fail_alloc_each(scenario, arg);
//
// Blocks are handed out full of a pattern, so that nothing gets zeros it did not ask for. May be used from any thread.
#ifndef TDL_TEST_FAIL_ALLOC_H
#define TDL_TEST_FAIL_ALLOC_H

#include "treadle.h"

typedef struct fail_alloc {
    tdl_allocator mem; // hand &fa.mem to the code under test
    int64_t fail_at;   // the number, from 1, of the allocation that fails; 0: none
    bool fail_on;      // all after it fail too
    // Read with care while other threads allocate.
    int64_t n_calls;              // allocations asked for
    int64_t n_failed;             // refused
    int64_t n_live;               // blocks not freed yet
    int64_t n_damaged;            // frees that found changed guard bytes, or no block at all
    int64_t size_live, size_peak; // bytes
} fail_alloc;

void fail_alloc_init(fail_alloc *fa);

// A cmocka assertion: nothing is alive, nothing was damaged.
void fail_alloc_check(const fail_alloc *fa);

// Runs `scenario` with the 1st, 2nd, 3rd ... allocation failing, each N alone and with all later ones, until a run asks
// for fewer than N. A run in which an allocation failed must return MEMORY (or OK, if it could do without); the last one
// must return OK; none may leak. Returns how many allocations a run without failure makes.
int64_t fail_alloc_each(tdl_status (*scenario)(const tdl_allocator *mem, void *arg), void *arg);

#endif
