// SPDX-License-Identifier: MIT
// adamw_cpu.c - one AdamW step on a parameter and its moments; a unit is a block of elements. Formulas: adamw.c.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

enum { BLOCK = 4096 };

// The step's constants, each in all lanes.
typedef struct adamw_constants {
    vf factor, beta1, beta2, rest1, rest2, correct1, correct2, eps, decay, rate;
} adamw_constants;

static inline void step(const adamw_constants *c, vf g, vf *w, vf *m, vf *v);

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 3; i++)
        if (!tdl_tensor_contiguous(&call->out[i])) return false;
    return call->in[0].dtype == TDL_DTYPE_F32 && tdl_tensor_contiguous(&call->in[0]);
}

static int64_t units(const tdl_call *call) { return tdl_div_up(tdl_tensor_n_elements(&call->in[0]), BLOCK); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const float *g = tdl_f32_row(&call->in[0], 0), *stats = tdl_f32_row(&call->in[1], 0);
    const float *hyper = tdl_f32_row(&call->in[2], 0);
    float *w = tdl_f32_row(&call->out[0], 0), *m = tdl_f32_row(&call->out[1], 0), *v = tdl_f32_row(&call->out[2], 0);
    const tdl_attrs *a = &call->attrs;
    if (stats[2] == 0) return;
    const adamw_constants c = {.factor = vf_set1(stats[1]),
                               .beta1 = vf_set1(a->beta1),
                               .beta2 = vf_set1(a->beta2),
                               .rest1 = vf_set1(1 - a->beta1),
                               .rest2 = vf_set1(1 - a->beta2),
                               .correct1 = vf_set1(hyper[4]),
                               .correct2 = vf_set1(hyper[5]),
                               .eps = vf_set1(a->eps),
                               .decay = vf_set1(a->decay),
                               .rate = vf_set1(hyper[3])};
    int64_t i = first * BLOCK, end = tdl_min_i64(tdl_tensor_n_elements(&call->in[0]), (first + count) * BLOCK);
    for (; i + TDL_VF_LANES <= end; i += TDL_VF_LANES) {
        vf weight = vf_load(w + i), first_moment = vf_load(m + i), second_moment = vf_load(v + i);
        step(&c, vf_load(g + i), &weight, &first_moment, &second_moment);
        vf_store(w + i, weight);
        vf_store(m + i, first_moment);
        vf_store(v + i, second_moment);
    }
    if (i < end) {
        int64_t n = end - i;
        vf weight = vf_load_n(w + i, n), first_moment = vf_load_n(m + i, n), second_moment = vf_load_n(v + i, n);
        step(&c, vf_load_n(g + i, n), &weight, &first_moment, &second_moment);
        vf_store_n(w + i, weight, n);
        vf_store_n(m + i, first_moment, n);
        vf_store_n(v + i, second_moment, n);
    }
}

const tdl_kernel TDL_KERNEL_NAME(adamw) = {
    .name = "adamw", .op = TDL_OP_ADAMW, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static inline __attribute__((always_inline)) void step(const adamw_constants *c, vf g, vf *w, vf *m, vf *v) {
    g = vf_mul(g, c->factor);
    *m = vf_fma(c->beta1, *m, vf_mul(c->rest1, g));
    *v = vf_fma(c->beta2, *v, vf_mul(c->rest2, vf_mul(g, g)));
    vf size = vf_add(vf_sqrt(vf_mul(*v, c->correct2)), c->eps);
    vf change = vf_fma(c->decay, *w, vf_div(vf_mul(*m, c->correct1), size));
    *w = vf_sub(*w, vf_mul(c->rate, change));
}
