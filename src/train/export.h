// export.h - writes a model's tensors, trained or as they were opened, as a GGUF file or a Hugging Face directory.
//
//     tdl_export_desc desc = {.model = model, .tensors = trained};      // trained[i]: in the place of model->params.list[i]
//     tdl_export_gguf(&desc, "run/model.gguf", err);
//     tdl_export_safetensors(&desc, "run/model", err);
//
// A GGUF file of a GGUF model takes over its metadata as it is; that of a Hugging Face model gets the keys that stand for
// its config.json and tokenizer.json, and q and k permuted where the family's GGUF files have them so. What GGUF cannot
// say (windows in some layers only, an unusual activation or pre-tokenizer) is an error, not a file that means another
// model. Three things are lost, as every converter loses them: a tokenizer's NFC normalizer; that Metaspace puts no space
// before a text that begins with one; that it may leave the space out after special tokens.
//
// A Hugging Face directory takes over configuration and tokenizer where the model came from one (or from a config.json). For
// a GGUF model a config.json is made; block types become F32, and a tokenizer is not written.
#ifndef TDL_TRAIN_EXPORT_H
#define TDL_TRAIN_EXPORT_H

#include "model/model_impl.h"

typedef struct tdl_export_desc {
    const tdl_model *model;
    // [model->params.n], packed, of the shape and layout of the model's own (a matrix is [out, in]); dtype NONE: the
    // model's own. NULL: all of them.
    const tdl_tensor *tensors;
    tdl_dtype matrices; // F32, F16 or BF16: what matrices of these types become; NONE: as they are
    const char *name;   // general.name of a GGUF file; NULL: as the model's file says
} tdl_export_desc;

// Temporary name, then rename. Errors: ARGUMENT (a tensor's shape), UNSUPPORTED, IO, LIMIT, MEMORY.
tdl_status tdl_export_gguf(const tdl_export_desc *desc, const char *path, tdl_error *err);
// Whether the model's configuration and tokenizer can be written as GGUF: for a run to ask at its beginning.
tdl_status tdl_export_check(const tdl_export_desc *desc, tdl_error *err);
// dir is made where it is not there. The weights are its model.safetensors. Errors as above.
tdl_status tdl_export_safetensors(const tdl_export_desc *desc, const char *dir, tdl_error *err);

#endif
