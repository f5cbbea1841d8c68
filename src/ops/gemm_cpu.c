// SPDX-License-Identifier: MIT
// gemm_cpu.c - tiles of a matrix product (contract: gemm_cpu.h).
//
// Every count of rows and vectors is a function of its own, so that its sums stay in registers; partial tiles differ from
// whole ones in nothing but what they leave out. With 6 rows and 4 vectors a step over k is 24 multiply-adds on 4 loads
// and 6 broadcasts: 93 to 97% of an AVX-512 core's peak while what it reads lies in the second-level cache.
#include "ops/gemm_cpu.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    LINE = 16,  // floats of a cache line
    STEPS = 32, // over k, between lines that are fetched ahead
};

// One tile: pointers at its corner.
typedef struct tile_args {
    const float *a, *b;
    float *c;
    int64_t a_stride; // of the direction that is not 1
    int64_t b_row, c_row, depth;
    int64_t columns; // of c, at most the tile's
    bool add;
    tdl_gemm_ahead ahead;
} tile_args;

typedef void (*tile_fn)(const tile_args *args);

// rows, vectors and a_by_columns (elements of a column of a lie side by side, not those of a row) are constants where this is
// inlined.
INLINE void tile(const tile_args *t, const int rows, const int vectors, const bool a_by_columns) {
    vf sums[TDL_GEMM_ROWS][TDL_GEMM_VECTORS];
    const float *a[TDL_GEMM_ROWS], *b = t->b, *column = t->a;
    TDL_UNROLL for (int r = 0; r < rows; r++) {
        a[r] = t->a + r * t->a_stride;
        TDL_UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = vf_zero();
        if (t->add)
            TDL_UNROLL for (int v = 0; v < vectors; v++) __builtin_prefetch(t->c + r * t->c_row + v * TDL_VF_LANES, 1);
    }
    for (int64_t k0 = 0; k0 < t->depth; k0 += STEPS) {
        int64_t end = tdl_min_i64(t->depth, k0 + STEPS), line = k0 / STEPS * LINE;
        if (line < t->ahead.columns)
            for (int64_t r = 0; r < t->ahead.rows; r++) __builtin_prefetch(t->ahead.at + r * t->ahead.row + line, 0, 2);
        for (int64_t k = k0; k < end; k++, b += t->b_row, column += t->a_stride) {
            vf b_row[TDL_GEMM_VECTORS];
            TDL_UNROLL for (int v = 0; v < vectors; v++) b_row[v] = vf_load(b + v * TDL_VF_LANES);
            TDL_UNROLL for (int r = 0; r < rows; r++) {
                vf x = vf_set1(a_by_columns ? column[r] : a[r][k]);
                TDL_UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = vf_fma(x, b_row[v], sums[r][v]);
            }
        }
    }
    TDL_UNROLL for (int r = 0; r < rows; r++)
        tdl_gemm_put_row(sums[r], vectors, t->columns, t->add, t->c + r * t->c_row);
}

#define TILE(rows, vectors)                                                                           \
    static void tile_##rows##_##vectors##_rows(const tile_args *t) { tile(t, rows, vectors, false); } \
    static void tile_##rows##_##vectors##_columns(const tile_args *t) { tile(t, rows, vectors, true); }
#define TILE_ENTRY(rows, vectors) [rows][vectors] = {tile_##rows##_##vectors##_rows, tile_##rows##_##vectors##_columns},
#define FOR_EACH_ROWS(row, vectors) \
    row(1, vectors) row(2, vectors) row(3, vectors) row(4, vectors) row(5, vectors) row(6, vectors)
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_NEON)
#define FOR_EACH_TILE(row) FOR_EACH_ROWS(row, 1) FOR_EACH_ROWS(row, 2) FOR_EACH_ROWS(row, 3) FOR_EACH_ROWS(row, 4)
#else
#define FOR_EACH_TILE(row) FOR_EACH_ROWS(row, 1) FOR_EACH_ROWS(row, 2)
#endif

FOR_EACH_TILE(TILE)

static const tile_fn tiles[TDL_GEMM_ROWS + 1][TDL_GEMM_VECTORS + 1][2] = {FOR_EACH_TILE(TILE_ENTRY)};

void tdl_gemm_run(const tdl_gemm *g) {
    bool a_by_columns = g->a_step != 1;
    int64_t n_tiles = tdl_div_up(g->rows, TDL_GEMM_ROWS) * tdl_div_up(g->columns, TDL_GEMM_COLUMNS), tile_index = 0;
    for (int64_t r = 0, rows; r < g->rows; r += rows) {
        rows = tdl_min_i64(TDL_GEMM_ROWS, g->rows - r);
        for (int64_t j = 0; j < g->columns; j += TDL_GEMM_COLUMNS) {
            int64_t columns = tdl_min_i64(TDL_GEMM_COLUMNS, g->columns - j);
            tile_args args = {.a = g->a + r * g->a_row,
                              .b = g->b + j,
                              .c = g->c + r * g->c_row + j,
                              .a_stride = a_by_columns ? g->a_step : g->a_row,
                              .b_row = g->b_row,
                              .c_row = g->c_row,
                              .depth = g->depth,
                              .columns = columns,
                              .add = g->add,
                              .ahead = tdl_gemm_part(g->ahead, tile_index++, n_tiles)};
            tiles[rows][tdl_div_up(columns, TDL_VF_LANES)][a_by_columns](&args);
        }
    }
}

// ---- transposition --------------------------------------------------------------------------------------------------

// Squares of LANES x LANES in registers: in step s, rows r and r + s (r without bit s) exchange the lanes that the other
// should have. Lane l of the lower row comes from l or from the higher row's l - s; of the higher from l or the lower's
// l + s. Indices from LANES on are the higher row's.
#define LOWER(s, l) ((l) & (s) ? TDL_VF_LANES + (l) - (s) : (l))
#define HIGHER(s, l) ((l) & (s) ? TDL_VF_LANES + (l) : (l) + (s))
#define FOUR_LANES(side, s, l) side(s, l), side(s, (l) + 1), side(s, (l) + 2), side(s, (l) + 3)
#if defined(TDL_ISA_AVX512)
#define ALL_LANES(side, s) \
    FOUR_LANES(side, s, 0), FOUR_LANES(side, s, 4), FOUR_LANES(side, s, 8), FOUR_LANES(side, s, 12)
#elif defined(TDL_ISA_AVX2)
#define ALL_LANES(side, s) FOUR_LANES(side, s, 0), FOUR_LANES(side, s, 4)
#else
#define ALL_LANES(side, s) FOUR_LANES(side, s, 0)
#endif
#define EACH_ROW _Pragma("GCC unroll 16") for (int r = 0; r < TDL_VF_LANES; r++)
#define EXCHANGE(s)                                                                   \
    EACH_ROW if (!(r & (s))) {                                                        \
        vf lower = rows[r], higher = rows[r + (s)];                                   \
        rows[r] = __builtin_shufflevector(lower, higher, ALL_LANES(LOWER, s));        \
        rows[r + (s)] = __builtin_shufflevector(lower, higher, ALL_LANES(HIGHER, s)); \
    }

INLINE void transpose_square(vf rows[TDL_VF_LANES]) {
    EXCHANGE(1)
    EXCHANGE(2)
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_AVX2)
    EXCHANGE(4)
#endif
#if defined(TDL_ISA_AVX512)
    EXCHANGE(8)
#endif
}

void tdl_gemm_transpose(const float *src, int64_t src_row, int64_t rows, int64_t columns, float *dst, int64_t dst_row) {
    for (int64_t j = 0; j < rows; j += TDL_VF_LANES) {
        const float *from = src + j * src_row;
        int64_t n_rows = tdl_min_i64(TDL_VF_LANES, rows - j);
        for (int64_t k = 0; k < columns; k += TDL_VF_LANES) {
            int64_t n = tdl_min_i64(TDL_VF_LANES, columns - k);
            vf square[TDL_VF_LANES];
            if (n == TDL_VF_LANES && n_rows == TDL_VF_LANES) {
                EACH_ROW square[r] = vf_load(from + r * src_row + k);
                transpose_square(square);
                EACH_ROW vf_store(dst + (k + r) * dst_row + j, square[r]);
            } else {
                EACH_ROW square[r] = r < n_rows ? vf_load_n(from + r * src_row + k, n) : vf_zero();
                transpose_square(square);
                for (int64_t r = 0; r < n; r++) vf_store(dst + (k + r) * dst_row + j, square[r]);
            }
        }
    }
}
