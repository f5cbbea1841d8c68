// SPDX-License-Identifier: MIT
// expert_matmul_grad_x_cpu.c - dx[t, j] = dy[t, j] w_e: a unit is some columns of one expert's matrix, with all rows that are sent
// to that expert, BLOCK at a time through the kernel of matmul_grad_x (ops/group/group_rows_cpu.h).
#include "ops/group/group_rows_cpu.h"

enum {
    UNIT_COLUMNS = 128, // or a block of w's type, where that is longer
    BLOCK = 264,        // rows of a unit of matmul_grad_x
};

static void run_unit(const tdl_call *call, int64_t expert, int64_t column0, float *scratch);

extern const tdl_kernel TDL_KERNEL_NAME(matmul_grad_x);
#define MATMUL_GRAD_X TDL_KERNEL_NAME(matmul_grad_x)

static int64_t unit_columns(const tdl_call *call) {
    return tdl_max_i64(UNIT_COLUMNS, tdl_dtype_get(call->in[1].dtype)->block_n);
}

static int64_t units_of_expert(const tdl_call *call) { return tdl_div_up(call->in[1].shape[1], unit_columns(call)); }

static int64_t block_rows(const tdl_call *call) { return tdl_min_i64(BLOCK, tdl_tensor_n_rows(&call->in[0])); }

// The expert's part of w: all its rows, the columns from column0 on.
static tdl_tensor columns_of(const tdl_call *call, int64_t expert, int64_t column0) {
    int64_t rows = call->in[0].shape[2];
    tdl_tensor w = call->in[1];
    w.data += expert * rows * w.strides[0] + column0 / tdl_dtype_get(w.dtype)->block_n * w.strides[1];
    w.shape[0] = rows;
    w.shape[1] = tdl_min_i64(unit_columns(call), w.shape[1] - column0);
    return w;
}

static tdl_call part_of(const tdl_call *call, int64_t expert, int64_t column0, int64_t n, float *dy, float *dx) {
    tdl_call part = {.n_in = 2, .n_out = 1};
    part.in[0] = tdl_f32_matrix(dy, n, call->in[0].shape[2]);
    part.in[1] = columns_of(call, expert, column0);
    part.out[0] = tdl_f32_matrix(dx, n, part.in[1].shape[1]);
    return part;
}

static bool accepts(const tdl_call *call) {
    if (!tdl_f32_rows(&call->in[0]) || !tdl_f32_rows(&call->out[0])) return false;
    tdl_call part = {.n_in = 2, .n_out = 1, .in = {tdl_f32_matrix(NULL, 1, 1), call->in[1]}};
    part.out[0] = tdl_f32_matrix(NULL, 1, 1);
    return MATMUL_GRAD_X.accepts(&part);
}

static int64_t units(const tdl_call *call) { return call->attrs.experts * units_of_expert(call); }

// dx, dy, matmul_grad_x's own.
static size_t scratch_size(const tdl_call *call) {
    tdl_call part = {.in = {call->in[0], call->in[1]}};
    return (tdl_scratch_floats(block_rows(call), unit_columns(call)) +
            tdl_scratch_floats(block_rows(call), call->in[0].shape[2])) *
               sizeof(float) +
           MATMUL_GRAD_X.scratch_size(&part);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_expert = units_of_expert(call);
    for (int64_t unit = first; unit < first + count; unit++)
        run_unit(call, unit / per_expert, unit % per_expert * unit_columns(call), scratch);
}

const tdl_kernel TDL_KERNEL_NAME(expert_matmul_grad_x) = {.name = "expert_matmul_grad_x",
                                                          .op = TDL_OP_EXPERT_MATMUL_GRAD_X,
                                                          TDL_KERNEL_CPU,
                                                          .accepts = accepts,
                                                          .units = units,
                                                          .run = run,
                                                          .scratch_size = scratch_size};

static void run_unit(const tdl_call *call, int64_t expert, int64_t column0, float *scratch) {
    const tdl_tensor *dy = &call->in[0], *dx = &call->out[0];
    tdl_range places = tdl_group_of(&call->in[2], expert);
    float *dx_block = scratch, *dy_block = dx_block + tdl_scratch_floats(block_rows(call), unit_columns(call));
    float *own = dy_block + tdl_scratch_floats(block_rows(call), dy->shape[2]);
    tdl_group_part in = {&call->in[2], call->attrs.experts, call->attrs.top_k, places.first, 0, 0, dy->shape[2]};
    for (; in.first < places.end; in.first += in.n) {
        in.n = tdl_min_i64(BLOCK, places.end - in.first);
        tdl_call part = part_of(call, expert, column0, in.n, dy_block, dx_block);
        tdl_group_part out = in;
        out.column = column0;
        out.columns = part.out[0].shape[1];
        tdl_group_gather(&in, dy, dy_block);
        MATMUL_GRAD_X.run(&part, 0, MATMUL_GRAD_X.units(&part), own);
        tdl_group_scatter(&out, dx_block, dx);
    }
}
