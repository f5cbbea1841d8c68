// SPDX-License-Identifier: MIT
// route_grad_cpu.c - dlogits[x] = q[x] (d[x] - sum over y of q[y] d[y]); a unit is a token.
#include "backend/cpu/cpu_kernel.h"
#include "ops/cross_entropy/cross_entropy_cpu.h"
#include "ops/op_impl.h"

#include <string.h>

static void grad_row(const tdl_call *call, int64_t t);

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[2]) && tdl_f32_rows(&call->out[0]);
}

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    for (int64_t t = first; t < first + count; t++) grad_row(call, t);
}

const tdl_kernel TDL_KERNEL_NAME(route_grad) = {
    .name = "route_grad", .op = TDL_OP_ROUTE_GRAD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static void grad_row(const tdl_call *call, int64_t t) {
    const float *logits = tdl_f32_row(&call->in[0], t), *d = tdl_f32_row(&call->in[2], t);
    const int32_t *ids = (const int32_t *)(const void *)tdl_row(&call->in[1], t);
    float *dlogits = tdl_f32_row(&call->out[0], t);
    int64_t n = call->in[0].shape[1], k = call->in[1].shape[1];
    double max = (double)logits[ids[0]], sum = 0, mean = 0;
    if (!call->attrs.renorm) {
        tdl_softmax_sums all = tdl_softmax_sums_of(logits, n);
        max = (double)all.max;
        sum = all.sum;
    }
    for (int64_t i = 0; i < k; i++) {
        double e = exp((double)logits[ids[i]] - max);
        if (call->attrs.renorm) sum += e;
        mean += e * (double)d[i];
    }
    mean /= sum;
    memset(dlogits, 0, (size_t)n * sizeof *dlogits);
    for (int64_t i = 0; i < n && !call->attrs.renorm; i++)
        dlogits[i] = (float)(-mean * exp((double)logits[i] - max) / sum);
    for (int64_t i = 0; i < k; i++)
        dlogits[ids[i]] = (float)(exp((double)logits[ids[i]] - max) / sum * ((double)d[i] - mean));
}
