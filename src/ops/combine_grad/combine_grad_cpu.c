// SPDX-License-Identifier: MIT
// combine_grad_cpu.c - dy[t, j] = weights[t, j] dout[t], dweights[t, j] = y[t, j] . dout[t]; a unit is a row (t, j).
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "base/checked.h"
#include "ops/op_impl.h"

static bool accepts(const tdl_call *call) {
    for (int i = 0; i < 3; i++)
        if (!tdl_f32_rows(&call->in[i])) return false;
    return tdl_f32_rows(&call->out[0]) && tdl_f32_rows(&call->out[1]);
}

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    int64_t k = call->in[0].shape[1], n = call->in[0].shape[2];
    for (int64_t row = first; row < first + count; row++) {
        const float *y = tdl_f32_row(&call->in[0], row), *dout = tdl_f32_row(&call->in[2], row / k);
        float *dy = tdl_f32_row(&call->out[0], row);
        vf weight = vf_set1(tdl_f32_row(&call->in[1], row / k)[row % k]), sum = vf_zero();
        for (int64_t i = 0; i < n; i += TDL_VF_LANES) {
            int64_t lanes = tdl_min_i64(TDL_VF_LANES, n - i);
            vf d = vf_load_n(dout + i, lanes);
            sum = vf_fma(vf_load_n(y + i, lanes), d, sum);
            vf_store_n(dy + i, vf_mul(weight, d), lanes);
        }
        tdl_f32_row(&call->out[1], row / k)[row % k] = vf_sum(sum);
    }
}

const tdl_kernel TDL_KERNEL_NAME(combine_grad) = {
    .name = "combine_grad", .op = TDL_OP_COMBINE_GRAD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
