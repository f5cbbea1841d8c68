// SPDX-License-Identifier: MIT
// shuffle.c - see shuffle.h.
//
// A Feistel network (H. Feistel, 1973): split an index in two halves and, round by round, xor one half with a hash of
// the other and the key, then swap them. Each round can be undone, so distinct indices stay distinct, whatever the hash.
// That permutes 0 .. 4^half_bits - 1; an index that lands at n or above goes through again until it is below ("cycle
// walking", J. Black and P. Rogaway, 2002), less than four times on average because 4^half_bits < 4 n.
#include "train/shuffle.h"

#include <assert.h>

enum { ROUNDS = 8 };

// The finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static uint64_t key_of(uint64_t seed, uint64_t epoch) {
    return mix(mix(seed + 0x9E3779B97F4A7C15u) ^ (epoch * 0x9E3779B97F4A7C15u + 1));
}

tdl_shuffle tdl_shuffle_make(uint64_t n, uint64_t seed, uint64_t epoch) {
    assert(n >= 1);
    tdl_shuffle shuffle = {.n = n, .key = key_of(seed, epoch), .half_bits = 1};
    while (shuffle.half_bits < 32 && (uint64_t)1 << 2 * shuffle.half_bits < n) shuffle.half_bits++;
    return shuffle;
}

uint64_t tdl_shuffle_at(const tdl_shuffle *shuffle, uint64_t i) {
    assert(i < shuffle->n);
    uint64_t mask = ((uint64_t)1 << shuffle->half_bits) - 1;
    do {
        uint64_t left = i >> shuffle->half_bits, right = i & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t next = left ^ (mix(shuffle->key + round * 0x9E3779B97F4A7C15u + right) & mask);
            left = right;
            right = next;
        }
        i = left << shuffle->half_bits | right;
    } while (i >= shuffle->n);
    return i;
}

uint64_t tdl_shuffle_offset(uint64_t n, uint64_t seed, uint64_t epoch) {
    assert(n >= 1);
    return mix(key_of(seed, epoch) + 0x632BE59BD9B4E019u) % n;
}

tdl_held_out tdl_held_out_make(uint64_t n_things, uint64_t n, uint64_t seed, bool is_held) {
    assert(n <= n_things);
    if (!n) return (tdl_held_out){.is_held = is_held};
    return (tdl_held_out){.order = tdl_shuffle_make(n_things, seed, UINT64_MAX), .n = n, .is_held = is_held};
}
