// SPDX-License-Identifier: MIT
// linear.h - the parts that a linear op may have besides its product; bits of attrs.linear, those that are inputs in the order
// of their inputs.
#ifndef TDL_OPS_LINEAR_H
#define TDL_OPS_LINEAR_H

#include "ops/op.h"

enum {
    TDL_LINEAR_NORM = 1,  // x is normalized by its root mean square, times this
    TDL_LINEAR_SHIFT = 2, // and before that by its mean, and this is added: layer norm
    TDL_LINEAR_BIAS = 4,
    TDL_LINEAR_RESIDUAL = 8,
    TDL_LINEAR_INPUTS = 15,
    TDL_LINEAR_GATE = 16, // the sums' first half gates the second
    TDL_LINEAR_ALL = 31,
};

static inline int32_t tdl_linear_n_in(const tdl_attrs *attrs) {
    return 2 + __builtin_popcount((unsigned)attrs->linear & TDL_LINEAR_INPUTS);
}

// The input that is this part; -1: the op has none.
static inline int32_t tdl_linear_input(const tdl_attrs *attrs, int32_t part) {
    if (!(attrs->linear & part)) return -1;
    return 2 + __builtin_popcount((unsigned)attrs->linear & (unsigned)(part - 1));
}

#endif
