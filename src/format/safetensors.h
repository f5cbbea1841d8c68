// SPDX-License-Identifier: MIT
// safetensors.h - the safetensors parser: a header in, a list of tensors out. It opens, maps and copies nothing.
//
//     tdl_safetensors file;
//     tdl_safetensors_source source = {.bytes = bytes, .size = size, .file_size = size};
//     status = tdl_safetensors_parse(mem, &source, &file, err);
//     ... file.tensors; a tensor's data lies at bytes + tensor.offset ...
//     tdl_safetensors_deinit(&file);
//
// The format: 8 bytes with the header's size (little-endian), a JSON object {"name": {"dtype", "shape",
// "data_offsets"}}, then the data, which the tensors must cover without overlap and without holes.
#ifndef TDL_FORMAT_SAFETENSORS_H
#define TDL_FORMAT_SAFETENSORS_H

#include "format/meta_table.h"

typedef struct tdl_safetensors_tensor {
    tdl_text name;
    tdl_text
        odd_type; // set where treadle has no such tensors: another type ("F8_E4M3"), no elements ("F32 of no elements")
    tdl_tensor
        tensor;      // empty where it is odd; a scalar, shape [], is read as [1]. data is NULL where it is not at hand
    uint64_t offset; // of the first byte, from the file's beginning
} tdl_safetensors_tensor;

typedef struct tdl_safetensors_text {
    tdl_text key, value;
} tdl_safetensors_text;

typedef struct tdl_safetensors {
    tdl_arena arena;  // names and texts that do not lie in the header as they are
    tdl_vec tensors;  // tdl_safetensors_tensor, in the header's order
    tdl_map index;    // name -> tensor
    tdl_vec metadata; // tdl_safetensors_text: "__metadata__"
} tdl_safetensors;

typedef struct tdl_safetensors_source {
    const uint8_t *bytes; // [size] the file's beginning. Names and texts point into it
    size_t size;
    uint64_t file_size; // bytes in the file, at least `size`
} tdl_safetensors_source;

// How many bytes the file's beginning must have for the parser. bytes [8], or all where the file is shorter.
// Errors: FORMAT, LIMIT.
tdl_status tdl_safetensors_header_size(const uint8_t *bytes, uint64_t file_size, size_t *size, tdl_error *err);

// *out is set on OK only. Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_safetensors_parse(const tdl_allocator *mem, const tdl_safetensors_source *source, tdl_safetensors *out,
                                 tdl_error *err);
void tdl_safetensors_deinit(tdl_safetensors *file);
// The tensor of this name; NULL where there is none.
const tdl_safetensors_tensor *tdl_safetensors_find(const tdl_safetensors *file, const char *name);
// The value of a key of "__metadata__"; ptr NULL where there is none.
tdl_text tdl_safetensors_metadata(const tdl_safetensors *file, const char *key);

#endif
