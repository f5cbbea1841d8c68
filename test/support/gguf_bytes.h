// SPDX-License-Identifier: MIT
// gguf_bytes.h - makes GGUF files byte by byte, right ones and wrong ones, apart from the library's writer.
//
//     gguf_bytes g = {0};
//     gguf_put_header(&g, 3, 1, 1);
//     gguf_put_key(&g, "general.architecture", TDL_GGUF_STRING);
//     gguf_put_text(&g, "llama", 5);
//     gguf_put_tensor(&g, "w", 2, (uint64_t[]){4, 2}, 0, 0);   // dimensions innermost first, as in the file
//     gguf_put_data(&g, 32, 32);
//     ... g.data, g.size ...
//     gguf_bytes_free(&g);
//
// Every count, length, dimension, type and offset is noted as a field, so that a test can set each to bad values.
#ifndef TDL_TEST_GGUF_BYTES_H
#define TDL_TEST_GGUF_BYTES_H

#include <stddef.h>
#include <stdint.h>

enum { GGUF_FIELDS_MAX = 512 };

typedef struct gguf_field {
    size_t offset;
    int size; // bytes: 4 or 8
    const char *what;
    uint64_t limit; // its largest good value
} gguf_field;

typedef struct gguf_bytes {
    uint8_t *data;
    size_t size, size_max;
    gguf_field fields[GGUF_FIELDS_MAX]; // the first ones
    size_t n_fields;
} gguf_bytes;

void gguf_put(gguf_bytes *g, const void *bytes, size_t size);
void gguf_put_u32(gguf_bytes *g, uint32_t value);
void gguf_put_u64(gguf_bytes *g, uint64_t value);
void gguf_put_text(gguf_bytes *g, const char *text, size_t size); // with its length
void gguf_put_header(gguf_bytes *g, uint32_t version, uint64_t n_tensors, uint64_t n_meta);
void gguf_put_key(gguf_bytes *g, const char *key, uint32_t type);
void gguf_put_key_u32(gguf_bytes *g, const char *key, uint32_t value);
void gguf_put_array(gguf_bytes *g, const char *key, uint32_t element, uint64_t n); // the elements follow
void gguf_put_tensor(gguf_bytes *g, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                     uint64_t offset);
void gguf_put_data(gguf_bytes *g, size_t alignment, size_t size); // padding, then a pattern
void gguf_bytes_free(gguf_bytes *g);

#endif
