// SPDX-License-Identifier: MIT
// act_cpu.c - out = f(x); a unit is a block of a row.
#include "ops/act/act_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "base/checked.h"
#include "ops/op_impl.h"

static void act_block(tdl_act act, const float *x, float *out, int64_t n);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) {
    return tdl_tensor_n_rows(&call->in[0]) * tdl_div_up(tdl_last_dim(&call->in[0]), TDL_ACT_UNIT);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *out = &call->out[0];
    int64_t n = tdl_last_dim(x), per_row = tdl_div_up(n, TDL_ACT_UNIT);
    for (int64_t unit = first; unit < first + count; unit++) {
        int64_t row = unit / per_row, i = unit % per_row * TDL_ACT_UNIT;
        act_block((tdl_act)call->attrs.act, tdl_f32_row(x, row) + i, tdl_f32_row(out, row) + i,
                  tdl_min_i64(TDL_ACT_UNIT, n - i));
    }
}

const tdl_kernel TDL_KERNEL_NAME(act) = {
    .name = "act", .op = TDL_OP_ACT, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static inline __attribute__((always_inline)) void act_loop(tdl_act act, const float *x, float *out, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(out + i, tdl_act_vf(act, vf_load(x + i)));
    if (i < n) vf_store_n(out + i, tdl_act_vf(act, vf_load_n(x + i, n - i)), n - i);
}

static void act_block(tdl_act act, const float *x, float *out, int64_t n) {
    switch (act) {
    case TDL_ACT_SILU: act_loop(TDL_ACT_SILU, x, out, n); break;
    case TDL_ACT_GELU: act_loop(TDL_ACT_GELU, x, out, n); break;
    case TDL_ACT_GELU_TANH: act_loop(TDL_ACT_GELU_TANH, x, out, n); break;
    case TDL_ACT_RELU: act_loop(TDL_ACT_RELU, x, out, n); break;
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break; // the shape rule lets neither through
    }
}
