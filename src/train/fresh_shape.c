// SPDX-License-Identifier: MIT
// fresh_shape.c - see fresh_shape.h.
#include "train/fresh_shape.h"

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "train/data_record.h"

#include <string.h>

// tiny: readable words from one novel within minutes on two cores. small: sentences, in an hour or two.
static const tdl_fresh_shape shapes[] = {
    {.name = "tiny",
     .n_vocab = 2048,
     .n_embd = 192,
     .n_layers = 4,
     .n_heads = 6,
     .n_kv_heads = 2,
     .n_ff = 512,
     .n_ctx = 256,
     .n_steps = 1500,
     .n_batch = 8,
     .n_seq = 128,
     .lr = 3e-3f},
    {.name = "small",
     .n_vocab = 4096,
     .n_embd = 384,
     .n_layers = 8,
     .n_heads = 6,
     .n_kv_heads = 2,
     .n_ff = 1024,
     .n_ctx = 512,
     .n_steps = 4000,
     .n_batch = 8,
     .n_seq = 256,
     .lr = 1e-3f},
};

static tdl_status train_tokenizer(const tdl_fresh_files_desc *desc, const char *path, tdl_error *err);
static tdl_status write_config(const tdl_fresh_files_desc *desc, const char *tokenizer, const char *path,
                               tdl_error *err);

const tdl_fresh_shape *tdl_fresh_shape_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

tdl_status tdl_fresh_files(const tdl_fresh_files_desc *desc, tdl_error *err) {
    char *own = tdl_path_join(desc->mem, desc->dir, "tokenizer.json");
    char *config = tdl_path_join(desc->mem, desc->dir, "config.json");
    tdl_status status = own && config ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a path");
    if (status == TDL_OK && !desc->tokenizer && !tdl_path_exists(own)) status = train_tokenizer(desc, own, err);
    if (status == TDL_OK && !tdl_path_exists(config))
        status = write_config(desc, desc->tokenizer ? desc->tokenizer : own, config, err);
    tdl_free(desc->mem, own);
    tdl_free(desc->mem, config);
    return status;
}

static tdl_status train_tokenizer(const tdl_fresh_files_desc *desc, const char *path, tdl_error *err) {
    const tdl_tokenizer_train_desc of = {.size = sizeof of,
                                         .data = desc->data,
                                         .n_data = desc->n_data,
                                         .n_vocab = desc->n_vocab ? desc->n_vocab : desc->shape->n_vocab,
                                         .progress = desc->progress,
                                         .progress_user = desc->progress_user,
                                         .allocator = desc->mem};
    return tdl_tokenizer_train(&of, path, NULL, err);
}

static tdl_status write_config(const tdl_fresh_files_desc *desc, const char *tokenizer, const char *path,
                               tdl_error *err) {
    const tdl_fresh_shape *s = desc->shape;
    tdl_tokenizer *opened = NULL;
    tdl_data_style style = {.eos = -1, .bos = -1};
    tdl_file_writer *writer = NULL;
    tdl_str json = tdl_str_make(desc->mem);
    const tdl_model_desc of = {.size = sizeof of, .path = tokenizer, .allocator = desc->mem};
    tdl_status status = tdl_tokenizer_open(&of, &opened, err);
    if (status == TDL_OK) status = tdl_data_style_find(opened, &style, err);
    if (status != TDL_OK) goto cleanup;
    tdl_str_format(&json,
                   "{\n  \"model_type\": \"llama\",\n  \"architectures\": [\"LlamaForCausalLM\"],\n"
                   "  \"vocab_size\": %d,\n  \"hidden_size\": %d,\n  \"num_hidden_layers\": %d,\n"
                   "  \"num_attention_heads\": %d,\n  \"num_key_value_heads\": %d,\n  \"intermediate_size\": %d,\n"
                   "  \"max_position_embeddings\": %d,\n  \"rms_norm_eps\": 1e-5,\n  \"rope_theta\": 10000.0,\n"
                   "  \"hidden_act\": \"silu\",\n  \"tie_word_embeddings\": true,\n",
                   tdl_tokenizer_n_vocab(opened), s->n_embd, s->n_layers, s->n_heads, s->n_kv_heads, s->n_ff, s->n_ctx);
    if (tdl_tokenizer_bos(opened) >= 0) tdl_str_format(&json, "  \"bos_token_id\": %d,\n", tdl_tokenizer_bos(opened));
    if (style.eos >= 0) tdl_str_format(&json, "  \"eos_token_id\": %d,\n", style.eos);
    tdl_str_format(&json, "  \"initializer_range\": 0.02\n}\n");
    if (json.failed) status = tdl_fail(err, TDL_ERROR_MEMORY, "fresh model: no memory for a config.json");
    if (status == TDL_OK) status = tdl_file_writer_open(desc->mem, path, &writer, err);
    if (status == TDL_OK) status = tdl_file_writer_write(writer, json.ptr, json.size, err);
    if (status == TDL_OK) {
        status = tdl_file_writer_commit(writer, err);
        writer = NULL;
    }
cleanup:
    tdl_file_writer_abort(writer);
    tdl_str_deinit(&json);
    tdl_tokenizer_close(opened);
    return status;
}
