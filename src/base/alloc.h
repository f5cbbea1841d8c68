// SPDX-License-Identifier: MIT
// alloc.h - memory through one replaceable allocator, an arena, and growing buffers.
//
// Every owner keeps the `const tdl_allocator *mem` it was created with and frees through it. NULL is never passed down:
// tdl_allocator_or_default turns a caller's NULL into the C library's.
#ifndef TDL_BASE_ALLOC_H
#define TDL_BASE_ALLOC_H

#include "treadle.h"

const tdl_allocator *tdl_allocator_or_default(const tdl_allocator *mem);

// n * size bytes, zeroed, aligned to 64; NULL where memory or the product's range runs out. n or size 0 gives a valid pointer.
void *tdl_alloc(const tdl_allocator *mem, size_t n, size_t size);
void tdl_free(const tdl_allocator *mem, void *ptr);
char *tdl_strndup(const tdl_allocator *mem, const char *text, size_t size); // NUL-terminated copy

// An arena: many small allocations, freed together.
typedef struct tdl_arena {
    const tdl_allocator *mem;
    struct tdl_arena_block *head;
    size_t used; // in head
} tdl_arena;

void tdl_arena_init(tdl_arena *arena, const tdl_allocator *mem);
void tdl_arena_deinit(tdl_arena *arena);
void *tdl_arena_alloc(tdl_arena *arena, size_t n, size_t size); // zeroed, aligned to 16
char *tdl_arena_strndup(tdl_arena *arena, const char *text, size_t size);

// A growing array of elements of any type:  tdl_vec ids = tdl_vec_make(mem, sizeof(int32_t));
// After a failed push the contents are unchanged.
typedef struct tdl_vec {
    const tdl_allocator *mem;
    void *data;      // [n] elements of element_size bytes; NULL while empty
    size_t n, n_max; // elements
    size_t element_size;
} tdl_vec;

tdl_vec tdl_vec_make(const tdl_allocator *mem, size_t element_size);
void tdl_vec_deinit(tdl_vec *vec);
bool tdl_vec_reserve(tdl_vec *vec, size_t n_max);                // room for n_max elements in all
bool tdl_vec_push(tdl_vec *vec, const void *elements, size_t n); // appends n elements
void *tdl_vec_add(tdl_vec *vec);                                 // appends one zeroed element; NULL on failure
#define tdl_vec_at(vec, type, i) (&((type *)(vec)->data)[i])

#endif
