// SPDX-License-Identifier: MIT
// rope_table_cpu.c - cos and sin of position * inv_freq; a unit is a token. One step computes T * R / 2 angles for all
// of its layers, so the C library's double functions are fast enough, and every instruction set gives the same table.
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

#include <math.h>

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[1]); }

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    int64_t half = call->in[1].shape[0];
    const float *inv_freq = tdl_f32_row(&call->in[1], 0); // [R/2]
    double scale = call->attrs.scale != 0 ? call->attrs.scale : 1;
    for (int64_t t = first; t < first + count; t++) {
        float pos = (float)tdl_index_at(&call->in[0], t);
        float *out = tdl_f32_row(&call->out[0], t); // [R]
        for (int64_t i = 0; i < half; i++) {
            float angle = pos * inv_freq[i];
            out[i] = (float)(cos(angle) * scale);
            out[half + i] = (float)(sin(angle) * scale);
        }
    }
}

const tdl_kernel TDL_KERNEL_NAME(rope_table) = {
    .name = "rope_table", .op = TDL_OP_ROPE_TABLE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
