// SPDX-License-Identifier: MIT
// str.c - text values, growing text and the map from text to a number.
//
// The map is an open-addressing table with linear probing, at most three quarters full. A slot keeps 32 bits of its
// key's hash, so that growing does not hash again and most comparisons end there. Nothing is ever removed.
#include "base/str.h"

#include "base/checked.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

tdl_text tdl_text_cstr(const char *text) { return tdl_text_of(text, strlen(text)); }

bool tdl_text_equal(tdl_text a, tdl_text b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

bool tdl_text_is(tdl_text a, const char *text) { return tdl_text_equal(a, tdl_text_cstr(text)); }

// ---- growing text

enum { STR_MIN = 32 };

static bool str_grow(tdl_str *str, size_t n_more);

tdl_str tdl_str_make(const tdl_allocator *mem) { return (tdl_str){.mem = mem}; }

void tdl_str_deinit(tdl_str *str) {
    tdl_free(str->mem, str->ptr);
    *str = tdl_str_make(str->mem);
}

void tdl_str_clear(tdl_str *str) {
    str->size = 0;
    str->failed = false;
    if (str->ptr) str->ptr[0] = '\0';
}

bool tdl_str_append(tdl_str *str, const char *text, size_t size) {
    if (str->failed) return false;
    if (size == 0) return true;
    if (!str_grow(str, size)) return false;
    memcpy(str->ptr + str->size, text, size);
    str->size += size;
    str->ptr[str->size] = '\0';
    return true;
}

bool tdl_str_format(tdl_str *str, const char *format, ...) {
    if (str->failed) return false;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) str->failed = true;
    else if (n > 0 && str_grow(str, (size_t)n)) {
        vsnprintf(str->ptr + str->size, (size_t)n + 1, format, again);
        str->size += (size_t)n;
    }
    va_end(again);
    va_end(args);
    return !str->failed;
}

// Makes room for n_more bytes and a NUL, or sets `failed`.
static bool str_grow(tdl_str *str, size_t n_more) {
    size_t wanted, total;
    char *ptr = NULL;
    if (tdl_add_size(str->size, n_more, &wanted)) {
        if (str->ptr && wanted <= str->size_max) return true;
        size_t size_max = wanted < STR_MIN ? STR_MIN : wanted;
        if (size_max < str->size_max * 2) size_max = str->size_max * 2; // no wrap: so much was allocated already
        if (tdl_add_size(size_max, 1, &total)) ptr = tdl_alloc(str->mem, total, 1);
        if (ptr) {
            if (str->size) memcpy(ptr, str->ptr, str->size);
            tdl_free(str->mem, str->ptr);
            str->ptr = ptr;
            str->size_max = size_max;
        }
    }
    str->failed = !ptr;
    return ptr;
}

// ---- map

enum { MAP_SLOTS_MIN = 16 };

typedef struct tdl_map_slot {
    tdl_text key; // ptr NULL: the slot is free
    uint32_t hash;
    int32_t value;
} tdl_map_slot;

static uint32_t map_hash(tdl_text key);
static tdl_map_slot *map_take(tdl_map *map, tdl_text key, int32_t value);
static tdl_map_slot *map_find(const tdl_map *map, tdl_text key, uint32_t hash);
static bool map_resize(tdl_map *map, size_t n_slots);

tdl_map tdl_map_make(const tdl_allocator *mem) { return (tdl_map){.mem = mem}; }

void tdl_map_deinit(tdl_map *map) {
    tdl_free(map->mem, map->slots);
    *map = tdl_map_make(map->mem);
}

bool tdl_map_reserve(tdl_map *map, size_t n) {
    size_t n_slots = MAP_SLOTS_MIN;
    while (n_slots / 4 * 3 < n) {
        if (!tdl_mul_size(n_slots, 2, &n_slots)) return false;
    }
    return n_slots <= map->n_slots || map_resize(map, n_slots);
}

bool tdl_map_put(tdl_map *map, tdl_text key, int32_t value) {
    tdl_map_slot *slot = map_take(map, key, value);
    if (slot) slot->value = value;
    return slot != NULL;
}

bool tdl_map_add(tdl_map *map, tdl_text key, int32_t *value) {
    const tdl_map_slot *slot = map_take(map, key, *value);
    if (slot) *value = slot->value;
    return slot != NULL;
}

// The key's slot, which gets `value` where the key is new; NULL where memory ran out.
static tdl_map_slot *map_take(tdl_map *map, tdl_text key, int32_t value) {
    if (!key.ptr) key.ptr = "";
    if (!tdl_map_reserve(map, map->n + 1)) return NULL;
    uint32_t hash = map_hash(key);
    tdl_map_slot *slot = map_find(map, key, hash);
    if (slot->key.ptr) return slot;
    *slot = (tdl_map_slot){.key = key, .hash = hash, .value = value};
    map->n++;
    return slot;
}

bool tdl_map_get(const tdl_map *map, tdl_text key, int32_t *value) {
    if (map->n == 0) return false;
    const tdl_map_slot *slot = map_find(map, key, map_hash(key));
    if (!slot->key.ptr) return false;
    *value = slot->value;
    return true;
}

void tdl_map_prefetch(const tdl_map *map, tdl_text key) {
    if (map->n) __builtin_prefetch(&map->slots[map_hash(key) & (map->n_slots - 1)]);
}

static uint32_t map_hash(tdl_text key) { return (uint32_t)tdl_hash_bytes(key.ptr, key.size, 0); }

// The key's slot, or the free one where it belongs. There is always a free one.
static tdl_map_slot *map_find(const tdl_map *map, tdl_text key, uint32_t hash) {
    size_t mask = map->n_slots - 1;
    size_t i = hash & mask;
    while (map->slots[i].key.ptr && (map->slots[i].hash != hash || !tdl_text_equal(map->slots[i].key, key))) {
        i = (i + 1) & mask;
    }
    return &map->slots[i];
}

static bool map_resize(tdl_map *map, size_t n_slots) {
    tdl_map_slot *slots = tdl_alloc(map->mem, n_slots, sizeof *slots);
    if (!slots) return false;
    size_t mask = n_slots - 1;
    for (size_t k = 0; k < map->n_slots; k++) {
        if (!map->slots[k].key.ptr) continue;
        size_t i = map->slots[k].hash & mask;
        while (slots[i].key.ptr) i = (i + 1) & mask;
        slots[i] = map->slots[k];
    }
    tdl_free(map->mem, map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    return true;
}
