// SPDX-License-Identifier: MIT
// layer_norm_cpu.c - y = (x - mean(x)) / sqrt(var(x) + eps) * w + b; a unit is a row.
#include "ops/layer_norm/layer_norm_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]);
}

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0];
    const float *w = tdl_f32_row(&call->in[1], 0), *b = tdl_f32_row(&call->in[2], 0);
    for (int64_t row = first; row < first + count; row++)
        tdl_layer_norm_row(tdl_f32_row(x, row), w, b, tdl_f32_row(&call->out[0], row), tdl_last_dim(x),
                           call->attrs.eps);
}

const tdl_kernel TDL_KERNEL_NAME(layer_norm) = {
    .name = "layer_norm", .op = TDL_OP_LAYER_NORM, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
