// matmul_layout.c - conversion of weight rows to TILE16; see matmul_layout.h. Plain C: it runs once, at load, and is
// bound by memory.
#include "ops/matmul/matmul_layout.h"

#include "base/checked.h"
#include "ops/kernel.h"

#include <assert.h>

enum { BLOCK = 32 };

// How a format's file block is cut into values and scales.
typedef struct tile_format {
    tdl_dtype dtype;
    int32_t n_scales; // F16 numbers at the block's start
    int32_t n_values; // bytes after them
    uint8_t flip;     // XORed into each value byte: signed to offset 128
} tile_format;

static const tile_format formats[] = {
    {.dtype = TDL_DTYPE_Q8_0, .n_scales = 1, .n_values = 32, .flip = 0x80},
    {.dtype = TDL_DTYPE_Q4_0, .n_scales = 1, .n_values = 16},
    {.dtype = TDL_DTYPE_Q4_1, .n_scales = 2, .n_values = 16},
};

static const tile_format *find_format(tdl_dtype dtype);
static void prepare_tile16(const tdl_tensor *w, uint8_t *dst, int64_t first, int64_t count);

bool tdl_tile16_make(tdl_dtype dtype, int64_t n, int64_t k, tdl_tile16 *out) {
    const tile_format *format = find_format(dtype);
    if (!format || n < 0 || k < 0 || k % BLOCK != 0 || n > INT64_MAX - TDL_TILE_ROWS) return false;
    *out = (tdl_tile16){
        .n_tiles = tdl_div_up(n, TDL_TILE_ROWS),
        .n_blocks = k / BLOCK,
        .value_size = (size_t)format->n_values * TDL_TILE_ROWS,
        .scale_size = (size_t)format->n_scales * sizeof(uint16_t) * TDL_TILE_ROWS,
    };
    size_t n_blocks, values, scales;
    return tdl_mul_size((size_t)out->n_tiles, (size_t)out->n_blocks, &n_blocks) &&
           tdl_mul_size(n_blocks, out->value_size, &values) && tdl_align_size(values, 64, &out->scales_offset) &&
           tdl_mul_size(n_blocks, out->scale_size, &scales) && tdl_add_size(out->scales_offset, scales, &out->size);
}

size_t tdl_layout_size(tdl_layout layout, const tdl_tensor *w) {
    tdl_tile16 tile;
    if (layout == TDL_LAYOUT_TILE16 && w->n_dims == 2 && tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &tile))
        return tile.size;
    return 0;
}

void tdl_layout_prepare(tdl_layout layout, const tdl_tensor *w, void *dst, int64_t first, int64_t count) {
    assert(layout == TDL_LAYOUT_TILE16 && first % TDL_TILE_ROWS == 0 && first >= 0 && count <= w->shape[0] - first);
    (void)layout;
    prepare_tile16(w, dst, first, count);
}

static const tile_format *find_format(tdl_dtype dtype) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype) return &formats[i];
    return NULL;
}

static void prepare_tile16(const tdl_tensor *w, uint8_t *dst, int64_t first, int64_t count) {
    const tile_format *format = find_format(w->dtype);
    tdl_tile16 tile;
    bool ok = format && tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &tile);
    assert(ok);
    if (!ok) return;
    size_t scales_size = (size_t)format->n_scales * sizeof(uint16_t), row_scale = sizeof(uint16_t);
    for (int64_t row = first; row < first + tdl_div_up(count, TDL_TILE_ROWS) * TDL_TILE_ROWS; row++) {
        int64_t lane = row % TDL_TILE_ROWS, block0 = row / TDL_TILE_ROWS * tile.n_blocks;
        for (int64_t b = 0; b < tile.n_blocks; b++) {
            uint8_t *values = dst + (size_t)(block0 + b) * tile.value_size + lane * 4;
            uint8_t *scales = dst + tile.scales_offset + (size_t)(block0 + b) * tile.scale_size + lane * 2;
            const uint8_t zero[2 * sizeof(uint16_t) + BLOCK] = {0}; // a padding row: its scales make any values 0
            const uint8_t *src = row < w->shape[0] ? w->data + row * w->strides[0] + b * w->strides[1] : zero;
            for (int32_t i = 0; i < format->n_scales; i++)
                memcpy(scales + i * TDL_TILE_ROWS * row_scale, src + i * row_scale, row_scale);
            for (int32_t i = 0; i < format->n_values; i++)
                values[i / 4 * TDL_TILE_ROWS * 4 + i % 4] = src[scales_size + i] ^ format->flip;
        }
    }
}
