// SPDX-License-Identifier: MIT
// test_extra_tensors.c - tensors that do not fit the configuration: too many blocks, weights that nothing uses, biases that only
// some blocks have, and types that treadle lacks. What would change the results is an error that names the tensor; what only
// lies beside them opens, and the model's warnings say so.
//
// The models are made here: a llama of 2 blocks, as a GGUF file and as a directory. Only opening is looked at.
#include "base/str.h"
#include "model/model_impl.h"
#include "support/gguf_bytes.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct extra {
    const char *name, *instead; // instead: of a tensor that is then left out; NULL: one more
    const char *dtype;          // of a directory's file; NULL: F32
    uint32_t type;              // of a GGUF file: ggml's number; 0 is F32
    uint64_t cols, rows;        // rows 0: a vector
} extra;

typedef struct tensor_case {
    extra extras[4];
    uint64_t gap, spare; // bytes of a GGUF file before its last tensor, and behind it
    const char *config;  // members of config.json, each with a comma before it
    tdl_status status;
    const char *message; // a part of the error's, or of the warnings where it opens; NULL: no warning
} tensor_case;

enum { WIDTH = 32, FFN = 64, KV = 16, VOCAB = 16, N_BLOCKS = 2, TENSORS_MAX = 64, NAME_SIZE = 96 };

typedef struct item {
    char name[NAME_SIZE];
    const char *dtype;
    uint32_t type;
    uint64_t cols, rows;
} item;

typedef struct items {
    item list[TENSORS_MAX];
    size_t n;
} items;

static void add(items *all, const char *name, uint64_t cols, uint64_t rows) {
    item *one = &all->list[all->n++];
    *one = (item){.dtype = "F32", .cols = cols, .rows = rows};
    snprintf(one->name, sizeof one->name, "%s", name);
}

static void list_model(items *all, bool gguf) {
    static const struct {
        const char *gguf, *hf;
        uint64_t cols, rows;
    } parts[] = {{"attn_norm", "input_layernorm", WIDTH, 0},        {"attn_q", "self_attn.q_proj", WIDTH, WIDTH},
                 {"attn_k", "self_attn.k_proj", WIDTH, KV},         {"attn_v", "self_attn.v_proj", WIDTH, KV},
                 {"attn_output", "self_attn.o_proj", WIDTH, WIDTH}, {"ffn_norm", "post_attention_layernorm", WIDTH, 0},
                 {"ffn_gate", "mlp.gate_proj", WIDTH, FFN},         {"ffn_up", "mlp.up_proj", WIDTH, FFN},
                 {"ffn_down", "mlp.down_proj", FFN, WIDTH}};
    char name[NAME_SIZE];
    add(all, gguf ? "token_embd.weight" : "model.embed_tokens.weight", WIDTH, VOCAB);
    add(all, gguf ? "output_norm.weight" : "model.norm.weight", WIDTH, 0);
    add(all, gguf ? "output.weight" : "lm_head.weight", WIDTH, VOCAB);
    for (int block = 0; block < N_BLOCKS; block++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            snprintf(name, sizeof name, gguf ? "blk.%d.%s.weight" : "model.layers.%d.%s.weight", block,
                     gguf ? parts[i].gguf : parts[i].hf);
            add(all, name, parts[i].cols, parts[i].rows);
        }
}

static void change(items *all, const tensor_case *c) {
    for (size_t i = 0; i < 4 && c->extras[i].name; i++) {
        const extra *e = &c->extras[i];
        for (size_t k = 0; k < all->n && e->instead; k++)
            if (strcmp(all->list[k].name, e->instead) == 0) all->list[k] = all->list[--all->n];
        add(all, e->name, e->cols, e->rows);
        all->list[all->n - 1].type = e->type;
        if (e->dtype) all->list[all->n - 1].dtype = e->dtype;
    }
}

// Bytes an element: of what these tests have.
static uint64_t element_size(const item *one) {
    if (one->type == 28 || strcmp(one->dtype, "F64") == 0 || strcmp(one->dtype, "I64") == 0) return 8;
    return strncmp(one->dtype, "F8", 2) == 0 || strcmp(one->dtype, "BOOL") == 0 ? 1 : 4;
}

static uint64_t size_of(const item *one) { return one->cols * (one->rows ? one->rows : 1) * element_size(one); }

static void write_gguf(const tensor_case *c, const char *path) {
    static items all;
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"llama.block_count", N_BLOCKS},          {"llama.embedding_length", WIDTH},
                {"llama.attention.head_count", 4},        {"llama.attention.head_count_kv", 2},
                {"llama.feed_forward_length", FFN},       {"llama.context_length", 64},
                {"llama.rope.dimension_count", WIDTH / 4}};
    enum { N_KEYS = sizeof keys / sizeof *keys };
    gguf_bytes g = {0};
    uint64_t offset = 0;
    all.n = 0;
    list_model(&all, true);
    change(&all, c);
    gguf_put_header(&g, 3, all.n, N_KEYS + 2);
    gguf_put_key(&g, "llama.attention.layer_norm_rms_epsilon", 6);
    gguf_put(&g, &(float){1e-6f}, sizeof(float));
    gguf_put_key(&g, "general.architecture", 8);
    gguf_put_text(&g, "llama", 5);
    for (size_t i = 0; i < N_KEYS; i++) gguf_put_key_u32(&g, keys[i].key, keys[i].value);
    for (size_t i = 0; i < all.n; i++) {
        const item *one = &all.list[i];
        if (i == all.n - 1) offset += c->gap;
        gguf_put_tensor(&g, one->name, one->rows ? 2 : 1, (uint64_t[]){one->cols, one->rows}, one->type, offset);
        offset += (size_of(one) + 31) / 32 * 32;
    }
    gguf_put_data(&g, 32, (size_t)(offset + c->spare));
    test_file_write(path, g.data, g.size);
    gguf_bytes_free(&g);
}

static void write_dir(const tensor_case *c, const char *dir) {
    static items all;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    char path[TEST_PATH_SIZE];
    tdl_str bytes = tdl_str_make(mem), config = bytes;
    unsigned long long offset = 0;
    all.n = 0;
    list_model(&all, false);
    change(&all, c);
    tdl_str_append(&bytes, "\0\0\0\0\0\0\0\0{", 9);
    for (size_t i = 0; i < all.n; i++) {
        const item *one = &all.list[i];
        unsigned long long cols = one->cols, rows = one->rows, end = offset + size_of(one);
        tdl_str_format(&bytes, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "", one->name, one->dtype);
        if (rows) tdl_str_format(&bytes, "%llu,", rows);
        tdl_str_format(&bytes, "%llu],\"data_offsets\":[%llu,%llu]}", cols, offset, end);
        offset = end;
    }
    tdl_str_append(&bytes, "}", 1);
    uint64_t header_size = bytes.size - 8;
    char *zeros = calloc(1, (size_t)offset + 1);
    assert_non_null(zeros);
    tdl_str_append(&bytes, zeros, (size_t)offset);
    free(zeros);
    tdl_str_format(&config,
                   "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":%d,"
                   "\"num_hidden_layers\":%d,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
                   "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":64,\"rms_norm_eps\":1e-6,"
                   "\"rope_theta\":10000.0,\"hidden_act\":\"silu\"%s}",
                   WIDTH, N_BLOCKS, FFN, VOCAB, c->config ? c->config : "");
    assert_false(bytes.failed || config.failed);
    memcpy(bytes.ptr, &header_size, sizeof header_size);
    test_file_write(test_path(path, dir, "model.safetensors"), bytes.ptr, bytes.size);
    test_file_write(test_path(path, dir, "config.json"), config.ptr, config.size);
    tdl_str_deinit(&bytes);
    tdl_str_deinit(&config);
}

static void check(const tensor_case *c, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_status status = tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path}, &model, &err);
    const char *said = status != TDL_OK ? err.message : tdl_model_n_warnings(model) ? tdl_model_warning(model, 0) : "";
    bool right = c->message ? strstr(said, c->message) != NULL : *said == '\0';
    if (status != c->status || !right)
        fail_msg("'%s': status %s, '%s', expected %s, '%s'", c->extras[0].name ? c->extras[0].name : "",
                 tdl_status_name(status), said, tdl_status_name(c->status), c->message ? c->message : "");
    tdl_model_close(model);
}

static void test_gguf(void **state) {
    (void)state;
    static const tensor_case cases[] = {
        {.extras = {{0}}},
        // more blocks than block_count says
        {.extras = {{"blk.2.attn_q.weight", .cols = WIDTH, .rows = WIDTH}},
         .status = TDL_ERROR_FORMAT,
         .message = "tensor 'blk.2.attn_q.weight' is of block 2, but the configuration has 2 blocks"},
        {.extras = {{"blk.77.x", .cols = 4}}, .status = TDL_ERROR_FORMAT, .message = "'blk.77.x' is of block 77"},
        // weights of a block that a llama has not
        {.extras = {{"blk.1.attn_q_norm.weight", .cols = 8}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'blk.1.attn_q_norm.weight': 'llama' as this file configures it has no use for it"},
        {.extras = {{"blk.0.ffn_gate_inp.weight", .cols = WIDTH, .rows = 4}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'blk.0.ffn_gate_inp.weight'"},
        {.extras = {{"output.bias", .cols = VOCAB}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'output.bias'"},
        {.extras = {{"rope_factors_long.weight", .cols = 4}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'rope_factors_long.weight'"},
        // biases in some blocks only, and of q without k
        {.extras = {{"blk.0.attn_output.bias", .cols = WIDTH}},
         .status = TDL_ERROR_FORMAT,
         .message = "tensor 'blk.1.attn_output.bias' is missing, while the file has 'blk.0.attn_output.bias'"},
        {.extras = {{"blk.0.attn_q.bias", .cols = WIDTH}, {"blk.1.attn_q.bias", .cols = WIDTH}},
         .status = TDL_ERROR_FORMAT,
         .message = "tensor 'blk.0.attn_k.bias' is missing, while the file has 'blk.0.attn_q.bias'"},
        {.extras = {{"blk.0.ffn_down.bias", .cols = WIDTH}, {"blk.1.ffn_down.bias", .cols = WIDTH}}},
        // what lies beside the model
        {.extras = {{"mm.0.weight", .cols = 4}}, .message = "1 tensor of the file is not used: 'mm.0.weight'"},
        {.extras = {{"a", .cols = 4}, {"b", .type = 28, .cols = 4}, {"c", .type = 99, .cols = 4}, {"d", .cols = 0}},
         .message = "4 tensors of the file are not used: 'a', 'b', 'c', 'd'"},
        {.extras = {{"blk.1.attn_rot_embd.weight", .cols = 4}}}, // RoPE's frequencies, in old files
        // files whose offsets leave something over: padding of less than the alignment, 32, is none of it
        {.extras = {{0}},
         .gap = 32,
         .status = TDL_ERROR_FORMAT,
         .message = ", before tensor 'blk.1.ffn_down.weight', belong to no tensor"},
        {.extras = {{0}}, .spare = 32, .message = "32 bytes at the file's end belong to no tensor"},
        {.extras = {{0}}, .spare = 1, .message = "1 bytes at the file's end belong to no tensor"},
        // types that treadle lacks, where it needs the tensor
        {.extras = {{"blk.0.attn_q.weight", "blk.0.attn_q.weight", .type = 28, .cols = WIDTH, .rows = WIDTH}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'blk.0.attn_q.weight' has type F64, expected a float or a block type"},
        {.extras = {{"blk.0.attn_q.weight", "blk.0.attn_q.weight", .type = 23, .cols = WIDTH, .rows = WIDTH}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'blk.0.attn_q.weight' has type IQ4_XS"},
        {.extras = {{"output_norm.weight", "output_norm.weight", .type = 99, .cols = WIDTH}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'output_norm.weight' has type number 99"},
        {.extras = {{"output_norm.weight", "output_norm.weight", .cols = 0}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'output_norm.weight' has type F32 of no elements"},
    };
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "m.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_gguf(&cases[i], path);
        check(&cases[i], path);
    }
    test_dir_remove(dir);
}

#define BLOCK(name) "model.layers." name

static void test_dir(void **state) {
    (void)state;
    static const tensor_case cases[] = {
        {.extras = {{0}}},
        {.extras = {{BLOCK("2.self_attn.q_proj.weight"), .cols = WIDTH, .rows = WIDTH}},
         .status = TDL_ERROR_FORMAT,
         .message = "'model.layers.2.self_attn.q_proj.weight' is of block 2, but the configuration has 2 blocks"},
        {.extras = {{BLOCK("0.self_attn.q_norm.weight"), .cols = 8}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'model.layers.0.self_attn.q_norm.weight': 'llama' as this file configures it has no use for it"},
        {.extras = {{"lm_head.bias", .cols = VOCAB}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "tensor 'lm_head.bias'"},
        {.extras = {{BLOCK("1.mlp.up_proj.bias"), .cols = FFN}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'model.layers.1.mlp.up_proj.bias': 'llama' as this file configures it has no use for it"},
        {.extras = {{BLOCK("0.mlp.gate_proj.bias"), .cols = FFN}},
         .config = ",\"mlp_bias\":true",
         .status = TDL_ERROR_FORMAT,
         .message = "'model.layers.0.mlp.up_proj.bias' is missing"},
        // buffers that older versions of Transformers wrote
        {
            .extras = {{BLOCK("0.self_attn.rotary_emb.inv_freq"), .cols = 4},
                       {BLOCK("1.self_attn.rotary_emb.inv_freq"), .cols = 4}},
        },
        {.extras = {{"value_head.weight", .cols = 4},
                    {"steps", .dtype = "I64", .cols = 1},
                    {"f8", .dtype = "F8_E4M3", .cols = 4},
                    {"none", .cols = 0}},
         .message = "4 tensors of the file are not used: 'value_head.weight', 'steps', 'f8', 'none'"},
        {.extras = {{BLOCK("0.mlp.up_proj.weight"), BLOCK("0.mlp.up_proj.weight"), "F8_E5M2", .cols = WIDTH,
                     .rows = FFN}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'model.layers.0.mlp.up_proj.weight' has type F8_E5M2, expected a float or a block type"},
        {.extras = {{BLOCK("0.mlp.up_proj.weight"), BLOCK("0.mlp.up_proj.weight"), "F64", .cols = WIDTH, .rows = FFN}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "has type F64"},
        {.extras = {{"model.norm.weight", "model.norm.weight", .cols = 0}},
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'model.norm.weight' has type F32 of no elements"},
        {.extras = {{0}},
         .config = ",\"architectures\":[\"Qwen2ForCausalLM\"]",
         .message =
             "architectures has 'Qwen2ForCausalLM'; the model is taken for a LlamaForCausalLM, as model_type says"},
        // Transformers 5 uses the output matrix too, where the file has one of its own
        {.extras = {{0}},
         .config = ",\"tie_word_embeddings\":true",
         .message = "config.json has tie_word_embeddings, but there is an output matrix: it is used"},
    };
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_dir(&cases[i], dir);
        check(&cases[i], dir);
    }
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gguf), cmocka_unit_test(test_dir)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
