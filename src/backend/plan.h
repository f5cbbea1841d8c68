// SPDX-License-Identifier: MIT
// plan.h - a plan as data: ops in order, every value at a fixed place, every kernel chosen. graph/ makes it, a backend runs it.
//
// A plan is made for a maximum of tokens, sequences and outputs. How many there are in a step is given by tdl_step_counts;
// a value whose first dimension follows one of them shrinks with it, its strides and its place stay.
#ifndef TDL_BACKEND_PLAN_H
#define TDL_BACKEND_PLAN_H

#include "base/alloc.h"
#include "ops/kernel.h"

// What the first dimension of a value follows.
typedef enum tdl_rows { TDL_ROWS_FIXED = 0, TDL_ROWS_TOKENS, TDL_ROWS_SEQS, TDL_ROWS_OUTPUTS, TDL_ROWS_COUNT } tdl_rows;

// What is in a step: counts [TDL_ROWS_COUNT]; [TDL_ROWS_FIXED] is not used.
typedef struct tdl_step_counts {
    int32_t n[TDL_ROWS_COUNT];
    int32_t
        n_seq_pages; // pages that the longest sequence uses, so many columns of the page table; 0: as many as there are
} tdl_step_counts;

typedef enum tdl_value_kind {
    TDL_VALUE_NONE = 0,
    TDL_VALUE_WEIGHT, // constant; bound to a buffer of its own
    TDL_VALUE_STEP,   // input of a step; in the step buffer
    TDL_VALUE_STATE,  // lives over steps (KV cache); bound to a buffer of its own
    TDL_VALUE_TEMP,   // in the arena, or in a buffer that temps take turns in
} tdl_value_kind;

typedef enum tdl_step_input {
#define TDL_STEP(id, name) TDL_STEP_##id,
#include "backend/step_inputs.def"
#undef TDL_STEP
    TDL_STEP_INPUT_COUNT
} tdl_step_input;

enum { TDL_JOINED_MAX = 3 };

typedef struct tdl_value {
    const char *name; // for people and for taps in tests; "" where it has none
    tdl_value_kind kind;
    tdl_tensor tensor; // dtype, shape at the plan's maximum, strides; data NULL
    tdl_rows rows;
    int32_t rows_add;   // shape[0] = counts.n[rows] + rows_add where rows is not FIXED
    int32_t base;       // a view into this value; -1: a value of its own
    size_t base_offset; // bytes
    tdl_layout layout;  // of a weight
    int32_t n_joined,
        joined[TDL_JOINED_MAX]; // of layout JOINED: the numbers of the weights whose rows it has, in order
    int32_t weight;             // number of the weight or state in the model's list; the tdl_step_input of a step value
    int64_t first_row; // of a weight or state in parts (graph/split.c): the tensor is so many rows (heads) from here on
    int32_t buffer;    // where it lies: index in tdl_plan.buffer_sizes
    size_t offset;     // bytes
} tdl_value;

enum { TDL_PLAN_FEW_MAX = 3 };

typedef struct tdl_plan_op {
    tdl_op op;
    tdl_attrs attrs;
    int32_t n_in, n_out;
    int32_t in[TDL_OP_IN_MAX], out[TDL_OP_OUT_MAX]; // value ids
    const tdl_kernel *kernel;                       // NULL: the reference
    const tdl_kernel *few[TDL_PLAN_FEW_MAX];        // for steps of fewer rows, by rising rows_max; NULL: no more
    bool barrier;                                   // what earlier ops wrote must be there before it begins
} tdl_plan_op;

enum { TDL_BUFFER_ARENA = 0, TDL_BUFFER_STEP = 1, TDL_BUFFER_BOUND = 2 }; // the first bound buffer

typedef struct tdl_plan {
    tdl_arena arena;   // owns everything below
    tdl_value *values; // [n_values]
    tdl_plan_op *ops;  // [n_ops]
    // ARENA, STEP, then a buffer for every weight and state value, then, on a device that wants temps apart, their buffers.
    size_t *buffer_sizes;  // [n_buffers] bytes
    int32_t *buffer_value; // [n_buffers] the weight or state bound there; -1: the plan's own
    int32_t n_values, n_ops, n_buffers;
    int32_t step_values[TDL_STEP_INPUT_COUNT]; // value ids; -1: not used by this plan
    int32_t output;                            // value id of the logits; -1: what a step leaves is in states
    tdl_step_counts max;
} tdl_plan;

#endif
