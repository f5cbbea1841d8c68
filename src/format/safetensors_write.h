// SPDX-License-Identifier: MIT
// safetensors_write.h - writes one .safetensors file (F32, F16, BF16, I32, I8, U8 tensors), temporary name then rename.
//
//     tdl_safetensors_writer *w = NULL;
//     tdl_safetensors_writer_create(mem, path, tensors, n, &w, err);    // names, types and shapes: the header
//     for (int64_t i; (i = tdl_safetensors_writer_next(w)) >= 0;)       // in the file's order
//         tdl_safetensors_writer_data(w, &data_of_tensor[i], err);
//     tdl_safetensors_writer_commit(w, err);                            // on the disk, under its name
//     tdl_safetensors_writer_destroy(w);
#ifndef TDL_FORMAT_SAFETENSORS_WRITE_H
#define TDL_FORMAT_SAFETENSORS_WRITE_H

#include "format/weights.h"

typedef struct tdl_safetensors_writer tdl_safetensors_writer;

// tensors [n], borrowed until destroy; their data may be NULL. The data lies in the file by element size, largest first, so
// that every tensor is aligned. Errors: ARGUMENT (a name that is empty, no text, reserved or there twice), UNSUPPORTED (a
// block type), LIMIT, IO, MEMORY.
tdl_status tdl_safetensors_writer_create(const tdl_allocator *mem, const char *path, const tdl_weights_tensor *tensors,
                                         size_t n, tdl_safetensors_writer **out, tdl_error *err);
// Gives up what is not committed. Accepts NULL.
void tdl_safetensors_writer_destroy(tdl_safetensors_writer *writer);
// The number of the tensor whose data comes next; -1: all are written.
int64_t tdl_safetensors_writer_next(const tdl_safetensors_writer *writer);
// Its data: of the type and shape in `tensors`, of any strides. Errors: ARGUMENT, IO, MEMORY.
tdl_status tdl_safetensors_writer_data(tdl_safetensors_writer *writer, const tdl_tensor *tensor, tdl_error *err);
// Errors: ARGUMENT (a tensor's data is missing), IO.
tdl_status tdl_safetensors_writer_commit(tdl_safetensors_writer *writer, tdl_error *err);

// All of it in one, for tensors with data.
tdl_status tdl_safetensors_save(const tdl_allocator *mem, const char *path, const tdl_weights_tensor *tensors, size_t n,
                                tdl_error *err);

#endif
