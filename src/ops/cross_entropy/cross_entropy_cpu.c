// SPDX-License-Identifier: MIT
// cross_entropy_cpu.c - loss = log sum exp(logits) - logits[target]; a unit is a row.
#include "ops/cross_entropy/cross_entropy_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "ops/cross_entropy/cross_entropy.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    float *loss = tdl_f32_row(&call->out[0], 0);
    int64_t n = call->in[0].shape[1];
    for (int64_t row = first; row < first + count; row++) {
        const float *logits = tdl_f32_row(&call->in[0], row);
        int32_t target = tdl_index_at(&call->in[1], row);
        loss[row] = 0;
        if (!tdl_target_counts(target, n)) continue;
        tdl_softmax_sums s = tdl_softmax_sums_of(logits, n);
        loss[row] = (float)tdl_softmax_loss(&s, logits[target]);
    }
}

const tdl_kernel TDL_KERNEL_NAME(cross_entropy) = {.name = "cross_entropy",
                                                   .op = TDL_OP_CROSS_ENTROPY,
                                                   TDL_KERNEL_CPU,
                                                   .accepts = accepts,
                                                   .units = units,
                                                   .run = run};
