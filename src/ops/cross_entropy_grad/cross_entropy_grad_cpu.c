// SPDX-License-Identifier: MIT
// cross_entropy_grad_cpu.c - dlogits = hyper[0] (softmax(logits) - onehot(target)), and the loss; a unit is a row. The
// exponentials are made twice, from the row that the first pass left in the cache: cheaper than keeping them.
#include "backend/cpu/cpu_kernel.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/cross_entropy/cross_entropy_cpu.h"

static void grad_row(const float *logits, float *dlogits, int64_t n, float max, float factor);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const float *hyper = tdl_f32_row(&call->in[2], 0);
    float *loss = tdl_f32_row(&call->out[1], 0);
    int64_t n = call->in[0].shape[1];
    for (int64_t row = first; row < first + count; row++) {
        const float *logits = tdl_f32_row(&call->in[0], row);
        float *dlogits = tdl_f32_row(&call->out[0], row);
        int32_t target = tdl_index_at(&call->in[1], row);
        loss[row] = 0;
        if (!tdl_target_counts(target, n)) {
            memset(dlogits, 0, (size_t)n * sizeof *dlogits);
            continue;
        }
        tdl_softmax_sums s = tdl_softmax_sums_of(logits, n);
        loss[row] = (float)tdl_softmax_loss(&s, logits[target]);
        grad_row(logits, dlogits, n, s.max, (float)(hyper[0] / s.sum));
        dlogits[target] -= hyper[0];
    }
}

const tdl_kernel TDL_KERNEL_NAME(cross_entropy_grad) = {.name = "cross_entropy_grad",
                                                        .op = TDL_OP_CROSS_ENTROPY_GRAD,
                                                        TDL_KERNEL_CPU,
                                                        .accepts = accepts,
                                                        .units = units,
                                                        .run = run};

// dlogits = factor exp(logits - max). dlogits may be logits.
static void grad_row(const float *logits, float *dlogits, int64_t n, float max, float factor) {
    vf minus = vf_set1(max), times = vf_set1(factor);
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES)
        vf_store(dlogits + i, vf_mul(times, vf_exp(vf_sub(vf_load(logits + i), minus))));
    if (i < n) vf_store_n(dlogits + i, vf_mul(times, vf_exp(vf_sub(vf_load_n(logits + i, n - i), minus))), n - i);
}
