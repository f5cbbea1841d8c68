// SPDX-License-Identifier: MIT
// fuzz_token_file.c - the token file's parser on any bytes; where bit 0 of the first byte is set, under right checksums.
// What it accepts is read whole: every id below the vocabulary, every target once, unless whole records were cut.
#include "train/data_reader.h"

#include <stdlib.h>
#include <string.h>

static void read_all(const tdl_token_file *file, tdl_data_packing packing);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0) return 0;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    uint8_t flags = bytes[0];
    size_t n = size - 1;
    uint8_t *copy = mem->alloc(mem->user, n ? n : 1, sizeof(uint64_t));
    tdl_token_file file;
    tdl_error err = {0};
    if (!copy) return 0;
    memcpy(copy, bytes + 1, n);
    if ((flags & 1) && n >= TDL_TOKEN_FILE_FOOTER_SIZE) tdl_token_file_seal(copy, n);
    tdl_status status = tdl_token_file_parse(copy, n, &file, &err);
    if (status != err.code || (status != TDL_OK && !err.message[0])) abort();
    if (status == TDL_OK) {
        read_all(&file, TDL_PACKING_STREAM);
        read_all(&file, TDL_PACKING_WHOLE);
    }
    mem->free(mem->user, copy);
    return 0;
}

static void read_all(const tdl_token_file *file, tdl_data_packing packing) {
    const tdl_data_reader_desc desc = {.tokens = file, .batch = 3, .seq = 7, .packing = packing, .in_order = true};
    tdl_data_reader *reader = NULL;
    tdl_data_batch batch;
    uint64_t n_targets = 0, n_tokens = 0;
    bool whole = packing == TDL_PACKING_WHOLE;
    tdl_status status = tdl_data_reader_create(tdl_allocator_or_default(NULL), &desc, &reader, NULL);
    if (status == TDL_ERROR_ARGUMENT && whole) return; // windows of 7 tokens hold nothing that is counted
    if (status != TDL_OK) abort();
    while (tdl_data_reader_next(reader, &batch) == TDL_OK) {
        n_targets += (uint64_t)batch.n_targets;
        n_tokens += (uint64_t)batch.n_tokens;
        for (int64_t i = 0; i < batch.n_rows; i++) {
            if ((uint32_t)batch.ids[i] >= file->n_vocab || batch.targets[i] >= (int64_t)file->n_vocab) abort();
            if (batch.positions[i] < 0 || batch.positions[i] > i % desc.seq) abort();
        }
    }
    tdl_packed_counts counts = tdl_data_reader_packed(reader);
    bool all = counts.n_cut == 0 && counts.n_dropped == 0;
    if (n_targets > file->n_targets || n_tokens > file->n_tokens) abort();
    if (all && n_targets != file->n_targets) abort();
    if (!whole && n_tokens != file->n_tokens) abort();
    tdl_data_reader_destroy(reader);
}
