// SPDX-License-Identifier: MIT
// fresh.h - a model that has not learned anything: from a config.json and a tokenizer.json to weights in memory.
//
//     tdl_weights *weights = NULL;
//     status = tdl_fresh_weights(&(tdl_fresh_desc){.mem = mem, .config = "config.json", .tokenizer = "tokenizer.json",
//                                                  .seed = 7}, &weights, err);
//     status = tdl_model_open_weights(weights, &model_desc, &model, err);    // the way of every model
//
// All tensors are F32. Matrices: normal(0, initializer_range), 0.02 where the config does not say; those that write into
// the residual stream (attention's output, the FFN's last) divided by sqrt(2 x layers), as GPT-2's paper has it. Norms 1,
// biases 0. Each tensor draws from a stream of its own, seeded by its name, so that one more layer or another order of
// tensors leaves the others as they are.
#ifndef TDL_TRAIN_FRESH_H
#define TDL_TRAIN_FRESH_H

#include "format/weights.h"

typedef struct tdl_fresh_desc {
    const tdl_allocator *mem;
    const char *config; // a config.json, or a directory with one; a generation_config.json beside it is read too
    const char
        *tokenizer; // a tokenizer.json, or a GGUF file (fresh_tokenizer.h); NULL: beside the config, if there is one
    uint64_t seed;
} tdl_fresh_desc;

// A config says what will be trained, so here a key that nobody reads is an error, not passed over.
// Errors: IO, MEMORY, LIMIT, UNSUPPORTED, FORMAT (unknown keys, two that contradict each other, a tokenizer of another size).
tdl_status tdl_fresh_weights(const tdl_fresh_desc *desc, tdl_weights **out, tdl_error *err);

#endif
