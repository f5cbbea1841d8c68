// SPDX-License-Identifier: MIT
// train_engine.h - a model's trainable state on its device: weights, gradients, moments, and the plans that move them.
//
//     tdl_train_engine_gradients(e, &micro, &hyper, err);      // begins; once for each micro-batch of a step
//     while ((status = tdl_train_engine_poll(e, err)) == TDL_PENDING) ...;    // tdl_train_engine_losses(e)
//     tdl_train_engine_update(e, &hyper, err);                 // begins; then poll; tdl_train_engine_stats(e)
//
// It does not know where tokens come from, what the learning rate should be, or what a file is.
#ifndef TDL_TRAIN_ENGINE_H
#define TDL_TRAIN_ENGINE_H

#include "ops/hyper.h"
#include "train/train_plan.h"

typedef struct tdl_train_engine tdl_train_engine;

// Which parameters are trained, and how.
typedef struct tdl_train_engine_desc {
    tdl_model *model; // borrowed until destroy
    int32_t n_tokens; // of a micro-batch
    const char *const
        *freeze; // [n_freeze] patterns of names (GGUF's) that stay as they are, without adapters too: "blk.0.*"
    size_t n_freeze;
    int32_t lora_rank;               // 0: no adapters, every parameter is trained
    float lora_alpha;                // adapters are scaled by lora_alpha / lora_rank
    const char *const *lora_targets; // [n_lora_targets] patterns of matrices that get adapters
    size_t n_lora_targets;
    float dropout, attention_dropout;
    bool recompute;
    tdl_precision precision;
    float beta1, beta2, eps, weight_decay;
    uint64_t seed; // of the adapters' first weights
} tdl_train_engine_desc;

// One micro-batch, each [n_tokens]; see the step inputs. Borrowed for the call.
typedef struct tdl_micro_batch {
    const int32_t *ids, *targets, *positions, *id_order, *position_order;
    int32_t seed[2];
} tdl_micro_batch;

typedef struct tdl_hypers {
    float values[TDL_HYPER_COUNT];
} tdl_hypers;

// Errors: ARGUMENT (a pattern that fits nothing), MEMORY, LIMIT, UNSUPPORTED, DEVICE.
tdl_status tdl_train_engine_create(const tdl_train_engine_desc *desc, tdl_train_engine **out, tdl_error *err);
void tdl_train_engine_destroy(tdl_train_engine *engine);

// Each begins one piece of work; the one before must have ended. Errors: ARGUMENT, DEVICE, DEVICE_LOST.
tdl_status tdl_train_engine_gradients(tdl_train_engine *engine, const tdl_micro_batch *batch, const tdl_hypers *hypers,
                                      tdl_error *err);
tdl_status tdl_train_engine_loss(tdl_train_engine *engine, const tdl_micro_batch *batch, tdl_error *err);
tdl_status tdl_train_engine_update(tdl_train_engine *engine, const tdl_hypers *hypers, tdl_error *err);
// With the weights as they are: what comes after ids[row], of n_tokens at positions, as of a packed document. logits [n_vocab] are
// there when poll returns OK. n_tokens is the same in every call.
tdl_status tdl_train_engine_logits(tdl_train_engine *engine, const int32_t *ids, const int32_t *positions,
                                   int32_t n_tokens, int32_t row, float *logits, tdl_error *err);
tdl_status tdl_train_engine_poll(tdl_train_engine *engine, tdl_error *err);

// What the last piece of work left: each token's loss [n_tokens]; the norm of the gradients, and whether all were finite (if
// not, nothing was updated).
const float *tdl_train_engine_losses(const tdl_train_engine *engine);
float tdl_train_engine_grad_norm(const tdl_train_engine *engine, bool *finite);

// After losses or gradients that are not finite: begins to run the micro-batch again with every intermediate kept. Then, each time
// that poll has said OK, diagnosis looks at one more value: PENDING, or OK with a description of the first op that made a
// value that is not finite: text [text_size], "" where nothing was found.
tdl_status tdl_train_engine_diagnose(tdl_train_engine *engine, const tdl_micro_batch *batch, const tdl_hypers *hypers,
                                     tdl_error *err);
tdl_status tdl_train_engine_diagnosis(tdl_train_engine *engine, char *text, size_t text_size, tdl_error *err);

// The parameters that are trained.
int32_t tdl_train_engine_n_params(const tdl_train_engine *engine);
const tdl_trained *tdl_train_engine_param(const tdl_train_engine *engine, int32_t i);
// Which of them is the model's weight of this number, or an adapter (see tdl_model_train); -1: none.
int32_t tdl_train_engine_find(const tdl_train_engine *engine, int32_t weight);
// The number of elements of all of them.
int64_t tdl_train_engine_n_elements(const tdl_train_engine *engine);
const tdl_model_train *tdl_train_engine_train(const tdl_train_engine *engine);
// Bytes of a state's values, at a multiple of 4. The read has arrived when poll returns OK.
tdl_status tdl_train_engine_read(tdl_train_engine *engine, tdl_train_state kind, int32_t param, size_t offset,
                                 void *dst, size_t size, tdl_error *err);
tdl_status tdl_train_engine_write(tdl_train_engine *engine, tdl_train_state kind, int32_t param, size_t offset,
                                  const void *src, size_t size, tdl_error *err);

// Bytes on the device: weights (frozen ones included), gradients, moments, activations.
typedef struct tdl_train_sizes {
    uint64_t weights, gradients, moments, activations;
} tdl_train_sizes;
tdl_train_sizes tdl_train_engine_sizes(const tdl_train_engine *engine);
// The plans as text, one line an op; appended.
tdl_status tdl_train_engine_print(const tdl_train_engine *engine, tdl_str *text, tdl_error *err);

#endif
