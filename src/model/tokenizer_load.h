// SPDX-License-Identifier: MIT
// tokenizer_load.h - the tokenizer of a model file: from GGUF's metadata, or the directory's tokenizer.json.
#ifndef TDL_MODEL_TOKENIZER_LOAD_H
#define TDL_MODEL_TOKENIZER_LOAD_H

#include "format/weights.h"
#include "token/tokenizer_json.h"

// *out is NULL where the file carries no tokenizer. Errors: FORMAT, UNSUPPORTED, MEMORY, LIMIT.
tdl_status tdl_tokenizer_load(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer **out,
                              tdl_error *err);

// The description of a directory's tokenizer to `use`, whose texts live for that call. ARGUMENT: there is none, or the
// weights are a GGUF file's.
tdl_status tdl_tokenizer_describe(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer_use use,
                                  void *arg, tdl_error *err);
// The same of a GGUF file's tokenizer.ggml.* keys. FORMAT: there are none.
tdl_status tdl_tokenizer_describe_gguf(const tdl_weights *weights, const tdl_allocator *mem, tdl_tokenizer_use use,
                                       void *arg, tdl_error *err);

#endif
