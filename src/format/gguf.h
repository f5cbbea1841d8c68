// SPDX-License-Identifier: MIT
// gguf.h - the GGUF parser: bytes in, metadata and a list of tensors out. It opens, maps and copies nothing.
//
//     tdl_gguf gguf;
//     tdl_gguf_source source = {.bytes = bytes, .size = size, .file_size = size};
//     status = tdl_gguf_parse(mem, &source, &gguf, err);
//     ... gguf.meta, gguf.tensors; a tensor's data lies at bytes + tensor.offset ...
//     tdl_gguf_deinit(&gguf);
//
// Versions 2 and 3, little-endian. Texts and names point into `bytes`. Source: the GGUF specification of ggml.
#ifndef TDL_FORMAT_GGUF_H
#define TDL_FORMAT_GGUF_H

#include "format/meta_table.h"

#define TDL_GGUF_ALIGNMENT_DEFAULT 32
#define TDL_GGUF_ALIGNMENT_MAX (1 << 20)

// The file's numbers for the types of metadata values.
typedef enum tdl_gguf_type {
    TDL_GGUF_U8 = 0,
    TDL_GGUF_I8 = 1,
    TDL_GGUF_U16 = 2,
    TDL_GGUF_I16 = 3,
    TDL_GGUF_U32 = 4,
    TDL_GGUF_I32 = 5,
    TDL_GGUF_F32 = 6,
    TDL_GGUF_BOOL = 7,
    TDL_GGUF_STRING = 8,
    TDL_GGUF_ARRAY = 9,
    TDL_GGUF_U64 = 10,
    TDL_GGUF_I64 = 11,
    TDL_GGUF_F64 = 12,
    TDL_GGUF_TYPE_COUNT
} tdl_gguf_type;

// Bytes of one value of the type; 0 for strings, arrays and numbers that are no type.
size_t tdl_gguf_type_size(uint32_t type);

typedef struct tdl_gguf_tensor {
    tdl_text name;
    char odd_type[32]; // not empty: a type that treadle lacks, or no elements; `tensor` is empty then, and `size` is 0
    tdl_tensor tensor; // data is NULL
    uint64_t offset;   // of the first byte, from the file's beginning
    uint64_t size;     // bytes
} tdl_gguf_tensor;

typedef struct tdl_gguf {
    uint32_t version;
    tdl_meta_table meta;
    tdl_vec tensors;  // tdl_gguf_tensor, in the file's order
    uint64_t n_spare; // bytes behind the last tensor and its padding
} tdl_gguf;

typedef struct tdl_gguf_source {
    const uint8_t *bytes; // [size] the file's beginning
    size_t size;
    uint64_t file_size; // bytes in the file, at least `size`
    bool metadata_only; // stop before the tensors
} tdl_gguf_source;

// PENDING: the header is longer than `size`; call again with more of the file. *out is set on OK only.
// Errors: FORMAT, UNSUPPORTED, LIMIT, MEMORY.
tdl_status tdl_gguf_parse(const tdl_allocator *mem, const tdl_gguf_source *source, tdl_gguf *out, tdl_error *err);
void tdl_gguf_deinit(tdl_gguf *gguf);

#endif
