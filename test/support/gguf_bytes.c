// SPDX-License-Identifier: MIT
// gguf_bytes.c - see gguf_bytes.h.
#include "support/gguf_bytes.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

static void put_field(gguf_bytes *g, const void *value, int size, const char *what, uint64_t limit);

void gguf_put(gguf_bytes *g, const void *bytes, size_t size) {
    if (g->size + size > g->size_max) {
        g->size_max = (g->size + size) * 2;
        g->data = realloc(g->data, g->size_max);
        if (!g->data) abort(); // a test without memory
    }
    if (size) memcpy(g->data + g->size, bytes, size);
    g->size += size;
}

void gguf_put_u32(gguf_bytes *g, uint32_t value) { gguf_put(g, &value, sizeof value); }

void gguf_put_u64(gguf_bytes *g, uint64_t value) { gguf_put(g, &value, sizeof value); }

void gguf_put_text(gguf_bytes *g, const char *text, size_t size) {
    uint64_t size_field = size;
    put_field(g, &size_field, 8, "string length", TDL_META_STRING_SIZE_MAX);
    gguf_put(g, text, size);
}

void gguf_put_header(gguf_bytes *g, uint32_t version, uint64_t n_tensors, uint64_t n_meta) {
    gguf_put(g, "GGUF", 4);
    put_field(g, &version, 4, "version", 3);
    put_field(g, &n_tensors, 8, "number of tensors", TDL_TENSORS_MAX);
    put_field(g, &n_meta, 8, "number of keys", TDL_META_KEYS_MAX);
}

void gguf_put_key(gguf_bytes *g, const char *key, uint32_t type) {
    uint64_t size = strlen(key);
    put_field(g, &size, 8, "key length", TDL_META_KEY_SIZE_MAX);
    gguf_put(g, key, size);
    put_field(g, &type, 4, "value type", 12);
}

void gguf_put_key_u32(gguf_bytes *g, const char *key, uint32_t value) {
    gguf_put_key(g, key, 4);
    put_field(g, &value, 4, key, 1 << 20);
}

void gguf_put_array(gguf_bytes *g, const char *key, uint32_t element, uint64_t n) {
    gguf_put_key(g, key, 9);
    put_field(g, &element, 4, "element type", 12);
    put_field(g, &n, 8, "array length", TDL_META_ARRAY_MAX);
}

void gguf_put_tensor(gguf_bytes *g, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                     uint64_t offset) {
    uint64_t size = strlen(name);
    put_field(g, &size, 8, "tensor name length", TDL_TENSOR_NAME_SIZE_MAX);
    gguf_put(g, name, size);
    put_field(g, &n_dims, 4, "number of dimensions", TDL_DIMS_MAX);
    for (uint32_t i = 0; i < n_dims; i++) put_field(g, &dims[i], 8, "dimension", INT64_MAX);
    put_field(g, &type, 4, "tensor type", 39);
    put_field(g, &offset, 8, "tensor offset", INT64_MAX);
}

void gguf_put_data(gguf_bytes *g, size_t alignment, size_t size) {
    while (g->size % alignment) gguf_put(g, "", 1);
    for (size_t i = 0; i < size; i++) gguf_put(g, &(uint8_t){(uint8_t)(i * 7 + 1)}, 1);
}

void gguf_bytes_free(gguf_bytes *g) {
    free(g->data);
    *g = (gguf_bytes){0};
}

static void put_field(gguf_bytes *g, const void *value, int size, const char *what, uint64_t limit) {
    if (g->n_fields < GGUF_FIELDS_MAX)
        g->fields[g->n_fields++] = (gguf_field){.offset = g->size, .size = size, .what = what, .limit = limit};
    gguf_put(g, value, (size_t)size);
}
