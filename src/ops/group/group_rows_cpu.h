// SPDX-License-Identifier: MIT
// group_rows_cpu.h - how the CPU kernels of experts use those of dense matrices: rows of a group are copied side by side, the
// matmul's kernel of the same instruction set runs over them as one call, and its rows are copied back to where they belong.
// So an expert's output has the bits that a dense layer of this matrix would give.
#ifndef TDL_OPS_GROUP_ROWS_CPU_H
#define TDL_OPS_GROUP_ROWS_CPU_H

#include "backend/cpu/cpu_kernel.h"
#include "ops/group/groups.h"

#include <string.h>

// Rows at places [first, first + n), their columns [column, column + columns).
typedef struct tdl_group_part {
    const tdl_tensor *groups;
    int32_t n_experts, k;
    int64_t first, n, column, columns;
} tdl_group_part;

static inline float *tdl_group_at(const tdl_group_part *part, const tdl_tensor *t, int64_t i) {
    int64_t row = tdl_group_row(part->groups, part->n_experts, part->first + i);
    return (float *)(void *)tdl_choice_row(t, row, part->k) + part->column;
}

// dst [n, columns]
static inline void tdl_group_gather(const tdl_group_part *part, const tdl_tensor *from, float *dst) {
    for (int64_t i = 0; i < part->n; i++, dst += part->columns)
        memcpy(dst, tdl_group_at(part, from, i), (size_t)part->columns * sizeof *dst);
}

static inline void tdl_group_scatter(const tdl_group_part *part, const float *src, const tdl_tensor *to) {
    for (int64_t i = 0; i < part->n; i++, src += part->columns)
        memcpy(tdl_group_at(part, to, i), src, (size_t)part->columns * sizeof *src);
}

static inline tdl_tensor tdl_f32_matrix(float *data, int64_t rows, int64_t columns) {
    int64_t size = (int64_t)sizeof(float);
    return (tdl_tensor){.dtype = TDL_DTYPE_F32,
                        .n_dims = 2,
                        .shape = {rows, columns, 1, 1},
                        .strides = {columns * size, size},
                        .data = (uint8_t *)data};
}

// Floats of scratch, up to whole cache lines.
static inline size_t tdl_scratch_floats(int64_t rows, int64_t columns) {
    return (size_t)(tdl_div_up(rows * columns, 16) * 16);
}

#endif
