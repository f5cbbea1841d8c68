// SPDX-License-Identifier: MIT
// fuzz_safetensors.c - the safetensors parser on any bytes; where it accepts them, every tensor can be read.
#include "format/safetensors.h"

#include <stdlib.h>

static volatile uint8_t sink; // keeps reads from being left out

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    tdl_safetensors file;
    tdl_error err = {0};
    tdl_safetensors_source source = {.bytes = bytes ? bytes : (const uint8_t *)"", .size = size, .file_size = size};
    tdl_status status = tdl_safetensors_parse(tdl_allocator_or_default(NULL), &source, &file, &err);
    if (status > 0 || (status < 0 && !err.message[0])) abort();
    if (status) return 0;
    for (size_t i = 0; i < file.tensors.n; i++) {
        const tdl_safetensors_tensor *t = tdl_vec_at(&file.tensors, tdl_safetensors_tensor, i);
        if (t->odd_type.ptr) continue;
        sink += t->tensor.data[0];
        sink += t->tensor.data[tdl_tensor_size(&t->tensor) - 1];
    }
    tdl_safetensors_deinit(&file);
    return 0;
}
