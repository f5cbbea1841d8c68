// SPDX-License-Identifier: MIT
// matmul_layout.h - the prepared weight layout TILE16, made once at load for the int8 kernels.
//
// 16 rows form a tile, so that the lanes of a 512-bit register are rows and K runs in order: one token and 512 give the
// same bits. N is padded to whole tiles with zero rows. Two planes, each 64-byte aligned; a block is 32 columns, a
// record the blocks that share a d (1, or the K formats' 8):
//   values  [tiles, blocks, value_size]: a block is words of 4 bytes for each of the 16 rows, 64 bytes a word.
//           Codes of 8 bits: 8 words, 4 columns each (unsigned, as vpdpbusd wants its left side).
//           Fewer: 4 words, where byte j of a row's 16 holds the low four bits of columns j (low half) and 16 + j;
//           then one word for each further bit. With n further bits a word serves 32 / n columns: byte i has those of
//           columns i, 4 + i, 8 + i ..., the first lowest.
//   scales  [tiles, records, scale_size]: [16] F16 d, [16] F16 min where the format has one; then, where a record is
//           several blocks, of each block [scales, 16] I8 scale and [16] I8 m.
// The size is the file's own, but for the padding and 1/8 bit a weight of Q4_K and Q5_K, whose 6-bit fields become bytes.
#ifndef TDL_OPS_MATMUL_LAYOUT_H
#define TDL_OPS_MATMUL_LAYOUT_H

#include "ops/op.h"

enum { TDL_TILE_ROWS = 16, TDL_TILE_BLOCK = 32 };

// The formats by number, as tile_formats.def lists them.
typedef enum tdl_tile_format_id {
#define TDL_TILE_FORMAT(dtype, ...) TDL_TILE_##dtype,
#include "ops/matmul/tile_formats.def"
#undef TDL_TILE_FORMAT
    TDL_TILE_FORMAT_COUNT
} tdl_tile_format_id;

typedef struct tdl_tile_format {
    int32_t code_bits;
    int32_t zero; // the code that stands for 0
    bool has_min;
    int32_t n_blocks; // of a record
    int32_t n_scales; // of a block: one for each 32 / n_scales columns
} tdl_tile_format;

// Where the planes of a prepared matrix [n, k] of this dtype lie, in bytes.
typedef struct tdl_tile16 {
    tdl_tile_format_id format;
    int64_t n_tiles, n_blocks; // n_blocks = k / 32
    size_t value_size;         // bytes of a block's values
    size_t scales_offset;      // of the scales plane
    size_t tile_scales_size;   // bytes of a tile's scales
    size_t size;               // of both planes
} tdl_tile16;

// false where the dtype has no such layout, k is no multiple of its block, or a size wraps.
bool tdl_tile16_make(tdl_dtype dtype, int64_t n, int64_t k, tdl_tile16 *out);

// Bytes of a block's values, of the F16 numbers at a record's start, of each block's I8 numbers, and of a record.
static inline size_t tdl_tile_value_size(tdl_tile_format f) { return (size_t)f.code_bits * 4 * TDL_TILE_ROWS; }
static inline size_t tdl_tile_halves_size(tdl_tile_format f) { return (f.has_min ? 4 : 2) * TDL_TILE_ROWS; }
static inline size_t tdl_tile_bytes_size(tdl_tile_format f) {
    return f.n_blocks > 1 ? (size_t)(f.n_scales + f.has_min) * TDL_TILE_ROWS : 0;
}
static inline size_t tdl_tile_record_size(tdl_tile_format f) {
    return tdl_tile_halves_size(f) + (size_t)f.n_blocks * tdl_tile_bytes_size(f);
}

#endif
