// SPDX-License-Identifier: MIT
// fresh_shape.h - models of a size that suits a first try: the config.json and the settings of a run with nothing but data.
#ifndef TDL_TRAIN_FRESH_SHAPE_H
#define TDL_TRAIN_FRESH_SHAPE_H

#include "base/alloc.h"

// A llama with tied embeddings, and how it is trained where the run does not say.
typedef struct tdl_fresh_shape {
    const char *name;
    int32_t n_vocab; // of the tokenizer that is trained for it
    int32_t n_embd, n_layers, n_heads, n_kv_heads, n_ff, n_ctx;
    int32_t n_steps, n_batch, n_seq;
    float lr;
} tdl_fresh_shape;

// "tiny" or "small"; NULL: there is no such shape.
const tdl_fresh_shape *tdl_fresh_shape_find(const char *name);

// Makes what is not there yet: DIR/tokenizer.json, trained on `data`, unless `tokenizer` names one; then DIR/config.json for
// its vocabulary. n_vocab 0: the shape's. Errors: as tdl_tokenizer_train, and of opening the tokenizer.
typedef struct tdl_fresh_files_desc {
    const tdl_allocator *mem;
    const tdl_fresh_shape *shape;
    const char *dir;
    const char *tokenizer; // NULL: DIR/tokenizer.json
    const char *const *data;
    size_t n_data;
    int32_t n_vocab;
    bool (*progress)(void *user, double fraction);
    void *progress_user;
} tdl_fresh_files_desc;
tdl_status tdl_fresh_files(const tdl_fresh_files_desc *desc, tdl_error *err);

#endif
