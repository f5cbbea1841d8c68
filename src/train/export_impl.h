// SPDX-License-Identifier: MIT
// export_impl.h - the parts of an export: tensors (export.c), GGUF's keys and tokenizers, Hugging Face's config (other export_*.c).
#ifndef TDL_TRAIN_EXPORT_IMPL_H
#define TDL_TRAIN_EXPORT_IMPL_H

#include "base/json.h"
#include "format/gguf_write.h"
#include "train/export.h"

// All metadata of the model to be written.
tdl_status export_meta(const tdl_export_desc *desc, tdl_gguf_writer *writer, tdl_error *err);
// The tokenizer of a model that is not from a GGUF file; n_vocab: rows of the embedding table.
tdl_status export_tokenizer(const tdl_weights *weights, const tdl_allocator *mem, int32_t n_vocab,
                            tdl_gguf_writer *writer, tdl_error *err);

// The config.json of a model that came from a GGUF file, but for the type of its matrices. Freed by json_decref.
tdl_status export_config(const tdl_export_desc *desc, json_t **out, tdl_error *err);

#endif
