// SPDX-License-Identifier: MIT
// sum_parts_webgpu.c - sum_rows.wgsl; how it runs: sum_rows_webgpu.h.
#include "ops/sum_parts/sum_rows_webgpu.h"
#include "wgsl.h"

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    sum_rows_dispatch(call, offsets, false, out);
}

const tdl_kernel tdl_kernel_sum_parts_webgpu = {.name = "sum_parts_webgpu",
                                                .op = TDL_OP_SUM_PARTS,
                                                .backend = TDL_BACKEND_WEBGPU,
                                                .accepts = sum_rows_accepts,
                                                .wgsl = {tdl_wgsl_sum_rows, tdl_wgsl_rows},
                                                .dispatch = dispatch};
