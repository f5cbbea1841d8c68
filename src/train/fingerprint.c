// SPDX-License-Identifier: MIT
// fingerprint.c - see fingerprint.h.
#include "train/fingerprint.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/error.h"

#include <string.h>

enum { CHUNK_SIZE = 1 << 20 };

static tdl_status hash_tensor(const tdl_weights *weights, const tdl_weights_tensor *t, uint8_t *chunk, uint64_t *sum,
                              tdl_error *err);
static uint64_t hash_setting(tdl_text key, const tdl_meta *value);
static bool is_for_people(tdl_text key);

tdl_status tdl_fingerprint_of(const tdl_weights *weights, const tdl_allocator *mem, tdl_fingerprint *out,
                              tdl_error *err) {
    tdl_fingerprint of = {0};
    tdl_status status = TDL_OK;
    uint8_t *chunk = tdl_alloc(mem, CHUNK_SIZE, 1);
    if (!chunk) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    for (size_t i = 0; i < tdl_weights_n_tensors(weights) && status == TDL_OK; i++) {
        uint64_t sum = 0;
        status = hash_tensor(weights, tdl_weights_at(weights, i), chunk, &sum, err);
        of.tensors += sum;
    }
    for (size_t i = 0; i < tdl_weights_n_meta(weights); i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(weights, i, &key);
        if (!is_for_people(key)) of.settings += hash_setting(key, &value);
    }
    tdl_free(mem, chunk);
    if (status == TDL_OK) *out = of;
    return status;
}

// A tensor of a type that treadle lacks is not used: its name and type count.
static tdl_status hash_tensor(const tdl_weights *weights, const tdl_weights_tensor *t, uint8_t *chunk, uint64_t *sum,
                              tdl_error *err) {
    const char *dtype = t->odd_type ? t->odd_type : tdl_dtype_get(t->tensor.dtype)->name;
    tdl_xxh64 hash;
    tdl_xxh64_init(&hash, 0);
    tdl_xxh64_add(&hash, t->name, strlen(t->name) + 1);
    tdl_xxh64_add(&hash, dtype, strlen(dtype) + 1);
    tdl_xxh64_add(&hash, t->tensor.shape, (size_t)t->tensor.n_dims * sizeof *t->tensor.shape);
    size_t size = t->odd_type ? 0 : tdl_tensor_size(&t->tensor);
    if (t->place.file < 0 && size) tdl_xxh64_add(&hash, t->tensor.data, size);
    for (size_t at = 0, n; t->place.file >= 0 && at < size; at += n) {
        n = size - at < CHUNK_SIZE ? size - at : CHUNK_SIZE;
        tdl_weights_place place = {.file = t->place.file, .offset = t->place.offset + at};
        tdl_status status = tdl_weights_read(weights, place, chunk, n, err);
        if (status != TDL_OK) return status;
        tdl_xxh64_add(&hash, chunk, n);
    }
    *sum = tdl_xxh64_sum(&hash);
    return TDL_OK;
}

static uint64_t hash_setting(tdl_text key, const tdl_meta *value) {
    static const size_t sizes[] = {[TDL_META_BOOL] = sizeof(bool),
                                   [TDL_META_INT] = sizeof(int64_t),
                                   [TDL_META_UINT] = sizeof(uint64_t),
                                   [TDL_META_FLOAT] = sizeof(double)};
    double number = value->type == TDL_META_INT ? (double)value->integer : value->number; // 10000 and 10000.0 are one
    tdl_xxh64 hash;
    tdl_xxh64_init(&hash, 1);
    tdl_xxh64_add(&hash, key.ptr, key.size);
    if (value->type == TDL_META_BOOL) tdl_xxh64_add(&hash, &value->boolean, sizeof value->boolean);
    if (value->type == TDL_META_INT || value->type == TDL_META_FLOAT) tdl_xxh64_add(&hash, &number, sizeof number);
    if (value->type == TDL_META_UINT) tdl_xxh64_add(&hash, &value->uinteger, sizeof value->uinteger);
    if (value->type == TDL_META_STRING) tdl_xxh64_add(&hash, value->string.ptr, value->string.size);
    if (value->type == TDL_META_ARRAY && value->element < TDL_META_STRING && value->n)
        tdl_xxh64_add(&hash, value->array, value->n * sizes[value->element]);
    return tdl_xxh64_sum(&hash);
}

// The tokenizer is in the data's own fingerprint: its ids.
static bool is_for_people(tdl_text key) {
    static const char *const heads[] = {"general.",     "tokenizer.",           "split.", "quantize.",   "generation.",
                                        "safetensors.", "transformers_version", "_name",  "torch_dtype", "dtype",
                                        "use_cache"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t size = strlen(heads[i]);
        if (key.size >= size && memcmp(key.ptr, heads[i], size) == 0) return !tdl_text_is(key, "general.architecture");
    }
    return false;
}
