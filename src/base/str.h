// SPDX-License-Identifier: MIT
// str.h - borrowed text, growing text, and a map from text to a number.
#ifndef TDL_BASE_STR_H
#define TDL_BASE_STR_H

#include "alloc.h"

#include <stdarg.h>

static inline tdl_text tdl_text_of(const char *ptr, size_t size) { return (tdl_text){.ptr = ptr, .size = size}; }
tdl_text tdl_text_cstr(const char *text); // of a NUL-terminated string
bool tdl_text_equal(tdl_text a, tdl_text b);
bool tdl_text_is(tdl_text a, const char *text);

// Growing text. After a failed append `failed` stays set and appends do nothing, so that a run of appends needs one check.
typedef struct tdl_str {
    const tdl_allocator *mem;
    char *ptr; // [size + 1], NUL-terminated; NULL while empty
    size_t size, size_max;
    bool failed;
} tdl_str;

tdl_str tdl_str_make(const tdl_allocator *mem);
void tdl_str_deinit(tdl_str *str);
void tdl_str_clear(tdl_str *str); // keeps the memory
bool tdl_str_append(tdl_str *str, const char *text, size_t size);
bool tdl_str_format(tdl_str *str, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Text to int32. Keys are borrowed: their bytes must outlive the map.
typedef struct tdl_map {
    const tdl_allocator *mem;
    struct tdl_map_slot *slots; // open addressing, a power of two
    size_t n, n_slots;
} tdl_map;

tdl_map tdl_map_make(const tdl_allocator *mem);
void tdl_map_deinit(tdl_map *map);
bool tdl_map_reserve(tdl_map *map, size_t n);                       // room for n keys without growing
bool tdl_map_put(tdl_map *map, tdl_text key, int32_t value);        // replaces; false where memory ran out
bool tdl_map_get(const tdl_map *map, tdl_text key, int32_t *value); // false where absent
// Puts what is not there yet; *value becomes the key's value, which is another where the key was there before.
bool tdl_map_add(tdl_map *map, tdl_text key, int32_t *value); // false where memory ran out
void tdl_map_prefetch(const tdl_map *map, tdl_text key);      // a get will follow soon: fetches the key's slot

#endif
