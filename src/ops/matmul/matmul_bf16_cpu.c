// SPDX-License-Identifier: MIT
// matmul_bf16_cpu.c - y = x w^T (+ bias) with x and w rounded to BF16 (ops/gemm_bf16_cpu.h).
//
// For training only: what a model of F32 weights answers is exact in both precisions.
#include "ops/gemm_bf16_cpu.h"

static tdl_bf16_product product_of(const tdl_call *call) {
    return (tdl_bf16_product){.a = {&call->in[0], true},
                              .b = {&call->in[1], true},
                              .c = &call->out[0],
                              .bias = call->n_in > 2 ? &call->in[2] : NULL};
}

TDL_BF16_KERNEL(matmul_bf16, TDL_OP_MATMUL, true);
