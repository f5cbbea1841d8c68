// SPDX-License-Identifier: MIT
// op.h - what an op is: its list, its constants, its shape rule and its plain reference.
//
// An op works on tensors whose first dimension may be smaller in a step than the plan's maximum; a call carries the
// shapes as they are in this step. The reference is slow and obvious, sums in double, accepts any strides and any dtype
// that dtype.h can decode, and is what every kernel is tested against.
#ifndef TDL_OPS_OP_H
#define TDL_OPS_OP_H

#include "tensor/tensor.h"

typedef enum tdl_op {
    TDL_OP_NONE = 0,
#define TDL_OP(id, name, n_in_min, n_in_max, n_out, rows_from, in_place, given) TDL_OP_##id,
#include "ops/ops.def"
#undef TDL_OP
    TDL_OP_COUNT
} tdl_op;

enum { TDL_OP_IN_MAX = 7, TDL_OP_OUT_MAX = 3 };

typedef enum tdl_act {
    TDL_ACT_NONE = 0,
    TDL_ACT_SILU,      // x * sigmoid(x)
    TDL_ACT_GELU,      // x * Phi(x), exact (erf)
    TDL_ACT_GELU_TANH, // the tanh approximation (GPT-2's gelu_new)
    TDL_ACT_RELU,
    TDL_ACT_COUNT
} tdl_act;

// Positions a page of the KV cache holds.
enum { TDL_KV_PAGE = 64 };

typedef struct tdl_attrs {
#define TDL_ATTR(type, name) type name;
#include "ops/attrs.def"
#undef TDL_ATTR
} tdl_attrs;

// How a weight's bytes lie in memory.
typedef enum tdl_layout {
    TDL_LAYOUT_ROWS = 0, // as in the file: row after row
    TDL_LAYOUT_TILE16,   // 16 rows interleaved by 4 columns, see ops/matmul/matmul_layout.h
    TDL_LAYOUT_JOINED,   // rows of several weights, one after another
    TDL_LAYOUT_COUNT
} tdl_layout;

// One op, ready to run: shapes of this step, pointers set.
typedef struct tdl_call {
    tdl_attrs attrs;
    int32_t n_in, n_out;
    tdl_tensor in[TDL_OP_IN_MAX];
    tdl_tensor out[TDL_OP_OUT_MAX];
    tdl_layout layout; // of in[1] where that is a weight
} tdl_call;

typedef struct tdl_op_info {
    const char *name;
    int32_t n_in_min, n_in_max, n_out;
    int32_t rows_from, in_place;
    bool outs_given; // the caller sets out[] before infer, which checks them
    // Sets dtype and shape of out[] (contiguous, data NULL) from in[] and attrs, or says what is wrong: ARGUMENT, with the shapes.
    // Given outputs are checked instead.
    tdl_status (*infer)(tdl_call *call, tdl_error *err);
    // Computes all of out[] from in[]. Layout must be ROWS.
    void (*reference)(const tdl_call *call);
} tdl_op_info;

const tdl_op_info *tdl_op_get(tdl_op op); // for NONE: a row named "none"
const char *tdl_act_name(tdl_act act);
double tdl_act_apply(tdl_act act, double x); // the scalar definition
double tdl_act_slope(tdl_act act, double x); // its derivative; relu's is 0 at 0

#endif
