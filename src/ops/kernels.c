// SPDX-License-Identifier: MIT
// kernels.c - all kernels in one array, and the look-up that dispatch, `supports`, tests and benchmarks share.
//
// kernels.def is read twice: once to declare the kernels of every instruction set that this architecture is compiled
// for, once to list them. Within a name the wider instruction set comes first; an op's names come in its .inc's order.
// A build without WebGPU has none of its kernels.
#include "ops/kernel.h"

#include <assert.h>

#if defined(__x86_64__)
#define FOR_EACH_ISA(row, name) row(name, avx512) row(name, avx2) row(name, plain)
#elif defined(__aarch64__)
#define FOR_EACH_ISA(row, name) row(name, neon) row(name, plain)
#else
#define FOR_EACH_ISA(row, name) row(name, plain)
#endif

#if defined(__x86_64__)
#define TDL_KERNEL_BF16(op, name) ONE(name, avx512_bf16)
#else
#define TDL_KERNEL_BF16(op, name)
#endif

#if defined(TDL_WEBGPU)
#define TDL_KERNEL_WEBGPU(op, name) ONE(name, webgpu)
#else
#define TDL_KERNEL_WEBGPU(op, name)
#endif

#define ONE(name, isa) extern const tdl_kernel tdl_kernel_##name##_##isa;
#define TDL_KERNEL_LIST(op, name) FOR_EACH_ISA(ONE, name)
#include "ops/kernels.def"
#undef ONE

#define ONE(name, isa) &tdl_kernel_##name##_##isa,
static const tdl_kernel *const kernels[] = {
#include "ops/kernels.def"
};
#undef ONE
#undef TDL_KERNEL_LIST
#undef TDL_KERNEL_BF16
#undef TDL_KERNEL_WEBGPU

enum { KERNEL_COUNT = sizeof kernels / sizeof *kernels };

static bool kernel_takes(const tdl_kernel *kernel, const tdl_kernel_want *want, const tdl_call *call);

const tdl_kernel *const *tdl_kernels_of(tdl_op op, size_t *n) {
    size_t first = 0;
    while (first < KERNEL_COUNT && kernels[first]->op != op) first++;
    size_t end = first;
    while (end < KERNEL_COUNT && kernels[end]->op == op) end++;
    *n = end - first;
    return kernels + first;
}

const tdl_kernel *tdl_kernel_find(tdl_op op, const tdl_kernel_want *want, const tdl_call *call) {
    size_t n;
    const tdl_kernel *const *of_op = tdl_kernels_of(op, &n);
    for (size_t i = 0; i < n; i++) {
        const tdl_kernel *kernel = of_op[i];
        if (kernel->backend != want->backend || (kernel->needs & ~want->features) != 0) continue;
        if (kernel->rounds && !want->may_round) continue;
        if (kernel->trains && !want->trains) continue;
        if (want->invariant && !kernel->one_order) continue;
        if (kernel_takes(kernel, want, call)) return kernel;
    }
    return NULL;
}

// Asks the kernel about the call as the plan would make it: in[0] in the kernel's dtype, the weight in its layout.
static bool kernel_takes(const tdl_kernel *kernel, const tdl_kernel_want *want, const tdl_call *call) {
    if (kernel->rows_max && !want->invariant && call->out[0].shape[0] > kernel->rows_max) return false;
    tdl_call made = *call;
    made.layout = kernel->layout;
    const tdl_tensor *x = &call->in[0];
    if (kernel->x != TDL_DTYPE_NONE && kernel->x != x->dtype &&
        tdl_tensor_make(kernel->x, x->n_dims, x->shape, NULL, &made.in[0], NULL) != TDL_OK)
        return false;
    if (kernel->layout != TDL_LAYOUT_ROWS && tdl_layout_size(kernel->layout, &call->in[1]) == 0) return false;
    return !kernel->accepts || kernel->accepts(&made);
}
