// SPDX-License-Identifier: MIT
// expert_matmul_grad_w_cpu.c - dw_e += dy_e^T x_e over the rows that are sent to expert e: a unit is UNIT_ROWS rows and
// UNIT_COLUMNS columns of one expert's matrix. Rows come BLOCK at a time, in the order of groups, through the kernel of
// matmul_grad_w (ops/group/group_rows_cpu.h), which adds each block's sum: one order, whatever the threads.
#include "ops/group/group_rows_cpu.h"

enum { UNIT_ROWS = 264, UNIT_COLUMNS = 128, BLOCK = 256 }; // those of matmul_grad_w

static void run_unit(const tdl_call *call, int64_t expert, int64_t row0, int64_t column0, float *scratch);

extern const tdl_kernel TDL_KERNEL_NAME(matmul_grad_w);
#define MATMUL_GRAD_W TDL_KERNEL_NAME(matmul_grad_w)

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->out[0]);
}

static int64_t units_of_expert(const tdl_call *call) {
    return tdl_div_up(call->in[0].shape[2], UNIT_ROWS) * tdl_div_up(call->out[0].shape[1], UNIT_COLUMNS);
}

static int64_t units(const tdl_call *call) { return call->attrs.experts * units_of_expert(call); }

// dy, x, matmul_grad_w's own.
static size_t scratch_size(const tdl_call *call) {
    return (tdl_scratch_floats(BLOCK, UNIT_ROWS) + tdl_scratch_floats(BLOCK, UNIT_COLUMNS)) * sizeof(float) +
           MATMUL_GRAD_W.scratch_size(call);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_expert = units_of_expert(call), across = tdl_div_up(call->out[0].shape[1], UNIT_COLUMNS);
    for (int64_t unit = first; unit < first + count; unit++) {
        int64_t of_expert = unit % per_expert;
        run_unit(call, unit / per_expert, of_expert / across * UNIT_ROWS, of_expert % across * UNIT_COLUMNS, scratch);
    }
}

const tdl_kernel TDL_KERNEL_NAME(expert_matmul_grad_w) = {.name = "expert_matmul_grad_w",
                                                          .op = TDL_OP_EXPERT_MATMUL_GRAD_W,
                                                          TDL_KERNEL_CPU,
                                                          .accepts = accepts,
                                                          .units = units,
                                                          .run = run,
                                                          .scratch_size = scratch_size};

static void run_unit(const tdl_call *call, int64_t expert, int64_t row0, int64_t column0, float *scratch) {
    const tdl_tensor *dy = &call->in[0], *x = &call->in[1], *dw = &call->out[0];
    float *dy_block = scratch, *x_block = dy_block + tdl_scratch_floats(BLOCK, UNIT_ROWS);
    float *own = x_block + tdl_scratch_floats(BLOCK, UNIT_COLUMNS);
    tdl_range places = tdl_group_of(&call->in[2], expert);
    int64_t rows = tdl_min_i64(UNIT_ROWS, dy->shape[2] - row0);
    tdl_group_part of_dy = {&call->in[2], call->attrs.experts, call->attrs.top_k, places.first, 0, row0, rows};
    tdl_group_part of_x = of_dy;
    of_x.column = column0;
    of_x.columns = tdl_min_i64(UNIT_COLUMNS, dw->shape[1] - column0);
    tdl_call part = {.n_in = 2, .n_out = 1};
    part.out[0] = tdl_tensor_slice(dw, 0, expert * dy->shape[2] + row0, of_dy.columns);
    part.out[0] = tdl_tensor_slice(&part.out[0], 1, column0, of_x.columns);
    for (; of_x.first < places.end; of_x.first += of_x.n) {
        of_x.n = of_dy.n = tdl_min_i64(BLOCK, places.end - of_x.first);
        of_dy.first = of_x.first;
        tdl_group_gather(&of_dy, dy, dy_block);
        tdl_group_gather(&of_x, x, x_block);
        part.in[0] = tdl_f32_matrix(dy_block, of_dy.n, of_dy.columns);
        part.in[1] = tdl_f32_matrix(x_block, of_x.n, of_x.columns);
        MATMUL_GRAD_W.run(&part, 0, MATMUL_GRAD_W.units(&part), own);
    }
}
