// SPDX-License-Identifier: MIT
// shuffle.h - a permutation of 0 .. n - 1 that is computed, not stored: any element of it at once, for any n.
#ifndef TDL_TRAIN_SHUFFLE_H
#define TDL_TRAIN_SHUFFLE_H

#include <stdbool.h>
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

// Some of n things held out: which, follows from the seed and n alone. One side is those, the other all else.
typedef struct tdl_held_out {
    tdl_shuffle order;
    uint64_t n;   // so many; 0: none is, and both sides are all
    bool is_held; // this side
} tdl_held_out;

tdl_held_out tdl_held_out_make(uint64_t n_things, uint64_t n, uint64_t seed, bool is_held); // n <= n_things
static inline bool tdl_held_out_has(const tdl_held_out *side, uint64_t i) {
    return !side->n || (tdl_shuffle_at(&side->order, i) < side->n) == side->is_held;
}

#endif
