// SPDX-License-Identifier: MIT
// rope_attention.h - what a rope_attention op does to queries and keys before they meet; bits of attrs.heads, in the order of
// the inputs behind the first four.
#ifndef TDL_OPS_ROPE_ATTENTION_H
#define TDL_OPS_ROPE_ATTENTION_H

#include "ops/op.h"

enum {
    TDL_HEADS_TURN = 1, // rope, by a table [T, R]
    TDL_HEADS_NORM = 2, // before it an RMS norm over each head, by weights [2 hd]: the queries', then the keys'
    TDL_HEADS_ALL = 3,
};

// The input that this needs; -1: the op does not do it.
static inline int32_t tdl_heads_input(const tdl_attrs *attrs, int32_t what) {
    if (!(attrs->heads & what)) return -1;
    return 4 + __builtin_popcount((unsigned)attrs->heads & (unsigned)(what - 1));
}

#endif
