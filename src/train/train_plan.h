// SPDX-License-Identifier: MIT
// train_plan.h - the plans of training: gradients of a micro-batch, its loss alone, and the optimizer's update; and one token's
// logits, for a sample.
//
// All work on the same states (buffers that the trainer owns, see tdl_train_state): the first adds to the gradients and
// leaves every token's loss, the second only the losses, the third reads the gradients, updates weights and moments, and
// clears the gradients for the next step.
#ifndef TDL_TRAIN_PLAN_H
#define TDL_TRAIN_PLAN_H

#include "model/model_impl.h"

// A parameter that is trained.
typedef struct tdl_trained {
    int32_t weight;    // its number among the model's weights; adapters follow them
    const char *name;  // GGUF's
    tdl_tensor tensor; // F32, data NULL
    bool decay;        // weight decay pulls it to zero: matrices
} tdl_trained;

// The states' numbers: parameter i's are TDL_TRAIN_<kind> * n_params + i; after them those there is one of.
typedef enum tdl_train_state {
    TDL_TRAIN_GRAD,
    TDL_TRAIN_WEIGHT,
    TDL_TRAIN_M,
    TDL_TRAIN_V,
    TDL_TRAIN_STATES
} tdl_train_state;
typedef enum tdl_train_shared {
    TDL_TRAIN_LOSSES, // [n_tokens] of the last micro-batch; 0 where the target is not counted
    TDL_TRAIN_NORMS,  // sums of squares of pieces of the gradients
    TDL_TRAIN_STATS,  // [4] the gradients' norm, the factor on them, whether they are finite, 0
    TDL_TRAIN_SHARED
} tdl_train_shared;

typedef struct tdl_train_plan_desc {
    const tdl_model *model;
    const tdl_model_train *train;
    const tdl_trained *params; // [n_params]
    int32_t n_params;
    tdl_precision precision;
    bool recompute;   // activation checkpointing: a layer's activations are computed again in its backward pass
    bool keep_values; // every intermediate can be read afterwards
    float beta1, beta2, eps, weight_decay;
} tdl_train_plan_desc;

// The shape of state number `state`. Errors: LIMIT.
tdl_status tdl_train_state_tensor(const tdl_train_plan_desc *desc, int32_t state, tdl_tensor *out, tdl_error *err);
static inline int32_t tdl_train_n_states(int32_t n_params) { return TDL_TRAIN_STATES * n_params + TDL_TRAIN_SHARED; }

// Errors: MEMORY, LIMIT, UNSUPPORTED (an op without a gradient or, on this device, without a kernel).
tdl_status tdl_train_plan_gradients(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err);
tdl_status tdl_train_plan_loss(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err);
// The logits of one token, TDL_STEP_OUTPUTS, are its output.
tdl_status tdl_train_plan_logits(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err);
tdl_status tdl_train_plan_update(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err);

#endif
