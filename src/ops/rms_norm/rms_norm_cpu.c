// SPDX-License-Identifier: MIT
// rms_norm_cpu.c - y = x / sqrt(mean(x^2) + eps) * w; a unit is a row.
#include "ops/rms_norm/rms_norm_cpu.h"
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]); }

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *out = &call->out[0];
    for (int64_t row = first; row < first + count; row++)
        tdl_rms_norm_row(tdl_f32_row(x, row), tdl_f32_row(w, 0), tdl_f32_row(out, row), tdl_last_dim(x),
                         call->attrs.eps);
}

const tdl_kernel TDL_KERNEL_NAME(rms_norm) = {
    .name = "rms_norm", .op = TDL_OP_RMS_NORM, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
