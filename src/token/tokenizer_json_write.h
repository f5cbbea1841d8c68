// SPDX-License-Identifier: MIT
// tokenizer_json_write.h - writes a byte-level BPE tokenizer as a tokenizer.json, with the keys of Hugging Face's tokenizers.
#ifndef TDL_TOKEN_TOKENIZER_JSON_WRITE_H
#define TDL_TOKEN_TOKENIZER_JSON_WRITE_H

#include "token/tokenizer.h"

// Appends the text. Of the description: scheme BPE, tokens, kinds, flags, merges (as texts), pre or SPLIT pre-tokenizers of
// regexes, unk, bos, eos, add_bos, add_eos, ignore_merges. Errors: UNSUPPORTED (another scheme, normalizers, other
// pre-tokenizers; the message says which), MEMORY.
tdl_status tdl_tokenizer_json_write(const tdl_tokenizer_desc *desc, tdl_str *json, tdl_error *err);

#endif
