// matmul_layout.h - the prepared weight layout TILE16, made once at load for the int8 kernels.
//
// 16 rows form a tile, so that the lanes of a 512-bit register are rows and K runs in order: one token and 512 give the
// same bits. N is padded to whole tiles with zero rows. Two planes, each 64-byte aligned, n_blocks = K / 32:
//   values  [tiles, n_blocks, value_size]: within a block of 32 columns, groups of 4 columns: 16 rows x 4 bytes.
//           Q8_0: 8 groups, byte = q + 128 (unsigned, as vpdpbusd wants its left side).
//           Q4_0, Q4_1: 4 groups of the file's own bytes: byte j of a row holds column j low and column 16 + j high.
//   scales  [tiles, n_blocks, 16] F16 d of each row; for Q4_1 [tiles, n_blocks, 2, 16]: 16 d, then 16 m.
// The size is the file's own, but for the padding.
#ifndef TDL_OPS_MATMUL_LAYOUT_H
#define TDL_OPS_MATMUL_LAYOUT_H

#include "ops/op.h"

enum { TDL_TILE_ROWS = 16 };

// Where the planes of a prepared matrix [n, k] of this dtype lie, in bytes.
typedef struct tdl_tile16 {
    int64_t n_tiles, n_blocks;
    size_t value_size;    // bytes of a block's values: 512 or 256
    size_t scale_size;    // bytes of a block's scales: 32 or 64
    size_t scales_offset; // of the scales plane
    size_t size;          // of both planes
} tdl_tile16;

// false where the dtype has no such layout, k is no multiple of 32, or a size wraps.
bool tdl_tile16_make(tdl_dtype dtype, int64_t n, int64_t k, tdl_tile16 *out);

#endif
