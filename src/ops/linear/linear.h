// linear.h - the parts that a linear op may have besides its product; bits of attrs.linear, in the order of their inputs.
#ifndef TDL_OPS_LINEAR_H
#define TDL_OPS_LINEAR_H

#include "ops/op.h"

enum { TDL_LINEAR_NORM = 1, TDL_LINEAR_BIAS = 2, TDL_LINEAR_RESIDUAL = 4, TDL_LINEAR_ALL = 7 };

// The input that is this part; -1: the op has none.
static inline int32_t tdl_linear_input(const tdl_attrs *attrs, int32_t part) {
    if (!(attrs->linear & part)) return -1;
    return 2 + __builtin_popcount((unsigned)attrs->linear & (unsigned)(part - 1));
}

#endif
