// SPDX-License-Identifier: MIT
// matmul_grad_w_bf16_cpu.c - dw += dy^T x with dy and x rounded to BF16 (ops/gemm_bf16_cpu.h).
#include "ops/gemm_bf16_cpu.h"

static tdl_bf16_product product_of(const tdl_call *call) {
    return (tdl_bf16_product){.a = {&call->in[0], false}, .b = {&call->in[1], false}, .c = &call->out[0], .add = true};
}

TDL_BF16_KERNEL(matmul_grad_w_bf16, TDL_OP_MATMUL_GRAD_W, false);
