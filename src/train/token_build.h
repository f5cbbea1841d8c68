// SPDX-License-Identifier: MIT
// token_build.h - source files become a token file, on several threads.
#ifndef TDL_TRAIN_TOKEN_BUILD_H
#define TDL_TRAIN_TOKEN_BUILD_H

#include "train/data_source.h"
#include "train/token_file.h"

typedef struct tdl_token_build_desc {
    const tdl_data_source *sources; // [n_sources]
    size_t n_sources;
    tdl_text separator;          // between the documents of a text file
    const tdl_data_style *style; // of the tokenizer
    int32_t n_vocab;             // of the model
    int32_t n_threads;
    tdl_token_file_key key;
    const char *path;                              // of the token file
    bool (*progress)(void *user, double fraction); // NULL: none; returning false cancels
    void *progress_user;
} tdl_token_build_desc;

// The ids of one piece. Errors: FORMAT, UNSUPPORTED, LIMIT, MEMORY.
tdl_status tdl_data_piece_encode(const tdl_data_piece *piece, tdl_text separator, const tdl_data_style *style,
                                 tdl_token_run *run, tdl_error *err);

// The same file whatever n_threads. Errors: IO, FORMAT (a bad record; nothing to learn), UNSUPPORTED, LIMIT, ARGUMENT,
// MEMORY, DEVICE (threads), CANCELLED.
tdl_status tdl_token_build(const tdl_allocator *mem, const tdl_token_build_desc *desc, tdl_error *err);

#endif
