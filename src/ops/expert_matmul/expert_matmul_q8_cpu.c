// SPDX-License-Identifier: MIT
// expert_matmul_q8_cpu.c - expert_matmul of int8 activations (A8) and block weights in the TILE16 layout: a unit is UNIT_TILES tiles of
// one expert's matrix, with all rows that are sent to that expert, BLOCK at a time. An expert's matrix must be whole tiles.
#include "ops/group/group_rows_cpu.h"
#include "ops/matmul/matmul_q8_cpu.h"

enum { UNIT_TILES = 2, UNIT_ROWS = UNIT_TILES * TDL_TILE_ROWS, BLOCK = 96 };

static void run_unit(const tdl_call *call, const tdl_tile16 *layout, int64_t expert, int64_t tile0, uint8_t *scratch);

static int64_t n_outputs(const tdl_call *call) { return call->in[1].shape[0] / call->attrs.experts; }

static int64_t units_of_expert(const tdl_call *call) { return tdl_div_up(n_outputs(call), UNIT_ROWS); }

static bool accepts(const tdl_call *call) {
    tdl_tile16 layout;
    const tdl_tensor *w = &call->in[1];
    return tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &layout) && n_outputs(call) % TDL_TILE_ROWS == 0 &&
           tdl_f32_rows(&call->out[0]);
}

static int64_t units(const tdl_call *call) { return call->attrs.experts * units_of_expert(call); }

static size_t x_row_size(const tdl_call *call) {
    return (size_t)(tdl_last_dim(&call->in[0]) / TDL_TILE_BLOCK * call->in[0].strides[call->in[0].n_dims - 1]);
}

// y, x.
static size_t scratch_size(const tdl_call *call) { return BLOCK * (UNIT_ROWS * sizeof(float) + x_row_size(call)); }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    const tdl_tensor *w = &call->in[1];
    tdl_tile16 layout;
    if (!tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &layout)) return; // accepts has seen it
    int64_t per_expert = units_of_expert(call);
    for (int64_t unit = first; unit < first + count; unit++)
        run_unit(call, &layout, unit / per_expert, unit % per_expert * UNIT_TILES, scratch);
}

const tdl_kernel TDL_KERNEL_NAME(expert_matmul_q8) = {.name = "expert_matmul_q8",
                                                      .op = TDL_OP_EXPERT_MATMUL,
                                                      TDL_KERNEL_CPU,
                                                      .x = TDL_DTYPE_A8,
                                                      .layout = TDL_LAYOUT_TILE16,
                                                      .rounds = true,
                                                      .accepts = accepts,
                                                      .units = units,
                                                      .run = run,
                                                      .scratch_size = scratch_size};

static void run_unit(const tdl_call *call, const tdl_tile16 *layout, int64_t expert, int64_t tile0, uint8_t *scratch) {
    const tdl_tensor *x = &call->in[0], *groups = &call->in[2];
    int64_t tiles_of_expert = n_outputs(call) / TDL_TILE_ROWS, x_size = (int64_t)x_row_size(call);
    int64_t n_tiles = tdl_min_i64(UNIT_TILES, tiles_of_expert - tile0), n_rows = n_tiles * TDL_TILE_ROWS;
    tdl_range places = tdl_group_of(groups, expert);
    tdl_group_part out = {groups, call->attrs.experts, call->attrs.top_k, places.first, 0, tile0 * TDL_TILE_ROWS,
                          n_rows};
    float *y_block = (float *)(void *)scratch;
    uint8_t *x_block = scratch + BLOCK * UNIT_ROWS * sizeof(float);
    for (; out.first < places.end; out.first += out.n) {
        out.n = tdl_min_i64(BLOCK, places.end - out.first);
        tdl_q8_part part = {.layout = layout,
                            .w = call->in[1].data,
                            .tile = expert * tiles_of_expert + tile0,
                            .n_tiles = n_tiles,
                            .n_rows = n_rows,
                            .x = x_block,
                            .y = (uint8_t *)y_block,
                            .x_stride = x_size,
                            .y_stride = n_rows * (int64_t)sizeof(float),
                            .n_tokens = out.n};
        for (int64_t i = 0; i < out.n; i++)
            memcpy(x_block + i * x_size, tdl_choice_row(x, tdl_group_row(groups, out.n_experts, out.first + i), out.k),
                   (size_t)x_size);
        tdl_matmul_q8_part(&part);
        tdl_group_scatter(&out, y_block, &call->out[0]);
    }
}
