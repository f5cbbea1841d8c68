// SPDX-License-Identifier: MIT
// self_attention.h - what the self-attention ops of training share: who sees whom, and ALiBi's slopes.
//
// The rows are whole documents, one behind another; positions[t] counts from 0 in each, so token t's document begins at row
// t - positions[t]. Token i sees the tokens of its document up to itself; where there is a window, the last `window` of them.
// H query heads share Hkv heads of keys and values: head h reads h / (H / Hkv).
//
// Where attrs.rate is above 0, softmax's weights go through dropout (Vaswani et al. 2017) before they meet the values: weight
// (i, j) of head h is element j of row i H + h in ops/dropout/dropout.h. So every kernel, forward or backward, makes the same
// mask again, whatever its tiles. The seed, I32 [2], is the input behind positions.
#ifndef TDL_OPS_SELF_ATTENTION_H
#define TDL_OPS_SELF_ATTENTION_H

#include "ops/dropout/dropout.h"
#include "ops/op_impl.h"

#include <assert.h>
#include <math.h>

// Checks of q [T, H, hd], k and v [T, Hkv, hd], positions I32 [T], one of call's inputs, the seed and the attributes.
tdl_status tdl_self_attention_expect(const char *op, const tdl_call *call, const tdl_tensor *positions, tdl_error *err);

// The first row that row i sees; the last is i.
static inline int64_t tdl_self_attention_first(const tdl_tensor *positions, int64_t i, int32_t window) {
    int64_t first = i - tdl_index_at(positions, i);
    assert(first >= 0 && first <= i);
    return window > 0 ? tdl_max_i64(first, i - window + 1) : first;
}

// By how much head h's scores fall with each position back: Press et al. 2021 (ALiBi), a geometric row from
// 2^(-max_bias / n) on, n the heads. Where n is no power of two: the row of the power below, then every second of the row
// of twice that power, from its first on.
static inline double tdl_alibi_slope(double max_bias, int64_t h, int64_t n_heads) {
    int64_t n = 1;
    while (2 * n <= n_heads) n *= 2;
    if (max_bias <= 0) return 0;
    return h < n ? exp2(-max_bias * (double)(h + 1) / (double)n)
                 : exp2(-max_bias * (double)(2 * (h - n) + 1) / (double)(2 * n));
}

// scale q . k - slope (i - j), in double.
double tdl_self_attention_score(const tdl_call *call, int64_t i, int64_t j, int64_t h);

// The key of all the weights of a call that drops some.
static inline tdl_dropout_key tdl_self_attention_key(const tdl_call *call, const tdl_tensor *positions) {
    const tdl_tensor *seed = positions + 1;
    return tdl_dropout_key_make((int32_t[]){tdl_index_at(seed, 0), tdl_index_at(seed, 1)}, call->attrs.stream);
}

// Of row i of head h.
static inline tdl_dropout_key tdl_self_attention_row_key(tdl_dropout_key key, int64_t i, int64_t h, int64_t n_heads) {
    return tdl_dropout_row_key(key, (uint32_t)(i * n_heads + h));
}

// What dropout multiplies a weight by: 0 or 1 / (1 - rate).
double tdl_self_attention_kept(const tdl_call *call, const tdl_tensor *positions, int64_t i, int64_t j, int64_t h);

#endif
