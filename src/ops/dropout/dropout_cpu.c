// SPDX-License-Identifier: MIT
// dropout_cpu.c - y = keep ? x / (1 - rate) : 0; a unit is a block of a row. The loop is plain: compilers make vectors of it.
#include "backend/cpu/cpu_kernel.h"
#include "ops/blocks_cpu.h"
#include "ops/dropout/dropout.h"

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]); }

static int64_t units(const tdl_call *call) { return tdl_block_count(&call->in[0]); }

// `first` is the number of x[0] among all elements.
static void drop(const float *x, float *y, uint32_t first, int64_t n, tdl_dropout_key key, uint32_t threshold,
                 float scale) {
    for (int64_t i = 0; i < n; i++) {
        float kept = x[i] * scale;
        y[i] = tdl_dropout_hash(key, first + (uint32_t)i) >= threshold ? kept : 0;
    }
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *seed = &call->in[1];
    tdl_dropout_key key =
        tdl_dropout_key_make((int32_t[]){tdl_index_at(seed, 0), tdl_index_at(seed, 1)}, call->attrs.stream);
    for (int64_t unit = first; unit < first + count; unit++) {
        tdl_block block = tdl_block_at(x, unit);
        drop(tdl_block_data(x, &block), tdl_block_data(&call->out[0], &block),
             (uint32_t)(block.row * tdl_last_dim(x) + block.first), block.n, key,
             tdl_dropout_threshold(call->attrs.rate), tdl_dropout_scale(call->attrs.rate));
    }
}

const tdl_kernel TDL_KERNEL_NAME(dropout) = {
    .name = "dropout", .op = TDL_OP_DROPOUT, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};
