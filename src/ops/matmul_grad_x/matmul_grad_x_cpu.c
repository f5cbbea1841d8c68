// SPDX-License-Identifier: MIT
// matmul_grad_x_cpu.c - dx[t, k] = sum over n of dy[t, n] w[n, k], in tiles of gemm_cpu.h.
//
// A unit is a panel of dx: up to UNIT_TOKENS rows, UNIT_COLUMNS columns (or a block of w's type, where that is longer). N is
// cut into blocks of TDL_GEMM_DEPTH rows of w; of each, the unit's columns are decoded into scratch, side by side, as many
// as a tile has at a time, and multiplied with dy's rows where they lie. So w is never decoded whole, and once for
// UNIT_TOKENS rows. An element is the sum of its blocks in order, whatever the tokens beside it.
#include "base/checked.h"
#include "ops/gemm_cpu.h"
#include "ops/op_impl.h"

enum { UNIT_TOKENS = 44 * TDL_GEMM_ROWS, UNIT_COLUMNS = 128, BLOCK_MAX = 256 };

static void run_unit(const tdl_call *call, int64_t token0, int64_t column0, float *scratch);

static bool accepts(const tdl_call *call) {
    const tdl_tensor *w = &call->in[1];
    const tdl_dtype_info *dtype = tdl_dtype_get(w->dtype);
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]) && dtype->decode && dtype->block_n <= BLOCK_MAX &&
           w->strides[1] == dtype->block_size;
}

// Columns of a unit: whole blocks of every type.
static int64_t unit_columns(const tdl_call *call) {
    return tdl_max_i64(UNIT_COLUMNS, tdl_dtype_get(call->in[1].dtype)->block_n);
}

static int64_t units(const tdl_call *call) {
    const tdl_tensor *dx = &call->out[0];
    return tdl_div_up(dx->shape[0], UNIT_TOKENS) * tdl_div_up(dx->shape[1], unit_columns(call));
}

static size_t scratch_size(const tdl_call *call) { return (size_t)unit_columns(call) * TDL_GEMM_DEPTH * sizeof(float); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_row = tdl_div_up(call->out[0].shape[1], unit_columns(call));
    for (int64_t unit = first; unit < first + count; unit++)
        run_unit(call, unit / per_row * UNIT_TOKENS, unit % per_row * unit_columns(call), scratch);
}

const tdl_kernel TDL_KERNEL_NAME(matmul_grad_x) = {.name = "matmul_grad_x",
                                                   .op = TDL_OP_MATMUL_GRAD_X,
                                                   TDL_KERNEL_CPU,
                                                   .accepts = accepts,
                                                   .units = units,
                                                   .run = run,
                                                   .scratch_size = scratch_size};

static void pack(const tdl_tensor *w, int64_t n0, int64_t depth, int64_t column0, int64_t columns, float *panels);
static tdl_gemm_ahead block_ahead(const tdl_tensor *t, int64_t row, int64_t rows, int64_t column, int64_t columns);

static void run_unit(const tdl_call *call, int64_t token0, int64_t column0, float *scratch) {
    const tdl_tensor *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    int64_t tokens = tdl_min_i64(UNIT_TOKENS, dx->shape[0] - token0), n = w->shape[0];
    int64_t columns = tdl_min_i64(unit_columns(call), dx->shape[1] - column0);
    int64_t n_panels = tdl_div_up(columns, TDL_GEMM_COLUMNS);
    for (int64_t n0 = 0, depth; n0 == 0 || n0 < n; n0 += depth) {
        depth = tdl_min_i64(TDL_GEMM_DEPTH, n - n0);
        int64_t next = n0 + depth, next_depth = tdl_min_i64(TDL_GEMM_DEPTH, n - next);
        tdl_gemm_ahead next_w = block_ahead(w, next, next_depth, column0, columns);
        pack(w, n0, depth, column0, columns, scratch);
        for (int64_t i = 0; i < n_panels; i++)
            tdl_gemm_run(&(tdl_gemm){
                .rows = tokens,
                .columns = tdl_min_i64(TDL_GEMM_COLUMNS, columns - i * TDL_GEMM_COLUMNS),
                .depth = depth,
                .a = tdl_f32_row(dy, token0) + n0,
                .a_row = dy->strides[0] / (int64_t)sizeof(float),
                .a_step = 1,
                .b = scratch + i * TDL_GEMM_COLUMNS * depth,
                .b_row = TDL_GEMM_COLUMNS,
                .c = tdl_f32_row(dx, token0) + column0 + i * TDL_GEMM_COLUMNS,
                .c_row = dx->strides[0] / (int64_t)sizeof(float),
                .add = n0 > 0,
                .ahead = tdl_gemm_part(next_w, i, n_panels),
            });
        if (n == 0) break;
    }
}

// Part of an F32 matrix; of other types, which are smaller and take longer to decode, nothing.
static tdl_gemm_ahead block_ahead(const tdl_tensor *t, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    if (t->dtype != TDL_DTYPE_F32 || rows <= 0) return (tdl_gemm_ahead){0};
    return (tdl_gemm_ahead){.at = tdl_f32_row(t, row) + column,
                            .row = t->strides[0] / (int64_t)sizeof(float),
                            .rows = rows,
                            .columns = columns};
}

// n numbers from the row's column `first` on.
static void load_row(const tdl_dtype_info *dtype, tdl_dtype id, const uint8_t *row, int64_t first, int64_t n,
                     float *dst) {
    int64_t i = 0;
    switch (id) {
    case TDL_DTYPE_F16:
        for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES)
            vf_store(dst + i, vf_load_f16((const uint16_t *)(const void *)row + first + i));
        if (i < n) vf_store(dst + i, vf_load_f16_n((const uint16_t *)(const void *)row + first + i, n - i));
        break;
    case TDL_DTYPE_BF16:
        for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES)
            vf_store(dst + i, vf_load_bf16((const uint16_t *)(const void *)row + first + i));
        if (i < n) vf_store(dst + i, vf_load_bf16_n((const uint16_t *)(const void *)row + first + i, n - i));
        break;
    default: dtype->decode(row + first / dtype->block_n * dtype->block_size, dst, n);
    }
}

// Rows [n0, n0 + depth) of the columns, as panels [depth, TDL_GEMM_COLUMNS] one behind another.
static void pack(const tdl_tensor *w, int64_t n0, int64_t depth, int64_t column0, int64_t columns, float *panels) {
    const tdl_dtype_info *dtype = tdl_dtype_get(w->dtype);
    float decoded[BLOCK_MAX];
    for (int64_t n = 0; n < depth; n++) {
        const uint8_t *row = w->data + (n0 + n) * w->strides[0];
        const float *from = decoded;
        if (w->dtype == TDL_DTYPE_F32) from = (const float *)(const void *)row + column0;
        else load_row(dtype, w->dtype, row, column0, columns, decoded);
        for (int64_t j = 0; j < columns; j += TDL_GEMM_COLUMNS)
            tdl_gemm_copy(from + j, tdl_min_i64(TDL_GEMM_COLUMNS, columns - j),
                          panels + j * depth + n * TDL_GEMM_COLUMNS);
    }
}
