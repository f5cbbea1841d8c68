// SPDX-License-Identifier: MIT
// matmul_layout.c - conversion of weight rows to TILE16; see matmul_layout.h. Plain C: it runs once, at load.
//
// A file's block is taken apart by its format (tensor/quant/quant_parts.h) and put together again here, the same way
// for all formats. A record is what one block of the file becomes.
#include "ops/matmul/matmul_layout.h"

#include "base/checked.h"
#include "ops/kernel.h"
#include "tensor/quant/quant_parts.h"

#include <assert.h>

enum { FILE_BLOCK_MAX = 210, WORDS = 8 }; // bytes of the largest block; words of 4 columns of a block

typedef struct format_row {
    tdl_dtype dtype;
    void (*unpack)(const uint8_t *block, tdl_quant_parts *parts);
    tdl_tile_format format;
} format_row;

static const format_row formats[] = {
#define TDL_TILE_FORMAT(dtype, name, ...) {TDL_DTYPE_##dtype, tdl_##name##_unpack, {__VA_ARGS__}},
#include "ops/matmul/tile_formats.def"
#undef TDL_TILE_FORMAT
};

static void prepare_row(const format_row *row, const tdl_tile16 *tile, const uint8_t *src, int64_t src_stride,
                        uint8_t *values, uint8_t *scales, int64_t lane);
static void store_codes(const tdl_tile_format *format, const uint8_t *codes, uint8_t *values);
static void store_scales(const tdl_tile_format *format, const tdl_quant_parts *parts, int64_t lane, uint8_t *record);

bool tdl_tile16_make(tdl_dtype dtype, int64_t n, int64_t k, tdl_tile16 *out) {
    int format = 0;
    while (format < TDL_TILE_FORMAT_COUNT && formats[format].dtype != dtype) format++;
    if (format == TDL_TILE_FORMAT_COUNT || n < 0 || k < 0 || k % tdl_dtype_get(dtype)->block_n != 0 ||
        n > INT64_MAX - TDL_TILE_ROWS)
        return false;
    const tdl_tile_format *f = &formats[format].format;
    *out = (tdl_tile16){
        .format = (tdl_tile_format_id)format,
        .n_tiles = tdl_div_up(n, TDL_TILE_ROWS),
        .n_blocks = k / TDL_TILE_BLOCK,
        .value_size = tdl_tile_value_size(*f),
    };
    size_t n_blocks, values, scales;
    return tdl_mul_size((size_t)out->n_tiles, (size_t)out->n_blocks, &n_blocks) &&
           tdl_mul_size(n_blocks, out->value_size, &values) && tdl_align_size(values, 64, &out->scales_offset) &&
           tdl_mul_size((size_t)(out->n_blocks / f->n_blocks), tdl_tile_record_size(*f), &out->tile_scales_size) &&
           tdl_mul_size((size_t)out->n_tiles, out->tile_scales_size, &scales) &&
           tdl_add_size(out->scales_offset, scales, &out->size);
}

size_t tdl_layout_size(tdl_layout layout, const tdl_tensor *w) {
    tdl_tile16 tile;
    if (layout == TDL_LAYOUT_TILE16 && w->n_dims == 2 && tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &tile))
        return tile.size;
    return 0;
}

void tdl_layout_prepare(tdl_layout layout, const tdl_tensor *w, const uint8_t *rows, void *dst, int64_t first,
                        int64_t count) {
    assert(layout == TDL_LAYOUT_TILE16 && first % TDL_TILE_ROWS == 0 && first >= 0 && count <= w->shape[0] - first);
    (void)layout;
    static const uint8_t zero[FILE_BLOCK_MAX]; // a padding row's blocks: d and min are 0
    tdl_tile16 tile;
    bool ok = tdl_tile16_make(w->dtype, w->shape[0], w->shape[1], &tile);
    assert(ok);
    if (!ok) return;
    for (int64_t row = first; row < first + tdl_div_up(count, TDL_TILE_ROWS) * TDL_TILE_ROWS; row++) {
        size_t index = (size_t)(row / TDL_TILE_ROWS);
        bool padding = row >= w->shape[0];
        prepare_row(&formats[tile.format], &tile, padding ? zero : rows + (row - first) * w->strides[0],
                    padding ? 0 : w->strides[1], (uint8_t *)dst + index * (size_t)tile.n_blocks * tile.value_size,
                    (uint8_t *)dst + tile.scales_offset + index * tile.tile_scales_size, row % TDL_TILE_ROWS);
    }
}

// One lane of a tile: src are a row's blocks, values and scales the tile's.
static void prepare_row(const format_row *row, const tdl_tile16 *tile, const uint8_t *src, int64_t src_stride,
                        uint8_t *values, uint8_t *scales, int64_t lane) {
    const tdl_tile_format *format = &row->format;
    for (int64_t b = 0; b < tile->n_blocks; b += format->n_blocks, src += src_stride) {
        tdl_quant_parts parts;
        row->unpack(src, &parts);
        for (int32_t i = 0; i < format->n_blocks; i++, values += tile->value_size)
            store_codes(format, parts.codes + i * TDL_TILE_BLOCK, values + lane * 4);
        store_scales(format, &parts, lane, scales);
        scales += tdl_tile_record_size(*format);
    }
}

// The words of a block; bytes of a word do not meet in its shifts, so the machine's order of bytes does not matter.
static void store_codes(const tdl_tile_format *format, const uint8_t *codes, uint8_t *values) {
    uint32_t columns[WORDS], words[WORDS] = {0};
    memcpy(columns, codes, sizeof columns);
    if (format->code_bits == 8) {
        memcpy(words, columns, sizeof words);
    } else {
        int32_t more = format->code_bits - 4;
        for (int32_t i = 0; i < WORDS; i++) {
            words[i % 4] |= (columns[i] & 0x0f0f0f0fu) << i / 4 * 4;
            if (more) words[4 + i * more / 8] |= (columns[i] >> 4 & 0x0f0f0f0fu) << i * more % 8;
        }
    }
    for (int32_t i = 0; i < format->code_bits; i++) memcpy(values + i * 4 * TDL_TILE_ROWS, &words[i], sizeof words[i]);
}

static void store_scales(const tdl_tile_format *format, const tdl_quant_parts *parts, int64_t lane, uint8_t *record) {
    memcpy(record + lane * 2, &parts->d, sizeof parts->d);
    if (format->has_min) memcpy(record + 2 * TDL_TILE_ROWS + lane * 2, &parts->min, sizeof parts->min);
    if (format->n_blocks == 1) return;
    uint8_t *bytes = record + tdl_tile_halves_size(*format) + lane;
    for (int32_t b = 0; b < format->n_blocks; b++) {
        for (int32_t i = 0; i < format->n_scales; i++, bytes += TDL_TILE_ROWS)
            *bytes = (uint8_t)parts->scales[b * format->n_scales + i];
        if (!format->has_min) continue;
        *bytes = (uint8_t)parts->mins[b];
        bytes += TDL_TILE_ROWS;
    }
}
