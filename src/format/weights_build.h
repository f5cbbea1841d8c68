// SPDX-License-Identifier: MIT
// weights_build.h - a tdl_weights under construction: what the readers of each format put together.
//
// A reader creates one, gives it the files and memory that tensors lie in, adds tensors and metadata, and on any error
// closes it. Tensors are checked here for what no format may break: a name that is text, and that name only once.
#ifndef TDL_FORMAT_WEIGHTS_BUILD_H
#define TDL_FORMAT_WEIGHTS_BUILD_H

#include "format/meta_table.h"

struct tdl_weights {
    const tdl_allocator *mem;
    tdl_weights_kind kind;
    tdl_meta_table meta;
    tdl_vec tensors;                             // tdl_weights_tensor
    tdl_map index;                               // name -> tensor
    tdl_arena names;                             // the tensors' names
    tdl_vec files;                               // tdl_file: where tensors lie that are in no memory
    tdl_vec memory;                              // void *: blocks of the weights' own: tensors, keys and texts
    tdl_file_map config_json, generation_config; // of a directory: kept, so that an export can take them over
    tdl_file_map tokenizer_json, tokenizer_config;
    uint64_t size;     // bytes of all tensors
    size_t n_unlisted; // tensors of files that the index does not name
    uint64_t n_spare;  // bytes behind the last tensor of a GGUF file
};

tdl_status tdl_weights_create(const tdl_allocator *mem, tdl_weights_kind kind, tdl_weights **out, tdl_error *err);

// Opens a file that lives as long as the weights; *number names it in a tensor's place.
tdl_status tdl_weights_open_file(tdl_weights *weights, const char *path, int32_t *number, tdl_error *err);
static inline const tdl_file *tdl_weights_file(const tdl_weights *weights, int32_t number) {
    return tdl_vec_at(&weights->files, tdl_file, number);
}

// `size` bytes that live as long as the weights.
tdl_status tdl_weights_hold_memory(tdl_weights *weights, size_t size, uint8_t **out, tdl_error *err);

// Takes over memory of weights->mem, on failure too.
tdl_status tdl_weights_take_memory(tdl_weights *weights, void *block, tdl_error *err);

// Room for n more tensors, so that adding them moves nothing. Error MEMORY.
tdl_status tdl_weights_reserve(tdl_weights *weights, size_t n, tdl_error *err);

// Adds a tensor whose data lives as long as the weights; the name is copied. Data that is not aligned for its elements
// (a caller's bytes may lie anywhere) is copied to memory that is. Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_weights_add_tensor(tdl_weights *weights, tdl_text name, const tdl_tensor *tensor, tdl_error *err);
// Adds a tensor, packed, whose bytes lie in a file that the weights have open; tensor->data is not looked at.
tdl_status tdl_weights_add_placed(tdl_weights *weights, tdl_text name, const tdl_tensor *tensor,
                                  tdl_weights_place place, tdl_error *err);
// Adds one of a type that treadle lacks: where a model needs it, its name and the type's are in the error.
tdl_status tdl_weights_add_odd(tdl_weights *weights, tdl_text name, tdl_text type, tdl_error *err);

// The last part of a path, for messages.
const char *tdl_path_name(const char *path);

#endif
