// matmul_bf16_cpu.c - y = x w^T (+ bias) with x and w rounded to BF16 (ops/gemm_bf16_cpu.h).
//
// For training only: what a model of F32 weights answers is exact in both precisions.
#include "ops/gemm_bf16_cpu.h"
#include "ops/op_impl.h"

static tdl_bf16_product product_of(const tdl_call *call) {
    return (tdl_bf16_product){.a = {&call->in[0], true},
                              .b = {&call->in[1], true},
                              .c = &call->out[0],
                              .bias = call->n_in > 2 ? (const float *)(const void *)call->in[2].data : NULL};
}

static bool accepts(const tdl_call *call) {
    tdl_bf16_product product = product_of(call);
    return tdl_bf16_accepts(&product) && (call->n_in < 3 || tdl_f32_rows(&call->in[2]));
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

const tdl_kernel TDL_KERNEL_NAME(matmul_bf16) = {.name = "matmul_bf16",
                                                 .op = TDL_OP_MATMUL,
                                                 TDL_KERNEL_CPU,
                                                 .rounds = true,
                                                 .trains = true,
                                                 .accepts = accepts,
                                                 .units = units,
                                                 .run = run,
                                                 .scratch_size = scratch_size};
