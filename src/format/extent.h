// SPDX-License-Identifier: MIT
// extent.h - which bytes of a file belong to which tensor: no two may share any, and some formats allow no gaps.
#ifndef TDL_FORMAT_EXTENT_H
#define TDL_FORMAT_EXTENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct tdl_extent {
    uint64_t offset, size; // offset + size does not wrap
    size_t owner;          // the caller's index
} tdl_extent;

// Sorts by offset, in place and without allocating.
void tdl_extent_sort(tdl_extent *extents, size_t n);

// In sorted extents, the first i >= 1 that begins before extent i - 1 ends; n where none overlaps.
size_t tdl_extent_find_overlap(const tdl_extent *extents, size_t n);

#endif
