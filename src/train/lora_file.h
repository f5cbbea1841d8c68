// SPDX-License-Identifier: MIT
// lora_file.h - LoRA adapters as directories of PEFT's: adapter_config.json and adapter_model.safetensors.
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
#ifndef TDL_TRAIN_LORA_FILE_H
#define TDL_TRAIN_LORA_FILE_H

#include "model/model_impl.h"

typedef struct tdl_lora_pair {
    int32_t param; // number of the matrix in model->params
    float scale;
    tdl_tensor a, b; // F32, packed: [rank, in], [out, rank]
} tdl_lora_pair;

typedef struct tdl_lora {
    const tdl_allocator *mem;
    float alpha;
    bool rank_stabilized;
    tdl_lora_pair *pairs; // [n]; data is the adapter's own
    size_t n;
} tdl_lora;

// Errors: IO, MEMORY, LIMIT, FORMAT (another model's: the message names the tensor), UNSUPPORTED (DoRA, trained biases,
// fully trained modules, another kind of adapter).
tdl_status tdl_lora_open(const tdl_model *model, const char *dir, tdl_lora **out, tdl_error *err);
void tdl_lora_close(tdl_lora *lora); // accepts NULL

// dir is made where it is not there. All pairs have one rank; their own `scale` is not used. base: the name or path of the
// model, for PEFT to find; NULL: "". Errors: ARGUMENT, UNSUPPORTED (a matrix that Hugging Face's names do not have), IO, MEMORY.
tdl_status tdl_lora_save(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                         tdl_error *err);

// merged [out, in] = weight + scale B A. weight: packed, any type that has a decoder.
void tdl_lora_merge(const tdl_lora_pair *pair, const tdl_tensor *weight, float *merged);

#endif
