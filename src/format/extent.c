// SPDX-License-Identifier: MIT
// extent.c - a heap sort over extents and one pass over their ends.
//
// The C library's qsort may allocate behind the caller's allocator, and its worst case is nobody's promise; files come
// from outside, so the order of their tensors may be chosen to hurt. Almost every file is already in order, which is
// tested first and costs one pass.
#include "format/extent.h"

#include <stdbool.h>

static bool before(const tdl_extent *a, const tdl_extent *b);
static bool in_order(const tdl_extent *extents, size_t n);
static void sift_down(tdl_extent *extents, size_t root, size_t n);
static void swap_extents(tdl_extent *a, tdl_extent *b);

void tdl_extent_sort(tdl_extent *extents, size_t n) {
    if (in_order(extents, n)) return;
    for (size_t root = n / 2; root-- > 0;) sift_down(extents, root, n);
    for (size_t end = n; end-- > 1;) {
        swap_extents(&extents[0], &extents[end]);
        sift_down(extents, 0, end);
    }
}

size_t tdl_extent_find_overlap(const tdl_extent *extents, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (extents[i].offset < extents[i - 1].offset + extents[i - 1].size) return i;
    return n;
}

static bool before(const tdl_extent *a, const tdl_extent *b) {
    return a->offset < b->offset || (a->offset == b->offset && a->size < b->size); // an empty one goes first
}

static bool in_order(const tdl_extent *extents, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (before(&extents[i], &extents[i - 1])) return false;
    return true;
}

static void sift_down(tdl_extent *extents, size_t root, size_t n) {
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(&extents[child], &extents[child + 1])) child++;
        if (!before(&extents[root], &extents[child])) return;
        swap_extents(&extents[root], &extents[child]);
    }
}

static void swap_extents(tdl_extent *a, tdl_extent *b) {
    tdl_extent t = *a;
    *a = *b;
    *b = t;
}
