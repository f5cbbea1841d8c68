// SPDX-License-Identifier: MIT
// simd.h - the vector of floats that CPU kernels are written over; one width per instruction set.
//
//     vf sum = vf_zero();
//     int64_t i = 0;
//     for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
//     if (i < n) sum = vf_fma(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i), sum);
//     float total = vf_sum(sum);
//
// vf has TDL_VF_LANES floats, vm is a mask of as many lanes. Pointers need no alignment. The _n forms touch memory of
// the first n lanes only, 0 <= n <= TDL_VF_LANES; a partial load sets the other lanes to zero. The build forbids
// contraction, so a multiply and an add are fused exactly where vf_fma is written; the plain set multiplies, rounds and
// adds. Reductions have one fixed order. Within an instruction set the same input gives the same bits; between sets it
// need not.
//
// Does not: hide the width (kernels whose results depend on it must say so), or offer integers beyond what its own
// functions need; the int8 kernels have their own few instructions in matmul.
#ifndef TDL_BACKEND_CPU_SIMD_H
#define TDL_BACKEND_CPU_SIMD_H

#include "tensor/dtype.h"

#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_AVX2)
#include <immintrin.h>
#elif defined(TDL_ISA_NEON)
#include <arm_neon.h>
#else
#include <math.h>
#endif

// In front of a loop of a few constant turns over vectors in an array: gcc then keeps the array in registers.
#define TDL_UNROLL _Pragma("GCC unroll 8")

// ---- AVX-512 --------------------------------------------------------------------------------------------------------
#if defined(TDL_ISA_AVX512)

enum { TDL_VF_LANES = 16 };
typedef __m512 vf;
typedef __mmask16 vm;

static inline __mmask16 vf_first_(int64_t n) { return (__mmask16)((1u << n) - 1); }

static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vf_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(vf_first_(n), p); }
static inline void vf_store_n(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, vf_first_(n), a); }

static inline vf vf_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline vf vf_load_f16_n(const uint16_t *p, int64_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vf_first_(n), p));
}
static inline void vf_store_f16(uint16_t *p, vf a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int64_t n) {
    __m256i h = _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_mask_storeu_epi16(p, vf_first_(n), h);
}
static inline vf vf_from_bf16_(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
static inline vf vf_load_bf16(const uint16_t *p) { return vf_from_bf16_(_mm256_loadu_si256((const __m256i *)p)); }
static inline vf vf_load_bf16_n(const uint16_t *p, int64_t n) {
    return vf_from_bf16_(_mm256_maskz_loadu_epi16(vf_first_(n), p));
}

static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf vf_copysign(vf a, vf sign) {
    return _mm512_or_ps(_mm512_abs_ps(a), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}

static inline vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline vf vf_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }

static inline float vf_sum(vf a) {
    __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
static inline float vf_hmax(vf a) {
    __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

// Four sums, each as vf_sum makes it, bit for bit.
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    vf cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    vf s = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    s = _mm512_add_ps(s, _mm512_shuffle_ps(s, s, 0xee));
    s = _mm512_add_ps(s, _mm512_movehdup_ps(s));
    s = _mm512_permutexvar_ps(_mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12)), s);
    _mm_storeu_ps(out, _mm512_castps512_ps128(s));
}

// a * 2^n; n holds whole numbers from -150 to 128.
static inline vf vf_scale2_(vf a, vf n) { return _mm512_scalef_ps(a, n); }

// ---- AVX2, FMA, F16C ------------------------------------------------------------------------------------------------
#elif defined(TDL_ISA_AVX2)

enum { TDL_VF_LANES = 8 };
typedef __m256 vf;
typedef __m256 vm;

static inline __m256i vf_first_(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vf_zero(void) { return _mm256_setzero_ps(); }
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, vf_first_(n)); }
static inline void vf_store_n(float *p, vf a, int64_t n) { _mm256_maskstore_ps(p, vf_first_(n), a); }

static inline __m128i vf_load_16_n_(const uint16_t *p, int64_t n) {
    uint16_t lanes[8] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return _mm_loadu_si128((const __m128i *)lanes);
}
static inline vf vf_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline vf vf_load_f16_n(const uint16_t *p, int64_t n) { return _mm256_cvtph_ps(vf_load_16_n_(p, n)); }
static inline void vf_store_f16(uint16_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int64_t n) {
    uint16_t lanes[8];
    vf_store_f16(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}
static inline vf vf_from_bf16_(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
static inline vf vf_load_bf16(const uint16_t *p) { return vf_from_bf16_(_mm_loadu_si128((const __m128i *)p)); }
static inline vf vf_load_bf16_n(const uint16_t *p, int64_t n) { return vf_from_bf16_(vf_load_16_n_(p, n)); }

static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf vf_copysign(vf a, vf sign) {
    return _mm256_or_ps(vf_abs(a), _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}

static inline vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vm vf_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
static inline vf vf_select(vm m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, m); }

static inline float vf_sum(vf a) {
    __m128 c = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    c = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
static inline float vf_hmax(vf a) {
    __m128 c = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    c = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

static inline void vf_sum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    vf cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
    vf s = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    s = _mm256_add_ps(_mm256_shuffle_ps(s, s, 0x88), _mm256_shuffle_ps(s, s, 0xdd)); // a c a c, b d b d
    _mm_storeu_ps(out, _mm_unpacklo_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

static inline vf vf_scale2_(vf a, vf n) {
    // In two steps, so that results below the smallest normal number come out right.
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    __m256i rest = _mm256_sub_epi32(whole, half);
    a = _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}

// ---- NEON, ARMv8.2 with dot product and FP16 ------------------------------------------------------------------------
#elif defined(TDL_ISA_NEON)

enum { TDL_VF_LANES = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vm;

static inline vf vf_zero(void) { return vdupq_n_f32(0); }
static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_load_n(const float *p, int64_t n) {
    float lanes[4] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vld1q_f32(lanes);
}
static inline void vf_store_n(float *p, vf a, int64_t n) {
    float lanes[4];
    vst1q_f32(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

static inline uint16x4_t vf_load_16_n_(const uint16_t *p, int64_t n) {
    uint16_t lanes[4] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vld1_u16(lanes);
}
static inline vf vf_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline vf vf_load_f16_n(const uint16_t *p, int64_t n) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vf_load_16_n_(p, n)));
}
static inline void vf_store_f16(uint16_t *p, vf a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
static inline void vf_store_f16_n(uint16_t *p, vf a, int64_t n) {
    uint16_t lanes[4];
    vf_store_f16(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}
static inline vf vf_load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
static inline vf vf_load_bf16_n(const uint16_t *p, int64_t n) {
    return vreinterpretq_f32_u32(vshll_n_u16(vf_load_16_n_(p, n), 16));
}

static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vf_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_abs(vf a) { return vabsq_f32(a); }
static inline vf vf_copysign(vf a, vf sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a); }

static inline vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
static inline vm vf_le(vf a, vf b) { return vcleq_f32(a, b); }
static inline vf vf_select(vm m, vf yes, vf no) { return vbslq_f32(m, yes, no); }

static inline float vf_sum(vf a) {
    float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}
static inline float vf_hmax(vf a) { return vmaxvq_f32(a); }
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = vaddq_f32(vcombine_f32(vget_low_f32(a), vget_low_f32(b)), vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    vf cd = vaddq_f32(vcombine_f32(vget_low_f32(c), vget_low_f32(d)), vcombine_f32(vget_high_f32(c), vget_high_f32(d)));
    vst1q_f32(out, vaddq_f32(vuzp1q_f32(ab, cd), vuzp2q_f32(ab, cd)));
}

static inline vf vf_scale2_(vf a, vf n) {
    // In two steps, so that results below the smallest normal number come out right.
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), rest = vsubq_s32(whole, half);
    int32x4_t bias = vdupq_n_s32(127);
    a = vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}

// ---- plain: the compiler's own vectors, any CPU ---------------------------------------------------------------------
#else

enum { TDL_VF_LANES = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vm __attribute__((vector_size(16)));
typedef uint32_t vf_bits_ __attribute__((vector_size(16)));

static inline vf vf_set1(float x) { return (vf){x, x, x, x}; }
static inline vf vf_zero(void) { return vf_set1(0); }
static inline vf vf_load(const float *p) {
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline void vf_store(float *p, vf a) { memcpy(p, &a, sizeof a); }
static inline vf vf_load_n(const float *p, int64_t n) {
    vf a = vf_zero();
    memcpy(&a, p, (size_t)n * sizeof *p);
    return a;
}
static inline void vf_store_n(float *p, vf a, int64_t n) { memcpy(p, &a, (size_t)n * sizeof *p); }

static inline vf vf_select(vm m, vf yes, vf no) { return (vf)(((vm)yes & m) | ((vm)no & ~m)); }

// Moves exponent and mantissa into place, then lifts the exponent's bias by a multiplication, which also makes
// half's subnormal numbers normal; infinities and NaNs get the largest exponent back.
static inline vf vf_from_f16_(const uint16_t h[4]) {
    vf_bits_ bits = {h[0], h[1], h[2], h[3]}, magnitude = (bits & 0x7fff) << 13;
    vf_bits_ special = (vf_bits_)(magnitude >= (0x7c00u << 13)) & 0x7f800000u;
    return (vf)((vf_bits_)((vf)magnitude * vf_set1(0x1p112f)) | special | (bits & 0x8000) << 16);
}
static inline vf vf_load_f16_n(const uint16_t *p, int64_t n) {
    uint16_t lanes[4] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vf_from_f16_(lanes);
}
static inline vf vf_load_f16(const uint16_t *p) { return vf_load_f16_n(p, TDL_VF_LANES); }
static inline void vf_store_f16_n(uint16_t *p, vf a, int64_t n) {
    for (int64_t i = 0; i < n; i++) p[i] = tdl_f16_from_f32(a[i]);
}
static inline void vf_store_f16(uint16_t *p, vf a) { vf_store_f16_n(p, a, TDL_VF_LANES); }
static inline vf vf_load_bf16_n(const uint16_t *p, int64_t n) {
    uint16_t h[4] = {0};
    memcpy(h, p, (size_t)n * sizeof *p);
    return (vf)((vf_bits_){h[0], h[1], h[2], h[3]} << 16);
}
static inline vf vf_load_bf16(const uint16_t *p) { return vf_load_bf16_n(p, TDL_VF_LANES); }

static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
static inline vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
static inline vf vf_sqrt(vf a) { return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
static inline vf vf_abs(vf a) { return (vf)((vf_bits_)a & 0x7fffffffu); }
static inline vf vf_copysign(vf a, vf sign) {
    return (vf)(((vf_bits_)a & 0x7fffffffu) | ((vf_bits_)sign & 0x80000000u));
}

static inline vm vf_lt(vf a, vf b) { return a < b; }
static inline vm vf_le(vf a, vf b) { return a <= b; }

static inline float vf_sum(vf a) { return (a[0] + a[2]) + (a[1] + a[3]); }
static inline float vf_hmax(vf a) {
    float b = a[0] > a[2] ? a[0] : a[2], c = a[1] > a[3] ? a[1] : a[3];
    return b > c ? b : c;
}
static inline void vf_sum4(vf a, vf b, vf c, vf d, float *out) {
    vf ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
    vf cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
    vf_store(out, __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7));
}

static inline vf vf_scale2_(vf a, vf n) {
    // Adding 1.5 * 2^23 leaves the whole number in the low bits. A conversion would be undefined for NaN; here NaN
    // times anything stays NaN. In two steps, so that results below the smallest normal number come out right.
    vf_bits_ whole = (vf_bits_)(n + vf_set1(0x1.8p23f)) - 0x4b400000u;
    vf_bits_ half = (vf_bits_)((vm)whole >> 1), rest = whole - half;
    return a * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
}

#endif

// ---- what all sets share --------------------------------------------------------------------------------------------
//
// Of vf_max and vf_min: where b is NaN the result is NaN; where a is NaN, it is not defined.

static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_neg(vf a) { return -a; }

// To the nearest whole number, ties to even; |a| < 2^22.
static inline vf vf_round(vf a) {
    vf magic = vf_set1(0x1.8p23f);
    return (a + magic) - magic;
}

// e^a: relative error below 2e-7 where the result is a normal number; 0 for -inf, inf above 88.73, NaN for NaN.
static inline vf vf_exp(vf a) {
    // Beyond these bounds the result is 0 or inf anyway.
    a = vf_min(vf_set1(89.0f), vf_max(vf_set1(-105.0f), a));
    // a = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts, of which n times the first is exact.
    vf n = vf_round(a * vf_set1(0x1.715476p+0f));
    vf r = vf_fma(n, vf_set1(-0x1.62e4p-1f), a);
    r = vf_fma(n, vf_set1(-0x1.7f7d1cp-20f), r);
    // e^r = 1 + r + r^2 p(r), p a Chebyshev fit.
    vf p = vf_set1(0.001392626805f);
    p = vf_fma(p, r, vf_set1(0.00836324667f));
    p = vf_fma(p, r, vf_set1(0.04166655411f));
    p = vf_fma(p, r, vf_set1(0.1666657658f));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r * r, r) + vf_set1(1);
    return vf_scale2_(p, n);
}

static inline vf vf_sigmoid(vf a) { return vf_set1(1) / (vf_set1(1) + vf_exp(-a)); }

// Relative error below 4e-7.
static inline vf vf_tanh(vf a) {
    // Near zero x + x^3 t(x^2), t a Chebyshev fit; elsewhere 1 - 2 / (e^2|x| + 1), where nothing cancels.
    vf s = a * a;
    vf t = vf_set1(-0.006045165097f);
    t = vf_fma(t, s, vf_set1(0.02096132911f));
    t = vf_fma(t, s, vf_set1(-0.05384326318f));
    t = vf_fma(t, s, vf_set1(0.1333271885f));
    t = vf_fma(t, s, vf_set1(-0.3333332843f));
    vf near = vf_fma(a * s, t, a);
    vf size = vf_abs(a);
    vf far = vf_set1(1) - vf_set1(2) / (vf_exp(size + size) + vf_set1(1));
    return vf_select(vf_lt(size, vf_set1(0.625f)), near, vf_copysign(far, a));
}

// Relative error below 4e-7.
static inline vf vf_erf(vf a) {
    // To 1 x e(x^2), beyond it 1 - exp(-q(|x|)) with q = -log(erfc), both Chebyshev fits; past 4 erf is 1 in a float.
    vf s = a * a;
    vf e = vf_set1(7.875875063e-5f);
    e = vf_fma(e, s, vf_set1(-0.0008016864287f));
    e = vf_fma(e, s, vf_set1(0.005189087423f));
    e = vf_fma(e, s, vf_set1(-0.02685421201f));
    e = vf_fma(e, s, vf_set1(0.1128359472f));
    e = vf_fma(e, s, vf_set1(-0.3761262667f));
    e = vf_fma(e, s, vf_set1(1.128379166f));
    vf near = a * e;
    vf size = vf_min(vf_set1(4), vf_abs(a));
    vf q = vf_set1(-1.637151415e-6f);
    q = vf_fma(q, size, vf_set1(4.605804269e-5f));
    q = vf_fma(q, size, vf_set1(-0.0005968056257f));
    q = vf_fma(q, size, vf_set1(0.004759596293f));
    q = vf_fma(q, size, vf_set1(-0.02642113601f));
    q = vf_fma(q, size, vf_set1(0.1100800829f));
    q = vf_fma(q, size, vf_set1(0.6318260516f));
    q = vf_fma(q, size, vf_set1(1.130233435f));
    q = vf_fma(q, size, vf_set1(-0.0003201380497f));
    vf far = vf_set1(1) - vf_exp(-q);
    return vf_select(vf_lt(size, vf_set1(1)), near, vf_copysign(far, a));
}

#endif
