// matmul_grad_x_bf16_cpu.c - dx = dy w with dy and w rounded to BF16 (ops/gemm_bf16_cpu.h).
#include "ops/gemm_bf16_cpu.h"

static tdl_bf16_product product_of(const tdl_call *call) {
    return (tdl_bf16_product){.a = {&call->in[0], true}, .b = {&call->in[1], false}, .c = &call->out[0]};
}

static bool accepts(const tdl_call *call) {
    tdl_bf16_product product = product_of(call);
    return tdl_bf16_accepts(&product);
}

static int64_t units(const tdl_call *call) {
    tdl_bf16_product product = product_of(call);
    return tdl_bf16_units(&product);
}

static size_t scratch_size(const tdl_call *call) {
    tdl_bf16_product product = product_of(call);
    return tdl_bf16_scratch_size(&product);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    tdl_bf16_product product = product_of(call);
    tdl_bf16_run(&product, first, count, scratch);
}

const tdl_kernel TDL_KERNEL_NAME(matmul_grad_x_bf16) = {.name = "matmul_grad_x_bf16",
                                                        .op = TDL_OP_MATMUL_GRAD_X,
                                                        TDL_KERNEL_CPU,
                                                        .rounds = true,
                                                        .accepts = accepts,
                                                        .units = units,
                                                        .run = run,
                                                        .scratch_size = scratch_size};
