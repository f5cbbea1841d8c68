// SPDX-License-Identifier: MIT
// self_attention_stats_cpu.c - stats[t, h] = (lse, sum over d of y dy); a unit is one token's heads.
#include "ops/op_impl.h"

#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]) &&
           tdl_f32_rows(&call->out[0]);
}

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static float dot(const float *a, const float *b, int64_t n) {
    vf sum = vf_zero();
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
    if (i < n) sum = vf_fma(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i), sum);
    return vf_sum(sum);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    const tdl_tensor *y = &call->in[0], *dy = &call->in[1], *lse = &call->in[2], *stats = &call->out[0];
    int64_t n_heads = y->shape[1];
    (void)scratch;
    for (int64_t t = first; t < first + count; t++)
        for (int64_t h = 0; h < n_heads; h++) {
            int64_t row = t * n_heads + h;
            float *to = tdl_f32_row(stats, row);
            to[0] = tdl_f32_row(lse, t)[h];
            to[1] = dot(tdl_f32_row(y, row), tdl_f32_row(dy, row), y->shape[2]);
        }
}

const tdl_kernel TDL_KERNEL_NAME(self_attention_stats) = {.name = "self_attention_stats",
                                                          .op = TDL_OP_SELF_ATTENTION_STATS,
                                                          TDL_KERNEL_CPU,
                                                          .accepts = accepts,
                                                          .units = units,
                                                          .run = run};
