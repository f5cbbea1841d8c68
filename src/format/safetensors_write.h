// safetensors_write.h - writes one .safetensors file (F32, F16, BF16, I32, I8, U8 tensors), temporary name then rename.
#ifndef TDL_FORMAT_SAFETENSORS_WRITE_H
#define TDL_FORMAT_SAFETENSORS_WRITE_H

#include "format/weights.h"

// tensors [n], borrowed for the call. The data lies in the file by element size, largest first, so that every tensor is
// aligned. Errors: ARGUMENT (a name that is empty, no text, reserved or there twice), UNSUPPORTED (a block type),
// LIMIT, IO, MEMORY.
tdl_status tdl_safetensors_save(const tdl_allocator *mem, const char *path, const tdl_weights_tensor *tensors, size_t n,
                                tdl_error *err);

#endif
