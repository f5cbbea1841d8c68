// SPDX-License-Identifier: MIT
// glu_grad_cpu.c - dgate = f'(gate) up dy, dup = f(gate) dy; a unit is a block of a row.
#include "backend/cpu/cpu_kernel.h"
#include "ops/act_grad/act_grad_cpu.h"
#include "ops/blocks_cpu.h"

// Where a block's numbers lie.
typedef struct glu_rows {
    const float *gate, *up, *dy;
    float *dgate, *dup;
} glu_rows;

static void grad_block(tdl_act act, const glu_rows *rows, int64_t n);

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]);
}

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(&call->in[0], unit);
        glu_rows rows = {.gate = tdl_block_data(&call->in[0], &block),
                         .up = tdl_block_data(&call->in[1], &block),
                         .dy = tdl_block_data(&call->in[2], &block),
                         .dgate = tdl_block_data(&call->out[0], &block),
                         .dup = tdl_block_data(&call->out[1], &block)};
        grad_block((tdl_act)call->attrs.act, &rows, block.n);
    }
}

const tdl_kernel TDL_KERNEL_NAME(glu_grad) = {
    .name = "glu_grad", .op = TDL_OP_GLU_GRAD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static inline __attribute__((always_inline)) void grad_loop(tdl_act act, const glu_rows *rows, int64_t n) {
    int64_t i = 0;
    vf slope;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        vf y = tdl_act_slope_vf(act, vf_load(rows->gate + i), &slope), dy = vf_load(rows->dy + i);
        vf_store(rows->dgate + i, vf_mul(vf_mul(slope, vf_load(rows->up + i)), dy));
        vf_store(rows->dup + i, vf_mul(y, dy));
    }
    if (i < n) {
        vf y = tdl_act_slope_vf(act, vf_load_n(rows->gate + i, n - i), &slope), dy = vf_load_n(rows->dy + i, n - i);
        vf_store_n(rows->dgate + i, vf_mul(vf_mul(slope, vf_load_n(rows->up + i, n - i)), dy), n - i);
        vf_store_n(rows->dup + i, vf_mul(y, dy), n - i);
    }
}

static void grad_block(tdl_act act, const glu_rows *rows, int64_t n) {
    switch (act) {
    case TDL_ACT_SILU: grad_loop(TDL_ACT_SILU, rows, n); break;
    case TDL_ACT_GELU: grad_loop(TDL_ACT_GELU, rows, n); break;
    case TDL_ACT_GELU_TANH: grad_loop(TDL_ACT_GELU_TANH, rows, n); break;
    case TDL_ACT_RELU: grad_loop(TDL_ACT_RELU, rows, n); break;
    case TDL_ACT_NONE:
    case TDL_ACT_COUNT: break; // the shape rule lets neither through
    }
}
