// matmul_q8_cpu.c - matmul of int8 activations (A8) and block weights in the TILE16 layout, in integers within a block.
//
//     y[t, n] = sum over blocks b of d_w d_x (sum over k in b of w x) + m_w d_x (sum of x in b)   (+ bias[n])
//
// The lanes are weight rows: 4 columns of each row meet 4 activations, which all lanes share. Within a block of 32
// columns the sum is exact; over the blocks one float accumulator takes K in order. So an output's bits depend on
// nothing but its two rows. A tile body keeps the sums of TILES weight tiles x up to TOKENS tokens in registers.
//
// A format is an entry of `tile_format`: whether its bytes are two nibbles, what its numbers are offset by, whether it
// has minima. The offset is taken off by starting the integer sum at -offset * (sum of x).
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
    STRIP_SIZE = TDL_VF_LANES * 4, // bytes of a group of 4 columns
    GROUP_SIZE = TDL_TILE_ROWS * 4,
};

typedef struct tile_format {
    bool nibbles, has_min;
    int32_t offset;
} tile_format;

// One tile body's operands.
typedef struct tile_args {
    const uint8_t *values;      // [tiles, n_blocks, value_size]
    const uint8_t *scales;      // [tiles, n_blocks, scale_size]
    const uint8_t *x;           // [tokens, n_blocks] A8
    const float *bias;          // [rows] or NULL
    uint8_t *y;                 // [tokens, rows] F32
    int64_t x_stride, y_stride; // bytes
    int64_t n_blocks;
    int64_t rows; // of these tiles that exist; the others are padding
} tile_args;

typedef void (*tile_fn)(const tile_args *args);

static void run_unit(const tdl_call *call, const tdl_tile16 *layout, int64_t tile0, int64_t token0);
static tile_fn tile_for(tdl_dtype dtype, int64_t tiles, int64_t tokens);

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
    int64_t token_end = tdl_min_i64(token0 + UNIT_TOKENS, x->shape[0]);
    int64_t tile_end = tdl_min_i64(tile0 + UNIT_TILES, layout->n_tiles);
    for (int64_t tile = tile0, tiles; tile < tile_end; tile += tiles) {
        tiles = tdl_min_i64(TILES, tile_end - tile);
        int64_t block0 = tile * layout->n_blocks, row0 = tile * TDL_TILE_ROWS;
        tile_args args = {
            .values = w->data + (size_t)block0 * layout->value_size,
            .scales = w->data + layout->scales_offset + (size_t)block0 * layout->scale_size,
            .bias = call->n_in > 2 ? (const float *)call->in[2].data + row0 : NULL,
            .x_stride = x->strides[0],
            .y_stride = y->strides[0],
            .n_blocks = layout->n_blocks,
            .rows = tdl_min_i64(tiles * TDL_TILE_ROWS, w->shape[0] - row0),
        };
        for (int64_t t = token0, tokens; t < token_end; t += tokens) {
            tokens = tdl_min_i64(TOKENS, token_end - t);
            args.x = x->data + t * x->strides[0];
            args.y = y->data + t * y->strides[0] + row0 * (int64_t)sizeof(float);
            tile_for(w->dtype, tiles, tokens)(&args);
        }
    }
}

// ---- the tile body --------------------------------------------------------------------------------------------------
//
// format, strips and tokens are constants where these are inlined, and the arrays registers.

#define INLINE __attribute__((always_inline)) static inline

// Adds 4 columns: w of every strip with the activations at q of every token.
INLINE void add_columns(vi sum[TOKENS][STRIPS], const vi w[STRIPS], const tdl_a8_block *const x[TOKENS], int column,
                        const tile_format format, const int strips, const int tokens) {
    for (int t = 0; t < tokens; t++) {
        vi four = vi_set1_bytes4(x[t]->q + column);
        for (int s = 0; s < strips; s++) sum[t][s] = vi_dot4(sum[t][s], w[s], four, format.nibbles);
    }
}

INLINE void add_block(vi sum[TOKENS][STRIPS], const uint8_t *const values[STRIPS], const tdl_a8_block *const x[TOKENS],
                      const tile_format format, const int strips, const int tokens) {
    vi w[STRIPS];
    for (int g = 0; g < (format.nibbles ? 4 : 8); g++) {
        for (int s = 0; s < strips; s++) {
            vi bytes = vi_load(values[s] + g * GROUP_SIZE);
            w[s] = format.nibbles ? vi_low4(bytes) : vi_dot4_bytes(bytes);
        }
        add_columns(sum, w, x, 4 * g, format, strips, tokens);
        if (!format.nibbles) continue;
        for (int s = 0; s < strips; s++) w[s] = vi_high4(vi_load(values[s] + g * GROUP_SIZE));
        add_columns(sum, w, x, 16 + 4 * g, format, strips, tokens);
    }
}

INLINE void tile(const tile_args *args, const tile_format format, const int strips, const int tokens) {
    const size_t value_size = (format.nibbles ? 4 : 8) * GROUP_SIZE, scale_size = (format.has_min ? 64 : 32);
    const uint8_t *values[STRIPS], *scales[STRIPS];
    const tdl_a8_block *x[TOKENS];
    vf y[TOKENS][STRIPS];
    for (int s = 0; s < strips; s++) {
        size_t block0 = (size_t)(s / TILE_STRIPS) * (size_t)args->n_blocks;
        values[s] = args->values + block0 * value_size + s % TILE_STRIPS * STRIP_SIZE;
        scales[s] = args->scales + block0 * scale_size + s % TILE_STRIPS * (STRIP_SIZE / 2);
    }
    for (int t = 0; t < tokens; t++) {
        x[t] = (const tdl_a8_block *)(args->x + t * args->x_stride);
        for (int s = 0; s < strips; s++) y[t][s] = vf_zero();
    }
    for (int64_t b = 0; b < args->n_blocks; b++) {
        vi sum[TOKENS][STRIPS];
        for (int t = 0; t < tokens; t++)
            for (int s = 0; s < strips; s++) sum[t][s] = vi_set1(-format.offset * x[t]->sum);
        add_block(sum, values, x, format, strips, tokens);
        for (int s = 0; s < strips; s++) {
            vf d = vf_load_f16((const uint16_t *)scales[s]);
            for (int t = 0; t < tokens; t++) y[t][s] = vf_fma(vi_to_vf(sum[t][s]), d * vf_set1(x[t]->d), y[t][s]);
            if (format.has_min) {
                vf m = vf_load_f16((const uint16_t *)(scales[s] + scale_size / 2));
                for (int t = 0; t < tokens; t++) y[t][s] = vf_fma(m, vf_set1(x[t]->d * (float)x[t]->sum), y[t][s]);
            }
            values[s] += value_size;
            scales[s] += scale_size;
        }
        for (int t = 0; t < tokens; t++) x[t]++;
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

#define FORMAT_Q8_0 ((tile_format){.offset = VI_DOT4_OFFSET})
#define FORMAT_Q4_0 ((tile_format){.nibbles = true, .offset = 8})
#define FORMAT_Q4_1 ((tile_format){.nibbles = true, .has_min = true})
enum { INDEX_Q8_0, INDEX_Q4_0, INDEX_Q4_1, N_FORMATS };

#if defined(TDL_ISA_AVX512)
#define FOR_EACH_SIZE(row, format)                                                                              \
    row(format, 1, 1) row(format, 1, 2) row(format, 1, 3) row(format, 1, 4) row(format, 1, 5) row(format, 1, 6) \
        row(format, 2, 1) row(format, 2, 2) row(format, 2, 3) row(format, 2, 4) row(format, 2, 5) row(format, 2, 6)
#elif defined(TDL_ISA_NEON)
#define FOR_EACH_SIZE(row, format) row(format, 1, 1) row(format, 1, 2) row(format, 1, 3)
#else
#define FOR_EACH_SIZE(row, format) row(format, 1, 1) row(format, 1, 2)
#endif
#define FOR_EACH_TILE(row) FOR_EACH_SIZE(row, Q8_0) FOR_EACH_SIZE(row, Q4_0) FOR_EACH_SIZE(row, Q4_1)

#define TILE(format, tiles, tokens)                                         \
    static void tile_##format##_##tiles##_##tokens(const tile_args *args) { \
        tile(args, FORMAT_##format, tiles *TILE_STRIPS, tokens);            \
    }
FOR_EACH_TILE(TILE)

static tile_fn tile_for(tdl_dtype dtype, int64_t tiles, int64_t tokens) {
#define TILE_ENTRY(format, tiles, tokens) [INDEX_##format][tiles - 1][tokens - 1] = tile_##format##_##tiles##_##tokens,
    static const tile_fn table[N_FORMATS][TILES][TOKENS] = {FOR_EACH_TILE(TILE_ENTRY)};
    int format = dtype == TDL_DTYPE_Q8_0 ? INDEX_Q8_0 : dtype == TDL_DTYPE_Q4_0 ? INDEX_Q4_0 : INDEX_Q4_1;
    return table[format][tiles - 1][tokens - 1];
}
