// SPDX-License-Identifier: MIT
// fingerprint.h - what a run began from, as two numbers: the values of all tensors, and the settings that go with them.
//
// Adapters are an increment to one base, so going on over another one is an error that no shape shows. Every byte of every
// tensor is read: a base that differs in one value differs here. Both numbers are sums over names, so the order in the file does
// not matter; what a file says of itself for people (its name, its author, a tokenizer's templates) does not either.
#ifndef TDL_TRAIN_FINGERPRINT_H
#define TDL_TRAIN_FINGERPRINT_H

#include "format/weights.h"

typedef struct tdl_fingerprint {
    uint64_t tensors;  // names, types, shapes and bytes
    uint64_t settings; // keys and values of the architecture
} tdl_fingerprint;

// Reads what lies in files, a piece at a time. Errors: IO, MEMORY.
tdl_status tdl_fingerprint_of(const tdl_weights *weights, const tdl_allocator *mem, tdl_fingerprint *out,
                              tdl_error *err);

#endif
