// SPDX-License-Identifier: MIT
// checked.h - sizes that cannot wrap. Every size that comes from a file or a caller goes through these.
#ifndef TDL_BASE_CHECKED_H
#define TDL_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool tdl_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tdl_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool tdl_mul_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tdl_add_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }

// `value` up to the next multiple of `align` (a power of two).
static inline bool tdl_align_size(size_t value, size_t align, size_t *out) {
    if (!tdl_add_size(value, align - 1, out)) return false;
    *out &= ~(align - 1);
    return true;
}

// Whether [offset, offset + size) lies within [0, limit).
static inline bool tdl_range_ok(uint64_t offset, uint64_t size, uint64_t limit) {
    return offset <= limit && size <= limit - offset;
}

static inline int64_t tdl_div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t tdl_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t tdl_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
