// SPDX-License-Identifier: MIT
// quant_parts.h - a block of a quantized format taken apart: one form for all of them, with the codes in order.
//
//     x[i] = d scale (code[i] - zero) + min m
//
// scale and m are numbers of the group of elements that i is in, 1 in the formats that have none; zero belongs to the
// format: 128 for Q8_0, whose bytes are made unsigned, 8 for Q4_0, 32 for Q6_K, else 0. What repacks weights for a
// kernel starts from here and need not know how a format packs its bits.
#ifndef TDL_TENSOR_QUANT_PARTS_H
#define TDL_TENSOR_QUANT_PARTS_H

#include <stdint.h>

enum { TDL_QUANT_PARTS_N = 256 };

// What a format does not have is not set.
typedef struct tdl_quant_parts {
    uint16_t d, min;   // F16
    int8_t scales[16]; // Q4_K and Q5_K: 8, of 32 elements each; Q6_K: 16, of 16
    int8_t mins[8];    // of 32 elements each
    uint8_t codes[TDL_QUANT_PARTS_N];
} tdl_quant_parts;

void tdl_q8_0_unpack(const uint8_t *block, tdl_quant_parts *parts);
void tdl_q4_0_unpack(const uint8_t *block, tdl_quant_parts *parts);
void tdl_q4_1_unpack(const uint8_t *block, tdl_quant_parts *parts);
void tdl_q4_k_unpack(const uint8_t *block, tdl_quant_parts *parts);
void tdl_q5_k_unpack(const uint8_t *block, tdl_quant_parts *parts);
void tdl_q6_k_unpack(const uint8_t *block, tdl_quant_parts *parts);

// Q4_K and Q5_K begin alike: d, min, scales and mins from a block's first 16 bytes. And all their elements.
void tdl_quant_unpack_header_k(const uint8_t *block, tdl_quant_parts *parts);
void tdl_quant_decode_k(const tdl_quant_parts *parts, float *dst);

#endif
