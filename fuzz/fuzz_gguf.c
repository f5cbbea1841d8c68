// SPDX-License-Identifier: MIT
// fuzz_gguf.c - the GGUF reader on any bytes, and that seeing only a beginning of them changes no verdict.
#include "format/gguf.h"

#include <stdlib.h>

static volatile uint8_t sink; // keeps reads from being left out

static tdl_status parse(const uint8_t *bytes, size_t size, uint64_t file_size);
static void touch(const tdl_weights *weights);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    const uint8_t *start = bytes ? bytes : (const uint8_t *)"";
    tdl_status status =
        tdl_weights_open(&(tdl_weights_desc){.mem = mem, .bytes = start, .bytes_size = size}, &weights, &err);
    if (status > 0 || (status < 0 && !err.message[0])) abort();
    if (weights) touch(weights);
    tdl_weights_close(weights);

    tdl_status whole = parse(start, size, size), half = parse(start, size / 2, size);
    if (whole == TDL_PENDING || (half != TDL_PENDING && half != whole)) abort();
    return 0;
}

static tdl_status parse(const uint8_t *bytes, size_t size, uint64_t file_size) {
    tdl_gguf gguf;
    tdl_gguf_source source = {.bytes = bytes, .size = size, .file_size = file_size};
    tdl_status status = tdl_gguf_parse(tdl_allocator_or_default(NULL), &source, &gguf, NULL);
    if (!status) tdl_gguf_deinit(&gguf);
    return status;
}

static void touch(const tdl_weights *weights) {
    for (size_t i = 0; i < tdl_weights_n_tensors(weights); i++) {
        const tdl_weights_tensor *t = tdl_weights_at(weights, i);
        if (!t->odd_type) {
            sink += t->tensor.data[0];
            sink += t->tensor.data[tdl_tensor_size(&t->tensor) - 1];
        }
        if (tdl_weights_find(weights, t->name) != t) abort();
    }
    for (size_t i = 0; i < tdl_weights_n_meta(weights); i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(weights, i, &key);
        sink += (uint8_t)key.ptr[key.size - 1];
        if (value.type == TDL_META_STRING && value.string.size)
            sink += (uint8_t)value.string.ptr[value.string.size - 1];
        if (value.type == TDL_META_ARRAY && value.element == TDL_META_STRING && value.n) {
            tdl_text last = ((const tdl_text *)value.array)[value.n - 1];
            if (last.size) sink += (uint8_t)last.ptr[last.size - 1];
        }
    }
}
