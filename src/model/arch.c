// SPDX-License-Identifier: MIT
// arch.c - the architecture table. See arch.h for what the columns mean.
//
// Sources: GPT-2 (Radford et al. 2019); LLaMA (Touvron et al. 2023); Mistral 7B (Jiang et al. 2023); Qwen2 and Qwen3 technical
// reports (2024, 2025); Mixtral of Experts (Jiang et al. 2024). GGUF files of Mistral and Mixtral models call themselves "llama".
// Defaults: the configuration classes of Transformers 5.24. The order is that of the letters in config_keys.def.
#include "model/arch.h"

#include "base/str.h"

static const tdl_arch archs[] = {
    {.name = "gpt2",
     .model_type = "gpt2",
     .hf_class = "GPT2LMHeadModel",
     .norm = TDL_NORM_LAYER,
     .position = TDL_POSITION_LEARNED,
     .ffn = TDL_FFN_MLP,
     .act = TDL_ACT_GELU_TANH,
     .biases = TDL_BIAS_QKV | TDL_BIAS_OUT | TDL_BIAS_FFN,
     .qkv_fused = true,
     .naming = TDL_NAMING_GPT2,
     .conv1d = true,
     .defaults = {.n_embd = 768, .n_layers = 12, .n_heads = 12, .n_ctx = 1024, .norm_eps = 1e-5, .tied = true}},
    {.name = "llama",
     .model_type = "llama",
     .hf_class = "LlamaForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .config_biases = TDL_BIAS_QKV | TDL_BIAS_OUT | TDL_BIAS_FFN,
     .gguf_rope_pairs = true,
     .naming = TDL_NAMING_LLAMA,
     .defaults = {.n_embd = 4096,
                  .n_ff = 11008,
                  .n_layers = 32,
                  .n_heads = 32,
                  .n_ctx = 2048,
                  .norm_eps = 1e-6,
                  .rope_theta = 10000}},
    {.name = "llama",
     .model_type = "mistral",
     .hf_class = "MistralForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_ALL,
     .gguf_rope_pairs = true,
     .naming = TDL_NAMING_LLAMA,
     .defaults = {.n_embd = 4096,
                  .n_ff = 14336,
                  .n_layers = 32,
                  .n_heads = 32,
                  .n_kv_heads = 8,
                  .n_ctx = 131072,
                  .window = 4096,
                  .norm_eps = 1e-6,
                  .rope_theta = 10000}},
    {.name = "llama",
     .model_type = "mixtral",
     .hf_class = "MixtralForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_EXPERTS,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_ALL,
     .gguf_rope_pairs = true,
     .naming = TDL_NAMING_MIXTRAL,
     .defaults = {.n_embd = 4096,
                  .n_ff = 14336,
                  .n_layers = 32,
                  .n_heads = 32,
                  .n_kv_heads = 8,
                  .n_ctx = 131072,
                  .n_experts = 8,
                  .n_experts_used = 2,
                  .norm_eps = 1e-5,
                  .rope_theta = 1000000,
                  .experts_renorm = true}},
    {.name = "qwen2",
     .model_type = "qwen2",
     .hf_class = "Qwen2ForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_UPPER,
     .window_switch = true,
     .biases = TDL_BIAS_QKV,
     .naming = TDL_NAMING_LLAMA,
     .defaults = {.n_embd = 4096,
                  .n_ff = 22016,
                  .n_layers = 32,
                  .n_heads = 32,
                  .n_kv_heads = 32,
                  .n_ctx = 32768,
                  .window = 4096,
                  .first_window_layer = 28,
                  .norm_eps = 1e-6,
                  .rope_theta = 10000}},
    {.name = "qwen3",
     .model_type = "qwen3",
     .hf_class = "Qwen3ForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_UPPER,
     .window_switch = true,
     .config_biases = TDL_BIAS_QKV | TDL_BIAS_OUT,
     .qk_norm = true,
     .naming = TDL_NAMING_LLAMA,
     .defaults = {.n_embd = 4096,
                  .n_ff = 22016,
                  .n_layers = 32,
                  .n_heads = 32,
                  .n_kv_heads = 32,
                  .head_dim = 128,
                  .n_ctx = 32768,
                  .window = 4096,
                  .first_window_layer = 28,
                  .norm_eps = 1e-6,
                  .rope_theta = 10000}},
    {.name = "qwen3moe",
     .model_type = "qwen3_moe",
     .hf_class = "Qwen3MoeForCausalLM",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_EXPERTS,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_ALL,
     .window_switch = true,
     .config_biases = TDL_BIAS_QKV | TDL_BIAS_OUT,
     .qk_norm = true,
     .naming = TDL_NAMING_LLAMA,
     .defaults = {.n_embd = 2048,
                  .n_ff = 6144,
                  .n_layers = 24,
                  .n_heads = 32,
                  .n_kv_heads = 4,
                  .n_ctx = 32768,
                  .n_experts = 128,
                  .n_experts_used = 8,
                  .n_ff_expert = 768,
                  .window = 4096,
                  .norm_eps = 1e-6,
                  .rope_theta = 10000}},
};

enum { N_ARCHS = sizeof archs / sizeof *archs };

// Of several rows the one whose attention has a window where the file has one; else the first.
const tdl_arch *tdl_arch_find_gguf(tdl_text name, bool experts, bool window) {
    const tdl_arch *found = NULL;
    for (const tdl_arch *arch = archs; arch < archs + N_ARCHS; arch++) {
        if (!tdl_text_is(name, arch->name) || (arch->ffn == TDL_FFN_EXPERTS) != experts) continue;
        if (!found || (window && found->window == TDL_WINDOW_NONE)) found = arch;
    }
    return found;
}

const tdl_arch *tdl_arch_find_hf(tdl_text model_type) {
    for (const tdl_arch *arch = archs; arch < archs + N_ARCHS; arch++)
        if (tdl_text_is(model_type, arch->model_type)) return arch;
    return NULL;
}

const tdl_arch *tdl_arch_at(size_t i) { return i < N_ARCHS ? &archs[i] : NULL; }

size_t tdl_arch_family(const tdl_arch *arch) { return (size_t)(arch - archs); }
