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

// Which layers attend in a sliding window, where the checkpoint has one and does not say it layer by layer.
typedef enum tdl_window_kind {
    TDL_WINDOW_NONE = 0,
    TDL_WINDOW_ALL,   // every layer
    TDL_WINDOW_UPPER, // layers from max_window_layers on, and only where use_sliding_window is true
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

typedef struct tdl_arch {
    const char *name;   // general.architecture of a GGUF file, model_type of a config.json
    const char *alias;  // another model_type with the same row; NULL: none
    tdl_norm_kind norm; // before attention, before the FFN, at the end
    tdl_position_kind position;
    tdl_ffn_kind ffn;
    tdl_act act; // where the checkpoint does not say
    tdl_window_kind window;
    uint32_t biases;      // matrices that must have a bias; elsewhere one is used where it is there
    bool experts_renorm;  // the chosen experts' weights add up to 1, where the checkpoint does not say
    bool qk_norm;         // an RMS norm over each head of q and k
    bool qkv_fused;       // one matrix [q; k; v]
    bool gguf_rope_pairs; // GGUF files have q and k permuted so that adjacent elements form a RoPE pair
    tdl_naming naming;
    bool conv1d; // Hugging Face checkpoints store the blocks' matrices as [in, out]
} tdl_arch;

// A name may stand for two rows, without and with experts (GGUF files of Mixtral say "llama"). NULL: there is no such row.
const tdl_arch *tdl_arch_find(tdl_text name, bool experts);
const tdl_arch *tdl_arch_at(size_t i); // NULL past the end

#endif
