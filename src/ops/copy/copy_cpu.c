// SPDX-License-Identifier: MIT
// copy_cpu.c - y = x; a unit is a block of a row.
#include "backend/cpu/cpu_kernel.h"
#include "ops/blocks_cpu.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]); }

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(&call->in[0], unit);
        memcpy(tdl_block_data(&call->out[0], &block), tdl_block_data(&call->in[0], &block),
               (size_t)block.n * sizeof(float));
    }
}

const tdl_kernel TDL_KERNEL_NAME(copy) = {
    .name = "copy", .op = TDL_OP_COPY, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
