// SPDX-License-Identifier: MIT
// test_experts.c - how experts are found in Hugging Face directories: a tensor each, or all in one with gate above up, as
// Transformers 5 has them in memory; and what is said where they are not there, or the configuration contradicts itself.
#include "format/safetensors_write.h"
#include "model/model_impl.h"
#include "support/load_all.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TINY TDL_TEST_DATA "/hf-tiny/mixtral"
enum { TENSORS_MAX = 64, NAME_SIZE = 128 };

static tdl_status open_dir(const char *dir, tdl_model **model, tdl_error *err) {
    *model = NULL;
    return tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = dir}, model, err);
}

// The model's tensors as a file has them; what is made for it lives in `blocks`.
typedef struct file_tensors {
    tdl_weights_tensor list[TENSORS_MAX];
    char names[TENSORS_MAX][NAME_SIZE];
    void *blocks[TENSORS_MAX];
    size_t n;
} file_tensors;

static tdl_tensor *add(file_tensors *f, const tdl_tensor *t) {
    assert_true(f->n < TENSORS_MAX);
    f->list[f->n] = (tdl_weights_tensor){.name = f->names[f->n], .tensor = *t};
    return &f->list[f->n++].tensor;
}

// One tensor [X, rows, K] of one role, or of two, the second below the first in each expert.
static void add_stacked(file_tensors *f, const tdl_model *model, int32_t layer, const char *name, tdl_role first,
                        int32_t n_roles) {
    int64_t n_experts = model->config.n_experts;
    const tdl_tensor *t = &tdl_param_get(&model->params, first, layer)->tensor;
    int64_t rows = t->shape[0] / n_experts;
    size_t size = tdl_tensor_size(t) / (size_t)n_experts;
    tdl_tensor all;
    assert_int_equal(
        tdl_tensor_make(t->dtype, 3, (int64_t[]){n_experts, n_roles * rows, t->shape[1]}, NULL, &all, NULL), TDL_OK);
    all.data = f->blocks[f->n] = malloc(tdl_tensor_size(&all));
    for (int64_t expert = 0; expert < n_experts; expert++)
        for (int32_t i = 0; i < n_roles; i++)
            memcpy(all.data + (size_t)(expert * n_roles + i) * size,
                   tdl_param_get(&model->params, first + (tdl_role)i, layer)->tensor.data + (size_t)expert * size,
                   size);
    snprintf(f->names[f->n], NAME_SIZE, "model.layers.%d.mlp.experts.%s", layer, name);
    add(f, &all);
}

static void gather(file_tensors *f, const tdl_model *model) {
    memset(f, 0, sizeof *f);
    for (int32_t i = 0; i < model->params.n; i++) {
        const tdl_param *param = &model->params.list[i];
        tdl_role role = (tdl_role)(i % TDL_ROLE_COUNT);
        if (!param->name || tdl_role_is_experts(role) ||
            !tdl_role_name(role, model->arch->naming, i / TDL_ROLE_COUNT - 1, 0, f->names[f->n]))
            continue;
        add(f, &param->tensor);
    }
    for (int32_t layer = 0; layer < model->config.n_layers; layer++) {
        add_stacked(f, model, layer, "gate_up_proj", TDL_ROLE_FFN_GATE_EXPS, 2);
        add_stacked(f, model, layer, "down_proj", TDL_ROLE_FFN_DOWN_EXPS, 1);
    }
}

static void save(const file_tensors *f, const char *dir) {
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    test_file_copy(TINY "/config.json", test_path(path, dir, "config.json"));
    if (tdl_safetensors_save(tdl_allocator_or_default(NULL), test_path(path, dir, "model.safetensors"), f->list, f->n,
                             &err))
        fail_msg("%s", err.message);
}

static void stacked_experts(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_model *model, *again;
    file_tensors *f = malloc(sizeof *f);
    test_dir_make(dir);
    if (open_dir(TINY, &model, &err)) fail_msg("%s", err.message);
    own_all(model);
    gather(f, model);
    save(f, dir);
    if (open_dir(dir, &again, &err)) fail_msg("%s", err.message);
    own_all(again);
    for (int32_t i = 0; i < model->params.n; i++) {
        const tdl_param *a = &model->params.list[i], *b = &again->params.list[i];
        if (!a->name) continue;
        assert_string_equal(a->name, b->name);
        assert_true(tdl_tensor_same_shape(&a->tensor, &b->tensor));
        assert_memory_equal(a->tensor.data, b->tensor.data, tdl_tensor_size(&a->tensor));
    }
    tdl_model_close(again);

    f->list[f->n - 1].tensor.shape[1] -= 1; // of down_proj
    f->list[f->n - 1].tensor.strides[0] -= f->list[f->n - 1].tensor.strides[1];
    save(f, dir);
    assert_error(open_dir(dir, &again, &err), TDL_ERROR_FORMAT, &err, "[4, 31, 80] BF16, expected [4, 32, 80]");
    f->n--;
    save(f, dir);
    assert_error(open_dir(dir, &again, &err), TDL_ERROR_FORMAT, &err,
                 "'model.layers.1.block_sparse_moe.experts.0.w2.weight' is missing");
    for (size_t i = 0; i < TENSORS_MAX; i++) free(f->blocks[i]);
    free(f);
    tdl_model_close(model);
    test_dir_remove(dir);
}

// A model whose config.json has `from` replaced by `to`.
static void check_config(const char *family, const char *from, const char *to, tdl_status status, const char *message) {
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], *at;
    char source[TEST_PATH_SIZE], text[4096] = "";
    size_t size;
    test_dir_make(dir);
    snprintf(source, sizeof source, TDL_TEST_DATA "/hf-tiny/%s/config.json", family);
    uint8_t *bytes = test_file_read(source, &size);
    char *config = calloc(size + 1, 1);
    memcpy(config, bytes, size);
    at = strstr(config, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - config), config, to, at + strlen(from));
    test_file_write(test_path(path, dir, "config.json"), text, strlen(text));
    test_file_copy(TINY "/model.safetensors", test_path(path, dir, "model.safetensors"));
    tdl_model *model;
    tdl_error err = {0};
    assert_error(open_dir(dir, &model, &err), status, &err, message);
    free(bytes), free(config);
    test_dir_remove(dir);
}

static void contradictions(void **state) {
    (void)state;
    check_config("mixtral", "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 5", TDL_ERROR_FORMAT,
                 "5 of 4 experts");
    check_config("mixtral", "\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 0", TDL_ERROR_FORMAT,
                 "0 of 4 experts");
    check_config("mixtral", "\"num_local_experts\": 4", "\"num_local_experts\": 4097", TDL_ERROR_FORMAT, "0 to 4096");
    check_config("mixtral", "\"num_local_experts\": 4", "\"num_local_experts\": 4096",
                 TDL_ERROR_FORMAT, // not in the file
                 "expected [4096, 32]");
    check_config("mixtral", "\"num_local_experts\": 4", "\"num_local_experts\": 0", TDL_ERROR_FORMAT, "2 of 0 experts");
    check_config("mixtral", "\"intermediate_size\": 80", "\"intermediate_size\": 81", TDL_ERROR_FORMAT,
                 "expected [81, 32]");
    check_config("mixtral", "\"model_type\": \"mixtral\"", "\"model_type\": \"qwen2\"", TDL_ERROR_UNSUPPORTED,
                 "'num_local_experts' is 4, which is not supported");
    check_config("qwen3_moe", "\"decoder_sparse_step\": 1", "\"decoder_sparse_step\": 2", TDL_ERROR_UNSUPPORTED,
                 "decoder_sparse_step");
    check_config("qwen3_moe", "\"mlp_only_layers\": []", "\"mlp_only_layers\": [1]", TDL_ERROR_UNSUPPORTED,
                 "mlp_only_layers");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(stacked_experts), cmocka_unit_test(contradictions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
