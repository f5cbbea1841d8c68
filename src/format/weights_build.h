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
    tdl_vec files;                               // tdl_file_map: what tensors, keys and texts point into
    tdl_vec memory;                              // void *: blocks of the weights' own, likewise
    tdl_file_map config_json, generation_config; // of a directory: kept, so that an export can take them over
    tdl_file_map tokenizer_json, tokenizer_config;
    uint64_t size; // bytes of all tensors
};

tdl_status tdl_weights_create(const tdl_allocator *mem, tdl_weights_kind kind, tdl_weights **out, tdl_error *err);

// Takes the file over, on failure too: the caller's *map is empty afterwards.
tdl_status tdl_weights_hold_file(tdl_weights *weights, tdl_file_map *map, tdl_error *err);

// `size` bytes that live as long as the weights.
tdl_status tdl_weights_hold_memory(tdl_weights *weights, size_t size, uint8_t **out, tdl_error *err);

// Takes over memory of weights->mem, on failure too.
tdl_status tdl_weights_take_memory(tdl_weights *weights, void *block, tdl_error *err);

// Room for n more tensors, so that adding them moves nothing. Error MEMORY.
tdl_status tdl_weights_reserve(tdl_weights *weights, size_t n, tdl_error *err);

// Adds a tensor whose data lives as long as the weights; the name is copied. Data that is not aligned for its elements
// (a file may place it anywhere) is copied to memory that is. Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_weights_add_tensor(tdl_weights *weights, tdl_text name, const tdl_tensor *tensor, tdl_error *err);

// The last part of a path, for messages.
const char *tdl_path_name(const char *path);

#endif
