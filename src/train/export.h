// SPDX-License-Identifier: MIT
// export.h - writes a model's tensors, trained or as they were opened, as a GGUF file or a Hugging Face directory.
//
//     tdl_export_desc desc = {.model = model, .tensors = trained};      // trained[i]: in the place of model->params.list[i]
//     tdl_export_open(&desc, "run/model.gguf", &e, err);                // or "run/model", a directory
//     for (int32_t i; (i = tdl_export_next(e)) >= 0;)                   // tensor by tensor: one is in memory at a time
//         tdl_export_tensor(e, &trained_with_data, err);
//     tdl_export_commit(e, err);
//     tdl_export_close(e);
//
// A GGUF file of a GGUF model takes over its metadata as it is; that of a Hugging Face model gets the keys that stand for
// its config.json and tokenizer.json, and q and k permuted where the family's GGUF files have them so. What GGUF cannot
// say (windows of two sizes, an unusual activation or pre-tokenizer) is an error, not a file that means another model. What a
// tokenizer loses in GGUF's own keys (NFC, where Metaspace puts its first space, white space round added tokens) is in the
// tokenizer.json, which the file then carries whole; readers that do not look for it (llama.cpp) tokenize such texts otherwise,
// and those families' windows are for most of them no windows.
//
// A Hugging Face directory takes over configuration and tokenizer where the model came from one (or from a config.json). For
// a GGUF model a config.json is made; block types become F32, and a tokenizer is not written.
#ifndef TDL_TRAIN_EXPORT_H
#define TDL_TRAIN_EXPORT_H

#include "model/model_impl.h"

typedef struct tdl_export_desc {
    const tdl_model *model;
    // [model->params.n], packed, of the shape and layout of the model's own (a matrix is [out, in]); dtype NONE: the
    // model's own. NULL: all of them. For tdl_export_open the data may be NULL.
    const tdl_tensor *tensors;
    tdl_dtype matrices; // F32, F16 or BF16: what matrices of these types become; NONE: as they are
    // general.name of a GGUF file; NULL: as the model's file says, or, where it says nothing, as the new one is called: of
    // "novel.gguf" it is novel, and of "novel/model.gguf" too.
    const char *name;
} tdl_export_desc;

typedef struct tdl_export tdl_export;

// Begins a file, where path ends in ".gguf", else a Hugging Face directory, which is made where it is not there; its weights are
// model.safetensors. Under temporary names until commit. desc->tensors is borrowed until close.
// Errors: ARGUMENT (a tensor's shape), UNSUPPORTED, IO, LIMIT, MEMORY.
tdl_status tdl_export_open(const tdl_export_desc *desc, const char *path, tdl_export **out, tdl_error *err);
// Which of the model's tensors comes next; -1: all are written. In a directory the same several times in a row where it is all
// experts' matrices: each has a tensor there.
int32_t tdl_export_next(const tdl_export *e);
// Its data, as desc->tensors has the shape; NULL: the model's own. Read here. Errors: IO, MEMORY.
tdl_status tdl_export_tensor(tdl_export *e, const tdl_tensor *tensor, tdl_error *err);
tdl_status tdl_export_commit(tdl_export *e, tdl_error *err);
// Gives up what is not committed. Accepts NULL.
void tdl_export_close(tdl_export *e);

// All of it in one, for tensors with data.
tdl_status tdl_export_save(const tdl_export_desc *desc, const char *path, tdl_error *err);
// Whether the model's configuration and tokenizer can be written as GGUF: for a run to ask at its beginning.
tdl_status tdl_export_check(const tdl_export_desc *desc, tdl_error *err);

#endif
