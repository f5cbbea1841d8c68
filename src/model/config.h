// SPDX-License-Identifier: MIT
// config.h - one checkpoint's numbers, read from GGUF keys or a config.json, validated.
#ifndef TDL_MODEL_CONFIG_H
#define TDL_MODEL_CONFIG_H

#include "format/weights.h"
#include "model/arch.h"

// How RoPE's frequencies are stretched to contexts longer than trained.
typedef enum tdl_rope_scaling {
    TDL_ROPE_PLAIN = 0,
    TDL_ROPE_LINEAR, // positions divided by factor (Chen et al. 2023)
    TDL_ROPE_LLAMA3, // low frequencies divided by factor, high ones kept, smooth between (Llama 3.1)
    TDL_ROPE_YARN,   // by wavelength against the original context, and a scale on cos and sin (Peng et al. 2023)
} tdl_rope_scaling;

typedef struct tdl_rope_config {
    tdl_rope_scaling scaling;
    int32_t n_rot; // elements of a head that rotate; even
    bool pairs;    // adjacent elements form a pair; otherwise element i with i + n_rot / 2
    double theta;  // base of the frequencies
    double factor;
    double low_freq_factor, high_freq_factor; // llama3
    double beta_fast, beta_slow;              // yarn
    double attn_factor;                       // scale on cos and sin
    bool truncate;                            // yarn: whole numbers for the ramp's ends
    int32_t n_ctx_orig;                       // context before scaling
} tdl_rope_config;

typedef struct tdl_config {
    int32_t n_vocab, n_ctx, n_embd, n_layers, n_heads, n_kv_heads, head_dim, n_ff;
    int32_t n_experts, n_experts_used, n_ff_expert; // 0: there are no experts
    bool experts_renorm;                            // the weights of a token's experts add up to 1
    float norm_eps;
    tdl_act act;
    bool tied; // the output matrix is the embedding table, as the config says; the tensors decide
    tdl_rope_config rope;
    const char *assumed; // the first size that a config.json does not say: its class's own was taken; NULL: it says all
    uint32_t biases;     // TDL_BIAS_*: matrices that must have a bias
    bool biases_by_file; // others have one where the file has it (GGUF); otherwise they have none
    int32_t windows[TDL_LAYERS_MAX]; // [n_layers] sliding window of each layer; 0: none
} tdl_config;

// What a config.json does not say is as in the family's class in Transformers 5, what a GGUF file does not say as in llama.cpp.
// n_vocab stays 0 where the file does not say: the embedding table's rows then count. Does not look for keys that it does
// not read: that is tdl_config_keys_check.
// Errors: FORMAT (missing, out of range, contradicting), UNSUPPORTED (architecture, activation, RoPE scaling).
tdl_status tdl_config_read(const tdl_weights *weights, const tdl_arch **arch, tdl_config *config, tdl_error *err);

// What YaRN scales cos and sin by where nothing else is said: 0.1 ln(factor) + 1 (Peng et al. 2023).
double tdl_rope_yarn_scale(double factor);

// The RoPE frequencies: inv_freq [n_rot / 2] (out), and the factor on cos and sin.
// divisors [n_rot / 2]: the file's own, one a frequency (rope_freqs.weight of GGUF files); NULL: none.
void tdl_rope_frequencies(const tdl_rope_config *rope, const float *divisors, float *inv_freq, float *scale);
// Copies the rows (of a matrix, or the elements of a vector) of q or k to `data`, so that the halves of each head's first
// n_rot rows become neighbours, pair by pair, or with `back` the other way round. t is packed, and `data` has its size.
void tdl_rope_rows(const tdl_tensor *t, int32_t head_dim, int32_t n_rot, bool back, void *data);

#endif
