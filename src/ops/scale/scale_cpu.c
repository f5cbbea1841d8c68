// SPDX-License-Identifier: MIT
// scale_cpu.c - y = scale * x; a unit is a block of a row.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/blocks_cpu.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    vf scale = vf_set1(call->attrs.scale);
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(&call->in[0], unit);
        const float *x = tdl_block_data(&call->in[0], &block);
        float *y = tdl_block_data(&call->out[0], &block);
        int64_t i = 0;
        for (; i + TDL_VF_LANES <= block.n; i += TDL_VF_LANES) vf_store(y + i, vf_mul(scale, vf_load(x + i)));
        if (i < block.n) vf_store_n(y + i, vf_mul(scale, vf_load_n(x + i, block.n - i)), block.n - i);
    }
}

const tdl_kernel TDL_KERNEL_NAME(scale) = {
    .name = "scale", .op = TDL_OP_SCALE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
