// SPDX-License-Identifier: MIT
// sample.h - how the next token is drawn: in integers only, so that the same logits, settings and random number give the same
// id on the host and on every GPU, whatever its floats round, fuse or flush.
//
//     weight_i = exp((logit_i - largest) / temperature), as a multiple of 2^-31
//     target   = word / 2^32 * sum of the weights;  the first candidate whose running sum passes it is drawn
//
// A logit becomes a key, ordered as the logits are. The difference of two logits is taken on their mantissas, is multiplied by
// log2(e) / temperature, a mantissa and an exponent that the host prepares, and 2^-x is a polynomial in fixed point: within
// 2e-8 of the true weight, relative to the largest. sample.wgsl and sample_merge.wgsl say the same in WGSL.
#ifndef TDL_OPS_SAMPLE_H
#define TDL_OPS_SAMPLE_H

#include "ops/op.h"

#include <math.h>
#include <string.h>

// Words of a row of `picks`: how one token is drawn.
typedef enum tdl_sample_word {
    TDL_SAMPLE_SLOT = 0, // where the id goes
    TDL_SAMPLE_TOP_K,  // candidates: the k largest logits, at most TDL_SAMPLE_K_MAX; 1: greedy; 0: the row is left out
    TDL_SAMPLE_RANDOM, // 32 random bits
    TDL_SAMPLE_MANTISSA, // log2(e) / temperature, see tdl_sample_scale
    TDL_SAMPLE_EXPONENT,
    TDL_SAMPLE_TOP_P, // the share of the weights (at temperature 1) that is kept, times 2^32; 0: all
    TDL_SAMPLE_MIN_P, // the least weight (at temperature 1) that is kept, times 2^31
    TDL_SAMPLE_WORDS = 8
} tdl_sample_word;

enum { TDL_SAMPLE_K_MAX = 64, TDL_SAMPLE_ONE = 31 }; // a weight of 1 is 2^31

// In place of an id: the row holds NaN or +inf, or nothing but -inf. (-inf beside finite logits is a token that cannot come.)
enum { TDL_SAMPLE_NOT_FINITE = -1 };

// log2(e) / temperature = mantissa * 2^exponent, mantissa in [2^31, 2^32).
typedef struct tdl_sample_scale {
    uint32_t mantissa;
    int32_t exponent;
} tdl_sample_scale;

static inline tdl_sample_scale tdl_sample_scale_of(float temperature) {
    int exponent;
    double mantissa = frexp(1.4426950408889634 / (double)temperature, &exponent);
    return (tdl_sample_scale){.mantissa = (uint32_t)ldexp(mantissa, 32), .exponent = exponent - 32};
}

// Rises with the logit; equal for both zeros; the largest of all for NaN, so that the best candidate says whether a row has one.
static inline uint32_t tdl_sample_key(float logit) {
    uint32_t bits;
    memcpy(&bits, &logit, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return UINT32_MAX;
    if (bits == 0x80000000) bits = 0;
    return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

// Whether a row's largest key is that of a finite logit, neither NaN nor infinite.
static inline bool tdl_sample_finite(uint32_t largest) { return largest < 0xff800000 && largest > 0x007fffff; }

// floor(a * b / 2^32)
static inline uint32_t tdl_sample_mul_high(uint32_t a, uint32_t b) { return (uint32_t)((uint64_t)a * b >> 32); }

// floor(sum * fraction / 2^32), for sums below 2^63.
static inline uint64_t tdl_sample_share(uint64_t sum, uint32_t fraction) {
    return (sum >> 32) * fraction + ((sum & 0xffffffff) * fraction >> 32);
}

// 2^-(f / 2^32) times 2^31: the series of exp(-f ln 2), from its tenth term down.
static inline uint32_t tdl_sample_exp2(uint32_t f) {
    static const uint32_t terms[] = {2147483648, 1488522236, 515882496, 119194166, 20654775,
                                     2863360,    330788,     32755,     2838,      219};
    uint32_t y = terms[9];
    for (int i = 8; i >= 0; i--) y = terms[i] - tdl_sample_mul_high(f, y);
    return y;
}

// exp((logit - largest) * scale) of two keys, largest >= key > 0.
static inline uint32_t tdl_sample_weight(uint32_t largest, uint32_t key, tdl_sample_scale scale) {
    if (key == largest) return 1u << TDL_SAMPLE_ONE;
    uint32_t a = largest >> 31 ? largest & 0x7fffffff : ~largest & 0x7fffffff; // magnitudes, as float bits
    uint32_t b = key >> 31 ? key & 0x7fffffff : ~key & 0x7fffffff;
    if (a == 0x7f800000 || b == 0x7f800000) return 0; // infinitely far apart
    uint32_t a_exponent = a >> 23 ? a >> 23 : 1, b_exponent = b >> 23 ? b >> 23 : 1;
    uint32_t exponent = a_exponent > b_exponent ? a_exponent : b_exponent;
    a = (a & 0x7fffff) | (a >> 23 ? 0x800000 : 0);
    b = (b & 0x7fffff) | (b >> 23 ? 0x800000 : 0);
    a = exponent - a_exponent < 31 ? a << 6 >> (exponent - a_exponent) : 0; // six bits more than a float has
    b = exponent - b_exponent < 31 ? b << 6 >> (exponent - b_exponent) : 0;
    uint32_t apart = largest >> 31 != key >> 31 ? a + b : a > b ? a - b : b - a; // times 2^(exponent - 156)
    if (apart == 0) return 1u << TDL_SAMPLE_ONE;
    int32_t shift = 130 - (int32_t)exponent - scale.exponent; // to a multiple of 2^-26
    if (shift < 0) return 0;
    if (shift > 63) return 1u << TDL_SAMPLE_ONE;
    uint64_t x = (uint64_t)apart * scale.mantissa >> shift;
    return x >> 31 ? 0 : tdl_sample_exp2((uint32_t)x << 6) >> (x >> 26);
}

#endif
