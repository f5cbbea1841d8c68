// SPDX-License-Identifier: MIT
// checkpoint_impl.h - a checkpoint file's fixed parts, shared by its writer and its reader.
#ifndef TDL_TRAIN_CHECKPOINT_IMPL_H
#define TDL_TRAIN_CHECKPOINT_IMPL_H

#include "train/checkpoint.h"

enum { CHECKPOINT_INT = 1, CHECKPOINT_FLOAT, CHECKPOINT_TEXT, CHECKPOINT_BYTES }; // types of values, as in the file

typedef struct checkpoint_header {
    char magic[8];
    uint32_t version;
    uint8_t zeros[TDL_CHECKPOINT_ALIGN - 12];
} checkpoint_header;

typedef struct checkpoint_trailer {
    uint64_t table_offset, table_size, table_sum;
    uint64_t file_size;
    uint64_t sum; // of the four above
} checkpoint_trailer;

_Static_assert(sizeof(checkpoint_header) == TDL_CHECKPOINT_ALIGN, "the header is one aligned block");
_Static_assert(sizeof(checkpoint_trailer) == TDL_CHECKPOINT_TRAILER_SIZE, "the trailer has no padding");

#endif
