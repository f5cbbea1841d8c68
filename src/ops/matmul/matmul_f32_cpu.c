// SPDX-License-Identifier: MIT
// matmul_f32_cpu.c - matmul with F32 activations and weights as the file has them.
//
//     y[t, n] = sum over k of x[t, k] w[n, k] (+ bias[n])
//
// The lanes run over K: an output is one vector accumulator that takes K in order, a masked tail, and one fixed
// horizontal sum, so its bits depend on nothing but its two rows. A tile of TILE_ROWS weight rows x up to TILE_TOKENS
// tokens keeps all its accumulators in registers, so that each load serves several multiplications.
//
// With few tokens the memory is the limit: rows of F32, F16 and BF16 are read in place and converted as they are
// loaded. With many it is the arithmetic: K is cut into blocks that fit the second-level cache; of each, a unit's
// weights are decoded to F32 in scratch, or read in place where they are F32, and the accumulators wait in scratch
// between blocks. Of several blocks the activations are copied too, since wide rows collide in the caches.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "base/checked.h"
#include "ops/op_impl.h"

enum {
    TILE_ROWS = 4,
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_NEON)
    TILE_TOKENS = 6, // 24 accumulators of 32 registers
#elif defined(TDL_ISA_AVX2)
    TILE_TOKENS = 3, // 12 of 16
#else
    TILE_TOKENS = 2,
#endif
    MANY_TOKENS = 12, // from so many on, copying pays
    FEW_ROWS = 16,    // of a unit, with few tokens
    MANY_ROWS = 64,   // of a unit, with many
    MANY_UNIT = 66,   // tokens of a unit, with many
    K_BLOCK = 768,    // a tile's rows and tokens of so many columns fit the first-level cache; a multiple of any block
};

// What a unit needs of scratch, with many tokens, in floats.
enum {
    PANEL_SIZE = MANY_ROWS * K_BLOCK,
    X_SIZE = MANY_UNIT * K_BLOCK,
    STATE_SIZE = MANY_UNIT * MANY_ROWS * TDL_VF_LANES,
};

// A kind of weight that tiles read.
typedef enum weight_kind { KIND_F32, KIND_F16, KIND_BF16, KIND_COUNT } weight_kind;

// One tile's operands; strides in bytes.
typedef struct tile_args {
    const uint8_t *w;  // [rows, k]
    const uint8_t *x;  // [tokens, k] F32
    const float *bias; // [rows] or NULL
    uint8_t *y;        // [tokens, rows] F32
    int64_t w_stride, x_stride, y_stride;
    int64_t k;
    // Of several blocks of K: whether this is the first, the last, and the accumulators in between.
    bool begin, end;
    float *state; // [tokens, MANY_ROWS, lanes]
} tile_args;

typedef void (*tile_fn)(const tile_args *args);

static void run_few(const tdl_call *call, int64_t row0, float *scratch);
static void run_many(const tdl_call *call, int64_t row0, int64_t token0, float *scratch);
static void run_tiles(const tile_args *args, weight_kind kind, int64_t rows, int64_t tokens);
static weight_kind kind_of(tdl_dtype dtype);

static bool accepts(const tdl_call *call) {
    const tdl_tensor *w = &call->in[1];
    const tdl_dtype_info *dtype = tdl_dtype_get(w->dtype);
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]) && dtype->decode &&
           w->strides[1] == dtype->block_size && (call->n_in < 3 || tdl_f32_rows(&call->in[2]));
}

static bool is_many(const tdl_call *call) { return call->in[0].shape[0] >= MANY_TOKENS; }

static int64_t units(const tdl_call *call) {
    int64_t tokens = call->in[0].shape[0], rows = call->in[1].shape[0];
    if (!is_many(call)) return tokens == 0 ? 0 : tdl_div_up(rows, FEW_ROWS);
    return tdl_div_up(rows, MANY_ROWS) * tdl_div_up(tokens, MANY_UNIT);
}

// A step may have fewer tokens than the plan's maximum: room for either way.
static size_t scratch_size(const tdl_call *call) {
    size_t few = (size_t)TILE_ROWS * (size_t)call->in[1].shape[1], many = PANEL_SIZE + X_SIZE + STATE_SIZE;
    bool only_few = !is_many(call);
    if (only_few && kind_of(call->in[1].dtype) != KIND_COUNT) return 0;
    return (only_few || few > many ? few : many) * sizeof(float);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_row = tdl_div_up(call->in[0].shape[0], MANY_UNIT);
    for (int64_t unit = first; unit < first + count; unit++) {
        if (is_many(call)) run_many(call, unit / per_row * MANY_ROWS, unit % per_row * MANY_UNIT, scratch);
        else run_few(call, unit * FEW_ROWS, scratch);
    }
}

const tdl_kernel TDL_KERNEL_NAME(matmul_f32) = {.name = "matmul_f32",
                                                .op = TDL_OP_MATMUL,
                                                TDL_KERNEL_CPU,
                                                .accepts = accepts,
                                                .units = units,
                                                .run = run,
                                                .scratch_size = scratch_size};

// COUNT: rows that must be decoded first.
static weight_kind kind_of(tdl_dtype dtype) {
    switch (dtype) {
    case TDL_DTYPE_F32: return KIND_F32;
    case TDL_DTYPE_F16: return KIND_F16;
    case TDL_DTYPE_BF16: return KIND_BF16;
    default: return KIND_COUNT;
    }
}

// All of K at once, over weights in place, or rows of a block format decoded for one tile.
static void run_few(const tdl_call *call, int64_t row0, float *scratch) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
    int64_t row_end = tdl_min_i64(row0 + FEW_ROWS, w->shape[0]);
    weight_kind kind = kind_of(w->dtype);
    tile_args args = {.w_stride = w->strides[0],
                      .x = x->data,
                      .x_stride = x->strides[0],
                      .y_stride = y->strides[0],
                      .k = w->shape[1],
                      .begin = true,
                      .end = true};
    for (int64_t row = row0, rows; row < row_end; row += rows) {
        rows = tdl_min_i64(TILE_ROWS, row_end - row);
        args.w = w->data + row * w->strides[0];
        args.y = y->data + row * (int64_t)sizeof(float);
        args.bias = call->n_in > 2 ? (const float *)call->in[2].data + row : NULL;
        if (kind == KIND_COUNT) {
            for (int64_t r = 0; r < rows; r++)
                tdl_dtype_get(w->dtype)->decode(args.w + r * w->strides[0], scratch + r * args.k, args.k);
            args.w = (const uint8_t *)scratch;
            args.w_stride = args.k * (int64_t)sizeof(float);
        }
        run_tiles(&args, kind == KIND_COUNT ? KIND_F32 : kind, rows, x->shape[0]);
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

static void copy_weights(const tdl_tensor *w, int64_t row0, int64_t rows, int64_t first, int64_t k, float *panel);
static void copy_x(const tdl_tensor *x, int64_t token0, int64_t tokens, int64_t first, int64_t k, float *dst);

static void run_many(const tdl_call *call, int64_t row0, int64_t token0, float *scratch) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
    int64_t rows = tdl_min_i64(MANY_ROWS, w->shape[0] - row0), k = w->shape[1];
    int64_t tokens = tdl_min_i64(MANY_UNIT, x->shape[0] - token0);
    float *panel = scratch, *x_block = panel + PANEL_SIZE, *state = x_block + X_SIZE;
    for (int64_t first = 0; first == 0 || first < k; first += K_BLOCK) {
        int64_t block = tdl_min_i64(K_BLOCK, k - first), stride = tdl_div_up(block, TDL_VF_LANES) * TDL_VF_LANES;
        tile_args args = {
            .w = (const uint8_t *)panel,
            .x = x->data + token0 * x->strides[0],
            .bias = call->n_in > 2 ? (const float *)call->in[2].data + row0 : NULL,
            .y = y->data + token0 * y->strides[0] + row0 * (int64_t)sizeof(float),
            .w_stride = stride * (int64_t)sizeof(float),
            .x_stride = x->strides[0],
            .y_stride = y->strides[0],
            .k = block,
            .begin = first == 0,
            .end = first + K_BLOCK >= k,
            .state = state,
        };
        if (w->dtype == TDL_DTYPE_F32) {
            args.w = w->data + row0 * w->strides[0] + first * (int64_t)sizeof(float);
            args.w_stride = w->strides[0];
        } else {
            copy_weights(w, row0, rows, first, block, panel);
        }
        if (k > K_BLOCK) {
            copy_x(x, token0, tokens, first, block, x_block);
            args.x = (const uint8_t *)x_block;
            args.x_stride = stride * (int64_t)sizeof(float);
        }
        run_tiles(&args, KIND_F32, rows, tokens);
    }
}

static inline vf load_w(weight_kind kind, const uint8_t *row, int64_t i);
static inline vf load_w_n(weight_kind kind, const uint8_t *row, int64_t i, int64_t n);

// n numbers, of a kind that is a constant where this is inlined.
__attribute__((always_inline)) static inline void convert(weight_kind kind, const uint8_t *src, int64_t first,
                                                          int64_t n, float *dst) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(dst + i, load_w(kind, src, first + i));
    if (i < n) vf_store_n(dst + i, load_w_n(kind, src, first + i, n - i), n - i);
}

// Columns [first, first + k) of the rows, as F32, each row at a whole vector.
static void copy_weights(const tdl_tensor *w, int64_t row0, int64_t rows, int64_t first, int64_t k, float *panel) {
    const tdl_dtype_info *dtype = tdl_dtype_get(w->dtype);
    int64_t stride = tdl_div_up(k, TDL_VF_LANES) * TDL_VF_LANES;
    for (int64_t r = 0; r < rows; r++, panel += stride) {
        const uint8_t *row = w->data + (row0 + r) * w->strides[0];
        switch (kind_of(w->dtype)) {
        case KIND_F16: convert(KIND_F16, row, first, k, panel); break;
        case KIND_BF16: convert(KIND_BF16, row, first, k, panel); break;
        default: dtype->decode(row + first / dtype->block_n * dtype->block_size, panel, k); break;
        }
    }
}

static void copy_x(const tdl_tensor *x, int64_t token0, int64_t tokens, int64_t first, int64_t k, float *dst) {
    int64_t stride = tdl_div_up(k, TDL_VF_LANES) * TDL_VF_LANES;
    for (int64_t t = 0; t < tokens; t++, dst += stride)
        convert(KIND_F32, x->data + (token0 + t) * x->strides[0], first, k, dst);
}

// ---- tiles ----------------------------------------------------------------------------------------------------------

static inline float *state_of(float *state, int64_t token, int64_t row) {
    return state + (token * MANY_ROWS + row) * TDL_VF_LANES;
}

static inline vf load_w(weight_kind kind, const uint8_t *row, int64_t i) {
    if (kind == KIND_F16) return vf_load_f16((const uint16_t *)row + i);
    if (kind == KIND_BF16) return vf_load_bf16((const uint16_t *)row + i);
    return vf_load((const float *)row + i);
}

static inline vf load_w_n(weight_kind kind, const uint8_t *row, int64_t i, int64_t n) {
    if (kind == KIND_F16) return vf_load_f16_n((const uint16_t *)row + i, n);
    if (kind == KIND_BF16) return vf_load_bf16_n((const uint16_t *)row + i, n);
    return vf_load_n((const float *)row + i, n);
}

// kind, rows and tokens are constants where this is inlined, and its arrays registers.
__attribute__((always_inline)) static inline void tile(const tile_args *args, const weight_kind kind, const int rows,
                                                       const int tokens) {
    vf sum[TILE_TOKENS][TILE_ROWS], x[TILE_TOKENS];
    const uint8_t *w_row[TILE_ROWS];
    const float *x_row[TILE_TOKENS];
    TDL_UNROLL for (int r = 0; r < rows; r++) w_row[r] = args->w + r * args->w_stride;
    TDL_UNROLL for (int t = 0; t < tokens; t++) {
        x_row[t] = (const float *)(args->x + t * args->x_stride);
        TDL_UNROLL for (int r = 0; r < rows; r++) sum[t][r] =
            args->begin ? vf_zero() : vf_load(state_of(args->state, t, r));
    }
    // Rows in memory rather than in the panel: the same place of the next tile, since rows are too short for the
    // machine's own prefetching to get going.
    const bool prefetch = kind != KIND_F32 || tokens == 1;
    const int64_t k = args->k, ahead = rows * args->w_stride;
    int64_t i = 0;
    _Pragma("GCC unroll 4") for (; i + TDL_VF_LANES <= k; i += TDL_VF_LANES) {
        TDL_UNROLL for (int t = 0; t < tokens; t++) x[t] = vf_load(x_row[t] + i);
        TDL_UNROLL for (int r = 0; r < rows; r++) {
            if (prefetch) __builtin_prefetch(w_row[r] + i * (kind == KIND_F32 ? 4 : 2) + ahead);
            vf w = load_w(kind, w_row[r], i);
            TDL_UNROLL for (int t = 0; t < tokens; t++) sum[t][r] = vf_fma(w, x[t], sum[t][r]);
        }
    }
    if (i < k) {
        TDL_UNROLL for (int t = 0; t < tokens; t++) x[t] = vf_load_n(x_row[t] + i, k - i);
        TDL_UNROLL for (int r = 0; r < rows; r++) {
            vf w = load_w_n(kind, w_row[r], i, k - i);
            TDL_UNROLL for (int t = 0; t < tokens; t++) sum[t][r] = vf_fma(w, x[t], sum[t][r]);
        }
    }
    TDL_UNROLL for (int t = 0; t < tokens; t++) {
        float *y = (float *)(args->y + t * args->y_stride);
        if (!args->end) TDL_UNROLL for (int r = 0; r < rows; r++) vf_store(state_of(args->state, t, r), sum[t][r]);
        else if (rows == TILE_ROWS) vf_sum4(sum[t][0], sum[t][1], sum[t][2], sum[t][3], y);
        else TDL_UNROLL for (int r = 0; r < rows; r++) y[r] = vf_sum(sum[t][r]);
        if (args->end && args->bias) TDL_UNROLL for (int r = 0; r < rows; r++) y[r] += args->bias[r];
    }
}

#define TILE(kind, rows, tokens) \
    static void tile_##kind##_##rows##_##tokens(const tile_args *args) { tile(args, KIND_##kind, rows, tokens); }
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_NEON)
#define FOR_EACH_TOKENS(row, kind, rows) \
    row(kind, rows, 1) row(kind, rows, 2) row(kind, rows, 3) row(kind, rows, 4) row(kind, rows, 5) row(kind, rows, 6)
#elif defined(TDL_ISA_AVX2)
#define FOR_EACH_TOKENS(row, kind, rows) row(kind, rows, 1) row(kind, rows, 2) row(kind, rows, 3)
#else
#define FOR_EACH_TOKENS(row, kind, rows) row(kind, rows, 1) row(kind, rows, 2)
#endif
#define FOR_EACH_SIZE(row, kind) FOR_EACH_TOKENS(row, kind, 1) FOR_EACH_TOKENS(row, kind, 4)
#define FOR_EACH_TILE(row) FOR_EACH_SIZE(row, F32) FOR_EACH_SIZE(row, F16) FOR_EACH_SIZE(row, BF16)

FOR_EACH_TILE(TILE)

#define TILE_ENTRY(kind, rows, tokens) [KIND_##kind][rows == TILE_ROWS][tokens] = tile_##kind##_##rows##_##tokens,
static const tile_fn tiles[KIND_COUNT][2][TILE_TOKENS + 1] = {FOR_EACH_TILE(TILE_ENTRY)};

static void run_tiles(const tile_args *args, weight_kind kind, int64_t rows, int64_t tokens) {
    for (int64_t t = 0, t_count; t < tokens; t += t_count) {
        t_count = tdl_min_i64(TILE_TOKENS, tokens - t);
        for (int64_t r = 0, r_count; r < rows; r += r_count) {
            bool full = rows - r >= TILE_ROWS;
            r_count = full ? TILE_ROWS : 1;
            tile_args part = *args;
            part.w += r * args->w_stride;
            part.x += t * args->x_stride;
            part.y += t * args->y_stride + r * (int64_t)sizeof(float);
            if (args->state) part.state = state_of(args->state, t, r);
            if (args->bias) part.bias += r;
            tiles[kind][full][t_count](&part);
        }
    }
}
