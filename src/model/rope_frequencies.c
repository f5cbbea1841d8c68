// SPDX-License-Identifier: MIT
// rope_frequencies.c - RoPE's frequencies theta^(-2i/n) (Su et al. 2021) and the ways they are stretched.
#include "model/config.h"

#include <math.h>

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
