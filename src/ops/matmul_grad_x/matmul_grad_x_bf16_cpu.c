// SPDX-License-Identifier: MIT
// matmul_grad_x_bf16_cpu.c - dx = dy w with dy and w rounded to BF16 (ops/gemm_bf16_cpu.h).
#include "ops/gemm_bf16_cpu.h"

static tdl_bf16_product product_of(const tdl_call *call) {
    return (tdl_bf16_product){.a = {&call->in[0], true}, .b = {&call->in[1], false}, .c = &call->out[0]};
}

TDL_BF16_KERNEL(matmul_grad_x_bf16, TDL_OP_MATMUL_GRAD_X, false);
