// SPDX-License-Identifier: MIT
// quantize_cpu.c - rows of F32 to A8 blocks, with the bits of the reference (tensor/quant/a8/a8.c): q = round(x / d).
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"
#include "tensor/quant/a8/a8.h"

static void encode(const float *x, tdl_a8_block *block);
static uint32_t max_abs_bits(const float *x);
static void round_block(const float *x, float inverse, tdl_a8_block *block); // sets q and sums

static int64_t units(const tdl_call *call) { return tdl_tensor_n_rows(&call->in[0]); }

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && call->out[0].strides[call->out[0].n_dims - 1] == (int64_t)sizeof(tdl_a8_block);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *out = &call->out[0];
    for (int64_t row = first; row < first + count; row++) {
        const float *src = (const float *)tdl_row(x, row);
        tdl_a8_block *dst = (tdl_a8_block *)tdl_row(out, row);
        for (int64_t b = 0; b < tdl_last_dim(x) / TDL_A8_BLOCK; b++) encode(src + b * TDL_A8_BLOCK, &dst[b]);
    }
}

const tdl_kernel TDL_KERNEL_NAME(quantize) = {
    .name = "quantize", .op = TDL_OP_QUANTIZE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static void encode(const float *x, tdl_a8_block *block) {
    float inverse = tdl_a8_scale(max_abs_bits(x), &block->d);
    if (inverse == 0) { // nothing to round, or nothing that can be
        memset(block->sums, 0, sizeof block->sums);
        memset(block->q, 0, sizeof block->q);
        return;
    }
    round_block(x, inverse, block);
}

#if defined(TDL_ISA_AVX512)

static uint32_t max_abs_bits(const float *x) {
    __m512i a = _mm512_castps_si512(vf_abs(vf_load(x))), b = _mm512_castps_si512(vf_abs(vf_load(x + 16)));
    return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
}

static void round_block(const float *x, float inverse, tdl_a8_block *block) {
    for (int half = 0; half < 2; half++) {
        __m512i whole = _mm512_cvtps_epi32(vf_load(x + 16 * half) * vf_set1(inverse));
        _mm_storeu_si128((__m128i *)(block->q + 16 * half), _mm512_cvtepi32_epi8(whole));
        block->sums[half] = (int16_t)_mm512_reduce_add_epi32(whole);
    }
}

#elif defined(TDL_ISA_AVX2)

static uint32_t max_abs_bits(const float *x) {
    __m256i max = _mm256_setzero_si256();
    for (int i = 0; i < TDL_A8_BLOCK; i += 8) max = _mm256_max_epu32(max, _mm256_castps_si256(vf_abs(vf_load(x + i))));
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

static void round_block(const float *x, float inverse, tdl_a8_block *block) {
    __m256i r[4];
    for (int i = 0; i < 4; i++) r[i] = _mm256_cvtps_epi32(vf_load(x + 8 * i) * vf_set1(inverse));
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(r[0], r[1]), _mm256_packs_epi32(r[2], r[3]));
    // The packs work in halves and leave runs of 4 as 0 2 4 6, 1 3 5 7.
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)block->q, bytes);
    __m256i pairs = _mm256_hadd_epi32(_mm256_add_epi32(r[0], r[1]), _mm256_add_epi32(r[2], r[3]));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    s = _mm_hadd_epi32(s, s);
    block->sums[0] = (int16_t)_mm_cvtsi128_si32(s);
    block->sums[1] = (int16_t)_mm_extract_epi32(s, 1);
}

#elif defined(TDL_ISA_NEON)

static uint32_t max_abs_bits(const float *x) {
    uint32x4_t max = vdupq_n_u32(0);
    for (int i = 0; i < TDL_A8_BLOCK; i += 4) max = vmaxq_u32(max, vreinterpretq_u32_f32(vf_abs(vf_load(x + i))));
    return vmaxvq_u32(max);
}

static void round_block(const float *x, float inverse, tdl_a8_block *block) {
    int32x4_t sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int i = 0; i < TDL_A8_BLOCK; i += 8) {
        int32x4_t a = vcvtnq_s32_f32(vf_load(x + i) * vf_set1(inverse));
        int32x4_t b = vcvtnq_s32_f32(vf_load(x + i + 4) * vf_set1(inverse));
        vst1_s8(block->q + i, vmovn_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b))));
        sums[i / 16] = vaddq_s32(sums[i / 16], vaddq_s32(a, b));
    }
    for (int half = 0; half < 2; half++) block->sums[half] = (int16_t)vaddvq_s32(sums[half]);
}

#else

static uint32_t max_abs_bits(const float *x) {
    uint32_t bits[TDL_A8_BLOCK], max = 0;
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < TDL_A8_BLOCK; i++) {
        uint32_t size = bits[i] & 0x7fffffffu;
        max = size > max ? size : max;
    }
    return max;
}

static void round_block(const float *x, float inverse, tdl_a8_block *block) {
    memset(block->sums, 0, sizeof block->sums);
    for (int i = 0; i < TDL_A8_BLOCK; i += TDL_VF_LANES) {
        vf whole = vf_round(vf_load(x + i) * vf_set1(inverse));
        for (int j = 0; j < TDL_VF_LANES; j++) {
            block->q[i + j] = (int8_t)whole[j];
            block->sums[i / 16] += block->q[i + j];
        }
    }
}

#endif
