// SPDX-License-Identifier: MIT
// act_grad_cpu.c - dx = f'(x) dy; a unit is a block of a row.
#include "ops/act_grad/act_grad_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "ops/blocks_cpu.h"

static void grad_block(tdl_act act, const float *x, const float *dy, float *dx, int64_t n);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]); }

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(&call->in[0], unit);
        grad_block((tdl_act)call->attrs.act, tdl_block_data(&call->in[0], &block), tdl_block_data(&call->in[1], &block),
                   tdl_block_data(&call->out[0], &block), block.n);
    }
}

const tdl_kernel TDL_KERNEL_NAME(act_grad) = {
    .name = "act_grad", .op = TDL_OP_ACT_GRAD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static inline __attribute__((always_inline)) void grad_loop(tdl_act act, const float *x, const float *dy, float *dx,
                                                            int64_t n) {
    int64_t i = 0;
    vf slope;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        tdl_act_slope_vf(act, vf_load(x + i), &slope);
        vf_store(dx + i, vf_mul(slope, vf_load(dy + i)));
    }
    if (i < n) {
        tdl_act_slope_vf(act, vf_load_n(x + i, n - i), &slope);
        vf_store_n(dx + i, vf_mul(slope, vf_load_n(dy + i, n - i)), n - i);
    }
}

static void grad_block(tdl_act act, const float *x, const float *dy, float *dx, int64_t n) {
    switch (act) {
    case TDL_ACT_SILU: grad_loop(TDL_ACT_SILU, x, dy, dx, n); break;
    case TDL_ACT_GELU: grad_loop(TDL_ACT_GELU, x, dy, dx, n); break;
    case TDL_ACT_GELU_TANH: grad_loop(TDL_ACT_GELU_TANH, x, dy, dx, n); break;
    case TDL_ACT_RELU: grad_loop(TDL_ACT_RELU, x, dy, dx, n); break;
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break; // the shape rule lets neither through
    }
}
