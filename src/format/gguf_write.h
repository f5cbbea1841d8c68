// SPDX-License-Identifier: MIT
// gguf_write.h - writes GGUF v3: metadata in the order it was added, tensors aligned to 32 bytes.
//
//     tdl_gguf_writer *w = NULL;
//     tdl_gguf_writer_create(mem, &w, err);
//     tdl_gguf_writer_string(w, "general.architecture", "llama", err);
//     tdl_gguf_writer_tensor(w, "token_embd.weight", &tensor, err);   // name, type and shape
//     tdl_gguf_writer_open(w, "out.gguf", err);                       // under a temporary name
//     tdl_gguf_writer_data(w, &tensor, err);                          // of each tensor, in the order they were added
//     tdl_gguf_writer_commit(w, err);                                 // on the disk, under its name
//     tdl_gguf_writer_destroy(w);
#ifndef TDL_FORMAT_GGUF_WRITE_H
#define TDL_FORMAT_GGUF_WRITE_H

#include "format/weights.h"

typedef struct tdl_gguf_writer tdl_gguf_writer;

tdl_status tdl_gguf_writer_create(const tdl_allocator *mem, tdl_gguf_writer **out, tdl_error *err);
void tdl_gguf_writer_destroy(tdl_gguf_writer *writer);
// A value as it was read, in the file's own type; one from JSON (gguf_type -1) in a type that holds it exactly: U32,
// I32, I64, U64, F64, BOOL, STRING or an array of I64, U64, F64, BOOL, STRING. A key that says how the *read* file lies
// on the disk (general.alignment, split.*) is left out, since it would be wrong here. Errors, also of the four below:
// ARGUMENT (a key that is empty, no text, or there already; a value its type cannot hold), LIMIT, MEMORY.
tdl_status tdl_gguf_writer_meta(tdl_gguf_writer *writer, tdl_text key, const tdl_meta *value, tdl_error *err);
tdl_status tdl_gguf_writer_string(tdl_gguf_writer *writer, const char *key, const char *value, tdl_error *err);
tdl_status tdl_gguf_writer_u32(tdl_gguf_writer *writer, const char *key, uint32_t value, tdl_error *err);
tdl_status tdl_gguf_writer_f32(tdl_gguf_writer *writer, const char *key, float value, tdl_error *err);
tdl_status tdl_gguf_writer_bool(tdl_gguf_writer *writer, const char *key, bool value, tdl_error *err);
// name is copied; the tensor's data may be NULL, save reads it. Errors: ARGUMENT (the name, as for keys), UNSUPPORTED (a
// type without a GGUF number), LIMIT, MEMORY.
tdl_status tdl_gguf_writer_tensor(tdl_gguf_writer *writer, const char *name, const tdl_tensor *tensor, tdl_error *err);

// Begins the file with all that was added. Errors: IO, LIMIT, MEMORY.
tdl_status tdl_gguf_writer_open(tdl_gguf_writer *writer, const char *path, tdl_error *err);
// The next tensor's data: of the type and shape that were added, of any strides; read here. Errors: ARGUMENT, IO, MEMORY.
tdl_status tdl_gguf_writer_data(tdl_gguf_writer *writer, const tdl_tensor *tensor, tdl_error *err);
// Errors: ARGUMENT (a tensor's data is missing), IO.
tdl_status tdl_gguf_writer_commit(tdl_gguf_writer *writer, tdl_error *err);
// The three in one, for tensors that were added with data, which must still be there. It can save again.
tdl_status tdl_gguf_writer_save(tdl_gguf_writer *writer, const char *path, tdl_error *err);

#endif
