// SPDX-License-Identifier: MIT
// token_file.h - tokenized training data in a file: written once, memory-mapped, checked whole when it is opened.
//
//     "TDLTOKEN", then zeros to byte 64
//     tokens     u16 [n_tokens] where the vocabulary has at most 65536 tokens, else u32; documents one after the other
//     counted    u8 [ceil(n_tokens / 8)], bit i % 8 of byte i / 8: the loss counts token i as a target; absent where all are
//     documents  u64 [n_documents + 1]: where each begins, then n_tokens
//     footer     128 bytes (token_file.c), with the sizes, keys and checksums
//
// Sections begin at multiples of 64 bytes; numbers are little-endian. The first token of a document is no target.
#ifndef TDL_TRAIN_TOKEN_FILE_H
#define TDL_TRAIN_TOKEN_FILE_H

#include "train/data_record.h"

#include <stddef.h>

enum { TDL_TOKEN_FILE_VERSION = 2, TDL_TOKEN_FILE_FOOTER_SIZE = 128 };

// What a file was made from: hashes that tell whether it can be used again.
typedef struct tdl_token_file_key {
    uint64_t tokenizer; // and all else that ids depend on, but for the sources
    uint64_t sources;   // paths, sizes, times
} tdl_token_file_key;

// Points into the file's bytes.
typedef struct tdl_token_file {
    tdl_token_file_key key;
    const uint16_t *tokens_u16; // [n_tokens], or NULL
    const uint32_t *tokens_u32; // [n_tokens], or NULL
    const uint8_t *counted;     // bits; NULL: all
    const uint64_t *documents;  // [n_documents + 1]
    uint64_t n_tokens, n_documents;
    uint64_t n_targets; // counted tokens that are no document's first
    uint64_t checksum;  // of the contents
    uint32_t n_vocab;   // all tokens are below
    bool has_records;   // some documents are records, which are kept whole
    tdl_data_counts counts;
} tdl_token_file;

// bytes aligned to 8. Untrusted input: reads all of it. Errors: FORMAT, UNSUPPORTED (version).
tdl_status tdl_token_file_parse(const void *bytes, size_t size, tdl_token_file *out, tdl_error *err);

static inline int32_t tdl_token_file_id(const tdl_token_file *file, uint64_t i) {
    return file->tokens_u16 ? file->tokens_u16[i] : (int32_t)file->tokens_u32[i];
}

static inline bool tdl_token_file_counted(const tdl_token_file *file, uint64_t i) {
    return !file->counted || (file->counted[i / 8] >> i % 8 & 1);
}

// The document that token i < n_tokens belongs to.
uint64_t tdl_token_file_document(const tdl_token_file *file, uint64_t i);

// Sets both checksums of a file's bytes; for tests that damage what they protect. size at least that of a footer.
void tdl_token_file_seal(void *bytes, size_t size);

// Writes a file, run by run, under a temporary name.
typedef struct tdl_token_writer tdl_token_writer;
// n_vocab: of the model; ids have to be below. Errors: MEMORY, IO.
tdl_status tdl_token_writer_open(const tdl_allocator *mem, const char *path, int32_t n_vocab, tdl_token_file_key key,
                                 tdl_token_writer **out, tdl_error *err);
// Errors: ARGUMENT (an id), IO, MEMORY. After one the writer can only be aborted.
tdl_status tdl_token_writer_add(tdl_token_writer *writer, const tdl_token_run *run, tdl_error *err);
uint64_t tdl_token_writer_n_tokens(const tdl_token_writer *writer);
uint64_t tdl_token_writer_n_targets(const tdl_token_writer *writer);
tdl_status tdl_token_writer_commit(tdl_token_writer *writer, tdl_error *err); // frees the writer, on failure too
void tdl_token_writer_abort(tdl_token_writer *writer);                        // frees the writer; accepts NULL

#endif
