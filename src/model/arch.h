// SPDX-License-Identifier: MIT
// arch.h - a model family is a row in a table. Its columns are mechanisms; the numbers come from the file.
//
// Nothing outside model/ asks which family a model is, and inside it only the columns are asked. A new family is a new row; a
// new mechanism is a new value of a column and the block that builds it (build.c).
#ifndef TDL_MODEL_ARCH_H
#define TDL_MODEL_ARCH_H

#include "base/str.h"
#include "ops/op.h"

typedef enum tdl_norm_kind { TDL_NORM_RMS = 1, TDL_NORM_LAYER } tdl_norm_kind;
typedef enum tdl_position_kind { TDL_POSITION_LEARNED = 1, TDL_POSITION_ROPE } tdl_position_kind;
typedef enum tdl_ffn_kind {
    TDL_FFN_MLP = 1,
    TDL_FFN_GLU,
    TDL_FFN_EXPERTS, // several gated units, of which a router picks a few for each token
} tdl_ffn_kind;

// Which layers of a config.json's model attend in its sliding window. In a GGUF file the key says it: all, or a pattern.
typedef enum tdl_window_kind {
    TDL_WINDOW_NONE = 0,
    TDL_WINDOW_ALL,   // every layer
    TDL_WINDOW_UPPER, // layers from max_window_layers on, or as layer_types says
} tdl_window_kind;

// How a checkpoint of the Hugging Face kind names its tensors: a column of roles.def.
typedef enum tdl_naming {
    TDL_NAMING_GGUF = 0,
    TDL_NAMING_LLAMA,
    TDL_NAMING_GPT2,
    TDL_NAMING_MIXTRAL, // llama's, but for the experts
    TDL_NAMING_COUNT
} tdl_naming;

enum { TDL_BIAS_QKV = 1, TDL_BIAS_OUT = 2, TDL_BIAS_FFN = 4 };

// What the family's class in Transformers takes where a config.json says nothing.
typedef struct tdl_class_defaults {
    int32_t n_embd, n_ff, n_layers, n_heads;
    int32_t n_kv_heads; // 0: n_heads
    int32_t head_dim;   // 0: n_embd / n_heads
    int32_t n_ctx;
    int32_t n_experts, n_experts_used, n_ff_expert;
    int32_t window, first_window_layer; // window 0: none
    double norm_eps, rope_theta;
    bool tied, experts_renorm;
} tdl_class_defaults;

typedef struct tdl_arch {
    const char *name;       // general.architecture of a GGUF file
    const char *model_type; // of a config.json
    const char *hf_class;   // its architectures[0]
    tdl_norm_kind norm;     // before attention, before the FFN, at the end
    tdl_position_kind position;
    tdl_ffn_kind ffn;
    tdl_act act; // where the checkpoint does not say
    tdl_window_kind window;
    bool window_switch;     // only where use_sliding_window is true
    uint32_t biases;        // matrices that must have a bias
    uint32_t config_biases; // matrices that have one where attention_bias or mlp_bias says so
    bool qk_norm;           // an RMS norm over each head of q and k
    bool qkv_fused;         // one matrix [q; k; v]
    bool gguf_rope_pairs;   // GGUF files have q and k permuted so that adjacent elements form a RoPE pair
    tdl_naming naming;
    bool conv1d; // Hugging Face checkpoints store the blocks' matrices as [in, out]
    tdl_class_defaults defaults;
} tdl_arch;

// A GGUF name may stand for several rows: files of Mistral and Mixtral models say "llama". NULL: there is no such row.
const tdl_arch *tdl_arch_find_gguf(tdl_text name, bool experts, bool window);
const tdl_arch *tdl_arch_find_hf(tdl_text model_type);
const tdl_arch *tdl_arch_at(size_t i);        // NULL past the end
size_t tdl_arch_family(const tdl_arch *arch); // its row's number

#endif
