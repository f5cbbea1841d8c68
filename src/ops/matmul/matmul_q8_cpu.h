// SPDX-License-Identifier: MIT
// matmul_q8_cpu.h - a part of an int8 product: some tiles of a weight in TILE16 with some rows of A8 (matmul_q8_cpu.c). For matmul,
// and for experts, whose matrices lie one after another and whose rows come from all over a step.
#ifndef TDL_OPS_MATMUL_Q8_CPU_H
#define TDL_OPS_MATMUL_Q8_CPU_H

#include "backend/cpu/cpu_kernel.h"
#include "ops/matmul/matmul_layout.h"

typedef struct tdl_q8_part {
    const tdl_tile16 *layout;   // of the whole weight
    const uint8_t *w;           // its first byte
    int64_t tile, n_tiles;      // the part's
    int64_t n_rows;             // of these tiles that exist; the others are padding
    const uint8_t *x;           // [n_tokens, K] A8
    const float *bias;          // [n_rows] or NULL
    uint8_t *y;                 // [n_tokens, n_rows] F32
    int64_t x_stride, y_stride; // bytes
    int64_t n_tokens;
} tdl_q8_part;

// Compiled once for each instruction set, in matmul_q8_cpu.c. An output's bits depend on nothing but its two rows.
#define tdl_matmul_q8_part TDL_JOIN(tdl_matmul_q8_part, TDL_ISA)
void tdl_matmul_q8_part(const tdl_q8_part *part);

#endif
