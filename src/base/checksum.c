// SPDX-License-Identifier: MIT
// checksum.c - XXH64 after Y. Collet's specification (xxHash fast digest algorithm, revision 0.1.1), and CRC-32C bit by
// bit over a table of 16 entries: the records it guards are a few dozen bytes.
//
// XXH64 reads stripes of 32 bytes into four lanes, so that a lane's multiplications overlap; what is left at the end goes
// in by 8, 4 and 1 bytes. Words are little-endian, as every machine is that this library runs on.
#include "base/checksum.h"

#include <string.h>

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu, P3 = 0x165667B19E3779F9u,
                      P4 = 0x85EBCA77C2B2AE63u, P5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }
static uint64_t mix(uint64_t lane, uint64_t word) { return rotate(lane + word * P2, 31) * P1; }
static uint64_t merge(uint64_t sum, uint64_t lane) { return (sum ^ mix(0, lane)) * P1 + P4; }

static uint64_t read_u64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static void add_stripe(tdl_xxh64 *hash, const uint8_t *p) {
    for (int i = 0; i < 4; i++) hash->lanes[i] = mix(hash->lanes[i], read_u64(p + 8 * i));
}

void tdl_xxh64_init(tdl_xxh64 *hash, uint64_t seed) {
    *hash = (tdl_xxh64){.lanes = {seed + P1 + P2, seed + P2, seed, seed - P1}, .seed = seed};
}

void tdl_xxh64_add(tdl_xxh64 *hash, const void *data, size_t size) {
    const uint8_t *p = data;
    size_t filled = hash->size % sizeof hash->rest;
    hash->size += size;
    if (filled) {
        size_t n = sizeof hash->rest - filled < size ? sizeof hash->rest - filled : size;
        memcpy(hash->rest + filled, p, n);
        p += n;
        size -= n;
        if (filled + n < sizeof hash->rest) return;
        add_stripe(hash, hash->rest);
    }
    for (; size >= sizeof hash->rest; p += sizeof hash->rest, size -= sizeof hash->rest) add_stripe(hash, p);
    if (size) memcpy(hash->rest, p, size);
}

uint64_t tdl_xxh64_sum(const tdl_xxh64 *hash) {
    const uint64_t *v = hash->lanes;
    const uint8_t *p = hash->rest;
    size_t size = hash->size % sizeof hash->rest;
    uint64_t sum = hash->seed + P5;
    if (hash->size >= sizeof hash->rest) {
        sum = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18);
        for (int i = 0; i < 4; i++) sum = merge(sum, v[i]);
    }
    sum += hash->size;
    for (; size >= 8; p += 8, size -= 8) sum = rotate(sum ^ mix(0, read_u64(p)), 27) * P1 + P4;
    if (size >= 4) {
        uint32_t x;
        memcpy(&x, p, sizeof x);
        sum = rotate(sum ^ x * P1, 23) * P2 + P3;
        p += 4;
        size -= 4;
    }
    for (; size; p++, size--) sum = rotate(sum ^ *p * P5, 11) * P1;
    sum = (sum ^ sum >> 33) * P2;
    sum = (sum ^ sum >> 29) * P3;
    return sum ^ sum >> 32;
}

uint64_t tdl_xxh64_of(const void *data, size_t size) {
    tdl_xxh64 hash;
    tdl_xxh64_init(&hash, 0);
    tdl_xxh64_add(&hash, data, size);
    return tdl_xxh64_sum(&hash);
}

// The polynomial 0x1EDC6F41, bits reversed; a step divides four bits.
uint32_t tdl_crc32c(const void *data, size_t size) {
    static const uint32_t nibbles[16] = {0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3,
                                         0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9,
                                         0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};
    const uint8_t *p = data;
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}
