// SPDX-License-Identifier: MIT
// tokenizer_json.h - builds a tokenizer from a Hugging Face tokenizer.json.
#ifndef TDL_TOKEN_TOKENIZER_JSON_H
#define TDL_TOKEN_TOKENIZER_JSON_H

#include "token/tokenizer.h"

typedef struct tdl_tokenizer_json_desc {
    const tdl_allocator *mem;
    tdl_text json;        // tokenizer.json
    tdl_text config_json; // tokenizer_config.json, for bos/eos and add_bos_token; size 0 where there is none
    int32_t bos, eos;     // from config.json or generation_config.json; -1: not given there
    const int32_t *ends;  // [n_ends] further end-of-generation ids
    size_t n_ends;
} tdl_tokenizer_json_desc;

// Errors: FORMAT, UNSUPPORTED (a model type or pre-tokenizer we do not have: the message names it), MEMORY, LIMIT.
tdl_status tdl_tokenizer_from_json(const tdl_tokenizer_json_desc *desc, tdl_tokenizer **out, tdl_error *err);

// The same, but the description goes to `use` instead of becoming a tokenizer; all its texts live for that call.
typedef tdl_status (*tdl_tokenizer_use)(void *arg, const tdl_tokenizer_desc *desc, tdl_error *err);
tdl_status tdl_tokenizer_json_describe(const tdl_tokenizer_json_desc *desc, tdl_tokenizer_use use, void *arg,
                                       tdl_error *err);

#endif
