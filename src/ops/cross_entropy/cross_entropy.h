// SPDX-License-Identifier: MIT
// cross_entropy.h - what the loss and its gradient share.
#ifndef TDL_OPS_CROSS_ENTROPY_H
#define TDL_OPS_CROSS_ENTROPY_H

#include "ops/op_impl.h"

#include <math.h>

// Of a row of logits, in double.
double tdl_log_sum_exp(const tdl_tensor *logits, int64_t row);

// Whether a target is a token, and its row counts.
static inline bool tdl_target_counts(int32_t target, int64_t n_vocab) { return target >= 0 && target < n_vocab; }

#endif
