// SPDX-License-Identifier: MIT
// gemm_bf16_cpu.c - tiles of a product of BF16 numbers (contract: gemm_bf16_cpu.h).
//
// A unit is up to UNIT_ROWS rows and UNIT_COLUMNS columns of c (or a block of b's type, where that is longer). Of DEPTH
// numbers of k at a time both operands are rounded and packed as words, pairs of neighbours in k, of which one instruction
// makes two multiply-adds in each lane. A tile broadcasts words of a and reads vectors of b; b lies in panels as wide as a
// tile, each of which stays in the first-level cache while the tiles of all rows go over it.
//
// An operand that lies along k has its pairs side by side: a's rows are rounded as they are, b's transposed in squares of
// words. One that lies across k is rounded two rows at a time, interleaved. Products are so fast that fetching what is packed,
// 128 or 264 multiply-adds a number, would take a third of the time: tiles fetch the next block's lines ahead.
#include "ops/gemm_bf16_cpu.h"

#include "base/checked.h"
#include "ops/gemm_cpu.h"
#include "ops/op_impl.h"

#include <assert.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS = 12, // of a tile: 24 sums of 32 registers
    VECTORS = 2,
    COLUMNS = VECTORS * TDL_VF_LANES,
    DEPTH = TDL_BF16_DEPTH,
    PAIRS = DEPTH / 2,
    UNIT_ROWS = 22 * ROWS,
    UNIT_COLUMNS = 128,
    // Words from one row of packed a to the next: an odd number of cache lines, so that rows do not collide.
    A_ALONG = PAIRS + 16,
    A_ACROSS = UNIT_ROWS + 8,
    A_SIZE = UNIT_ROWS * A_ALONG, // enough for either
    SLAB_ROWS = 16,
    LINE = 16, // floats of a cache line
    STEPS = 8, // pairs between lines that are fetched ahead
};
static_assert(PAIRS * A_ACROSS <= A_SIZE, "packed a");

// One tile: pointers at its corner.
typedef struct tile_args {
    const uint32_t *a; // [rows, A_ALONG] where a lies along k, else [n_pairs, A_ACROSS]
    const uint32_t *b; // [n_pairs, COLUMNS]
    const float *bias; // [columns] or NULL
    float *c;
    int64_t c_row, n_pairs;
    int64_t rows, columns; // of c, at most the tile's
    bool add;
    tdl_gemm_ahead ahead[2]; // of a and of b
} tile_args;

typedef void (*tile_fn)(const tile_args *args);

// A part of a product: a unit and a block of k.
typedef struct unit_part {
    int64_t row0, rows, column0, columns, k0, depth;
} unit_part;

static void pack_a(const tdl_bf16_operand *operand, const unit_part *part, uint32_t *to);
static void pack_b(const tdl_bf16_operand *operand, const unit_part *part, float *slab, uint32_t *to);
static void run_tiles(const tdl_bf16_product *p, const unit_part *part, const unit_part *next, const uint32_t *a,
                      const uint32_t *b);

bool tdl_bf16_accepts(const tdl_bf16_product *p) {
    const tdl_tensor *b = p->b.matrix;
    const tdl_dtype_info *dtype = tdl_dtype_get(b->dtype);
    return tdl_f32_rows(p->a.matrix) && tdl_f32_rows(p->c) && dtype->decode && dtype->block_n <= DEPTH &&
           b->strides[1] == dtype->block_size && (!p->bias || tdl_f32_rows(p->bias));
}

static int64_t unit_columns(const tdl_bf16_product *p) {
    return tdl_max_i64(UNIT_COLUMNS, tdl_dtype_get(p->b.matrix->dtype)->block_n);
}

static int64_t sum_length(const tdl_bf16_product *p) { return p->a.matrix->shape[p->a.along ? 1 : 0]; }

int64_t tdl_bf16_units(const tdl_bf16_product *p) {
    if (p->add && sum_length(p) == 0) return 0;
    return tdl_div_up(p->c->shape[0], UNIT_ROWS) * tdl_div_up(p->c->shape[1], unit_columns(p));
}

// a, b, and some rows of b decoded.
size_t tdl_bf16_scratch_size(const tdl_bf16_product *p) {
    return (A_SIZE + PAIRS * (size_t)unit_columns(p)) * sizeof(uint32_t) + SLAB_ROWS * DEPTH * sizeof(float);
}

static unit_part first_part(const tdl_bf16_product *p, int64_t unit) {
    int64_t per_row = tdl_div_up(p->c->shape[1], unit_columns(p));
    unit_part part = {.row0 = unit / per_row * UNIT_ROWS, .column0 = unit % per_row * unit_columns(p)};
    part.rows = tdl_min_i64(UNIT_ROWS, p->c->shape[0] - part.row0);
    part.columns = tdl_min_i64(unit_columns(p), p->c->shape[1] - part.column0);
    part.depth = tdl_min_i64(DEPTH, sum_length(p));
    return part;
}

void tdl_bf16_run(const tdl_bf16_product *p, int64_t first, int64_t count, void *scratch) {
    uint32_t *a = scratch, *b = a + A_SIZE;
    float *slab = (float *)(void *)(b + PAIRS * unit_columns(p));
    int64_t k_end = sum_length(p);
    unit_part part = first_part(p, first), next;
    int64_t packed_row0 = -1; // of all of k
    for (int64_t unit = first; unit < first + count; part = next) {
        next = part;
        next.k0 += part.depth;
        next.depth = tdl_min_i64(DEPTH, k_end - next.k0);
        if (next.depth == 0 && ++unit < first + count) next = first_part(p, unit);
        if (part.row0 != packed_row0) pack_a(&p->a, &part, a);
        if (k_end <= DEPTH) packed_row0 = part.row0;
        pack_b(&p->b, &part, slab, b);
        run_tiles(p, &part, &next, a, b);
    }
}

// ---- packing --------------------------------------------------------------------------------------------------------

INLINE vf load_up_to(const float *from, int64_t n) {
    return n >= TDL_VF_LANES ? vf_load(from) : vf_load_n(from, tdl_max_i64(n, 0));
}

// Words of neighbours in a row, whose n numbers are followed by zeros.
INLINE __m512i round_row(const float *from, int64_t n) {
    return (__m512i)_mm512_cvtne2ps_pbh(load_up_to(from + TDL_VF_LANES, n - TDL_VF_LANES), load_up_to(from, n));
}

// Words of neighbours in two rows.
INLINE __m512i round_two(vf lower, vf higher) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(higher, lower));
}

// n numbers of two rows; higher NULL: zeros. `width` words to a panel, whose first row this is, and panel_size to the next.
static void pack_two(const float *lower, const float *higher, int64_t n, int64_t width, int64_t panel_size,
                     uint32_t *to) {
    for (int64_t j0 = 0; j0 < n; j0 += width, to += panel_size)
        for (int64_t j = j0; j < tdl_min_i64(n, j0 + width); j += TDL_VF_LANES)
            _mm512_storeu_si512(to + j - j0, round_two(load_up_to(lower + j, n - j),
                                                       higher ? load_up_to(higher + j, n - j) : vf_zero()));
}

static void pack_a(const tdl_bf16_operand *operand, const unit_part *part, uint32_t *to) {
    const tdl_tensor *m = operand->matrix;
    if (operand->along) {
        for (int64_t r = 0; r < part->rows; r++, to += A_ALONG) {
            const float *row = tdl_f32_row(m, part->row0 + r) + part->k0;
            for (int64_t k = 0; k < part->depth; k += COLUMNS)
                _mm512_storeu_si512(to + k / 2, round_row(row + k, part->depth - k));
        }
    } else {
        for (int64_t k = 0; k < part->depth; k += 2, to += A_ACROSS)
            pack_two(tdl_f32_row(m, part->k0 + k) + part->row0,
                     k + 1 < part->depth ? tdl_f32_row(m, part->k0 + k + 1) + part->row0 : NULL, part->rows, UNIT_ROWS,
                     0, to);
    }
}

// Four rows are four squares of four by four words: each is transposed.
INLINE void transpose_quarters(__m512i *rows) {
    __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]), b = _mm512_unpackhi_epi32(rows[0], rows[1]);
    __m512i c = _mm512_unpacklo_epi32(rows[2], rows[3]), d = _mm512_unpackhi_epi32(rows[2], rows[3]);
    rows[0] = _mm512_unpacklo_epi64(a, c);
    rows[1] = _mm512_unpackhi_epi64(a, c);
    rows[2] = _mm512_unpacklo_epi64(b, d);
    rows[3] = _mm512_unpackhi_epi64(b, d);
}

// 16 rows of 16 words become columns: the squares in themselves, then their places.
INLINE void transpose(__m512i rows[16]) {
    TDL_UNROLL for (int i = 0; i < 16; i += 4) transpose_quarters(rows + i);
    TDL_UNROLL for (int i = 0; i < 4; i++) {
        __m512i a = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88),
                b = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88),
                d = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
        rows[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        rows[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        rows[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

// Up to 16 rows of depth numbers, as columns of a panel.
static void pack_columns(const float *from, int64_t stride, int64_t n_rows, int64_t depth, uint32_t *to) {
    for (int64_t k = 0; k < depth; k += 2 * TDL_VF_LANES, to += TDL_VF_LANES * COLUMNS) {
        __m512i square[16];
        if (n_rows == 16 && k + 2 * TDL_VF_LANES <= depth) {
            _Pragma("GCC unroll 16") for (int r = 0; r < 16; r++) square[r] =
                round_row(from + r * stride + k, 2 * TDL_VF_LANES);
        } else {
            for (int r = 0; r < 16; r++)
                square[r] = r < n_rows ? round_row(from + r * stride + k, depth - k) : _mm512_setzero_si512();
        }
        transpose(square);
        int64_t n = tdl_min_i64(16, tdl_div_up(depth - k, 2));
        for (int r = 0; r < n; r++) _mm512_storeu_si512(to + r * COLUMNS, square[r]);
    }
}

// Panels [pairs, COLUMNS] one behind another. SLAB_ROWS rows at a time, decoded where they are of another type.
static void pack_b(const tdl_bf16_operand *operand, const unit_part *part, float *slab, uint32_t *to) {
    const tdl_tensor *m = operand->matrix;
    const tdl_dtype_info *dtype = tdl_dtype_get(m->dtype);
    bool along = operand->along;
    int64_t row0 = along ? part->column0 : part->k0, n_rows = along ? part->columns : part->depth;
    int64_t column0 = along ? part->k0 : part->column0, n_columns = along ? part->depth : part->columns;
    int64_t panel_size = tdl_div_up(part->depth, 2) * COLUMNS;
    for (int64_t i = 0; i < n_rows; i += SLAB_ROWS) {
        int64_t rows = tdl_min_i64(SLAB_ROWS, n_rows - i), stride = m->strides[0] / (int64_t)sizeof(float);
        const float *from = slab;
        if (m->dtype == TDL_DTYPE_F32) {
            from = tdl_f32_row(m, row0 + i) + column0;
        } else {
            stride = DEPTH;
            for (int64_t r = 0; r < rows; r++)
                dtype->decode(tdl_row(m, row0 + i + r) + column0 / dtype->block_n * dtype->block_size,
                              slab + r * stride, n_columns);
        }
        if (along) {
            pack_columns(from, stride, rows, part->depth, to + i / COLUMNS * panel_size + i % COLUMNS);
        } else {
            for (int64_t r = 0; r < rows; r += 2)
                pack_two(from + r * stride, r + 1 < rows ? from + (r + 1) * stride : NULL, n_columns, COLUMNS,
                         panel_size, to + (i + r) / 2 * COLUMNS);
        }
    }
}

// ---- tiles ----------------------------------------------------------------------------------------------------------

// A line of each row.
INLINE void fetch_ahead(const tdl_gemm_ahead *ahead, int64_t line) {
    for (int64_t r = 0; r < ahead->rows && line * LINE < ahead->columns; r++)
        __builtin_prefetch(ahead->at + r * ahead->row + line * LINE, 0, 2);
}

#define EACH_ROW _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)

// rows, vectors and a_along are constants where this is inlined.
INLINE void tile(const tile_args *t, const int rows, const int vectors, const bool a_along) {
    vf sums[ROWS][VECTORS];
    const uint32_t *a = t->a, *b = t->b;
    EACH_ROW {
        TDL_UNROLL for (int v = 0; v < vectors; v++) {
            sums[r][v] = t->bias ? load_up_to(t->bias + v * TDL_VF_LANES, t->columns - v * TDL_VF_LANES) : vf_zero();
            if (t->add) __builtin_prefetch(t->c + r * t->c_row + v * TDL_VF_LANES, 1);
        }
    }
    for (int64_t p = 0; p < t->n_pairs; p++, a += a_along ? 1 : A_ACROSS, b += COLUMNS) {
        if (p % STEPS == 0) {
            fetch_ahead(&t->ahead[0], p / STEPS);
            fetch_ahead(&t->ahead[1], p / STEPS);
        }
        __m512bh b_row[VECTORS];
        TDL_UNROLL for (int v = 0; v < vectors; v++) b_row[v] = (__m512bh)_mm512_loadu_si512(b + v * TDL_VF_LANES);
        EACH_ROW {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)a[r * (a_along ? A_ALONG : 1)]);
            TDL_UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, b_row[v]);
        }
    }
    EACH_ROW if (r < t->rows) tdl_gemm_put_row(sums[r], vectors, t->columns, t->add, t->c + r * t->c_row);
}

#define TILE(rows, vectors)                                                                             \
    static void tile_##rows##_##vectors##_across(const tile_args *t) { tile(t, rows, vectors, false); } \
    static void tile_##rows##_##vectors##_along(const tile_args *t) { tile(t, rows, vectors, true); }
#define TILE_ENTRY(rows, vectors) \
    [rows / 4][vectors] = {tile_##rows##_##vectors##_across, tile_##rows##_##vectors##_along},
#define FOR_EACH_TILE(row) row(4, 1) row(4, 2) row(8, 1) row(8, 2) row(12, 1) row(12, 2)

FOR_EACH_TILE(TILE)

static const tile_fn tiles[ROWS / 4 + 1][VECTORS + 1][2] = {FOR_EACH_TILE(TILE_ENTRY)};

// What an operand has of a part; of other types than F32, which are smaller and take longer to decode, nothing.
static tdl_gemm_ahead ahead_of(const tdl_bf16_operand *operand, int64_t first, int64_t n, const unit_part *part) {
    const tdl_tensor *m = operand->matrix;
    if (m->dtype != TDL_DTYPE_F32 || part->depth == 0) return (tdl_gemm_ahead){0};
    return (tdl_gemm_ahead){
        .at = tdl_f32_row(m, operand->along ? first : part->k0) + (operand->along ? part->k0 : first),
        .row = m->strides[0] / (int64_t)sizeof(float),
        .rows = operand->along ? n : part->depth,
        .columns = operand->along ? part->depth : n,
    };
}

static void run_tiles(const tdl_bf16_product *p, const unit_part *part, const unit_part *next, const uint32_t *a,
                      const uint32_t *b) {
    const tdl_tensor *c = p->c;
    tdl_gemm_ahead next_a = ahead_of(&p->a, next->row0, next->rows, next);
    tdl_gemm_ahead next_b = ahead_of(&p->b, next->column0, next->columns, next);
    int64_t n_tiles = tdl_div_up(part->columns, COLUMNS) * tdl_div_up(part->rows, ROWS), i = 0;
    tile_args args = {.c_row = c->strides[0] / (int64_t)sizeof(float),
                      .n_pairs = tdl_div_up(part->depth, 2),
                      .add = p->add || part->k0 > 0};
    for (int64_t j = 0; j < part->columns; j += COLUMNS) {
        args.columns = tdl_min_i64(COLUMNS, part->columns - j);
        args.b = b + j * args.n_pairs;
        args.bias = p->bias && part->k0 == 0 ? tdl_f32_row(p->bias, 0) + part->column0 + j : NULL;
        for (int64_t r = 0; r < part->rows; r += ROWS, i++) {
            args.rows = tdl_min_i64(ROWS, part->rows - r);
            args.a = a + r * (p->a.along ? A_ALONG : 1);
            args.c = tdl_f32_row(c, part->row0 + r) + part->column0 + j;
            args.ahead[0] = tdl_gemm_part(next_a, i, n_tiles);
            args.ahead[1] = tdl_gemm_part(next_b, i, n_tiles);
            tiles[tdl_div_up(args.rows, 4)][tdl_div_up(args.columns, TDL_VF_LANES)][p->a.along](&args);
        }
    }
}
