// SPDX-License-Identifier: MIT
// tokenizer_json_steps.h - the parts of a tokenizer.json around the model, as steps of a tdl_tokenizer_desc.
#ifndef TDL_TOKEN_TOKENIZER_JSON_STEPS_H
#define TDL_TOKEN_TOKENIZER_JSON_STEPS_H

#include "base/json.h"
#include "token/tokenizer.h"

// What is read from a file before the tokenizer is created. Texts are borrowed from the JSON values or literals.
typedef struct tdl_json_steps {
    tdl_vec normalizers;   // tdl_normalizer_desc
    tdl_vec pretokenizers; // tdl_pretokenizer_desc
    bool byte_level;       // pieces are written in GPT-2's byte alphabet
    bool byte_level_decoder;
    tdl_token_decoder decoder;
    int32_t bos, eos; // what the post-processor puts before and after a text; -1: nothing
} tdl_json_steps;

void tdl_json_steps_init(tdl_json_steps *steps, const tdl_allocator *mem);
void tdl_json_steps_deinit(tdl_json_steps *steps);

// Reads "normalizer", "pre_tokenizer", "decoder" and "post_processor" of the root object.
// Errors: FORMAT, UNSUPPORTED (a step's type or option; the message names it), MEMORY.
tdl_status tdl_json_steps_read(tdl_json_steps *steps, json_t *root, tdl_error *err);

// The string under `key`, or `size` 0 where it is absent or something else.
tdl_text tdl_json_text(const json_t *object, const char *key);

#endif
