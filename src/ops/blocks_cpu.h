// SPDX-License-Identifier: MIT
// blocks_cpu.h - the units of kernels that work element by element: blocks of rows, enough elements to be worth handing out,
// few enough to share one long row.
#ifndef TDL_OPS_BLOCKS_CPU_H
#define TDL_OPS_BLOCKS_CPU_H

#include "ops/op_impl.h"

enum { TDL_BLOCK_ITEMS = 4096 };

typedef struct tdl_block {
    int64_t row, first, n; // elements [first, first + n) of the row
} tdl_block;

static inline int64_t tdl_block_count(const tdl_tensor *t) {
    return tdl_tensor_n_rows(t) * tdl_div_up(tdl_last_dim(t), TDL_BLOCK_ITEMS);
}

static inline tdl_block tdl_block_at(const tdl_tensor *t, int64_t unit) {
    int64_t n = tdl_last_dim(t), per_row = tdl_div_up(n, TDL_BLOCK_ITEMS), first = unit % per_row * TDL_BLOCK_ITEMS;
    return (tdl_block){.row = unit / per_row, .first = first, .n = tdl_min_i64(TDL_BLOCK_ITEMS, n - first)};
}

static inline float *tdl_block_data(const tdl_tensor *t, const tdl_block *block) {
    return tdl_f32_row(t, block->row) + block->first;
}

#endif
