// fingerprint.c - see fingerprint.h.
#include "train/fingerprint.h"

#include "base/checksum.h"

#include <string.h>

static uint64_t hash_tensor(const tdl_weights_tensor *t);
static uint64_t hash_setting(tdl_text key, const tdl_meta *value);
static bool is_for_people(tdl_text key);

tdl_fingerprint tdl_fingerprint_of(const tdl_weights *weights) {
    tdl_fingerprint of = {0};
    for (size_t i = 0; i < tdl_weights_n_tensors(weights); i++) of.tensors += hash_tensor(tdl_weights_at(weights, i));
    for (size_t i = 0; i < tdl_weights_n_meta(weights); i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(weights, i, &key);
        if (!is_for_people(key)) of.settings += hash_setting(key, &value);
    }
    return of;
}

static uint64_t hash_tensor(const tdl_weights_tensor *t) {
    const char *dtype = tdl_dtype_get(t->tensor.dtype)->name;
    tdl_xxh64 hash;
    tdl_xxh64_init(&hash, 0);
    tdl_xxh64_add(&hash, t->name, strlen(t->name) + 1);
    tdl_xxh64_add(&hash, dtype, strlen(dtype) + 1);
    tdl_xxh64_add(&hash, t->tensor.shape, (size_t)t->tensor.n_dims * sizeof *t->tensor.shape);
    if (t->tensor.data) tdl_xxh64_add(&hash, t->tensor.data, tdl_tensor_size(&t->tensor));
    return tdl_xxh64_sum(&hash);
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
