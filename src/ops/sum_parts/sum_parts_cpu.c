// SPDX-License-Identifier: MIT
// sum_parts_cpu.c - y[p] = sum of x[r] over group p, in the rows' order; a unit is a group's block of columns.
#include "ops/sum_parts/sum_parts_cpu.h"
#include "backend/cpu/cpu_kernel.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t blocks(const tdl_call *call) { return tdl_div_up(call->in[0].shape[1], TDL_SUM_COLUMNS); }

static int64_t units(const tdl_call *call) { return call->out[0].shape[0] * blocks(call); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    for (int64_t unit = first; unit < first + count; unit++) {
        int64_t p = unit / blocks(call), column = unit % blocks(call) * TDL_SUM_COLUMNS;
        tdl_sum_rows(x, tdl_part_of(x->shape[0], y->shape[0], p), column,
                     tdl_min_i64(TDL_SUM_COLUMNS, x->shape[1] - column), false, tdl_f32_row(y, p) + column);
    }
}

const tdl_kernel TDL_KERNEL_NAME(sum_parts) = {
    .name = "sum_parts", .op = TDL_OP_SUM_PARTS, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
