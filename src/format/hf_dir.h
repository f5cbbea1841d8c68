// SPDX-License-Identifier: MIT
// hf_dir.h - opens a Hugging Face directory: config.json, generation_config.json, *.safetensors, tokenizer.json.
#ifndef TDL_FORMAT_HF_DIR_H
#define TDL_FORMAT_HF_DIR_H

#include "format/weights.h"

// desc->path is the directory, or a .safetensors file in it: then the tensors are that file's, or, where the
// directory's index names the file as a shard, those of the whole index. Files beside it are the same either way.
// config.json must be there, but for metadata_only tokenizer.json will do. Errors: MEMORY, IO, FORMAT, UNSUPPORTED,
// LIMIT.
tdl_status tdl_hf_dir_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err);

#endif
