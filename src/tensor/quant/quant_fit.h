// SPDX-License-Identifier: MIT
// quant_fit.h - the search for a scale (and an offset) behind the K formats' encoders, and their packed 6-bit fields.
//
// Rounding to the nearest code with the range's own scale is not the best that a format can do: a slightly different
// scale often has a smaller error over the whole group. There is no closed form, since the codes change with the scale.
// So several scales are tried; for each, the codes are rounded, and with the codes fixed the best scale and offset are
// a weighted least-squares problem, solved exactly.
#ifndef TDL_TENSOR_QUANT_FIT_H
#define TDL_TENSOR_QUANT_FIT_H

#include <stdint.h>

enum { TDL_QUANT_GROUP_MAX = 32 };

// x[i] = scale * code - offset, code in [0, code_max]; scale and offset are never negative.
typedef struct tdl_quant_affine {
    float scale, offset;
} tdl_quant_affine;

tdl_quant_affine tdl_quant_fit_affine(const float *x, int n, int code_max);

// x[i] = scale * code, code in [-code_limit, code_limit - 1]; the scale may be negative.
float tdl_quant_fit_symmetric(const float *x, int n, int code_limit);

// Q4_K and Q5_K keep 8 scales and 8 offsets of 6 bits in 12 bytes: bytes 0-3 have scales 0-3 in their low 6 bits, bytes
// 4-7 offsets 0-3, bytes 8-11 the low 4 bits of scales (low half) and offsets (high half) 4-7, whose high 2 bits are the
// high 2 bits of bytes 0-3 and 4-7.
void tdl_quant_unpack_k(const uint8_t packed[12], uint8_t scales[8], uint8_t offsets[8]);
void tdl_quant_pack_k(const uint8_t scales[8], const uint8_t offsets[8], uint8_t packed[12]);

// The part of encoding that Q4_K and Q5_K share: writes d, dmin and the 12 bytes to `header` (16 bytes), and the code of
// every element of src [256] to codes [256].
void tdl_quant_encode_k(const float *src, int code_max, uint8_t header[16], uint8_t *codes);

#endif
