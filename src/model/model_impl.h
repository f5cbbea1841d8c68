// model_impl.h - a model from inside: what build.c, model.c and run/ share. Public handle: tdl_model.
#ifndef TDL_MODEL_IMPL_H
#define TDL_MODEL_IMPL_H

#include "graph/exec.h"
#include "graph/plan_make.h"
#include "model/kv_cache.h"
#include "model/params.h"

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
    tdl_weights *weights;
    const tdl_arch *arch;
    tdl_config config;
    tdl_params params;
    tdl_tokenizer *tokenizer; // NULL: the file has none
    tdl_dtype dtype;          // the commonest among the matrices
    tdl_dtype kv_dtype;
    uint64_t n_params;
    char name[128];
    pthread_mutex_t binding;                  // guards buffers, parts: a plan may be the first to want a layout
    tdl_buffer *(*buffers)[TDL_LAYOUT_COUNT]; // [params.n]: each weight in each layout some plan uses
    tdl_vec parts;                            // tdl_weight_part: of weights that plans use in parts
};

// What a plan of the model is made for.
typedef struct tdl_model_limits {
    int32_t n_tokens, n_seqs, n_outputs; // in a step
    int32_t n_pages;                     // in the pool
    int32_t n_seq_pages;                 // of one sequence at most
    bool keep_values;
} tdl_model_limits;

// The model's graph (build.c).
void tdl_model_build(const tdl_model *model, const tdl_model_limits *limits, tdl_graph *g);
tdl_kv_desc tdl_model_kv_desc(const tdl_model *model, int32_t n_pages);
// Graph and plan in one. Errors: MEMORY, LIMIT.
tdl_status tdl_model_plan(const tdl_model *model, const tdl_model_limits *limits, tdl_plan **out, tdl_error *err);
// The plan's program over the model's weights and this cache. Makes the layouts that are not there yet.
tdl_status tdl_model_exec(tdl_model *model, const tdl_plan *plan, const tdl_kv_cache *cache, tdl_exec **out,
                          tdl_error *err);
// Lets go of file pages that a step read of weights which are in memory in another layout as well: the rows of a tied
// embedding table. A read maps many pages around the row, so that soon the whole table would be there twice.
void tdl_model_release(const tdl_model *model);

#endif
