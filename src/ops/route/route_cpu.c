// SPDX-License-Identifier: MIT
// route_cpu.c - the experts of a token; a unit is a token. One pass keeps the k largest logits in order; an equal or undefined one
// goes behind those that are there.
#include "backend/cpu/cpu_kernel.h"
#include "ops/cross_entropy/cross_entropy_cpu.h"
#include "ops/op_impl.h"

static void choose(const float *logits, int64_t n, int32_t *ids, float *best, int64_t k);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[1]); }

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    int64_t n = call->in[0].shape[1], k = call->attrs.top_k;
    for (int64_t t = first; t < first + count; t++) {
        const float *logits = tdl_f32_row(&call->in[0], t);
        float *weights = tdl_f32_row(&call->out[1], t);
        choose(logits, n, (int32_t *)(void *)tdl_row(&call->out[0], t), weights, k); // of logits, so far
        double max = (double)weights[0], sum = 0;
        for (int64_t i = 0; i < k && call->attrs.renorm; i++) sum += exp((double)weights[i] - max);
        if (!call->attrs.renorm) {
            tdl_softmax_sums all = tdl_softmax_sums_of(logits, n);
            max = (double)all.max;
            sum = all.sum;
        }
        for (int64_t i = 0; i < k; i++) weights[i] = (float)(exp((double)weights[i] - max) / sum);
    }
}

const tdl_kernel TDL_KERNEL_NAME(route) = {
    .name = "route", .op = TDL_OP_ROUTE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

// ids [k] and best [k], their logits, largest first.
static void choose(const float *logits, int64_t n, int32_t *ids, float *best, int64_t k) {
    for (int64_t expert = 0; expert < n; expert++) {
        int64_t place = tdl_min_i64(expert, k), have = place;
        while (place > 0 && (logits[expert] > best[place - 1] || (isnan(best[place - 1]) && !isnan(logits[expert]))))
            place--;
        if (place == k) continue;
        for (int64_t i = tdl_min_i64(have, k - 1); i > place; i--) ids[i] = ids[i - 1], best[i] = best[i - 1];
        ids[place] = (int32_t)expert;
        best[place] = logits[expert];
    }
}
