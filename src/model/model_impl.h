// SPDX-License-Identifier: MIT
// model_impl.h - a model from inside: what build.c, model.c and run/ share. Public handle: tdl_model.
#ifndef TDL_MODEL_IMPL_H
#define TDL_MODEL_IMPL_H

#include "graph/exec.h"
#include "graph/plan_make.h"
#include "model/kv_cache.h"
#include "model/params.h"
#include "model/warnings.h"

#include <pthread.h>

// Some rows of a weight that a device takes only in parts.
typedef struct tdl_weight_part {
    int32_t weight;
    tdl_layout layout;
    int64_t first, count; // rows
    tdl_buffer *buffer;   // NULL: not made yet
} tdl_weight_part;

struct tdl_model {
    const tdl_allocator *mem;
    tdl_device *device;
    bool owns_device;
    tdl_precision precision;
    bool invariant;
    tdl_weights *weights;
    const tdl_arch *arch;
    tdl_config config;
    tdl_warnings warnings;
    tdl_params params;
    tdl_tokenizer *tokenizer; // NULL: the file has none
    tdl_dtype dtype;          // the commonest among the matrices
    tdl_dtype kv_dtype;
    uint64_t n_params;
    int32_t n_lora;       // matrices that an adapter was merged into
    uint64_t lora_size;   // bytes of them
    tdl_dtype lora_dtype; // of the first
    char name[128];
    bool has_template;
    pthread_mutex_t binding;                  // guards buffers, parts: a plan may be the first to want a layout
    tdl_buffer *(*buffers)[TDL_LAYOUT_COUNT]; // [params.n]: each weight in each layout some plan uses
    tdl_vec parts;                            // tdl_weight_part: of weights that plans use in parts
};

// A program's desc as this library knows it, checked; `who` begins messages. Errors: ARGUMENT.
tdl_status tdl_model_desc_copy(const char *who, const tdl_model_desc *desc, tdl_model_desc *d, tdl_error *err);
// tdl_model_open over weights that are there already, and that the model takes over, on failure too. desc's path, bytes
// and reader are not used; it is one of this library's own size. Weights get to the device when a plan first wants them.
tdl_status tdl_model_open_weights(tdl_weights *weights, const tdl_model_desc *desc, tdl_model **out, tdl_error *err);

// What a plan of the model is made for.
typedef struct tdl_model_limits {
    int32_t n_tokens, n_seqs, n_outputs; // in a step
    int32_t n_pages;                     // in the pool
    int32_t n_seq_pages;                 // of one sequence at most
    int32_t n_slots; // tokens are picked on the device, into so many slots; 0: a step ends with logits
    bool keep_values;
} tdl_model_limits;

// The model's graph (build.c).
void tdl_model_build(const tdl_model *model, const tdl_model_limits *limits, tdl_graph *g);

// How a training step's forward pass differs: no cache, a fixed number of tokens, weights that change.
typedef struct tdl_model_train {
    int32_t n_tokens;
    const bool *trained; // [params.n] these weights are F32, of the trainer's own
    // LoRA (Hu et al. 2021): y = x w^T + scale (x a^T) b^T. adapter [params.n]: the number of a matrix's pair, -1: it has none;
    // a [rank, K] is weight number params.n + 2 adapter, b [N, rank] the one after it. NULL: no adapters.
    const int32_t *adapter;
    int32_t rank;
    float scale;
    float dropout;           // of the embedding and of what each block adds; 0: none
    float attention_dropout; // of attention's weights
} tdl_model_train;

// The forward pass up to the last norm, for packed documents (see ops/self_attention). Sets the values of the matrix that makes
// logits of it, and the number of the first op of each layer: layers [n_layers]. Returns the value [n_tokens, n_embd].
int32_t tdl_model_build_train(const tdl_model *model, const tdl_model_train *train, tdl_graph *g, int32_t *output,
                              int32_t *layers);
// The shape of weight number `weight` as it is trained: F32; of an adapter too.
tdl_status tdl_model_train_tensor(const tdl_model *model, const tdl_model_train *train, int32_t weight, tdl_tensor *out,
                                  tdl_error *err);

// The buffer of a plan's weight, made where it is not there yet. Errors: MEMORY, DEVICE, DEVICE_LOST.
tdl_status tdl_model_weight_buffer(tdl_model *model, const tdl_value *value, tdl_buffer **out, tdl_error *err);
// Somebody has a copy of the weight, and neither a plan nor an export reads the model's own from now on: its memory is let go,
// its shape stays.
void tdl_model_drop_weight(tdl_model *model, int32_t weight);
tdl_kv_desc tdl_model_kv_desc(const tdl_model *model, int32_t n_pages);
// Graph and plan in one. Where the device cannot bind what so many tokens make, the plan is for fewer (plan->max): a chunk of
// the prompt is what a step computes. Errors: MEMORY, LIMIT (not even one token fits).
tdl_status tdl_model_plan(const tdl_model *model, const tdl_model_limits *limits, tdl_plan **out, tdl_error *err);
// The plan's program over the model's weights and this cache. picked: the slots' buffer; NULL where there are none. Makes the
// layouts that are not there yet.
tdl_status tdl_model_exec(tdl_model *model, const tdl_plan *plan, const tdl_kv_cache *cache, tdl_buffer *picked,
                          tdl_exec **out, tdl_error *err);

#endif
