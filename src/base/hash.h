// SPDX-License-Identifier: MIT
// hash.h - FNV-1a over 64 bits with a final mix (not for adversaries: maps here are bounded by the file's size).
#ifndef TDL_BASE_HASH_H
#define TDL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t tdl_hash_bytes(const void *data, size_t size, uint64_t seed);

#endif
