// SPDX-License-Identifier: MIT
// quant.h - the reference row conversions of the block formats; one folder each, listed in dtype.def.
#ifndef TDL_TENSOR_QUANT_H
#define TDL_TENSOR_QUANT_H

#include <stdint.h>

#define TDL_QUANT_DECLARE(name)                                       \
    void tdl_##name##_decode(const void *src, float *dst, int64_t n); \
    void tdl_##name##_encode(const float *src, void *dst, int64_t n);

TDL_QUANT_DECLARE(q8_0)
TDL_QUANT_DECLARE(q4_0)
TDL_QUANT_DECLARE(q4_1)
TDL_QUANT_DECLARE(q4_k)
TDL_QUANT_DECLARE(q5_k)
TDL_QUANT_DECLARE(q6_k)
TDL_QUANT_DECLARE(a8)

#endif
