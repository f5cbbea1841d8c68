// params.h - a model's tensors by role: found under the file's names, their shapes checked, made fit for the plan.
//
// Matrices stay in the file. Vectors (norms, biases, RoPE frequencies) become F32 of the model's own: they are small, and
// lie in the file between matrices whose pages are let go. So is a matrix copied that the file has transposed (GPT-2's
// Conv1D) or at an address too odd for its type, and so are experts that have a tensor each.
#ifndef TDL_MODEL_PARAMS_H
#define TDL_MODEL_PARAMS_H

#include "model/config.h"

typedef enum tdl_role {
#define TDL_ROLE(id, rows, cols, gguf, llama, gpt2) TDL_ROLE_##id,
#define TDL_ROLE_EXPERTS(id, rows, cols, gguf, llama, mixtral) TDL_ROLE_##id,
#include "model/roles.def"
#undef TDL_ROLE
#undef TDL_ROLE_EXPERTS
    TDL_ROLE_COUNT
} tdl_role;

// Whether a model of a row and config has a tensor: never, where the file has it, always.
typedef enum tdl_need { TDL_NEED_ABSENT = 0, TDL_NEED_OPTIONAL, TDL_NEED_REQUIRED } tdl_need;

tdl_need tdl_role_need(tdl_role role, const tdl_arch *arch, const tdl_config *config);
bool tdl_role_per_layer(tdl_role role);
bool tdl_role_is_vector(tdl_role role);
// Whether it is the matrices of all experts, one after another; Hugging Face directories have one tensor each.
bool tdl_role_is_experts(tdl_role role);
// shape [1 or 2]; returns how many dimensions.
int32_t tdl_role_shape(tdl_role role, const tdl_config *config, int64_t *shape);
// The tensor's name in files of this kind to name [TDL_ROLE_NAME_SIZE]; false where they have no such tensor. expert: whose matrix
// it is, where each has a tensor; else it does not matter.
enum { TDL_ROLE_NAME_SIZE = 128 };
bool tdl_role_name(tdl_role role, tdl_naming naming, int32_t layer, int32_t expert, char *name);

typedef struct tdl_param {
    const char *name;  // GGUF's name, whatever the file's kind; NULL: the model has no such tensor
    tdl_tensor tensor; // in the file, or in `owned`
    void *owned;       // NULL: in the file
} tdl_param;

typedef struct tdl_params {
    const tdl_allocator *mem;
    tdl_arena names;
    tdl_param *list; // [n], numbered by tdl_param_index
    int32_t n;
    float rope_scale; // on cos and sin
} tdl_params;

enum { TDL_NO_LAYER = -1 };
static inline int32_t tdl_param_index(tdl_role role, int32_t layer) {
    return (layer + 1) * TDL_ROLE_COUNT + (int32_t)role;
}
// NULL where the model has no such tensor.
static inline const tdl_param *tdl_param_get(const tdl_params *params, tdl_role role, int32_t layer) {
    const tdl_param *param = &params->list[tdl_param_index(role, layer)];
    return param->name ? param : NULL;
}

// Sets config->n_vocab from the embedding table where the config does not say.
// Errors: FORMAT (missing or misshaped tensors, by name), UNSUPPORTED (a type without a decoder), MEMORY.
tdl_status tdl_params_load(tdl_params *params, const tdl_weights *weights, const tdl_arch *arch, tdl_config *config,
                           const tdl_allocator *mem, tdl_error *err);
void tdl_params_deinit(tdl_params *params);

#endif
