// SPDX-License-Identifier: MIT
// matmul_grad_w_cpu.c - dw[n, k] += sum over t of dy[t, n] x[t, k], in tiles of gemm_cpu.h.
//
// A unit is UNIT_ROWS rows and UNIT_COLUMNS columns of dw. Tokens are taken in blocks of TDL_GEMM_DEPTH: of each, the unit's
// columns of x are copied into panels as wide as a tile, and its columns of dy side by side, since both lie whole rows
// apart, which collide in the caches. A block's sum is added to dw when it is complete, block after block.
#include "base/checked.h"
#include "ops/gemm_cpu.h"
#include "ops/op_impl.h"

enum {
    UNIT_ROWS = 44 * TDL_GEMM_ROWS,
    UNIT_COLUMNS = 128,
    DY_ROW = 272, // a copied row of dy: UNIT_ROWS, and an odd number of cache lines, so that rows do not collide
    PANELS_SIZE = UNIT_COLUMNS * TDL_GEMM_DEPTH,
    DY_SIZE = DY_ROW * TDL_GEMM_DEPTH,
};

static void run_unit(const tdl_call *call, int64_t row0, int64_t column0, int64_t next_column0, bool same_rows,
                     float *scratch);

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->out[0]);
}

static int64_t units(const tdl_call *call) {
    const tdl_tensor *dw = &call->out[0];
    if (call->in[0].shape[0] == 0) return 0;
    return tdl_div_up(dw->shape[0], UNIT_ROWS) * tdl_div_up(dw->shape[1], UNIT_COLUMNS);
}

static size_t scratch_size(const tdl_call *call) {
    (void)call;
    return (PANELS_SIZE + DY_SIZE) * sizeof(float);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_row = tdl_div_up(call->out[0].shape[1], UNIT_COLUMNS);
    for (int64_t unit = first; unit < first + count; unit++) {
        int64_t column0 = unit % per_row * UNIT_COLUMNS, next = unit + 1 < first + count ? unit + 1 : unit;
        run_unit(call, unit / per_row * UNIT_ROWS, column0, next % per_row * UNIT_COLUMNS, unit > first && column0 > 0,
                 scratch);
    }
}

const tdl_kernel TDL_KERNEL_NAME(matmul_grad_w) = {.name = "matmul_grad_w",
                                                   .op = TDL_OP_MATMUL_GRAD_W,
                                                   TDL_KERNEL_CPU,
                                                   .accepts = accepts,
                                                   .units = units,
                                                   .run = run,
                                                   .scratch_size = scratch_size};

static void pack(const tdl_tensor *from, int64_t t0, int64_t depth, int64_t column0, int64_t columns, int64_t panel,
                 float *to);

// same_rows: the unit before had the same rows of dw. next_column0: where the unit after it begins.
static void run_unit(const tdl_call *call, int64_t row0, int64_t column0, int64_t next_column0, bool same_rows,
                     float *scratch) {
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1], *dw = &call->out[0];
    int64_t rows = tdl_min_i64(UNIT_ROWS, dw->shape[0] - row0);
    int64_t columns = tdl_min_i64(UNIT_COLUMNS, dw->shape[1] - column0), n_tokens = dy->shape[0];
    float *panels = scratch, *dy_block = scratch + PANELS_SIZE;
    for (int64_t t0 = 0, depth; t0 < n_tokens; t0 += depth) {
        depth = tdl_min_i64(TDL_GEMM_DEPTH, n_tokens - t0);
        if (!same_rows || n_tokens > TDL_GEMM_DEPTH) pack(dy, t0, depth, row0, rows, DY_ROW, dy_block);
        pack(x, t0, depth, column0, columns, TDL_GEMM_COLUMNS, panels);
        bool last = t0 + depth == n_tokens;
        int64_t next = last ? 0 : t0 + depth, next_column = last ? next_column0 : column0;
        tdl_gemm_ahead next_x = {.at = tdl_f32_row(x, next) + next_column,
                                 .row = x->strides[0] / (int64_t)sizeof(float),
                                 .rows = tdl_min_i64(TDL_GEMM_DEPTH, n_tokens - next),
                                 .columns = tdl_min_i64(UNIT_COLUMNS, dw->shape[1] - next_column)};
        for (int64_t j = 0; j < columns; j += TDL_GEMM_COLUMNS)
            tdl_gemm_run(&(tdl_gemm){
                .rows = rows,
                .columns = tdl_min_i64(TDL_GEMM_COLUMNS, columns - j),
                .depth = depth,
                .a = dy_block,
                .a_row = 1,
                .a_step = DY_ROW,
                .b = panels + j * depth,
                .b_row = TDL_GEMM_COLUMNS,
                .c = tdl_f32_row(dw, row0) + column0 + j,
                .c_row = dw->strides[0] / (int64_t)sizeof(float),
                .add = true,
                .ahead = tdl_gemm_part(next_x, j / TDL_GEMM_COLUMNS, tdl_div_up(columns, TDL_GEMM_COLUMNS)),
            });
    }
}

// Rows [t0, t0 + depth) of the columns, as panels of [depth, panel] one behind another.
static void pack(const tdl_tensor *from, int64_t t0, int64_t depth, int64_t column0, int64_t columns, int64_t panel,
                 float *to) {
    for (int64_t t = 0; t < depth; t++)
        for (int64_t j = 0; j < columns; j += panel)
            tdl_gemm_copy(tdl_f32_row(from, t0 + t) + column0 + j, tdl_min_i64(panel, columns - j),
                          to + j * depth + t * panel);
}
