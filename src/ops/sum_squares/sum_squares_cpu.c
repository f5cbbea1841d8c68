// SPDX-License-Identifier: MIT
// sum_squares_cpu.c - parts[p] = sum of squares of piece p; a unit is a piece. Blocks are summed in vectors, their sums in
// double: a piece may be millions long.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

enum { BLOCK = 4096 };

static float block_sum(const float *x, int64_t n);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->out[0]); }

static int64_t units(const tdl_call *call) { return call->out[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const float *x = (const float *)(const void *)call->in[0].data;
    float *parts = tdl_f32_row(&call->out[0], 0);
    for (int64_t p = first; p < first + count; p++) {
        tdl_range piece = tdl_part_of(tdl_tensor_n_elements(&call->in[0]), call->out[0].shape[0], p);
        double sum = 0;
        for (int64_t i = piece.first; i < piece.end; i += BLOCK)
            sum += (double)block_sum(x + i, tdl_min_i64(BLOCK, piece.end - i));
        parts[p] = (float)sum;
    }
}

const tdl_kernel TDL_KERNEL_NAME(sum_squares) = {
    .name = "sum_squares", .op = TDL_OP_SUM_SQUARES, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static float block_sum(const float *x, int64_t n) {
    vf sums[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int64_t i = 0;
    for (; i + 4 * TDL_VF_LANES <= n; i += 4 * TDL_VF_LANES) TDL_UNROLL for (int j = 0; j < 4; j++) {
            vf a = vf_load(x + i + j * TDL_VF_LANES);
            sums[j] = vf_fma(a, a, sums[j]);
        }
    for (; i < n; i += TDL_VF_LANES) {
        vf a = vf_load_n(x + i, tdl_min_i64(TDL_VF_LANES, n - i));
        sums[0] = vf_fma(a, a, sums[0]);
    }
    return vf_sum(vf_add(vf_add(sums[0], sums[1]), vf_add(sums[2], sums[3])));
}
