// SPDX-License-Identifier: MIT
// matmul_dot4.h - the few integer instructions of the int8 matmul: vi has TDL_VF_LANES lanes of 32 bits, or of 4 bytes.
//
// vi_dot4(sum, w, x, small) adds the products of a lane's 4 bytes of w and x to the lane's sum. x are int8. w are what
// vi_dot4_bytes makes of the layout's bytes q + 128: the instruction sets differ in whether they multiply unsigned
// bytes (then VI_DOT4_OFFSET is 128, and the sum comes out too large by 128 times the sum of x) or signed ones (then it
// is 0). small: w are numbers from 0 to 127, which are the same to both.
#ifndef TDL_OPS_MATMUL_DOT4_H
#define TDL_OPS_MATMUL_DOT4_H

#include "backend/cpu/simd.h"

#if defined(TDL_ISA_AVX512)

enum { VI_DOT4_OFFSET = 128 };
typedef __m512i vi;

static inline vi vi_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
static inline vi vi_set1(int32_t a) { return _mm512_set1_epi32(a); }
static inline vi vi_low4(vi a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
static inline vi vi_high4(vi a) { return vi_low4(_mm512_srli_epi32(a, 4)); }
static inline vf vi_to_vf(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vi vi_load_i8(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
static inline vi vi_dot4_bytes(vi a) { return a; }
static inline vi vi_dot4(vi sum, vi w, vi x, bool small) {
    (void)small;
    return _mm512_dpbusd_epi32(sum, w, x);
}

#elif defined(TDL_ISA_AVX2)

enum { VI_DOT4_OFFSET = 0 };
typedef __m256i vi;

static inline vi vi_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vi vi_set1(int32_t a) { return _mm256_set1_epi32(a); }
static inline vi vi_low4(vi a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
static inline vi vi_high4(vi a) { return vi_low4(_mm256_srli_epi32(a, 4)); }
static inline vf vi_to_vf(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vi vi_load_i8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
static inline vi vi_dot4_bytes(vi a) { return _mm256_xor_si256(a, _mm256_set1_epi8(-128)); }
static inline vi vi_dot4(vi sum, vi w, vi x, bool small) {
    // maddubs adds two products of an unsigned and a signed byte and saturates at 16 bits. Signed weights give their
    // sign to x: 2 * 128 * 127 fits, where 2 * 255 * 127 would not. Small weights need not.
    vi pairs = small ? _mm256_maddubs_epi16(w, x) : _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#elif defined(TDL_ISA_NEON)

enum { VI_DOT4_OFFSET = 0 };
typedef int32x4_t vi;

static inline vi vi_load(const uint8_t *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
static inline vi vi_set1(int32_t a) { return vdupq_n_s32(a); }
static inline vi vi_low4(vi a) { return vandq_s32(a, vdupq_n_s32(0x0f0f0f0f)); }
static inline vi vi_high4(vi a) { return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(a), 4)); }
static inline vf vi_to_vf(vi a) { return vcvtq_f32_s32(a); }
static inline vi vi_load_i8(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)))));
}
static inline vi vi_dot4_bytes(vi a) {
    return vreinterpretq_s32_u8(veorq_u8(vreinterpretq_u8_s32(a), vdupq_n_u8(0x80)));
}
static inline vi vi_dot4(vi sum, vi w, vi x, bool small) {
    (void)small;
    return vdotq_s32(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

#else

enum { VI_DOT4_OFFSET = 128 };
typedef int32_t vi __attribute__((vector_size(16)));

static inline vi vi_load(const uint8_t *p) {
    vi a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline vi vi_set1(int32_t a) { return (vi){a, a, a, a}; }
static inline vi vi_low4(vi a) { return a & 0x0f0f0f0f; }
static inline vi vi_high4(vi a) { return a >> 4 & 0x0f0f0f0f; }
static inline vf vi_to_vf(vi a) { return __builtin_convertvector(a, vf); }
static inline vi vi_load_i8(const int8_t *p) { return (vi){p[0], p[1], p[2], p[3]}; }
static inline vi vi_dot4_bytes(vi a) { return a; }
static inline vi vi_dot4(vi sum, vi w, vi x, bool small) {
    (void)small;
    typedef uint8_t bytes __attribute__((vector_size(16)));
    typedef int8_t signed_bytes __attribute__((vector_size(16)));
    bytes a = (bytes)w;
    signed_bytes b = (signed_bytes)x;
    for (int lane = 0; lane < 4; lane++)
        for (int i = 4 * lane; i < 4 * lane + 4; i++) sum[lane] += a[i] * b[i];
    return sum;
}

#endif

// Bits [from, from + n) of every byte, at bits [4, 4 + n).
static inline vi vi_bits4(vi a, int from, int n) {
    typedef uint32_t words __attribute__((vector_size(sizeof(vi))));
    words moved = from < 4 ? (words)a << (4 - from) : (words)a >> (from - 4);
    return (vi)(moved & ((1u << n) - 1) * 0x10101010u);
}

// 4 bytes in every lane.
static inline vi vi_set1_bytes4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vi_set1(four);
}

#endif
