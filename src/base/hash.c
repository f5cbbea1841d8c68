// SPDX-License-Identifier: MIT
// hash.c - FNV-1a (Fowler, Noll, Vo) with 64 bits.
//
// FNV's low bits depend on few of the input's; the maps take their slot from the low bits. So the result goes through
// the 64-bit finalizer of MurmurHash3 (A. Appleby), which lets every input bit reach every output bit.
#include "base/hash.h"

uint64_t tdl_hash_bytes(const void *data, size_t size, uint64_t seed) {
    const uint8_t *bytes = data;
    uint64_t h = 0xCBF29CE484222325u ^ seed;
    for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * 0x100000001B3u;
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}
