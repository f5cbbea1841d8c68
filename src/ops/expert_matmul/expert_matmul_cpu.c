// SPDX-License-Identifier: MIT
// expert_matmul_cpu.c - y[t, j] = x[t, (j)] w_e^T: a unit is UNIT_ROWS rows of one expert's matrix, with all rows that are sent to
// that expert, BLOCK at a time through the kernel of matmul (ops/group/group_rows_cpu.h). An expert nobody is sent to costs
// nothing: its matrix is not read.
#include "ops/group/group_rows_cpu.h"

enum {
    UNIT_ROWS = 128,
    BLOCK = 66, // tokens of a unit of matmul_f32
};

static void run_unit(const tdl_call *call, int64_t expert, int64_t row0, float *scratch);

extern const tdl_kernel TDL_KERNEL_NAME(matmul_f32);
#define MATMUL TDL_KERNEL_NAME(matmul_f32)

static int64_t n_outputs(const tdl_call *call) { return call->in[1].shape[0] / call->attrs.experts; }

static int64_t units_of_expert(const tdl_call *call) { return tdl_div_up(n_outputs(call), UNIT_ROWS); }

// The largest product that a unit hands on.
static tdl_call largest_part(const tdl_call *call) {
    int64_t n = tdl_min_i64(BLOCK, tdl_tensor_n_rows(&call->out[0]));
    int64_t rows = tdl_min_i64(UNIT_ROWS, n_outputs(call));
    tdl_call part = {.n_in = 2, .n_out = 1, .in = {tdl_f32_matrix(NULL, n, call->in[1].shape[1]), call->in[1]}};
    part.in[1].shape[0] = rows;
    part.out[0] = tdl_f32_matrix(NULL, n, rows);
    return part;
}

static bool accepts(const tdl_call *call) {
    tdl_call part = largest_part(call);
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]) && MATMUL.accepts(&part);
}

static int64_t units(const tdl_call *call) { return call->attrs.experts * units_of_expert(call); }

// x, y, the matmul's own.
static size_t scratch_size(const tdl_call *call) {
    tdl_call part = largest_part(call);
    return (tdl_scratch_floats(part.in[0].shape[0], part.in[0].shape[1]) + tdl_scratch_floats(BLOCK, UNIT_ROWS)) *
               sizeof(float) +
           MATMUL.scratch_size(&part);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    int64_t per_expert = units_of_expert(call);
    for (int64_t unit = first; unit < first + count; unit++)
        run_unit(call, unit / per_expert, unit % per_expert * UNIT_ROWS, scratch);
}

const tdl_kernel TDL_KERNEL_NAME(expert_matmul) = {.name = "expert_matmul",
                                                   .op = TDL_OP_EXPERT_MATMUL,
                                                   TDL_KERNEL_CPU,
                                                   .accepts = accepts,
                                                   .units = units,
                                                   .run = run,
                                                   .scratch_size = scratch_size};

static void run_unit(const tdl_call *call, int64_t expert, int64_t row0, float *scratch) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
    int64_t rows = tdl_min_i64(UNIT_ROWS, n_outputs(call) - row0), k = w->shape[1];
    tdl_range places = tdl_group_of(&call->in[2], expert);
    float *y_block = scratch, *x_block = y_block + tdl_scratch_floats(BLOCK, UNIT_ROWS), *own;
    tdl_call part = {.n_in = 2, .n_out = 1};
    part.in[1] = tdl_tensor_slice(w, 0, expert * n_outputs(call) + row0, rows);
    tdl_group_part in = {&call->in[2], call->attrs.experts, call->attrs.top_k, places.first, 0, 0, k}, out = in;
    out.column = row0;
    out.columns = rows;
    for (; in.first < places.end; in.first += in.n) {
        in.n = out.n = tdl_min_i64(BLOCK, places.end - in.first);
        out.first = in.first;
        own = x_block + tdl_scratch_floats(in.n, k);
        if (in.n == 1) { // where they are
            part.in[0] = tdl_f32_matrix(tdl_group_at(&in, x, 0), 1, k);
            part.out[0] = tdl_f32_matrix(tdl_group_at(&out, y, 0), 1, rows);
        } else {
            part.in[0] = tdl_f32_matrix(x_block, in.n, k);
            part.out[0] = tdl_f32_matrix(y_block, in.n, rows);
            tdl_group_gather(&in, x, x_block);
        }
        MATMUL.run(&part, 0, MATMUL.units(&part), own);
        if (in.n > 1) tdl_group_scatter(&out, y_block, y);
    }
}
