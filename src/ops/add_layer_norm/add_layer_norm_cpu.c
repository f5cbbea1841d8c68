// SPDX-License-Identifier: MIT
// add_layer_norm_cpu.c - out[0] = a + b, out[1] = layer_norm(out[0]) * w + bias; a unit is a row, which stays in the
// cache between the two.
#include "backend/cpu/cpu_kernel.h"
#include "ops/add/add_cpu.h"
#include "ops/layer_norm/layer_norm_cpu.h"
#include "ops/op_impl.h"

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]) &&
           tdl_f32_rows(&call->in[3]);
}

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *a = &call->in[0], *b = &call->in[1];
    const float *w = tdl_f32_row(&call->in[2], 0), *bias = tdl_f32_row(&call->in[3], 0);
    int64_t n = tdl_last_dim(a);
    for (int64_t row = first; row < first + count; row++) {
        float *sum = tdl_f32_row(&call->out[0], row);
        tdl_add_row(tdl_f32_row(a, row), tdl_f32_row(b, row), sum, n);
        tdl_layer_norm_row(sum, w, bias, tdl_f32_row(&call->out[1], row), n, call->attrs.eps);
    }
}

const tdl_kernel TDL_KERNEL_NAME(add_layer_norm) = {.name = "add_layer_norm",
                                                    .op = TDL_OP_ADD_LAYER_NORM,
                                                    TDL_KERNEL_CPU,
                                                    .accepts = accepts,
                                                    .units = units,
                                                    .run = run};
