// SPDX-License-Identifier: MIT
// gemm_bf16_cpu.h - the products of training with operands rounded to BF16 and sums in F32:
//
//     c[r, j] (+)= sum over k of a[r, k] b[k, j] (+ bias[j])
//
//     static tdl_bf16_product product_of(const tdl_call *call) {
//         return (tdl_bf16_product){.a = {&call->in[0], true}, .b = {&call->in[1], true}, .c = &call->out[0]};
//     }
//     TDL_BF16_KERNEL(matmul_bf16, TDL_OP_MATMUL, true);
//
// Matmul and both its gradients are this product; what differs is along which of its dimensions an operand lies in memory.
// Operands are rounded to nearest, ties to even, while they are packed. Two of k's numbers at a time go into a sum, the odd
// one first, each by a multiply-add that rounds to nearest; subnormal numbers count as zero, in operands and in sums. A sum
// is of TDL_BF16_DEPTH of them, the first one begins with the bias, and all are added to c in order. So the bits of an element
// depend on its own row of a and column of b only.
//
// BF16 has F32's exponents: it loses no gradient that F32 has, and the loss needs no scaling.
#ifndef TDL_OPS_GEMM_BF16_CPU_H
#define TDL_OPS_GEMM_BF16_CPU_H

#include "backend/cpu/cpu_kernel.h"

enum { TDL_BF16_DEPTH = 256 }; // numbers of k that are packed at a time

typedef struct tdl_bf16_operand {
    const tdl_tensor *matrix;
    bool along; // its rows run along k: a [R, K], b [C, K]; else across it: a [K, R], b [K, C]
} tdl_bf16_operand;

typedef struct tdl_bf16_product {
    tdl_bf16_operand a;     // F32
    tdl_bf16_operand b;     // F32 or a type that decodes
    const tdl_tensor *c;    // [R, C] F32
    const tdl_tensor *bias; // [C] F32 or NULL
    bool add;               // to what c holds; else c is set
} tdl_bf16_product;

// What the fields of a kernel of the same names want. Units are parts of c; none where nothing would be added to it.
bool tdl_bf16_accepts(const tdl_bf16_product *product);
int64_t tdl_bf16_units(const tdl_bf16_product *product);
size_t tdl_bf16_scratch_size(const tdl_bf16_product *product);
void tdl_bf16_run(const tdl_bf16_product *product, int64_t first, int64_t count, void *scratch);

// The kernel of an op, behind its product_of; in plans of training only, or in any.
#define TDL_BF16_KERNEL(id, of_op, only_training)                                        \
    static bool accepts(const tdl_call *call) {                                          \
        tdl_bf16_product product = product_of(call);                                     \
        return tdl_bf16_accepts(&product);                                               \
    }                                                                                    \
    static int64_t units(const tdl_call *call) {                                         \
        tdl_bf16_product product = product_of(call);                                     \
        return tdl_bf16_units(&product);                                                 \
    }                                                                                    \
    static size_t scratch_size(const tdl_call *call) {                                   \
        tdl_bf16_product product = product_of(call);                                     \
        return tdl_bf16_scratch_size(&product);                                          \
    }                                                                                    \
    static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) { \
        tdl_bf16_product product = product_of(call);                                     \
        tdl_bf16_run(&product, first, count, scratch);                                   \
    }                                                                                    \
    const tdl_kernel TDL_KERNEL_NAME(id) = {.name = #id,                                 \
                                            .op = of_op,                                 \
                                            TDL_KERNEL_CPU,                              \
                                            .rounds = true,                              \
                                            .accepts = accepts,                          \
                                            .units = units,                              \
                                            .run = run,                                  \
                                            .scratch_size = scratch_size,                \
                                            .trains = only_training}

#endif
