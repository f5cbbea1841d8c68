// SPDX-License-Identifier: MIT
// dtype.c - the table of element types, and the plain floating-point formats.
//
// A row of dtype.def gives a type's numbers; its conversions are named here, since only floating-point and block types
// have them. Half precision is done with integers: the result must not depend on what the machine can do by itself.
#include "tensor/dtype.h"

#include "base/checked.h"
#include "tensor/quant/quant.h"

static void f32_decode(const void *src, float *dst, int64_t n);
static void f32_encode(const float *src, void *dst, int64_t n);
static void f16_decode(const void *src, float *dst, int64_t n);
static void f16_encode(const float *src, void *dst, int64_t n);
static void bf16_decode(const void *src, float *dst, int64_t n);
static void bf16_encode(const float *src, void *dst, int64_t n);
static void f64_decode(const void *src, float *dst, int64_t n);
static void f64_encode(const float *src, void *dst, int64_t n);

#define CONVERSIONS(id, prefix) [TDL_DTYPE_##id].decode = prefix##_decode, [TDL_DTYPE_##id].encode = prefix##_encode

static const tdl_dtype_info infos[TDL_DTYPE_COUNT] = {
    [TDL_DTYPE_NONE] = {.name = "none", .ggml_id = -1, .block_n = 1},
#define TDL_DTYPE(id, text, ggml, elements, bytes)                                                      \
    [TDL_DTYPE_##id].name = text, [TDL_DTYPE_##id].ggml_id = ggml, [TDL_DTYPE_##id].block_n = elements, \
    [TDL_DTYPE_##id].block_size = bytes,
#include "dtype.def"
#undef TDL_DTYPE
    CONVERSIONS(F32, f32),
    CONVERSIONS(F16, f16),
    CONVERSIONS(BF16, bf16),
    CONVERSIONS(Q8_0, tdl_q8_0),
    CONVERSIONS(Q4_0, tdl_q4_0),
    CONVERSIONS(Q4_1, tdl_q4_1),
    CONVERSIONS(Q4_K, tdl_q4_k),
    CONVERSIONS(Q5_K, tdl_q5_k),
    CONVERSIONS(Q6_K, tdl_q6_k),
    CONVERSIONS(A8, tdl_a8),
    CONVERSIONS(F64, f64),
};

const tdl_dtype_info *tdl_dtype_get(tdl_dtype dtype) {
    return &infos[(unsigned)dtype < TDL_DTYPE_COUNT ? dtype : TDL_DTYPE_NONE];
}

tdl_dtype tdl_dtype_from_ggml(uint32_t ggml_id) {
    for (int i = TDL_DTYPE_NONE + 1; i < TDL_DTYPE_COUNT; i++) {
        if (infos[i].ggml_id >= 0 && (uint32_t)infos[i].ggml_id == ggml_id) return (tdl_dtype)i;
    }
    return TDL_DTYPE_NONE;
}

tdl_dtype tdl_dtype_from_name(const char *name) {
    for (int i = TDL_DTYPE_NONE + 1; i < TDL_DTYPE_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0) return (tdl_dtype)i;
    }
    return TDL_DTYPE_NONE;
}

bool tdl_dtype_row_size(tdl_dtype dtype, int64_t n, size_t *size) {
    const tdl_dtype_info *info = tdl_dtype_get(dtype);
    if (n < 0 || n % info->block_n != 0) return false;
    uint64_t n_blocks = (uint64_t)(n / info->block_n);
    return n_blocks <= SIZE_MAX && tdl_mul_size((size_t)n_blocks, (size_t)info->block_size, size);
}

// ---- half precision: 1 sign, 5 exponent, 10 mantissa bits

static uint32_t bits_of(float f);
static float float_of(uint32_t bits);

float tdl_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1F;
    uint32_t mantissa = h & 0x3FF;
    if (exponent == 0) { // zero or subnormal: mantissa * 2^-24, exact in F32
        return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    }
    if (exponent == 0x1F) { // infinity or NaN, made quiet
        return float_of(sign | 0x7F800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
    }
    return float_of(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

uint16_t tdl_f16_from_f32(float f) {
    uint32_t bits = bits_of(f);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF)); // NaN, quiet
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00); // 65520 and more round to infinity
    if (magnitude < 0x38800000) {
        // Under 2^-14, the result is subnormal. Beside 0.5 an F32 has steps of 2^-24 too: the addition rounds.
        return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
    }
    uint32_t odd = magnitude >> 13 & 1; // ties to even
    return (uint16_t)(sign | (magnitude + 0xFFF + odd - (112u << 23)) >> 13);
}

uint16_t tdl_bf16_from_f32(float f) {
    uint32_t bits = bits_of(f);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40); // NaN, quiet
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

// ---- rows of plain types; files need not align them

static void f32_decode(const void *src, float *dst, int64_t n) {
    if (n) memcpy(dst, src, (size_t)n * sizeof *dst);
}

static void f32_encode(const float *src, void *dst, int64_t n) {
    if (n) memcpy(dst, src, (size_t)n * sizeof *src);
}

static void f16_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + 2 * i, sizeof h);
        dst[i] = tdl_f16_to_f32(h);
    }
}

static void f16_encode(const float *src, void *dst, int64_t n) {
    uint8_t *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = tdl_f16_from_f32(src[i]);
        memcpy(bytes + 2 * i, &h, sizeof h);
    }
}

static void bf16_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + 2 * i, sizeof h);
        dst[i] = tdl_bf16_to_f32(h);
    }
}

static void bf16_encode(const float *src, void *dst, int64_t n) {
    uint8_t *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = tdl_bf16_from_f32(src[i]);
        memcpy(bytes + 2 * i, &h, sizeof h);
    }
}

static void f64_decode(const void *src, float *dst, int64_t n) {
    const uint8_t *bytes = src;
    for (int64_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, bytes + 8 * i, sizeof value);
        dst[i] = (float)value;
    }
}

static void f64_encode(const float *src, void *dst, int64_t n) {
    uint8_t *bytes = dst;
    for (int64_t i = 0; i < n; i++) {
        double value = src[i];
        memcpy(bytes + 8 * i, &value, sizeof value);
    }
}
