// SPDX-License-Identifier: MIT
// alloc.c - the default allocator, zeroed allocation, the arena and the growing array.
//
// The default allocator aligns by hand: it asks malloc for a little more and keeps malloc's pointer in the word before
// the block. That leaves calloc as an equal way to get a block, and calloc knows when memory is fresh from the system
// and zero already. So a large zeroed block, such as a KV cache reserved for a long context, costs no page until it is
// written. Other allocators give no such promise: their blocks are cleared.
#include "base/alloc.h"

#include "base/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ALIGN = 64 }; // a cache line, and the widest vector register

static void *default_alloc(void *user, size_t size, size_t align);
static void default_free(void *user, void *ptr);
static void *default_get(size_t size, size_t align, bool zeroed);

static const tdl_allocator default_allocator = {.alloc = default_alloc, .free = default_free};

const tdl_allocator *tdl_allocator_or_default(const tdl_allocator *mem) { return mem ? mem : &default_allocator; }

void *tdl_alloc(const tdl_allocator *mem, size_t n, size_t size) {
    size_t total;
    if (!tdl_mul_size(n, size, &total)) return NULL;
    if (total == 0) total = 1;
    if (mem->alloc == default_alloc) return default_get(total, BLOCK_ALIGN, true);
    void *ptr = mem->alloc(mem->user, total, BLOCK_ALIGN);
    if (ptr) memset(ptr, 0, total);
    return ptr;
}

void tdl_free(const tdl_allocator *mem, void *ptr) {
    if (ptr) mem->free(mem->user, ptr);
}

char *tdl_strndup(const tdl_allocator *mem, const char *text, size_t size) {
    size_t total;
    if (!tdl_add_size(size, 1, &total)) return NULL;
    char *copy = tdl_alloc(mem, total, 1);
    if (copy && size) memcpy(copy, text, size);
    return copy;
}

static void *default_alloc(void *user, size_t size, size_t align) {
    (void)user;
    return default_get(size, align, false);
}

static void default_free(void *user, void *ptr) {
    (void)user;
    if (ptr) free(((void **)ptr)[-1]);
}

static void *default_get(size_t size, size_t align, bool zeroed) {
    assert(align && (align & (align - 1)) == 0);
    if (align < sizeof(void *)) align = sizeof(void *);
    size_t total;
    if (!tdl_add_size(size, align - 1 + sizeof(void *), &total)) return NULL;
    char *base = zeroed ? calloc(1, total) : malloc(total);
    if (!base) return NULL;
    uintptr_t first = (uintptr_t)base + sizeof(void *);
    uintptr_t aligned = (first + align - 1) & ~(uintptr_t)(align - 1);
    void **block = (void **)(void *)(base + (aligned - (uintptr_t)base));
    block[-1] = base;
    return block;
}

// ---- arena

enum {
    ARENA_ALIGN = 16,
    ARENA_BLOCK_MIN = 4 << 10, // blocks double from here
    ARENA_BLOCK_MAX = 1 << 20, // to here
};

typedef struct tdl_arena_block {
    struct tdl_arena_block *next;
    size_t size; // bytes of data
    _Alignas(ARENA_ALIGN) char data[];
} tdl_arena_block;

static tdl_arena_block *arena_block_create(tdl_arena *arena, size_t size);

void tdl_arena_init(tdl_arena *arena, const tdl_allocator *mem) { *arena = (tdl_arena){.mem = mem}; }

void tdl_arena_deinit(tdl_arena *arena) {
    while (arena->head) {
        tdl_arena_block *block = arena->head;
        arena->head = block->next;
        tdl_free(arena->mem, block);
    }
    arena->used = 0;
}

void *tdl_arena_alloc(tdl_arena *arena, size_t n, size_t size) {
    size_t total;
    if (!tdl_mul_size(n, size, &total) || !tdl_align_size(total ? total : 1, ARENA_ALIGN, &total)) return NULL;
    tdl_arena_block *head = arena->head;
    if (!head || total > head->size - arena->used) {
        size_t next_size = head ? head->size * 2 : ARENA_BLOCK_MIN;
        if (next_size > ARENA_BLOCK_MAX) next_size = ARENA_BLOCK_MAX;
        bool own_block = total > next_size / 4;
        tdl_arena_block *block = arena_block_create(arena, own_block ? total : next_size);
        if (!block) return NULL;
        if (head && own_block) { // behind the head, whose rest stays in use
            block->next = head->next;
            head->next = block;
            return block->data;
        }
        block->next = head;
        arena->head = head = block;
        arena->used = 0;
    }
    void *ptr = head->data + arena->used;
    arena->used += total;
    return ptr;
}

char *tdl_arena_strndup(tdl_arena *arena, const char *text, size_t size) {
    size_t total;
    if (!tdl_add_size(size, 1, &total)) return NULL;
    char *copy = tdl_arena_alloc(arena, total, 1);
    if (copy && size) memcpy(copy, text, size);
    return copy;
}

static tdl_arena_block *arena_block_create(tdl_arena *arena, size_t size) {
    size_t total;
    if (!tdl_add_size(sizeof(tdl_arena_block), size, &total)) return NULL;
    tdl_arena_block *block = tdl_alloc(arena->mem, total, 1);
    if (block) block->size = size;
    return block;
}

// ---- growing array

enum { VEC_MIN = 8 };

static bool vec_grow(tdl_vec *vec, size_t n_more);

tdl_vec tdl_vec_make(const tdl_allocator *mem, size_t element_size) {
    return (tdl_vec){.mem = mem, .element_size = element_size};
}

void tdl_vec_deinit(tdl_vec *vec) {
    tdl_free(vec->mem, vec->data);
    vec->data = NULL;
    vec->n = vec->n_max = 0;
}

bool tdl_vec_reserve(tdl_vec *vec, size_t n_max) {
    if (n_max <= vec->n_max) return true;
    void *data = tdl_alloc(vec->mem, n_max, vec->element_size);
    if (!data) return false;
    if (vec->n) memcpy(data, vec->data, vec->n * vec->element_size);
    tdl_free(vec->mem, vec->data);
    vec->data = data;
    vec->n_max = n_max;
    return true;
}

bool tdl_vec_push(tdl_vec *vec, const void *elements, size_t n) {
    if (n == 0) return true;
    if (!vec_grow(vec, n)) return false;
    memcpy((char *)vec->data + vec->n * vec->element_size, elements, n * vec->element_size);
    vec->n += n;
    return true;
}

void *tdl_vec_add(tdl_vec *vec) {
    if (!vec_grow(vec, 1)) return NULL;
    void *element = (char *)vec->data + vec->n * vec->element_size;
    memset(element, 0, vec->element_size); // the place may have been used before
    vec->n++;
    return element;
}

// Makes room for n_more elements; at least doubles, so that many pushes cost little each.
static bool vec_grow(tdl_vec *vec, size_t n_more) {
    size_t n_wanted, n_doubled;
    if (!tdl_add_size(vec->n, n_more, &n_wanted)) return false;
    if (n_wanted <= vec->n_max) return true;
    if (!tdl_mul_size(vec->n_max, 2, &n_doubled)) return false;
    if (n_doubled < VEC_MIN) n_doubled = VEC_MIN;
    return tdl_vec_reserve(vec, n_wanted > n_doubled ? n_wanted : n_doubled);
}
