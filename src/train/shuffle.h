// SPDX-License-Identifier: MIT
// shuffle.h - a permutation of 0 .. n - 1 that is computed, not stored: any element of it at once, for any n.
#ifndef TDL_TRAIN_SHUFFLE_H
#define TDL_TRAIN_SHUFFLE_H

#include <stdint.h>

typedef struct tdl_shuffle {
    uint64_t n, key;
    uint32_t half_bits;
} tdl_shuffle;

// One permutation for each seed and epoch. n >= 1.
tdl_shuffle tdl_shuffle_make(uint64_t n, uint64_t seed, uint64_t epoch);
uint64_t tdl_shuffle_at(const tdl_shuffle *shuffle, uint64_t i); // i < n
// A number below n that depends on seed and epoch like a permutation does, and not on any of its elements.
uint64_t tdl_shuffle_offset(uint64_t n, uint64_t seed, uint64_t epoch);

#endif
