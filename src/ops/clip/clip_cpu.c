// SPDX-License-Identifier: MIT
// clip_cpu.c - one unit, by the reference: it sums in double, and there are a few thousand numbers at most.
#include "backend/cpu/cpu_kernel.h"
#include "ops/op_impl.h"

static int64_t units(const tdl_call *call) {
    (void)call;
    return 1;
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)first;
    (void)count;
    (void)scratch;
    tdl_clip_reference(call);
}

const tdl_kernel TDL_KERNEL_NAME(clip) = {
    .name = "clip", .op = TDL_OP_CLIP, TDL_KERNEL_CPU, .units = units, .run = run};
