// SPDX-License-Identifier: MIT
// checkpoint.h - one file with all that a training run needs to go on: tensors and values by name, each checked.
//
//     tdl_checkpoint_writer *w = NULL;
//     tdl_checkpoint_writer_create(mem, "run/checkpoint.tdl", &w, err);
//     tdl_checkpoint_writer_int(w, "step", 1200, err);
//     tdl_checkpoint_writer_begin(w, "blk.0.attn_q.weight", &shape, err);   // then its bytes, in pieces of any size
//     tdl_checkpoint_writer_add(w, piece, piece_size, err);
//     tdl_checkpoint_writer_commit(w, err);      // on the disk, under its name: not before, and never half
//     tdl_checkpoint_writer_destroy(w);
//
//     tdl_checkpoint *c = NULL;
//     tdl_checkpoint_open(mem, "run/checkpoint.tdl", &c, err);              // every byte is checked here
//     tdl_checkpoint_get_int(c, "step", &step, err);
//     tdl_checkpoint_get_tensor(c, "blk.0.attn_q.weight", &shape, &tensor, err);
//     tdl_checkpoint_close(c);
//
// The file: a header of 64 bytes (magic, version, zeros); the tensors' data, each at a multiple of 64; the table
// (values, then tensors with their places and XXH64 sums); a trailer that says where the table lies, its sum, and the
// file's size. Gaps are zeros. All integers are little-endian.
//
// It does not know what is in it: which tensors a run has is the trainer's business.
#ifndef TDL_TRAIN_CHECKPOINT_H
#define TDL_TRAIN_CHECKPOINT_H

#include "base/str.h"
#include "tensor/tensor.h"

#define TDL_CHECKPOINT_MAGIC "TDLCKPT" // and a NUL: 8 bytes
#define TDL_CHECKPOINT_VERSION 1
#define TDL_CHECKPOINT_ALIGN 64
#define TDL_CHECKPOINT_TRAILER_SIZE 40 // u64: table's offset, size and sum; the file's size; the sum of those four

// ---- writing. After a failed call only destroy is left.

typedef struct tdl_checkpoint_writer tdl_checkpoint_writer;

// Nothing is at `path` before commit; what was there before stays until then.
tdl_status tdl_checkpoint_writer_create(const tdl_allocator *mem, const char *path, tdl_checkpoint_writer **out,
                                        tdl_error *err);
// Gives up what is not committed. Accepts NULL.
void tdl_checkpoint_writer_destroy(tdl_checkpoint_writer *writer);

// Values; keys and names are copied. Errors: ARGUMENT (a key that is empty, no text, or there already), LIMIT, MEMORY.
tdl_status tdl_checkpoint_writer_int(tdl_checkpoint_writer *writer, const char *key, int64_t value, tdl_error *err);
tdl_status tdl_checkpoint_writer_float(tdl_checkpoint_writer *writer, const char *key, double value, tdl_error *err);
tdl_status tdl_checkpoint_writer_text(tdl_checkpoint_writer *writer, const char *key, tdl_text value, tdl_error *err);
tdl_status tdl_checkpoint_writer_bytes(tdl_checkpoint_writer *writer, const char *key, const void *data, size_t size,
                                       tdl_error *err);

// A tensor whole (any strides), or its packed bytes in pieces: begin with dtype and shape (data is not read), then add
// until it is full. Errors: ARGUMENT (as above; the tensor before is not full; more bytes than it has), IO, LIMIT, MEMORY.
tdl_status tdl_checkpoint_writer_tensor(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *tensor,
                                        tdl_error *err);
tdl_status tdl_checkpoint_writer_begin(tdl_checkpoint_writer *writer, const char *name, const tdl_tensor *shape,
                                       tdl_error *err);
tdl_status tdl_checkpoint_writer_add(tdl_checkpoint_writer *writer, const void *data, size_t size, tdl_error *err);

// Errors: ARGUMENT (the last tensor is not full), IO, MEMORY.
tdl_status tdl_checkpoint_writer_commit(tdl_checkpoint_writer *writer, tdl_error *err);

// ---- reading

typedef struct tdl_checkpoint tdl_checkpoint;

// Errors: IO, MEMORY, LIMIT, UNSUPPORTED (another version, an unknown type), FORMAT (no checkpoint, truncated, damaged:
// the message names the tensor).
tdl_status tdl_checkpoint_open(const tdl_allocator *mem, const char *path, tdl_checkpoint **out, tdl_error *err);
// The same over bytes that outlive it, aligned to 64.
tdl_status tdl_checkpoint_parse(const tdl_allocator *mem, const uint8_t *bytes, size_t size, tdl_checkpoint **out,
                                tdl_error *err);
void tdl_checkpoint_close(tdl_checkpoint *checkpoint); // accepts NULL

typedef struct tdl_checkpoint_tensor {
    const char *name; // NUL-terminated; borrowed from the checkpoint, as the data
    tdl_tensor tensor;
} tdl_checkpoint_tensor;

size_t tdl_checkpoint_n_tensors(const tdl_checkpoint *checkpoint);
const tdl_checkpoint_tensor *tdl_checkpoint_tensor_at(const tdl_checkpoint *checkpoint, size_t i);
// The tensor of this name, dtype and shape, to be read at once. Errors: FORMAT (there is none, or it is another), IO (the file has
// become shorter).
tdl_status tdl_checkpoint_get_tensor(const tdl_checkpoint *checkpoint, const char *name, const tdl_tensor *shape,
                                     tdl_tensor *out, tdl_error *err);

bool tdl_checkpoint_has(const tdl_checkpoint *checkpoint, const char *key);
// Error FORMAT: there is no such value, or it has another type. Texts and bytes are borrowed from the checkpoint.
tdl_status tdl_checkpoint_get_int(const tdl_checkpoint *checkpoint, const char *key, int64_t *out, tdl_error *err);
tdl_status tdl_checkpoint_get_float(const tdl_checkpoint *checkpoint, const char *key, double *out, tdl_error *err);
tdl_status tdl_checkpoint_get_text(const tdl_checkpoint *checkpoint, const char *key, tdl_text *out, tdl_error *err);
// `size` bytes to out; another size is an error.
tdl_status tdl_checkpoint_get_bytes(const tdl_checkpoint *checkpoint, const char *key, void *out, size_t size,
                                    tdl_error *err);

#endif
