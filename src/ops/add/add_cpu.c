// SPDX-License-Identifier: MIT
// add_cpu.c - out = a + b; a unit is a row.
#include "ops/add/add_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]); }

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *a = &call->in[0], *b = &call->in[1], *out = &call->out[0];
    for (int64_t row = first; row < first + count; row++) {
        const float *b_row = tdl_f32_row(b, b->n_dims == 1 ? 0 : row);
        tdl_add_row(tdl_f32_row(a, row), b_row, tdl_f32_row(out, row), tdl_last_dim(a));
    }
}

const tdl_kernel TDL_KERNEL_NAME(add) = {
    .name = "add", .op = TDL_OP_ADD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
