// SPDX-License-Identifier: MIT
// checksum.h - checksums of what lies in files: XXH64 (checkpoints) and CRC-32C (records of event files).
//
//     tdl_xxh64 hash;
//     tdl_xxh64_init(&hash, 0);
//     tdl_xxh64_add(&hash, bytes, size);      // as often as there are pieces
//     uint64_t sum = tdl_xxh64_sum(&hash);    // the same whatever the pieces were
//
// Both notice every change of a single byte. Neither is for adversaries.
#ifndef TDL_BASE_CHECKSUM_H
#define TDL_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct tdl_xxh64 {
    uint64_t lanes[4];
    uint64_t seed, size; // size: bytes so far
    uint8_t rest[32];    // [size % 32] bytes that fill no stripe yet
} tdl_xxh64;

void tdl_xxh64_init(tdl_xxh64 *hash, uint64_t seed);
void tdl_xxh64_add(tdl_xxh64 *hash, const void *data, size_t size);
uint64_t tdl_xxh64_sum(const tdl_xxh64 *hash);
uint64_t tdl_xxh64_of(const void *data, size_t size); // seed 0

// CRC-32C (Castagnoli), as in iSCSI (RFC 3720) and in TensorFlow's records.
uint32_t tdl_crc32c(const void *data, size_t size);

#endif
