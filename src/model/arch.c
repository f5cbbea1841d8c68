// arch.c - the architecture table. See arch.h for what the columns mean.
//
// Sources: GPT-2 (Radford et al. 2019); LLaMA (Touvron et al. 2023); Mistral 7B (Jiang et al. 2023); Qwen2 and Qwen3 technical
// reports (2024, 2025); Mixtral of Experts (Jiang et al. 2024). GGUF files of Mistral and Mixtral models call themselves "llama".
#include "model/arch.h"

#include "base/str.h"

static const tdl_arch archs[] = {
    {.name = "gpt2",
     .norm = TDL_NORM_LAYER,
     .position = TDL_POSITION_LEARNED,
     .ffn = TDL_FFN_MLP,
     .act = TDL_ACT_GELU_TANH,
     .biases = TDL_BIAS_QKV | TDL_BIAS_OUT | TDL_BIAS_FFN,
     .qkv_fused = true,
     .naming = TDL_NAMING_GPT2,
     .conv1d = true},
    {.name = "llama",
     .alias = "mistral",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_ALL,
     .gguf_rope_pairs = true,
     .naming = TDL_NAMING_LLAMA},
    {.name = "qwen2",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_UPPER,
     .biases = TDL_BIAS_QKV,
     .naming = TDL_NAMING_LLAMA},
    {.name = "qwen3",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_GLU,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_UPPER,
     .qk_norm = true,
     .naming = TDL_NAMING_LLAMA},
    {.name = "llama",
     .alias = "mixtral",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_EXPERTS,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_ALL,
     .experts_renorm = true,
     .gguf_rope_pairs = true,
     .naming = TDL_NAMING_MIXTRAL},
    {.name = "qwen3moe",
     .alias = "qwen3_moe",
     .norm = TDL_NORM_RMS,
     .position = TDL_POSITION_ROPE,
     .ffn = TDL_FFN_EXPERTS,
     .act = TDL_ACT_SILU,
     .window = TDL_WINDOW_UPPER,
     .experts_renorm = true,
     .qk_norm = true,
     .naming = TDL_NAMING_LLAMA},
};

const tdl_arch *tdl_arch_find(tdl_text name, bool experts) {
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        bool named = tdl_text_is(name, archs[i].name) || (archs[i].alias && tdl_text_is(name, archs[i].alias));
        if (named && (archs[i].ffn == TDL_FFN_EXPERTS) == experts) return &archs[i];
    }
    return NULL;
}

const tdl_arch *tdl_arch_at(size_t i) { return i < sizeof archs / sizeof *archs ? &archs[i] : NULL; }
