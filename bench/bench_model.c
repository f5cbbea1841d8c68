// SPDX-License-Identifier: MIT
// bench_model.c - writes a GGUF model of a real shape with random weights, to measure speed with: the time of a step does
// not depend on the values.
//
//     bench_model llama3.1-8b Q4_K_M out.gguf
//
// The vocabulary has the real size and no tokenizer ("none", which llama.cpp reads as well). A matrix is a pool of blocks,
// encoded from Gaussian numbers of deviation 0.02, repeated from a random place for each row. Q4_K_M is llama.cpp's mix:
// Q6_K for the output matrix, and in half of the layers for v and the down projection.
#include "base/alloc.h"
#include "base/rng.h"
#include "format/gguf_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
    const char *name;
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_ctx, n_vocab;
    float rope_theta;
    bool tied; // the output matrix is the embedding
} shape;

static const shape shapes[] = {
    {"smollm2-135m", 30, 576, 9, 3, 64, 1536, 8192, 49152, 1e5F, true},
    {"qwen2.5-0.5b-like", 24, 896, 14, 2, 64, 4864, 32768, 151936, 1e6F, true}, // without the biases
    {"llama3.2-1b", 16, 2048, 32, 8, 64, 8192, 131072, 128256, 5e5F, true},
    {"llama3.1-8b", 32, 4096, 32, 8, 128, 14336, 131072, 128256, 5e5F, false},
};

enum { POOL_N = 1 << 20, TENSORS_MAX = 16 * 64 };

// A type's encoded numbers, and which tensors have it.
typedef struct matrix_types {
    tdl_dtype most, more; // `more`: those that a mix keeps more exactly
} matrix_types;

typedef struct tensor_list {
    tdl_tensor tensors[TENSORS_MAX];
    size_t n;
} tensor_list;

static unsigned char *pools[TDL_DTYPE_COUNT];
static float *gaussian; // [POOL_N]

static tdl_status write_model(const shape *s, matrix_types types, const char *path, tdl_error *err);
static const shape *shape_find(const char *name);
static matrix_types types_find(const char *name);

int main(int argc, char **argv) {
    const shape *s = argc == 4 ? shape_find(argv[1]) : NULL;
    matrix_types types = argc == 4 ? types_find(argv[2]) : (matrix_types){0};
    if (!s || !types.most) {
        fprintf(stderr, "usage: bench_model SHAPE Q4_K_M|F16|BF16|Q8_0|Q4_0|Q4_1|Q4_K|Q5_K|Q6_K OUT.gguf\nshapes:");
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) fprintf(stderr, " %s", shapes[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    tdl_error err = {0};
    if (write_model(s, types, argv[3], &err) == TDL_OK) return 0;
    fprintf(stderr, "bench_model: %s\n", err.message);
    return 1;
}

static const shape *shape_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

static matrix_types types_find(const char *name) {
    if (strcmp(name, "Q4_K_M") == 0) return (matrix_types){TDL_DTYPE_Q4_K, TDL_DTYPE_Q6_K};
    tdl_dtype dtype = tdl_dtype_from_name(name);
    return tdl_dtype_get(dtype)->encode ? (matrix_types){dtype, dtype} : (matrix_types){0};
}

// Metadata as llama.cpp's converter writes it for these families.
static tdl_status add_metadata(tdl_gguf_writer *w, const shape *s, tdl_error *err) {
    const struct {
        const char *key;
        uint32_t value;
    } counts[] = {
        {"llama.block_count", s->n_layers},
        {"llama.embedding_length", s->n_embd},
        {"llama.feed_forward_length", s->n_ff},
        {"llama.context_length", s->n_ctx},
        {"llama.vocab_size", s->n_vocab},
        {"llama.attention.head_count", s->n_heads},
        {"llama.attention.head_count_kv", s->n_kv_heads},
        {"llama.attention.key_length", s->head_dim},
        {"llama.attention.value_length", s->head_dim},
        {"llama.rope.dimension_count", s->head_dim},
    };
    tdl_status status = tdl_gguf_writer_string(w, "general.architecture", "llama", err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(w, "general.name", s->name, err);
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == TDL_OK; i++)
        status = tdl_gguf_writer_u32(w, counts[i].key, counts[i].value, err);
    if (status == TDL_OK) status = tdl_gguf_writer_f32(w, "llama.rope.freq_base", s->rope_theta, err);
    if (status == TDL_OK) status = tdl_gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5F, err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(w, "tokenizer.ggml.model", "none", err);
    return status;
}

static tdl_status add_tensor(tdl_gguf_writer *w, tensor_list *list, const char *name, tdl_dtype dtype, int64_t rows,
                             int64_t columns, tdl_error *err) {
    if (list->n == TENSORS_MAX) return tdl_fail(err, TDL_ERROR_LIMIT, "more than %d tensors", TENSORS_MAX);
    tdl_tensor *tensor = &list->tensors[list->n++];
    const int64_t vector[] = {columns}, matrix[] = {rows, columns};
    tdl_status status = rows ? tdl_tensor_make(dtype, 2, matrix, NULL, tensor, err)
                             : tdl_tensor_make(TDL_DTYPE_F32, 1, vector, NULL, tensor, err);
    return status == TDL_OK ? tdl_gguf_writer_tensor(w, name, tensor, err) : status;
}

// llama.cpp keeps the first and the last eighth of the layers, and every third between them, more exactly.
static bool layer_is_exact(uint32_t layer, uint32_t n) {
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static tdl_status add_layer(tdl_gguf_writer *w, tensor_list *list, const shape *s, matrix_types types, uint32_t layer,
                            tdl_error *err) {
    const int64_t e = s->n_embd, f = s->n_ff, q = (int64_t)s->n_heads * s->head_dim,
                  k = (int64_t)s->n_kv_heads * s->head_dim;
    tdl_dtype more = layer_is_exact(layer, s->n_layers) ? types.more : types.most;
    const struct {
        const char *name;
        tdl_dtype dtype;
        int64_t rows, columns;
    } parts[] = {
        {"attn_norm", TDL_DTYPE_F32, 0, e}, {"attn_q", types.most, q, e},
        {"attn_k", types.most, k, e},       {"attn_v", more, k, e},
        {"attn_output", types.most, e, q},  {"ffn_norm", TDL_DTYPE_F32, 0, e},
        {"ffn_gate", types.most, f, e},     {"ffn_up", types.most, f, e},
        {"ffn_down", more, e, f},
    };
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == TDL_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.%s.weight", layer, parts[i].name);
        status = add_tensor(w, list, name, parts[i].dtype, parts[i].rows, parts[i].columns, err);
    }
    return status;
}

// Encodes the pool of a type when it is first asked for.
static const unsigned char *pool_of(tdl_dtype dtype) {
    if (pools[dtype]) return pools[dtype];
    size_t size;
    if (!tdl_dtype_row_size(dtype, POOL_N, &size) || !(pools[dtype] = malloc(size))) return NULL;
    tdl_dtype_get(dtype)->encode(gaussian, pools[dtype], POOL_N);
    return pools[dtype];
}

static tdl_status write_tensor(tdl_gguf_writer *w, tdl_tensor *tensor, tdl_rng *rng, tdl_error *err) {
    const tdl_dtype_info *info = tdl_dtype_get(tensor->dtype);
    size_t size = tdl_tensor_size(tensor), row = size;
    const int64_t columns = tensor->shape[tensor->n_dims - 1];
    unsigned char *data = malloc(size);
    if (!data) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for a tensor of %zu bytes", size);
    tensor->data = data;
    if (tensor->n_dims == 1) {
        for (int64_t i = 0; i < columns; i++) ((float *)tensor->data)[i] = 1;
    } else {
        const unsigned char *pool = pool_of(tensor->dtype);
        if (!pool || !tdl_dtype_row_size(tensor->dtype, columns, &row)) {
            free(data);
            return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for a pool of %s", info->name);
        }
        const uint32_t n_places = (uint32_t)((POOL_N - columns) / info->block_n);
        for (size_t at = 0; at < size; at += row)
            memcpy(data + at, pool + (size_t)(tdl_rng_u32(rng) % n_places) * (size_t)info->block_size, row);
    }
    tdl_status status = tdl_gguf_writer_data(w, tensor, err);
    free(data);
    tensor->data = NULL;
    return status;
}

static tdl_status write_model(const shape *s, matrix_types types, const char *path, tdl_error *err) {
    static tensor_list list;
    tdl_gguf_writer *w = NULL;
    tdl_rng rng = tdl_rng_make(1, 0);
    gaussian = malloc(POOL_N * sizeof *gaussian);
    tdl_status status = gaussian ? tdl_gguf_writer_create(tdl_allocator_or_default(NULL), &w, err)
                                 : tdl_fail(err, TDL_ERROR_MEMORY, "no memory");
    for (size_t i = 0; gaussian && i < POOL_N; i++) gaussian[i] = 0.02F * (float)tdl_rng_normal(&rng);
    if (status == TDL_OK) status = add_metadata(w, s, err);
    if (status == TDL_OK)
        status =
            add_tensor(w, &list, "token_embd.weight", s->tied ? types.more : types.most, s->n_vocab, s->n_embd, err);
    for (uint32_t i = 0; i < s->n_layers && status == TDL_OK; i++) status = add_layer(w, &list, s, types, i, err);
    if (status == TDL_OK) status = add_tensor(w, &list, "output_norm.weight", TDL_DTYPE_F32, 0, s->n_embd, err);
    if (status == TDL_OK && !s->tied)
        status = add_tensor(w, &list, "output.weight", types.more, s->n_vocab, s->n_embd, err);
    if (status == TDL_OK) status = tdl_gguf_writer_open(w, path, err);
    for (size_t i = 0; i < list.n && status == TDL_OK; i++) status = write_tensor(w, &list.tensors[i], &rng, err);
    if (status == TDL_OK) status = tdl_gguf_writer_commit(w, err);
    tdl_gguf_writer_destroy(w);
    for (int i = 0; i < TDL_DTYPE_COUNT; i++) free(pools[i]);
    free(gaussian);
    return status;
}
