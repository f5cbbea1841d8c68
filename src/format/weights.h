// SPDX-License-Identifier: MIT
// weights.h - a model file as named tensors and metadata, whatever its format.
//
// GGUF (single or split), safetensors (single or an index of shards) and a Hugging Face directory all open into a
// tdl_weights. Tensor names and keys are the file's own; model/ knows what they mean. For a directory, config.json's
// (and generation_config.json's) values become metadata under dotted keys: "hidden_size", "rope_parameters.rope_theta",
// "generation.eos_token_id"; arrays of numbers, booleans or strings are arrays, other arrays are taken apart ("k.0.a"),
// null is as good as absent, but tdl_weights_is_null tells. "__metadata__" of the (first) safetensors file is under "safetensors.".
//
// Headers and texts are read at once, tensors that lie in a file when they are wanted.
#ifndef TDL_FORMAT_WEIGHTS_H
#define TDL_FORMAT_WEIGHTS_H

#include "base/file.h"
#include "base/str.h"
#include "tensor/tensor.h"

typedef enum tdl_meta_type {
    TDL_META_NONE = 0, // absent
    TDL_META_BOOL,
    TDL_META_INT,  // any integer type of the file that fits int64
    TDL_META_UINT, // an unsigned integer above INT64_MAX
    TDL_META_FLOAT,
    TDL_META_STRING,
    TDL_META_ARRAY,
    TDL_META_NULL, // JSON's null: tdl_weights_meta gives it as NONE
} tdl_meta_type;

// One metadata value. Everything is borrowed from the tdl_weights.
typedef struct tdl_meta {
    tdl_meta_type type;
    tdl_meta_type element; // of an array
    bool boolean;
    int64_t integer;
    uint64_t uinteger;
    double number;
    tdl_text string;
    size_t n;          // elements of an array
    const void *array; // int64_t, uint64_t, double, bool or tdl_text [n], as `element` says
    int32_t gguf_type; // the file's own type number, kept for writing back; -1 from JSON
    int32_t gguf_element;
} tdl_meta;

// Where a tensor's bytes are that no memory holds yet: read when they are wanted, since a mapped file that another program
// shortens would end the process. file -1: in memory, at tensor.data.
typedef struct tdl_weights_place {
    int32_t file;
    uint64_t offset; // of the first byte
} tdl_weights_place;

typedef struct tdl_weights_tensor {
    const char *name;     // NUL-terminated
    const char *odd_type; // the name of a type that treadle lacks; then there is no tensor. NULL: none such
    tdl_tensor tensor;    // data NULL: packed, and in a file
    tdl_weights_place place;
} tdl_weights_tensor;

typedef enum tdl_weights_kind { TDL_WEIGHTS_GGUF, TDL_WEIGHTS_HF } tdl_weights_kind;

typedef struct tdl_weights tdl_weights;

typedef struct tdl_weights_desc {
    const tdl_allocator *mem; // not NULL
    const char *path;         // one of path, bytes, reader, as in tdl_model_desc
    const void *bytes;
    size_t bytes_size;
    const tdl_reader *reader;
    bool metadata_only; // a file without tensors, or whose tensors are not wanted, is fine
} tdl_weights_desc;

tdl_status tdl_weights_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err);
void tdl_weights_close(tdl_weights *weights);

tdl_weights_kind tdl_weights_get_kind(const tdl_weights *weights);
size_t tdl_weights_n_tensors(const tdl_weights *weights);
const tdl_weights_tensor *tdl_weights_at(const tdl_weights *weights, size_t i);
const tdl_weights_tensor *tdl_weights_find(const tdl_weights *weights, const char *name); // NULL where absent
size_t tdl_weights_n_meta(const tdl_weights *weights);
tdl_meta tdl_weights_meta_at(const tdl_weights *weights, size_t i, tdl_text *key);
tdl_meta tdl_weights_meta(const tdl_weights *weights, const char *key); // type NONE where absent or null
bool tdl_weights_is_null(const tdl_weights *weights, const char *key);  // the key is there, and null
// config.json and generation_config.json of a directory, borrowed, as they stand in the file; size 0 where there is none.
tdl_text tdl_weights_config_json(const tdl_weights *weights);
tdl_text tdl_weights_generation_config(const tdl_weights *weights);
// tokenizer.json of a directory, borrowed; size 0 where there is none (or the kind is GGUF).
tdl_text tdl_weights_tokenizer_json(const tdl_weights *weights);
// tokenizer_config.json likewise.
tdl_text tdl_weights_tokenizer_config(const tdl_weights *weights);
// Reads `size` bytes of a file. Errors: IO (it has changed since it was opened, too).
tdl_status tdl_weights_read(const tdl_weights *weights, tdl_weights_place place, void *dst, size_t size,
                            tdl_error *err);
// Reads tensor i into memory of the weights' own, if it is in none. Errors: IO, MEMORY, UNSUPPORTED (an odd type).
tdl_status tdl_weights_load(tdl_weights *weights, size_t i, tdl_error *err);
// Frees the memory of a tensor that is in memory of the weights' own: nobody may read it again.
void tdl_weights_drop(tdl_weights *weights, const tdl_tensor *tensor);
// How many tensors the files have beyond those that their index names.
size_t tdl_weights_n_unlisted(const tdl_weights *weights);
// How many bytes a GGUF file has behind its last tensor.
uint64_t tdl_weights_n_spare(const tdl_weights *weights);
// Bytes of all tensors.
uint64_t tdl_weights_size(const tdl_weights *weights);

#endif
