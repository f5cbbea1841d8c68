// SPDX-License-Identifier: MIT
// weight.h - weights on WebGPU: which types the shaders read, and the decoder of each (WGSL text that defines weight4).
//
// embed and matmul read a matrix through its decoder, from the file's own rows, whatever its type.
#ifndef TDL_OPS_WEIGHT_H
#define TDL_OPS_WEIGHT_H

#include "ops/op.h"

// Whether the shaders read this matrix: a type with a decoder, rows one after another, elements that 32 bits count.
bool tdl_weight_decodes(const tdl_tensor *w);
const char *tdl_weight_decoder(const tdl_tensor *w);
// The decoder that the tiled kernels use (tensor/quant/quant_row.wgsl): for matrices whose rows are whole quads.
const char *tdl_weight_row_decoder(const tdl_tensor *w);

#endif
