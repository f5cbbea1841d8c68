// SPDX-License-Identifier: MIT
// page_alloc.h - an allocator for tests: every block has pages of its own, with a page on both sides that may not be touched.
//
//     page_alloc pa;
//     page_alloc_init(&pa, PAGE_ALLOC_BEFORE);
//     tdl_device_desc desc = {.size = sizeof desc, .name = "cpu", .allocator = &pa.mem};
//     ...
//     page_alloc_check(&pa);                     // fails the test if a block is alive, or was written behind its end
//
// A block begins directly behind its first page (BEFORE), or ends as near to its last one as its alignment allows (AFTER): a
// read or write beside it on that side ends the program, as does one to a block that was freed. Blocks are handed out full of a pattern.
// May be used from any thread.
#ifndef TDL_TEST_PAGE_ALLOC_H
#define TDL_TEST_PAGE_ALLOC_H

#include "treadle.h"

#include <pthread.h>

typedef enum page_alloc_side { PAGE_ALLOC_BEFORE = 0, PAGE_ALLOC_AFTER } page_alloc_side;

typedef struct page_alloc {
    tdl_allocator mem;
    page_alloc_side side;
    pthread_mutex_t lock;
    void *blocks; // tsearch's tree
    int64_t n_live, n_damaged;
} page_alloc;

void page_alloc_init(page_alloc *pa, page_alloc_side side);
// A cmocka assertion: nothing is alive, nothing was damaged.
void page_alloc_check(page_alloc *pa);

#endif
