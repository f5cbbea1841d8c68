// SPDX-License-Identifier: MIT
// rope_frequencies.c - RoPE's frequencies theta^(-2i/n) (Su et al. 2021), the ways they are stretched, and the orders of the
// rows that it turns.
#include "model/config.h"

#include <math.h>
#include <string.h>

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

static double llama3(const tdl_rope_config *r, double freq) {
    double wavelength = 2 * M_PI / freq;
    if (wavelength < r->n_ctx_orig / r->high_freq_factor) return freq;
    if (wavelength > r->n_ctx_orig / r->low_freq_factor) return freq / r->factor;
    double smooth = (r->n_ctx_orig / wavelength - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
    return (1 - smooth) * freq / r->factor + smooth * freq;
}

// The dimension whose frequency turns `rotations` times over the original context.
static double yarn_dimension(const tdl_rope_config *r, double rotations) {
    return r->n_rot * log(r->n_ctx_orig / (rotations * 2 * M_PI)) / (2 * log(r->theta));
}

static double yarn(const tdl_rope_config *r, double freq, int32_t i) {
    double low = yarn_dimension(r, r->beta_fast), high = yarn_dimension(r, r->beta_slow);
    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, r->n_rot - 1);
    if (low == high) high += 0.001; // no division by zero
    double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return freq / r->factor * ramp + freq * (1 - ramp);
}

void tdl_rope_frequencies(const tdl_rope_config *r, const float *divisors, float *inv_freq, float *scale) {
    *scale = (float)r->attn_factor;
    for (int32_t i = 0; i < r->n_rot / 2; i++) {
        double freq = 1 / pow(r->theta, 2.0 * i / r->n_rot);
        if (r->scaling == TDL_ROPE_LINEAR) freq /= r->factor;
        if (r->scaling == TDL_ROPE_LLAMA3) freq = llama3(r, freq);
        if (r->scaling == TDL_ROPE_YARN) freq = yarn(r, freq, i);
        if (divisors) freq /= divisors[i];
        inv_freq[i] = (float)freq;
    }
}

void tdl_rope_rows(const tdl_tensor *t, int32_t head_dim, int32_t n_rot, bool back, void *data) {
    size_t row_size = tdl_tensor_size(t) / (size_t)t->shape[0];
    for (int64_t row = 0; row < t->shape[0]; row++) {
        int64_t i = row % head_dim; // halves: i and i + n_rot / 2; pairs: 2 i and 2 i + 1
        int64_t paired = i >= n_rot ? i : i < n_rot / 2 ? 2 * i : 2 * i - n_rot + 1;
        int64_t halves_row = row, pairs_row = row - i + paired;
        memcpy((uint8_t *)data + (size_t)(back ? halves_row : pairs_row) * row_size,
               t->data + (size_t)(back ? pairs_row : halves_row) * row_size, row_size);
    }
}
