// SPDX-License-Identifier: MIT
// params.h - a model's tensors by role: found under the file's names, their shapes checked, made fit for the plan.
//
// Matrices stay where they are, in the file mostly: whoever wants one asks for its rows. Vectors (norms, biases, RoPE
// frequencies) become F32 of the model's own. So is a matrix copied that the file has transposed (GPT-2's Conv1D) or a caller's
// bytes have at an address too odd for its type, and so are experts that have a tensor each.
//
// What a file has beyond that is judged too: a weight of a block that no role takes would change what the block computes, so it
// is an error; any other is only reported.
#ifndef TDL_MODEL_PARAMS_H
#define TDL_MODEL_PARAMS_H

#include "model/config.h"
#include "model/warnings.h"

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
    tdl_tensor tensor; // data NULL: in a file, at `place`, packed
    tdl_weights_place place;
    void *owned; // where the tensor is the parameter's own
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
// Errors: FORMAT (missing or misshaped tensors, by name, and weights of blocks that the config has not), UNSUPPORTED (a type
// without a decoder, a weight of a block that treadle has no use for), IO, MEMORY.
tdl_status tdl_params_load(tdl_params *params, const tdl_weights *weights, const tdl_arch *arch, tdl_config *config,
                           tdl_warnings *warnings, const tdl_allocator *mem, tdl_error *err);
void tdl_params_deinit(tdl_params *params);

// Rows [first, first + count) of a matrix, or a vector (0, its elements): where they are in memory, or read into *block, which
// the caller frees with tdl_free (NULL: nothing was read). Errors: IO, MEMORY.
tdl_status tdl_param_rows(const tdl_params *params, const tdl_weights *weights, const tdl_param *param, int64_t first,
                          int64_t count, tdl_tensor *out, void **block, tdl_error *err);
// The whole tensor likewise.
static inline tdl_status tdl_param_whole(const tdl_params *params, const tdl_weights *weights, const tdl_param *param,
                                         tdl_tensor *out, void **block, tdl_error *err) {
    return tdl_param_rows(params, weights, param, 0, param->tensor.shape[0], out, block, err);
}
// Makes a tensor that is in a file the parameter's own. Errors: IO, MEMORY.
tdl_status tdl_param_own(const tdl_params *params, const tdl_weights *weights, tdl_param *param, tdl_error *err);

#endif
