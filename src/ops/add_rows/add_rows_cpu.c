// SPDX-License-Identifier: MIT
// add_rows_cpu.c - y += the sum of x's rows, in their order; a unit is a block of columns.
#include "backend/cpu/cpu_kernel.h"
#include "ops/sum_parts/sum_parts_cpu.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]); }

static int64_t units(const tdl_call *call) { return tdl_div_up(call->in[0].shape[1], TDL_SUM_COLUMNS); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0];
    for (int64_t unit = first; unit < first + count; unit++) {
        int64_t column = unit * TDL_SUM_COLUMNS;
        tdl_sum_rows(x, (tdl_range){.end = x->shape[0]}, column, tdl_min_i64(TDL_SUM_COLUMNS, x->shape[1] - column),
                     true, tdl_f32_row(&call->out[0], 0) + column);
    }
}

const tdl_kernel TDL_KERNEL_NAME(add_rows) = {
    .name = "add_rows", .op = TDL_OP_ADD_ROWS, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
