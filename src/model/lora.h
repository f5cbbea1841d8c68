// SPDX-License-Identifier: MIT
// lora.h - LoRA adapters as directories of PEFT's, adapter_config.json and adapter_model.safetensors: read, and merged into a model.
//
//     tdl_lora *lora = NULL;
//     tdl_lora_open(model, "adapter", &lora, err);
//     for (size_t i = 0; i < lora->n; i++)                                // W + scale B A
//         tdl_lora_merge(&lora->pairs[i], &model->params.list[lora->pairs[i].param].tensor, merged);
//     tdl_lora_close(lora);
//
// A pair belongs to one of the model's matrices W [out, in]: A [rank, in], B [out, rank], and scale is alpha / rank (or
// alpha / sqrt(rank), "rank-stabilized"). Both lie as the model's own matrix does; where that came from a GGUF file that
// has q and k permuted, B's rows are turned when the adapter is read or written, so that the files are always PEFT's.
// After "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al. 2021).
#ifndef TDL_MODEL_LORA_H
#define TDL_MODEL_LORA_H

#include "model/model_impl.h"

typedef struct tdl_lora_pair {
    int32_t param; // number of the matrix in model->params
    float scale;
    tdl_tensor a, b; // F32, packed: [rank, in], [out, rank]
} tdl_lora_pair;

typedef struct tdl_lora {
    const tdl_allocator *mem;
    float alpha;
    int32_t rank; // of every pair; 0: of each its own
    bool rank_stabilized;
    char base[128];       // what it was made for, as its file says; "" where it does not
    tdl_lora_pair *pairs; // [n]; data is the adapter's own
    size_t n;
} tdl_lora;

// Errors: IO, MEMORY, LIMIT, FORMAT (another model's: the message names the tensor), UNSUPPORTED (DoRA, trained biases,
// fully trained modules, first values that change the model, another kind of adapter).
tdl_status tdl_lora_open(const tdl_model *model, const char *dir, tdl_lora **out, tdl_error *err);
void tdl_lora_close(tdl_lora *lora); // accepts NULL

// merged [out, in] = weight + scale B A. weight: packed, any type that has a decoder.
void tdl_lora_merge(const tdl_lora_pair *pair, const tdl_tensor *weight, float *merged);
// What a merged matrix is kept as, in memory and in a trained model's file alike: what adapters add is small, and BF16 would round
// much of it away.
static inline tdl_dtype tdl_lora_merged_dtype(tdl_dtype was) {
    return was == TDL_DTYPE_F32 ? TDL_DTYPE_F32 : TDL_DTYPE_F16;
}
// Merges the adapter in `dir`, or in the directory "adapter" there, into a model that no plan uses yet. The matrices that it changes
// become the model's own, of tdl_lora_merged_dtype, or F32 where the model is opened with that precision. Sets n_lora and
// lora_size. Errors: as of tdl_lora_open. path: the model's, NULL where it has none; an adapter that was made for another is a warning.
tdl_status tdl_lora_apply(tdl_model *model, const char *path, const char *dir, tdl_error *err);

// Whether the model has the rows of this matrix permuted.
bool tdl_lora_is_turned(const tdl_model *model, int32_t param);
// A copy of B with its rows from the file's order to the model's, or back; NULL: no memory.
void *tdl_lora_turn_rows(const tdl_lora *lora, const tdl_model *model, const tdl_tensor *b, bool back);
// What Hugging Face calls the module of matrix `param`, to name [TDL_ROLE_NAME_SIZE]: false where that is no matrix, or one without
// a name there.
bool tdl_lora_module_name(const tdl_model *model, int32_t param, char *name);
enum { TDL_LORA_KEY_SIZE = TDL_ROLE_NAME_SIZE + 48 }; // a tensor's name in the file
#define TDL_LORA_PREFIX "base_model.model."

#endif
