// SPDX-License-Identifier: MIT
// test_export_tokenizer.c - a tokenizer.json exported to GGUF gives the ids that Hugging Face's library gives.
//
// The models around the tokenizers are fresh ones. Where GGUF's keys would lose something the whole tokenizer.json goes along, and
// every case of the golden files must come out the same.
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_golden.h"
#include "train/export.h"
#include "train/fresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "{\"model_type\": \"llama\", \"hidden_size\": 8, \"num_hidden_layers\": 1, "
                             "\"num_attention_heads\": 2, \"intermediate_size\": 16, \"max_position_embeddings\": 128, "
                             "\"vocab_size\": 700, \"rms_norm_eps\": 1e-5%s}";

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_model *open_fresh(const char *dir, const char *name, const char *more) {
    char path[TEST_PATH_SIZE], tokenizer[TEST_PATH_SIZE], text[1024];
    tdl_weights *weights = NULL;
    tdl_model *model = NULL;
    tdl_error err = {0};
    snprintf(text, sizeof text, config, more);
    test_file_write(test_path(path, dir, "config.json"), text, strlen(text));
    snprintf(tokenizer, sizeof tokenizer, "%s/token/%s.tokenizer.json", TDL_TEST_DATA, name);
    tdl_fresh_desc desc = {.mem = mem(), .config = path, .tokenizer = tokenizer, .seed = 1};
    if (tdl_fresh_weights(&desc, &weights, &err)) fail_msg("%s: %s", name, err.message);
    tdl_model_desc model_desc = {.size = sizeof model_desc};
    if (tdl_model_open_weights(weights, &model_desc, &model, &err)) fail_msg("%s: %s", name, err.message);
    return model;
}

static void check_tokenizer(const char *dir, const char *name, bool whole) {
    char path[TEST_PATH_SIZE], file[128];
    tdl_error err = {0};
    tdl_tokenizer *tokenizer = NULL;
    tdl_model *model = open_fresh(dir, name, "");
    test_path(path, dir, "model.gguf");
    if (tdl_export_save(&(tdl_export_desc){.model = model}, path, &err)) fail_msg("%s: %s", name, err.message);
    tdl_model_desc desc = {.size = sizeof desc, .path = path};
    if (tdl_tokenizer_open(&desc, &tokenizer, &err)) fail_msg("%s: %s", name, err.message);
    tdl_weights *weights = NULL;
    assert_int_equal(
        tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .path = path, .metadata_only = true}, &weights, &err),
        TDL_OK);
    assert_int_equal(tdl_weights_meta(weights, "tokenizer.ggml.tokens").n, 700);
    assert_int_equal(tdl_weights_meta(weights, "tokenizer.huggingface.json").type,
                     whole ? TDL_META_STRING : TDL_META_NONE);
    tdl_weights_close(weights);
    assert_int_equal(tdl_tokenizer_bos(tokenizer), tdl_tokenizer_bos(model->tokenizer));
    assert_int_equal(tdl_tokenizer_eos(tokenizer), tdl_tokenizer_eos(model->tokenizer));
    snprintf(file, sizeof file, "%s.golden.json", name);
    json_t *cases = golden_load(file);
    const json_t *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        size_t size;
        char *text = golden_bytes(json_object_get(c, "text"), &size);
        golden_ids ids = golden_encode(tokenizer, text, size, TDL_BOS_DEFAULT, true);
        golden_check_ids(name, i, &ids, json_object_get(c, "ids"));
        free(ids.ids);
        free(text);
    }
    print_message("%s: %zu cases%s\n", name, json_array_size(cases), whole ? ", by its tokenizer.json" : "");
    assert_true(json_array_size(cases) >= 30);
    json_decref(cases);
    tdl_tokenizer_close(tokenizer);
    tdl_model_close(model);
}

static void test_golden(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool whole; // with the tokenizer.json
    } files[] = {{"gpt2", true}, {"llama3", false}, {"qwen2", true}, {"llama2", true}, {"mistral", true}};
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) check_tokenizer(dir, files[i].name, files[i].whole);
    test_dir_remove(dir);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const names[] = {"smollm", "words", "metaspace"};
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tdl_error err = {0};
        tdl_model *model = open_fresh(dir, names[i], "");
        assert_error(tdl_export_check(&(tdl_export_desc){.model = model}, &err), TDL_ERROR_UNSUPPORTED, &err,
                     "export: GGUF has");
        tdl_model_close(model);
    }
    test_dir_remove(dir);
}

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    tdl_model *model = arg;
    const tdl_allocator *own = model->mem;
    model->mem = m;
    tdl_status status = tdl_export_check(&(tdl_export_desc){.model = model}, NULL);
    model->mem = own;
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    static const char *const names[] = {"qwen2", "llama2"};
    for (size_t i = 0; i < 2; i++) {
        tdl_model *model = open_fresh(dir, names[i], ", \"eos_token_id\": [1, 2, 3], \"pad_token_id\": 4");
        assert_true(fail_alloc_each(scenario, model) > 20);
        tdl_model_close(model);
    }
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
