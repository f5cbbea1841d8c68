// SPDX-License-Identifier: MIT
// rms_norm_grad_cpu.c - dx = r (dy w - n mean(dy w n)), dw_parts[p] = sum over group p of dy n; a unit is a group of rows.
// A group's sums lie in dw_parts itself, which the first cache holds.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

#include <math.h>

static void grad_row(const float *x, const float *w, const float *dy, float *dx, float *dw, int64_t n, float eps);

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]);
}

static int64_t units(const tdl_call *call) { return call->out[1].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *dy = &call->in[2], *dx = &call->out[0], *dw_parts = &call->out[1];
    const float *w = tdl_f32_row(&call->in[1], 0);
    int64_t n = tdl_last_dim(x);
    for (int64_t p = first; p < first + count; p++) {
        float *dw = tdl_f32_row(dw_parts, p);
        memset(dw, 0, (size_t)n * sizeof *dw);
        tdl_range rows = tdl_part_of(tdl_tensor_n_rows(x), dw_parts->shape[0], p);
        for (int64_t row = rows.first; row < rows.end; row++)
            grad_row(tdl_f32_row(x, row), w, tdl_f32_row(dy, row), tdl_f32_row(dx, row), dw, n, call->attrs.eps);
    }
}

const tdl_kernel TDL_KERNEL_NAME(rms_norm_grad) = {.name = "rms_norm_grad",
                                                   .op = TDL_OP_RMS_NORM_GRAD,
                                                   TDL_KERNEL_CPU,
                                                   .accepts = accepts,
                                                   .units = units,
                                                   .run = run};

static void grad_row(const float *x, const float *w, const float *dy, float *dx, float *dw, int64_t n, float eps) {
    // Two sums each, so that an addition need not wait for the one before.
    vf squares[2] = {vf_zero(), vf_zero()}, products[2] = {vf_zero(), vf_zero()};
    int64_t i = 0;
    for (; i + 2 * TDL_VF_LANES <= n; i += 2 * TDL_VF_LANES) TDL_UNROLL for (int j = 0; j < 2; j++) {
            vf a = vf_load(x + i + j * TDL_VF_LANES), d = vf_load(dy + i + j * TDL_VF_LANES);
            squares[j] = vf_fma(a, a, squares[j]);
            products[j] = vf_fma(vf_mul(d, vf_load(w + i + j * TDL_VF_LANES)), a, products[j]);
        }
    for (; i < n; i += TDL_VF_LANES) {
        int64_t lanes = tdl_min_i64(TDL_VF_LANES, n - i);
        vf a = vf_load_n(x + i, lanes), d = vf_load_n(dy + i, lanes);
        squares[0] = vf_fma(a, a, squares[0]);
        products[0] = vf_fma(vf_mul(d, vf_load_n(w + i, lanes)), a, products[0]);
    }
    float r = 1 / sqrtf(vf_sum(vf_add(squares[0], squares[1])) / (float)n + eps);
    float mean = vf_sum(vf_add(products[0], products[1])) * r / (float)n; // of dy w n
    vf scale = vf_set1(r), minus = vf_set1(-mean);
    for (i = 0; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        vf normed = vf_mul(vf_load(x + i), scale), d = vf_load(dy + i);
        vf_store(dx + i, vf_mul(scale, vf_fma(normed, minus, vf_mul(d, vf_load(w + i)))));
        vf_store(dw + i, vf_fma(d, normed, vf_load(dw + i)));
    }
    if (i < n) {
        int64_t lanes = n - i;
        vf normed = vf_mul(vf_load_n(x + i, lanes), scale), d = vf_load_n(dy + i, lanes);
        vf_store_n(dx + i, vf_mul(scale, vf_fma(normed, minus, vf_mul(d, vf_load_n(w + i, lanes)))), lanes);
        vf_store_n(dw + i, vf_fma(d, normed, vf_load_n(dw + i, lanes)), lanes);
    }
}
