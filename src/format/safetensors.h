// safetensors.h - the safetensors parser: bytes in, a list of tensors out. It opens, maps and copies nothing.
//
//     tdl_safetensors file;
//     status = tdl_safetensors_parse(mem, bytes, size, &file, err);
//     ... file.tensors; a tensor's data points into bytes ...
//     tdl_safetensors_deinit(&file);
//
// The format: 8 bytes with the header's size (little-endian), a JSON object {"name": {"dtype", "shape",
// "data_offsets"}}, then the data, which the tensors must cover without overlap and without holes.
#ifndef TDL_FORMAT_SAFETENSORS_H
#define TDL_FORMAT_SAFETENSORS_H

#include "base/json.h"
#include "format/meta_table.h"

// Types that only masks and counters have (BOOL, I64, F64) are not read: `skipped` is set and `tensor` is empty. Any
// other type that treadle lacks is an error.
typedef struct tdl_safetensors_tensor {
    tdl_text name;
    bool skipped;
    tdl_tensor tensor; // a scalar, shape [], is read as [1]
} tdl_safetensors_tensor;

typedef struct tdl_safetensors {
    json_t *header;   // owns the names and the metadata's texts
    json_t *metadata; // "__metadata__", an object of strings; NULL where absent. Borrowed from header
    tdl_vec tensors;  // tdl_safetensors_tensor, in the header's order
} tdl_safetensors;

// *out is set on OK only. Errors: FORMAT, UNSUPPORTED, LIMIT, MEMORY.
tdl_status tdl_safetensors_parse(const tdl_allocator *mem, const uint8_t *bytes, size_t size, tdl_safetensors *out,
                                 tdl_error *err);
void tdl_safetensors_deinit(tdl_safetensors *file);

#endif
