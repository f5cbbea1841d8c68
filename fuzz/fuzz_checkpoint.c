// SPDX-License-Identifier: MIT
// fuzz_checkpoint.c - the checkpoint reader on any bytes. So that a fuzzer gets past the sums, an input of an odd first byte
// is repaired before: header, the table's sum, the trailer. Where the reader accepts it, every tensor can be read.
#include "base/checksum.h"
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

static volatile uint8_t sink; // keeps reads from being left out

static void repair(uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1) return 0;
    size_t n = size - 1;
    uint8_t *copy = aligned_alloc(TDL_CHECKPOINT_ALIGN, (n / TDL_CHECKPOINT_ALIGN + 1) * TDL_CHECKPOINT_ALIGN);
    if (!copy) return 0;
    memcpy(copy, bytes + 1, n);
    if (bytes[0] & 1) repair(copy, n);
    tdl_checkpoint *c = NULL;
    tdl_error err = {0};
    tdl_status status = tdl_checkpoint_parse(tdl_allocator_or_default(NULL), copy, n, &c, &err);
    if (status > 0 || (status < 0 && !err.message[0])) abort();
    for (size_t i = 0; c && i < tdl_checkpoint_n_tensors(c); i++) {
        const tdl_tensor *t = &tdl_checkpoint_tensor_at(c, i)->tensor;
        size_t t_size = tdl_tensor_size(t);
        if (t_size) sink += t->data[0] + t->data[t_size - 1];
    }
    tdl_checkpoint_close(c);
    free(copy);
    return 0;
}

static void repair(uint8_t *bytes, size_t size) {
    uint64_t trailer[5];
    if (size < TDL_CHECKPOINT_ALIGN + sizeof trailer) return;
    memset(bytes, 0, TDL_CHECKPOINT_ALIGN);
    memcpy(bytes, TDL_CHECKPOINT_MAGIC, sizeof TDL_CHECKPOINT_MAGIC);
    bytes[8] = TDL_CHECKPOINT_VERSION;
    uint64_t end = size - sizeof trailer;
    memcpy(trailer, bytes + end, sizeof trailer);
    trailer[0] -= trailer[0] % TDL_CHECKPOINT_ALIGN;
    if (trailer[0] > end) trailer[0] = TDL_CHECKPOINT_ALIGN;
    trailer[1] = end - trailer[0];
    trailer[2] = tdl_xxh64_of(bytes + trailer[0], (size_t)trailer[1]);
    trailer[3] = size;
    trailer[4] = tdl_xxh64_of(trailer, 32);
    memcpy(bytes + end, trailer, sizeof trailer);
}
