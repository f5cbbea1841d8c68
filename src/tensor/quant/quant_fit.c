// SPDX-License-Identifier: MIT
// quant_fit.c - see quant_fit.h. Plain and slow: it runs when a file is made, not when it is used.
#include "tensor/quant/quant_fit.h"

#include "tensor/quant/quant_block.h"

#include <math.h>

enum {
    N_TRIES = 21,    // scales tried on each group
    K_GROUPS = 8,    // of a block of Q4_K or Q5_K
    K_GROUP_N = 32,  // elements
    FIELD_MAX = 63,  // of a 6-bit field
    OFFSET_DMIN = 2, // in the header: f16 d, f16 dmin, 12 bytes
    OFFSET_FIELDS = 4
};

static void weigh(const float *x, int n, float *weights);
static tdl_quant_affine solve_affine(const float *x, const float *weights, const int *codes, int n);
static void round_affine(const float *x, int n, tdl_quant_affine fit, int code_max, int *codes);
static double error_affine(const float *x, const float *weights, const int *codes, int n, tdl_quant_affine fit);
static void choose_fields(const float *x, tdl_quant_affine fit, int code_max, float d, float dmin, uint8_t *scale,
                          uint8_t *offset);
static int nearest(float value, int min, int max);
static float try_shift(int k);

tdl_quant_affine tdl_quant_fit_affine(const float *x, int n, int code_max) {
    float min = 0.0f, max = x[0]; // the offset cannot be negative: the range includes 0 or reaches down from it
    for (int i = 0; i < n; i++) {
        if (x[i] < min) min = x[i];
        if (x[i] > max) max = x[i];
    }
    if (!(max > min)) return (tdl_quant_affine){.scale = 0.0f, .offset = -min};

    float weights[TDL_QUANT_GROUP_MAX];
    int codes[TDL_QUANT_GROUP_MAX];
    weigh(x, n, weights);
    tdl_quant_affine best = {.scale = (max - min) / (float)code_max, .offset = -min};
    double best_error = INFINITY;
    for (int k = 0; k < N_TRIES; k++) {
        tdl_quant_affine fit = {.scale = (max - min) / ((float)code_max + try_shift(k)), .offset = -min};
        round_affine(x, n, fit, code_max, codes);
        fit = solve_affine(x, weights, codes, n);
        round_affine(x, n, fit, code_max, codes);
        double error = error_affine(x, weights, codes, n, fit);
        if (error < best_error) {
            best_error = error;
            best = fit;
        }
    }
    return best;
}

float tdl_quant_fit_symmetric(const float *x, int n, int code_limit) {
    float largest = 0.0f; // in magnitude, with its sign: it takes the code -code_limit, which has no positive twin
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(largest)) largest = x[i];
    }
    if (largest == 0.0f) return 0.0f;

    float best = largest / (float)-code_limit;
    double best_error = INFINITY;
    for (int k = 0; k < N_TRIES; k++) {
        float scale = largest / -((float)code_limit + try_shift(k));
        double sum_xq = 0.0, sum_qq = 0.0;
        for (int i = 0; i < n; i++) {
            double weight = (double)x[i] * (double)x[i];
            int code = nearest(x[i] / scale, -code_limit, code_limit - 1);
            sum_xq += weight * (double)x[i] * code;
            sum_qq += weight * code * code;
        }
        if (!(sum_qq > 0.0)) continue;
        scale = (float)(sum_xq / sum_qq);
        double error = 0.0;
        for (int i = 0; i < n; i++) {
            double weight = (double)x[i] * (double)x[i];
            double difference = (double)scale * nearest(x[i] / scale, -code_limit, code_limit - 1) - (double)x[i];
            error += weight * difference * difference;
        }
        if (error < best_error) {
            best_error = error;
            best = scale;
        }
    }
    return best;
}

void tdl_quant_unpack_k(const uint8_t packed[12], uint8_t scales[8], uint8_t offsets[8]) {
    for (int i = 0; i < 4; i++) {
        scales[i] = packed[i] & 63;
        offsets[i] = packed[i + 4] & 63;
        scales[i + 4] = (uint8_t)((packed[i + 8] & 15) | packed[i] >> 6 << 4);
        offsets[i + 4] = (uint8_t)(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
}

void tdl_quant_pack_k(const uint8_t scales[8], const uint8_t offsets[8], uint8_t packed[12]) {
    for (int i = 0; i < 4; i++) {
        packed[i] = (uint8_t)(scales[i] | scales[i + 4] >> 4 << 6);
        packed[i + 4] = (uint8_t)(offsets[i] | offsets[i + 4] >> 4 << 6);
        packed[i + 8] = (uint8_t)((scales[i + 4] & 15) | offsets[i + 4] << 4);
    }
}

void tdl_quant_encode_k(const float *src, int code_max, uint8_t header[16], uint8_t *codes) {
    tdl_quant_affine fits[K_GROUPS];
    float scale_max = 0.0f, offset_max = 0.0f;
    for (int j = 0; j < K_GROUPS; j++) {
        fits[j] = tdl_quant_fit_affine(src + j * K_GROUP_N, K_GROUP_N, code_max);
        if (fits[j].scale > scale_max) scale_max = fits[j].scale;
        if (fits[j].offset > offset_max) offset_max = fits[j].offset;
    }
    tdl_block_store_f16(header, scale_max / FIELD_MAX);
    tdl_block_store_f16(header + OFFSET_DMIN, offset_max / FIELD_MAX);
    // What the decoder will see, with its rounding.
    float d = tdl_block_load_f16(header), dmin = tdl_block_load_f16(header + OFFSET_DMIN);

    uint8_t scales[K_GROUPS], offsets[K_GROUPS];
    for (int j = 0; j < K_GROUPS; j++) {
        const float *x = src + j * K_GROUP_N;
        choose_fields(x, fits[j], code_max, d, dmin, &scales[j], &offsets[j]);
        int group_codes[K_GROUP_N];
        round_affine(x, K_GROUP_N, (tdl_quant_affine){d * scales[j], dmin * offsets[j]}, code_max, group_codes);
        for (int i = 0; i < K_GROUP_N; i++) codes[j * K_GROUP_N + i] = (uint8_t)group_codes[i];
    }
    tdl_quant_pack_k(scales, offsets, header + OFFSET_FIELDS);
}

// Rounding scale and offset to 6 bits one by one need not be best either: the neighbours are tried too.
static void choose_fields(const float *x, tdl_quant_affine fit, int code_max, float d, float dmin, uint8_t *scale,
                          uint8_t *offset) {
    float weights[K_GROUP_N];
    int codes[K_GROUP_N];
    weigh(x, K_GROUP_N, weights);
    int scale_mid = d > 0.0f ? nearest(fit.scale / d, 0, FIELD_MAX) : 0;
    int offset_mid = dmin > 0.0f ? nearest(fit.offset / dmin, 0, FIELD_MAX) : 0;
    *scale = (uint8_t)scale_mid;
    *offset = (uint8_t)offset_mid;
    double best_error = INFINITY;
    for (int s = scale_mid - 1; s <= scale_mid + 1; s++) {
        for (int o = offset_mid - 1; o <= offset_mid + 1; o++) {
            if (s < 0 || s > FIELD_MAX || o < 0 || o > FIELD_MAX) continue;
            tdl_quant_affine rounded = {.scale = d * (float)s, .offset = dmin * (float)o};
            round_affine(x, K_GROUP_N, rounded, code_max, codes);
            double error = error_affine(x, weights, codes, K_GROUP_N, rounded);
            if (error < best_error) {
                best_error = error;
                *scale = (uint8_t)s;
                *offset = (uint8_t)o;
            }
        }
    }
}

// Large weights matter more to what a model computes, but an error on the small ones still counts.
static void weigh(const float *x, int n, float *weights) {
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    float rms = (float)sqrt(sum / n);
    for (int i = 0; i < n; i++) weights[i] = rms + fabsf(x[i]);
}

// Minimizes sum w (scale * code - offset - x)^2 over scale and offset >= 0.
static tdl_quant_affine solve_affine(const float *x, const float *weights, const int *codes, int n) {
    double sum = 0.0, sum_q = 0.0, sum_qq = 0.0, sum_x = 0.0, sum_xq = 0.0;
    for (int i = 0; i < n; i++) {
        double w = (double)weights[i], q = codes[i];
        sum += w;
        sum_q += w * q;
        sum_qq += w * q * q;
        sum_x += w * (double)x[i];
        sum_xq += w * (double)x[i] * q;
    }
    double determinant = sum * sum_qq - sum_q * sum_q;
    double scale = (sum * sum_xq - sum_q * sum_x) / determinant;
    double offset = (sum_q * sum_xq - sum_qq * sum_x) / determinant;
    if (!(determinant > 0.0) || offset < 0.0) {
        offset = 0.0;
        scale = sum_qq > 0.0 ? sum_xq / sum_qq : 0.0;
    }
    return (tdl_quant_affine){.scale = scale > 0.0 ? (float)scale : 0.0f, .offset = (float)offset};
}

static double error_affine(const float *x, const float *weights, const int *codes, int n, tdl_quant_affine fit) {
    double error = 0.0;
    for (int i = 0; i < n; i++) {
        double difference = (double)fit.scale * codes[i] - (double)fit.offset - (double)x[i];
        error += (double)weights[i] * difference * difference;
    }
    return error;
}

static void round_affine(const float *x, int n, tdl_quant_affine fit, int code_max, int *codes) {
    for (int i = 0; i < n; i++) {
        codes[i] = fit.scale > 0.0f ? nearest((x[i] + fit.offset) / fit.scale, 0, code_max) : 0;
    }
}

static int nearest(float value, int min, int max) { return tdl_block_clamp(rintf(value), min, max); }

// Of the number of steps in the range: from one less to one more.
static float try_shift(int k) { return (float)k * (2.0f / (N_TRIES - 1)) - 1.0f; }
