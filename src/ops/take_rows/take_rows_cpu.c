// SPDX-License-Identifier: MIT
// take_rows_cpu.c - out[i] = x[rows[i]]; a unit is a row.
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

#include <assert.h>

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) { return call->in[1].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0];
    for (int64_t i = first; i < first + count; i++) {
        int32_t row = tdl_index_at(&call->in[1], i);
        assert(row >= 0 && row < x->shape[0]);
        memcpy(tdl_row(&call->out[0], i), tdl_row(x, row), (size_t)x->shape[1] * sizeof(float));
    }
}

const tdl_kernel TDL_KERNEL_NAME(take_rows) = {
    .name = "take_rows", .op = TDL_OP_TAKE_ROWS, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
