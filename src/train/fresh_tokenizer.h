// SPDX-License-Identifier: MIT
// fresh_tokenizer.h - the tokenizer of a model that was not trained yet, from a tokenizer.json or a GGUF file.
#ifndef TDL_TRAIN_FRESH_TOKENIZER_H
#define TDL_TRAIN_FRESH_TOKENIZER_H

#include "format/weights.h"

// Fills weights->tokenizer_json and weights->tokenizer_config from `path`: a tokenizer.json, with a tokenizer_config.json
// beside it where there is one; or a GGUF file with a byte-level BPE vocabulary, or with a tokenizer.json in it. Errors: IO,
// FORMAT, UNSUPPORTED (a GGUF file of SentencePiece's kind), MEMORY, LIMIT.
tdl_status tdl_fresh_tokenizer(tdl_weights *weights, const char *path, tdl_error *err);

#endif
