// SPDX-License-Identifier: MIT
// test_fresh.c - fresh models: what the initialization promises, the way through model opening, and configs that are wrong.
#include "base/alloc.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "train/fresh.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_impl.h"

#include <cmocka.h>

static const char *const families[] = {"gpt2",    "llama", "llama3-rope", "llama-yarn", "llama-linear",
                                       "mistral", "qwen2", "qwen3",       "mixtral",    "qwen3_moe"};

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_model *open_fresh(const char *config, uint64_t seed) {
    tdl_weights *weights = NULL;
    tdl_model *model = NULL;
    tdl_error err = {0};
    tdl_fresh_desc desc = {.mem = mem(), .config = config, .seed = seed};
    if (tdl_fresh_weights(&desc, &weights, &err)) fail_msg("%s: %s", config, err.message);
    tdl_model_desc model_desc = {.size = sizeof model_desc, .precision = TDL_PRECISION_F32};
    if (tdl_model_open_weights(weights, &model_desc, &model, &err)) fail_msg("%s: %s", config, err.message);
    return model;
}

static double std_of(const float *x, int64_t n) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i], squares += (double)x[i] * (double)x[i];
    return sqrt(squares / (double)n - sum / (double)n * (sum / (double)n));
}

static void check_param(const tdl_model *model, int32_t i) {
    const tdl_param *param = &model->params.list[i];
    int32_t role = i % TDL_ROLE_COUNT;
    if (!param->name || role == TDL_ROLE_ROPE_INV_FREQ) return;
    const float *x = (const float *)(const void *)param->tensor.data;
    int64_t n = tdl_tensor_n_elements(&param->tensor);
    assert_int_equal(param->tensor.dtype, TDL_DTYPE_F32);
    if (param->tensor.n_dims == 1) {
        for (int64_t k = 0; k < n; k++) assert_true(x[k] == (strstr(param->name, ".bias") ? 0.0f : 1.0f));
        return;
    }
    assert_null(param->owned); // no copy was made, of GPT-2's turned matrices neither
    bool residual = role == TDL_ROLE_ATTN_OUT || role == TDL_ROLE_FFN_DOWN || role == TDL_ROLE_FFN_DOWN_EXPS;
    double expected = residual ? 0.02 / sqrt(2.0 * model->config.n_layers) : 0.02, std = std_of(x, n);
    // n draws have this deviation from the true one; five sigmas
    if (fabs(std / expected - 1) > 5 / sqrt(2.0 * (double)n))
        fail_msg("%s: deviation %g, expected %g", param->name, std, expected);
}

static void test_families(void **state) {
    (void)state;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        char path[TEST_PATH_SIZE];
        snprintf(path, sizeof path, "%s/hf-tiny/%s", TDL_TEST_DATA, families[f]);
        tdl_model *model = open_fresh(path, 7);
        int32_t n = 0;
        for (int32_t i = 0; i < model->params.n; i++) {
            check_param(model, i);
            n += model->params.list[i].name != NULL;
        }
        assert_true(n > 12);
        tdl_model_close(model);
    }
}

// The same seed gives the same bits, another seed other ones, and no two tensors are equal.
static void test_seed(void **state) {
    (void)state;
    tdl_model *a = open_fresh(TDL_TEST_DATA "/hf-tiny/llama/config.json", 1);
    tdl_model *b = open_fresh(TDL_TEST_DATA "/hf-tiny/llama", 1), *c = open_fresh(TDL_TEST_DATA "/hf-tiny/llama", 2);
    for (int32_t i = 0; i < a->params.n; i++) {
        const tdl_param *p = &a->params.list[i], *q = &a->params.list[(i + TDL_ROLE_COUNT) % a->params.n];
        if (!p->name || p->tensor.n_dims != 2) continue;
        size_t size = tdl_tensor_size(&p->tensor);
        assert_memory_equal(p->tensor.data, b->params.list[i].tensor.data, size);
        assert_memory_not_equal(p->tensor.data, c->params.list[i].tensor.data, size);
        if (q->name && tdl_tensor_same_shape(&q->tensor, &p->tensor))
            assert_memory_not_equal(p->tensor.data, q->tensor.data, size);
    }
    tdl_model_close(a), tdl_model_close(b), tdl_model_close(c);
}

// With llama's optional biases, a vocabulary whose size only the tokenizer says, and another range.
static const char config_text[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
    "\"intermediate_size\": 64, \"max_position_embeddings\": 128, \"attention_bias\": true, \"mlp_bias\": true, "
    "\"initializer_range\": 0.1, \"rope_theta\": 10000.0, \"bos_token_id\": 1%s}";

static const char *write_config(const char *dir, const char *more) {
    static char path[TEST_PATH_SIZE], text[1024];
    snprintf(text, sizeof text, config_text, more);
    test_file_write(test_path(path, dir, "config.json"), text, strlen(text));
    return path;
}

static void test_options(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    write_config(dir, "");
    test_file_copy(TDL_TEST_DATA "/token/llama2.tokenizer.json", test_path(path, dir, "tokenizer.json"));
    tdl_model *model = open_fresh(dir, 3);
    assert_int_equal(model->config.n_vocab, tdl_tokenizer_n_vocab(model->tokenizer));
    assert_non_null(tdl_param_get(&model->params, TDL_ROLE_ATTN_OUT_B, 1));
    assert_non_null(tdl_param_get(&model->params, TDL_ROLE_FFN_GATE_B, 0));
    const tdl_param *up = tdl_param_get(&model->params, TDL_ROLE_FFN_UP, 0);
    assert_true(fabs(std_of((const float *)(const void *)up->tensor.data, 2048) - 0.1) < 0.01);
    tdl_model_close(model);
    test_dir_remove(dir);
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *more, *message;
        tdl_status status;
    } cases[] = {
        {", \"vocab_size\": 640, \"num_hidden_layer\": 3", "the key 'num_hidden_layer' is unknown", TDL_ERROR_FORMAT},
        {", \"vocab_size\": 640, \"rope_scaling\": {\"faktor\": 2}", "'rope_scaling.faktor' is unknown",
         TDL_ERROR_FORMAT},
        {", \"vocab_size\": 640, \"n_embd\": 48", "'hidden_size' is 32, but 'n_embd' is 48", TDL_ERROR_FORMAT},
        {", \"vocab_size\": 500", "'vocab_size' is 500, but the tokenizer has", TDL_ERROR_FORMAT},
        {", \"vocab_size\": 700, \"pad_token_id\": 700", "'pad_token_id' is 700, expected less than the 700",
         TDL_ERROR_FORMAT},
        {", \"vocab_size\": 700, \"add_cross_attention\": true",
         "'add_cross_attention' is true, which is not supported", TDL_ERROR_UNSUPPORTED},
        {", \"vocab_size\": 700, \"num_key_value_heads\": 3", "4 heads are no multiple of 3", TDL_ERROR_FORMAT},
        {", \"vocab_size\": 700, \"hidden_act\": \"elu\"", "activation 'elu'", TDL_ERROR_UNSUPPORTED},
    };
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    test_file_copy(TDL_TEST_DATA "/token/llama2.tokenizer.json", test_path(path, dir, "tokenizer.json"));
    tdl_fresh_desc desc = {.mem = mem(), .config = dir};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_config(dir, cases[i].more);
        assert_error(tdl_fresh_weights(&desc, &weights, &err), cases[i].status, &err, cases[i].message);
    }
    desc.config = test_path(path, dir, "none.json");
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_IO, &err, "none.json");
    desc.config = dir;
    desc.tokenizer = TDL_TEST_DATA "/token/none.json";
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_IO, &err, "none.json");
    desc.tokenizer = NULL;
    remove(test_path(path, dir, "tokenizer.json"));
    write_config(dir, "");
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_FORMAT, &err, "'vocab_size' is missing");
    remove(test_path(path, dir, "config.json"));
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_IO, &err, "no config.json");
    test_file_write(path,
                    "{\"model_type\": \"qwen2\", \"attention_bias\": false, \"hidden_size\": 32, "
                    "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 64, "
                    "\"num_key_value_heads\": 2, \"max_position_embeddings\": 64, \"vocab_size\": 99}",
                    217);
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_FORMAT, &err, "'attention_bias' is false");
    test_dir_remove(dir);
}

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    tdl_weights *weights = NULL;
    tdl_status status =
        tdl_fresh_weights(&(tdl_fresh_desc){.mem = m, .config = arg, .tokenizer = NULL, .seed = 1}, &weights, NULL);
    if (status == TDL_OK) tdl_weights_close(weights);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    write_config(dir, "");
    test_file_copy(TDL_TEST_DATA "/token/llama2.tokenizer.json", test_path(path, dir, "tokenizer.json"));
    assert_true(fail_alloc_each(scenario, dir) > 50);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families), cmocka_unit_test(test_seed),   cmocka_unit_test(test_options),
        cmocka_unit_test(test_bad),      cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
