// SPDX-License-Identifier: MIT
// combine_cpu.c - out[t] = sum over j of weights[t, j] y[t, j]; a unit is a block of a row of out.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/blocks_cpu.h"

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && (call->n_in < 2 || tdl_f32_rows(&call->in[1])) && tdl_f32_rows(&call->out[0]);
}

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->out[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *y = &call->in[0];
    int64_t k = y->shape[1];
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(&call->out[0], unit);
        const float *weights = call->n_in < 2 ? NULL : tdl_f32_row(&call->in[1], block.row);
        float *out = tdl_block_data(&call->out[0], &block);
        for (int64_t i = 0; i < block.n; i += TDL_VF_LANES) {
            int64_t lanes = tdl_min_i64(TDL_VF_LANES, block.n - i);
            vf sum = vf_zero();
            for (int64_t j = 0; j < k; j++)
                sum = vf_fma(vf_set1(weights ? weights[j] : 1),
                             vf_load_n(tdl_f32_row(y, block.row * k + j) + block.first + i, lanes), sum);
            vf_store_n(out + i, sum, lanes);
        }
    }
}

const tdl_kernel TDL_KERNEL_NAME(combine) = {
    .name = "combine", .op = TDL_OP_COMBINE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
