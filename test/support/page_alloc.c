// SPDX-License-Identifier: MIT
// page_alloc.c - see page_alloc.h. What is known of a block stands in a tree beside it, since no byte round it can be used.
#include "page_alloc.h"

#include <search.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILL_BYTE = 0x5C };

typedef struct page_block {
    uint8_t *ptr, *map;
    size_t size, map_size;
} page_block;

static void *page_get(void *user, size_t size, size_t align);
static void page_free(void *user, void *ptr);

void page_alloc_init(page_alloc *pa, page_alloc_side side) {
    *pa = (page_alloc){.mem = {.alloc = page_get, .free = page_free, .user = pa}, .side = side};
    pthread_mutex_init(&pa->lock, NULL);
}

void page_alloc_check(page_alloc *pa) {
    assert_int_equal(pa->n_live, 0);
    assert_int_equal(pa->n_damaged, 0);
    pthread_mutex_destroy(&pa->lock);
}

static int compare(const void *a, const void *b) {
    const page_block *x = a, *y = b;
    return x->ptr < y->ptr ? -1 : x->ptr > y->ptr;
}

static void *page_get(void *user, size_t size, size_t align) {
    page_alloc *pa = user;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX / 2 || align > page) return NULL;
    size_t inner = (size + page - 1) / page * page, map_size = inner + 2 * page;
    page_block *block = malloc(sizeof *block);
    uint8_t *map = mmap(NULL, map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!block || map == MAP_FAILED || mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0) {
        if (map != MAP_FAILED) munmap(map, map_size);
        free(block);
        return NULL;
    }
    size_t at = pa->side == PAGE_ALLOC_BEFORE ? 0 : (inner - size) / align * align;
    *block = (page_block){.ptr = map + page + at, .map = map, .size = size, .map_size = map_size};
    memset(map + page, FILL_BYTE, inner);
    pthread_mutex_lock(&pa->lock);
    void *there = tsearch(block, &pa->blocks, compare);
    pa->n_live++;
    pthread_mutex_unlock(&pa->lock);
    if (!there) abort();
    return block->ptr;
}

static void page_free(void *user, void *ptr) {
    page_alloc *pa = user;
    if (!ptr) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_lock(&pa->lock);
    page_block **found = tfind(&(page_block){.ptr = ptr}, &pa->blocks, compare);
    page_block *block = found ? *found : NULL;
    if (block) tdelete(block, &pa->blocks, compare);
    pa->n_live -= block != NULL;
    pa->n_damaged += block == NULL;
    for (uint8_t *at = block ? block->ptr + block->size : NULL; block && at < block->map + block->map_size - page; at++)
        if (*at != FILL_BYTE) {
            pa->n_damaged++;
            break;
        }
    pthread_mutex_unlock(&pa->lock);
    if (block) munmap(block->map, block->map_size);
    free(block);
}
