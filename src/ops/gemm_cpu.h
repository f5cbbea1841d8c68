// SPDX-License-Identifier: MIT
// gemm_cpu.h - the product of two matrices in registers, which the heavy kernels of training are made of:
//
//     c[r, j] (+)= sum over k of a[r, k] b[k, j]
//
//     pack b into scratch;
//     tdl_gemm_run(&(tdl_gemm){.rows = 100, .columns = 64, .depth = 256, .a = x, .a_row = stride, .a_step = 1,
//                              .b = packed, .b_row = 64, .c = y, .c_row = 64});
//
// A tile of TDL_GEMM_ROWS rows and TDL_GEMM_COLUMNS columns of c has its sums in registers: b comes as vectors, a by
// broadcast. An element of c is one chain of multiply-adds over k in order, from zero; where it adds, c's old value is added
// last. So its bits depend on its own row of a and column of b only, not on the shape around it.
//
// Does not: block for the caches, pack on its own, or divide work. The caller keeps `depth` about TDL_GEMM_DEPTH, so that
// what a tile reads stays near, and adds up blocks in a fixed order.
#ifndef TDL_OPS_GEMM_CPU_H
#define TDL_OPS_GEMM_CPU_H

#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "base/checked.h"

enum {
    TDL_GEMM_ROWS = 6,
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_NEON)
    TDL_GEMM_VECTORS = 4, // 24 sums of 32 registers
#else
    TDL_GEMM_VECTORS = 2, // 12 of 16
#endif
    TDL_GEMM_COLUMNS = TDL_GEMM_VECTORS * TDL_VF_LANES,
    TDL_GEMM_DEPTH = 256,
};

// A part of a matrix; rows 0: nothing.
typedef struct tdl_gemm_ahead {
    const float *at;
    int64_t row, rows, columns;
} tdl_gemm_ahead;

typedef struct tdl_gemm {
    int64_t rows, columns, depth;
    const float *a; // a[r, k] at r * a_row + k * a_step; one of the two is 1
    int64_t a_row, a_step;
    const float *b; // b[k, j] at k * b_row + j, readable up to whole vectors
    int64_t b_row;
    float *c; // c[r, j] at r * c_row + j; only its columns are touched
    int64_t c_row;
    bool add; // to what c holds; else c is set
    // What the caller will read next, fetched into the second-level cache meanwhile: lines of memory come from afar in
    // about the time that a tile takes.
    tdl_gemm_ahead ahead;
} tdl_gemm;

// Compiled once for each instruction set, in gemm_cpu.c.
#define tdl_gemm_run TDL_JOIN(tdl_gemm_run, TDL_ISA)
#define tdl_gemm_transpose TDL_JOIN(tdl_gemm_transpose, TDL_ISA)

void tdl_gemm_run(const tdl_gemm *gemm);

// dst[k, j] = src[j, k] for j < rows, k < columns; dst's rows are filled with zeros up to whole vectors.
void tdl_gemm_transpose(const float *src, int64_t src_row, int64_t rows, int64_t columns, float *dst, int64_t dst_row);

// Part `part` of n_parts of what is ahead, where several calls share the fetching.
static inline tdl_gemm_ahead tdl_gemm_part(tdl_gemm_ahead ahead, int64_t part, int64_t n_parts) {
    if (ahead.rows == 0) return ahead;
    int64_t first = ahead.rows * part / n_parts, end = ahead.rows * (part + 1) / n_parts;
    ahead.at += first * ahead.row;
    ahead.rows = end - first;
    return ahead;
}

// dst[0, n) = src[0, n), and zeros up to a whole vector.
static inline void tdl_gemm_copy(const float *src, int64_t n, float *dst) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(dst + i, vf_load(src + i));
    if (i < n) vf_store(dst + i, vf_load_n(src + i, n - i));
}

// A tile's sums of one row into c, of which it has `columns`: a vector that is cut off is one of a partial tile.
static inline __attribute__((always_inline)) void tdl_gemm_put_row(const vf *sums, int vectors, int64_t columns,
                                                                   bool add, float *c) {
    if (columns == vectors * TDL_VF_LANES && add) {
        TDL_UNROLL for (int v = 0; v < vectors; v++)
            vf_store(c + v * TDL_VF_LANES, vf_add(vf_load(c + v * TDL_VF_LANES), sums[v]));
    } else if (columns == vectors * TDL_VF_LANES) {
        TDL_UNROLL for (int v = 0; v < vectors; v++) vf_store(c + v * TDL_VF_LANES, sums[v]);
    } else {
        TDL_UNROLL for (int v = 0; v < vectors; v++) {
            float *at = c + v * TDL_VF_LANES;
            int64_t n = tdl_min_i64(TDL_VF_LANES, columns - v * TDL_VF_LANES);
            vf_store_n(at, add ? vf_add(vf_load_n(at, n), sums[v]) : sums[v], n);
        }
    }
}

#endif
