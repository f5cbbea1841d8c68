// SPDX-License-Identifier: MIT
// fail_alloc.c - see fail_alloc.h.
//
// A block is [header][front guard][the caller's bytes][back guard]. The header lies directly before the front guard, so
// it is found from the caller's pointer alone. Counters are updated with atomic built-ins; the fields stay plain
// integers, which tests can print and compare.
#include "support/fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD_SIZE = 64, GUARD_BYTE = 0xA7, FILL_BYTE = 0x5C };

#define HEADER_MAGIC 0x74726561646C6521u

typedef struct header {
    void *base; // what malloc returned
    size_t size;
    uint64_t magic;
} header;

static void *guarded_alloc(void *user, size_t size, size_t align);
static void guarded_free(void *user, void *ptr);
static bool guard_intact(const uint8_t *guard);

void fail_alloc_init(fail_alloc *fa) {
    *fa = (fail_alloc){.mem = {.alloc = guarded_alloc, .free = guarded_free, .user = fa}};
}

void fail_alloc_check(const fail_alloc *fa) {
    assert_int_equal(fa->n_live, 0);
    assert_int_equal(fa->n_damaged, 0);
}

int64_t fail_alloc_each(tdl_status (*scenario)(const tdl_allocator *mem, void *arg), void *arg) {
    for (int64_t n = 1;; n++) {
        for (int fail_on = 0; fail_on <= 1; fail_on++) {
            fail_alloc fa;
            fail_alloc_init(&fa);
            fa.fail_at = n;
            fa.fail_on = fail_on;
            tdl_status status = scenario(&fa.mem, arg);
            fail_alloc_check(&fa);
            if (fa.n_failed == 0) {
                assert_int_equal(status, TDL_OK);
                return fa.n_calls;
            }
            if (status != TDL_OK) assert_int_equal(status, TDL_ERROR_MEMORY);
        }
    }
}

static void *guarded_alloc(void *user, size_t size, size_t align) {
    fail_alloc *fa = user;
    int64_t n = __atomic_add_fetch(&fa->n_calls, 1, __ATOMIC_RELAXED);
    bool fails = fa->fail_at > 0 && (n == fa->fail_at || (fa->fail_on && n > fa->fail_at));
    size_t extra = sizeof(header) + 2 * GUARD_SIZE + align;
    uint8_t *base = fails || size > PTRDIFF_MAX - extra ? NULL : malloc(size + extra);
    if (!base) {
        __atomic_add_fetch(&fa->n_failed, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    uintptr_t first = (uintptr_t)base + sizeof(header) + GUARD_SIZE;
    uint8_t *ptr = base + ((first + align - 1) / align * align - (uintptr_t)base);
    memcpy(ptr - GUARD_SIZE - sizeof(header), &(header){base, size, HEADER_MAGIC}, sizeof(header));
    memset(ptr - GUARD_SIZE, GUARD_BYTE, GUARD_SIZE);
    memset(ptr, FILL_BYTE, size);
    memset(ptr + size, GUARD_BYTE, GUARD_SIZE);
    __atomic_add_fetch(&fa->n_live, 1, __ATOMIC_RELAXED);
    int64_t live = __atomic_add_fetch(&fa->size_live, (int64_t)size, __ATOMIC_RELAXED);
    int64_t peak = __atomic_load_n(&fa->size_peak, __ATOMIC_RELAXED);
    while (live > peak &&
           !__atomic_compare_exchange_n(&fa->size_peak, &peak, live, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return ptr;
}

static void guarded_free(void *user, void *ptr) {
    fail_alloc *fa = user;
    if (!ptr) return;
    header h;
    memcpy(&h, (uint8_t *)ptr - GUARD_SIZE - sizeof h, sizeof h);
    if (h.magic != HEADER_MAGIC) { // where it begins is unknown: it cannot be freed
        __atomic_add_fetch(&fa->n_damaged, 1, __ATOMIC_RELAXED);
        return;
    }
    if (!guard_intact((uint8_t *)ptr - GUARD_SIZE) || !guard_intact((uint8_t *)ptr + h.size)) {
        __atomic_add_fetch(&fa->n_damaged, 1, __ATOMIC_RELAXED);
    }
    __atomic_sub_fetch(&fa->n_live, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&fa->size_live, (int64_t)h.size, __ATOMIC_RELAXED);
    memset((uint8_t *)ptr - GUARD_SIZE - sizeof h, 0, sizeof h); // a second free finds no magic
    free(h.base);
}

static bool guard_intact(const uint8_t *guard) {
    for (int i = 0; i < GUARD_SIZE; i++) {
        if (guard[i] != GUARD_BYTE) return false;
    }
    return true;
}
