// SPDX-License-Identifier: MIT
// matmul_q8_cpu.c - matmul of int8 activations (A8) and block weights in the TILE16 layout, in integers within a block.
//
//     y[t, n] = sum over blocks b of d_w d_x (sum over k in b of w x) + m_w d_x (sum of x in b)   (+ bias[n])
//
// The lanes are weight rows: 4 columns of each row meet 4 activations, which all lanes share. Within a block of 32
// columns the sum is exact; over the blocks one float accumulator takes K in order. So an output's bits depend on
// nothing but its two rows. A tile body keeps the sums of TILES weight tiles x up to TOKENS tokens in registers.
//
// In the K formats d_w and m_w are products of a half and a small integer, and Q6_K, which has two scales a block, has
// two sums a block as well; the body is the same, and a format is a line of tile_formats.def. What its codes are offset
// by is taken off by starting the integer sum at -offset * (sum of x).
#include "ops/matmul/matmul_q8_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "base/checked.h"
#include "ops/matmul/matmul_dot4.h"
#include "ops/matmul/matmul_layout.h"
#include "ops/op_impl.h"
#include "tensor/quant/a8/a8.h"

enum {
#if defined(TDL_ISA_AVX512)
    TILES = 2,
    TOKENS = 6, // 12 integer and 12 float sums of 32 registers
#elif defined(TDL_ISA_NEON)
    TILES = 1,
    TOKENS = 3, // the same
#else
    TILES = 1,
    TOKENS = 2,
#endif
    TILE_STRIPS = TDL_TILE_ROWS / TDL_VF_LANES, // a strip is one register of rows
    STRIPS = TILES * TILE_STRIPS,
    UNIT_TILES = 2,
    UNIT_TOKENS = 96,
    WORDS = TDL_TILE_BLOCK / 4,    // of 4 columns each
    STRIP_SIZE = TDL_VF_LANES * 4, // bytes of a word of a strip's rows
    WORD_SIZE = TDL_TILE_ROWS * 4, // and of a tile's
    PREFETCH_AHEAD = 2048,
};

// One tile body's operands.
typedef struct tile_args {
    const uint8_t *values;      // [tiles, n_blocks, a block's values]
    const uint8_t *scales;      // [tiles, n_records, a record]
    const uint8_t *x;           // [tokens, n_blocks] A8
    const float *bias;          // [rows] or NULL
    uint8_t *y;                 // [tokens, rows] F32
    int64_t x_stride, y_stride; // bytes
    int64_t n_blocks;
    int64_t rows; // of these tiles that exist; the others are padding
} tile_args;

typedef void (*tile_fn)(const tile_args *args);

static void run_unit(const tdl_call *call, const tdl_tile16 *layout, int64_t tile0, int64_t token0);
static tile_fn tile_for(tdl_tile_format_id format, int64_t tiles, int64_t tokens);

static int64_t row_units(const tdl_call *call) { return tdl_div_up(call->in[1].shape[0], UNIT_TILES * TDL_TILE_ROWS); }

static int64_t units(const tdl_call *call) { return row_units(call) * tdl_div_up(call->in[0].shape[0], UNIT_TOKENS); }

static bool accepts(const tdl_call *call) {
    tdl_tile16 layout;
    const tdl_tensor *w = &call->in[1];
    return tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &layout) && tdl_f32_rows(&call->out[0]) &&
           (call->n_in < 3 || tdl_f32_rows(&call->in[2]));
}

// Units that follow each other share the tokens, which are the smaller operand where there are many rows.
static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *w = &call->in[1];
    tdl_tile16 layout;
    if (!tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &layout)) return; // accepts has seen it
    int64_t per_tokens = row_units(call);
    for (int64_t unit = first; unit < first + count; unit++)
        run_unit(call, &layout, unit % per_tokens * UNIT_TILES, unit / per_tokens * UNIT_TOKENS);
}

const tdl_kernel TDL_KERNEL_NAME(matmul_q8) = {.name = "matmul_q8",
                                               .op = TDL_OP_MATMUL,
                                               TDL_KERNEL_CPU,
                                               .x = TDL_DTYPE_A8,
                                               .layout = TDL_LAYOUT_TILE16,
                                               .rounds = true,
                                               .accepts = accepts,
                                               .units = units,
                                               .run = run};

static void run_unit(const tdl_call *call, const tdl_tile16 *layout, int64_t tile0, int64_t token0) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
    int64_t row0 = tile0 * TDL_TILE_ROWS, n_tiles = tdl_min_i64(UNIT_TILES, layout->n_tiles - tile0);
    tdl_matmul_q8_part(&(tdl_q8_part){
        .layout = layout,
        .w = w->data,
        .tile = tile0,
        .n_tiles = n_tiles,
        .n_rows = tdl_min_i64(n_tiles * TDL_TILE_ROWS, w->shape[0] - row0),
        .x = x->data + token0 * x->strides[0],
        .bias = call->n_in > 2 ? (const float *)call->in[2].data + row0 : NULL,
        .y = y->data + token0 * y->strides[0] + row0 * (int64_t)sizeof(float),
        .x_stride = x->strides[0],
        .y_stride = y->strides[0],
        .n_tokens = tdl_min_i64(UNIT_TOKENS, x->shape[0] - token0),
    });
}

void tdl_matmul_q8_part(const tdl_q8_part *part) {
    const tdl_tile16 *layout = part->layout;
    for (int64_t i = 0, tiles; i < part->n_tiles; i += tiles) {
        tiles = tdl_min_i64(TILES, part->n_tiles - i);
        int64_t tile = part->tile + i, row0 = i * TDL_TILE_ROWS;
        tile_args args = {
            .values = part->w + (size_t)(tile * layout->n_blocks) * layout->value_size,
            .scales = part->w + layout->scales_offset + (size_t)tile * layout->tile_scales_size,
            .bias = part->bias ? part->bias + row0 : NULL,
            .x_stride = part->x_stride,
            .y_stride = part->y_stride,
            .n_blocks = layout->n_blocks,
            .rows = tdl_min_i64(tiles * TDL_TILE_ROWS, part->n_rows - row0),
        };
        for (int64_t t = 0, tokens; t < part->n_tokens; t += tokens) {
            tokens = tdl_min_i64(TOKENS, part->n_tokens - t);
            args.x = part->x + t * part->x_stride;
            args.y = part->y + t * part->y_stride + row0 * (int64_t)sizeof(float);
            tile_for(layout->format, tiles, tokens)(&args);
        }
    }
}

// ---- the tile body --------------------------------------------------------------------------------------------------
//
// format, strips and tokens are constants where these are inlined, and the arrays registers.

#define INLINE __attribute__((always_inline)) static inline

// Codes of 4 columns, columns 4 * word and on of a block, as vi_dot4 wants them.
INLINE vi load_codes(const uint8_t *values, const tdl_tile_format format, const int word) {
    if (format.code_bits == 8) return vi_dot4_bytes(vi_load(values + word * WORD_SIZE));
    vi pairs = vi_load(values + word % 4 * WORD_SIZE), low = word < 4 ? vi_low4(pairs) : vi_high4(pairs);
    const int more = format.code_bits - 4;
    if (more == 0) return low;
    return low | vi_bits4(vi_load(values + (4 + word * more / 8) * WORD_SIZE), word * more % 8, more);
}

// The integer sums over the columns of scale i of a block.
INLINE void sum_columns(vi sum[TOKENS][STRIPS], const uint8_t *const values[STRIPS],
                        const tdl_a8_block *const x[TOKENS], const tdl_tile_format format, const int i,
                        const int strips, const int tokens) {
    const int offset = format.code_bits == 8 ? VI_DOT4_OFFSET : format.zero, words = WORDS / format.n_scales;
    for (int t = 0; t < tokens; t++) {
        vi start = vi_set1(-offset * (format.n_scales == 1 ? tdl_a8_sum(x[t]) : x[t]->sums[i]));
        for (int s = 0; s < strips; s++) sum[t][s] = start;
    }
    TDL_UNROLL for (int step = 0; step < words; step++) {
        // Words that share their bytes follow each other.
        const int word = format.code_bits < 8 && words == WORDS ? step / 2 + step % 2 * 4 : i * words + step;
        vi w[STRIPS];
        for (int s = 0; s < strips; s++) w[s] = load_codes(values[s], format, word);
        for (int t = 0; t < tokens; t++) {
            vi four = vi_set1_bytes4(x[t]->q + 4 * word);
            for (int s = 0; s < strips; s++) sum[t][s] = vi_dot4(sum[t][s], w[s], four, format.code_bits < 8);
        }
    }
}

// d times scale i of block b of a record, for one strip; i = n_scales: min times m.
INLINE vf load_scale(const uint8_t *record, const tdl_tile_format format, const int b, const int i, const int strip) {
    const int index = i == format.n_scales, row = strip * TDL_VF_LANES;
    vf half = vf_load_f16((const uint16_t *)record + index * TDL_TILE_ROWS + row);
    if (format.n_blocks == 1) return half;
    record += tdl_tile_halves_size(format) + b * tdl_tile_bytes_size(format);
    return half * vi_to_vf(vi_load_i8((const int8_t *)record + i * TDL_TILE_ROWS + row));
}

// A record: the blocks that share a d.
INLINE void add_record(vf y[TOKENS][STRIPS], const uint8_t *values[STRIPS], const uint8_t *const scales[TILES],
                       const tdl_a8_block *x[TOKENS], const tdl_tile_format format, const int strips,
                       const int tokens) {
    for (int b = 0; b < format.n_blocks; b++) {
        // One token waits for memory, and the machine's own prefetching does not keep up with the K formats' work.
        for (int s = 0; tokens == 1 && format.n_blocks > 1 && s < strips; s += TILE_STRIPS)
            for (int word = 0; word < format.code_bits; word++)
                __builtin_prefetch(values[s] + PREFETCH_AHEAD + word * WORD_SIZE);
        TDL_UNROLL for (int i = 0; i < format.n_scales; i++) {
            vi sum[TOKENS][STRIPS];
            sum_columns(sum, values, x, format, i, strips, tokens);
            for (int s = 0; s < strips; s++) {
                vf d = load_scale(scales[s / TILE_STRIPS], format, b, i, s % TILE_STRIPS);
                for (int t = 0; t < tokens; t++) y[t][s] = vf_fma(vi_to_vf(sum[t][s]), d * vf_set1(x[t]->d), y[t][s]);
            }
        }
        for (int s = 0; format.has_min && s < strips; s++) {
            vf m = load_scale(scales[s / TILE_STRIPS], format, b, format.n_scales, s % TILE_STRIPS);
            for (int t = 0; t < tokens; t++) y[t][s] = vf_fma(m, vf_set1(x[t]->d * (float)tdl_a8_sum(x[t])), y[t][s]);
        }
        for (int s = 0; s < strips; s++) values[s] += tdl_tile_value_size(format);
        for (int t = 0; t < tokens; t++) x[t]++;
    }
}

INLINE void tile(const tile_args *args, const tdl_tile_format format, const int tiles, const int tokens) {
    const int strips = tiles * TILE_STRIPS;
    const size_t record_size = tdl_tile_record_size(format);
    const uint8_t *values[STRIPS], *scales[TILES];
    const tdl_a8_block *x[TOKENS];
    vf y[TOKENS][STRIPS];
    for (int i = 0; i < tiles; i++)
        scales[i] = args->scales + (size_t)i * (size_t)(args->n_blocks / format.n_blocks) * record_size;
    for (int s = 0; s < strips; s++)
        values[s] = args->values + (size_t)(s / TILE_STRIPS) * (size_t)args->n_blocks * tdl_tile_value_size(format) +
                    s % TILE_STRIPS * STRIP_SIZE;
    for (int t = 0; t < tokens; t++) {
        x[t] = (const tdl_a8_block *)(args->x + t * args->x_stride);
        for (int s = 0; s < strips; s++) y[t][s] = vf_zero();
    }
    for (int64_t b = 0; b < args->n_blocks; b += format.n_blocks) {
        add_record(y, values, scales, x, format, strips, tokens);
        for (int i = 0; i < tiles; i++) scales[i] += record_size;
    }
    for (int s = 0; s < strips; s++) {
        int64_t row = s * TDL_VF_LANES, rows = tdl_min_i64(TDL_VF_LANES, args->rows - row);
        if (rows <= 0) break;
        for (int t = 0; t < tokens; t++) {
            if (args->bias) y[t][s] = vf_add(y[t][s], vf_load_n(args->bias + row, rows));
            vf_store_n((float *)(args->y + t * args->y_stride) + row, y[t][s], rows);
        }
    }
}

// ---- its instances --------------------------------------------------------------------------------------------------

#if defined(TDL_ISA_AVX512)
#define FOR_EACH_SIZE(row, format)                                                                              \
    row(format, 1, 1) row(format, 1, 2) row(format, 1, 3) row(format, 1, 4) row(format, 1, 5) row(format, 1, 6) \
        row(format, 2, 1) row(format, 2, 2) row(format, 2, 3) row(format, 2, 4) row(format, 2, 5) row(format, 2, 6)
#elif defined(TDL_ISA_NEON)
#define FOR_EACH_SIZE(row, format) row(format, 1, 1) row(format, 1, 2) row(format, 1, 3)
#else
#define FOR_EACH_SIZE(row, format) row(format, 1, 1) row(format, 1, 2)
#endif

#define TILE(format, tiles, tokens)                                         \
    static void tile_##format##_##tiles##_##tokens(const tile_args *args) { \
        tile(args, format_##format, tiles, tokens);                         \
    }
#define TDL_TILE_FORMAT(dtype, name, ...)                        \
    static const tdl_tile_format format_##dtype = {__VA_ARGS__}; \
    FOR_EACH_SIZE(TILE, dtype)
#include "ops/matmul/tile_formats.def"
#undef TDL_TILE_FORMAT

static tile_fn tile_for(tdl_tile_format_id format, int64_t tiles, int64_t tokens) {
#define TILE_ENTRY(format, tiles, tokens) \
    [TDL_TILE_##format][tiles - 1][tokens - 1] = tile_##format##_##tiles##_##tokens,
#define TDL_TILE_FORMAT(dtype, ...) FOR_EACH_SIZE(TILE_ENTRY, dtype)
    static const tile_fn table[TDL_TILE_FORMAT_COUNT][TILES][TOKENS] = {
#include "ops/matmul/tile_formats.def"
    };
#undef TDL_TILE_FORMAT
    return table[format][tiles - 1][tokens - 1];
}
