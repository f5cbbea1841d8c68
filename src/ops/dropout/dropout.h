// SPDX-License-Identifier: MIT
// dropout.h - which elements dropout keeps: a function of a seed, the call site and the element's place, in u32 arithmetic
// that wraps, so that every backend has the same bits and a backward pass makes the forward pass's mask again.
//
//     keep(i) = pcg(pcg(i ^ key.first) + key.second) >= threshold
//
// pcg is the 32-bit hash that Jarzynski, Olano 2020 ("Hash Functions for GPU Rendering") make of O'Neill's PCG (2014,
// RXS-M-XS). It permutes the u32s. Two rounds with two keys: with one, the masks of two steps would be one mask in another
// order.
#ifndef TDL_OPS_DROPOUT_H
#define TDL_OPS_DROPOUT_H

#include "ops/op.h"

typedef struct tdl_dropout_key {
    uint32_t first, second;
} tdl_dropout_key;

static inline uint32_t tdl_pcg_hash(uint32_t v) {
    uint32_t state = v * 747796405u + 2891336453u;
    uint32_t word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
    return (word >> 22) ^ word;
}

// Of one call: the step's seed and the call site.
static inline tdl_dropout_key tdl_dropout_key_make(const int32_t seed[2], int32_t stream) {
    uint32_t first = tdl_pcg_hash((uint32_t)stream + tdl_pcg_hash((uint32_t)seed[1] + tdl_pcg_hash((uint32_t)seed[0])));
    return (tdl_dropout_key){.first = first, .second = tdl_pcg_hash(first)};
}

// Element i of x, counted in row-major order.
static inline uint32_t tdl_dropout_hash(tdl_dropout_key key, uint32_t i) {
    return tdl_pcg_hash(tdl_pcg_hash(i ^ key.first) + key.second);
}

// The key of one row where there are more elements than a u32 counts (attention's weights): element i of the row is
// tdl_dropout_hash(its key, i).
static inline tdl_dropout_key tdl_dropout_row_key(tdl_dropout_key key, uint32_t row) {
    uint32_t first = tdl_dropout_hash(key, row);
    return (tdl_dropout_key){.first = first, .second = tdl_pcg_hash(first)};
}

// Hashes below it are dropped: rate * 2^32, 0 <= rate < 1.
static inline uint32_t tdl_dropout_threshold(float rate) { return (uint32_t)((double)rate * 4294967296.0); }

// What is kept is multiplied by 1 / (1 - rate).
static inline float tdl_dropout_scale(float rate) { return (float)(1 / (1 - (double)rate)); }

#endif
