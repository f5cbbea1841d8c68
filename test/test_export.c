// SPDX-License-Identifier: MIT
// test_export.c - models written as GGUF and as a Hugging Face directory, opened again, against Transformers' logits.
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/load_all.h"
#include "support/test_files.h"
#include "train/export.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const families[] = {"gpt2",    "llama", "llama3-rope", "llama-yarn", "llama-linear",
                                       "mistral", "qwen2", "qwen3",       "mixtral",    "qwen3_moe"};

static tdl_model *open_model(const char *path) {
    tdl_model *model = NULL;
    tdl_error err = {0};
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err)) fail_msg("%s: %s", path, err.message);
    return model;
}

static void export_gguf(const tdl_export_desc *desc, const char *path) {
    tdl_error err = {0};
    if (tdl_export_check(desc, &err) || tdl_export_save(desc, path, &err)) fail_msg("%s: %s", path, err.message);
}

static void export_safetensors(const tdl_export_desc *desc, const char *dir) {
    tdl_error err = {0};
    if (tdl_export_save(desc, dir, &err)) fail_msg("%s: %s", dir, err.message);
}

// The prompt's logits by another implementation, and by the model; returns the largest error.
static double error_of(const char *family, const char *path, const float *expected, float **out) {
    char file[TEST_PATH_SIZE];
    size_t n_ids, n_logits;
    snprintf(file, sizeof file, "%s/hf-tiny/%s/reference.json", TDL_TEST_DATA, family);
    json_t *reference = golden_json(file), *prompt = json_array_get(json_object_get(reference, "prompts"), 0);
    int32_t *ids = golden_ids(json_object_get(prompt, "ids"), &n_ids);
    float *truth = golden_floats(json_object_get(prompt, "f32"), &n_logits);
    tdl_model *model = open_model(path);
    float *logits = golden_logits(model, ids, n_ids);
    double error = golden_error(logits, expected ? expected : truth, n_logits);
    tdl_model_close(model);
    json_decref(reference);
    free(ids), free(truth);
    if (out) *out = logits;
    else free(logits);
    return error;
}

static void check_family(const char *family, const char *dir) {
    char source[TEST_PATH_SIZE], gguf[TEST_PATH_SIZE], again[TEST_PATH_SIZE], hf[TEST_PATH_SIZE];
    char made[TEST_PATH_SIZE];
    test_path(made, dir, "made");
    snprintf(source, sizeof source, "%s/hf-tiny/%s", TDL_TEST_DATA, family);
    test_path(gguf, dir, "model.gguf");
    test_path(again, dir, "again.gguf");
    test_path(hf, dir, family);
    float *ours;
    error_of(family, source, NULL, &ours);
    tdl_model *model = open_model(source);
    export_gguf(&(tdl_export_desc){.model = model, .name = "tiny"}, gguf);
    export_safetensors(&(tdl_export_desc){.model = model, .matrices = TDL_DTYPE_F32}, hf);
    tdl_model_close(model);
    // q and k lie otherwise in llama's GGUF files, so their products are summed in another order.
    double truth = error_of(family, gguf, NULL, NULL), source_error = error_of(family, gguf, ours, NULL);
    print_message("%-14s gguf: largest error %.1e, from the directory's own logits %.1e\n", family, truth,
                  source_error);
    assert_true(truth < 1e-4 && source_error < 1e-5);
    assert_true(error_of(family, hf, ours, NULL) == 0);
    model = open_model(gguf); // what a GGUF model exports is the same file
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(model, &info);
    assert_string_equal(info.name, "tiny");
    export_gguf(&(tdl_export_desc){.model = model}, again);
    if (strcmp(family, "llama3-rope") != 0) { // and as a directory, with a config of our own
        export_safetensors(&(tdl_export_desc){.model = model}, made);
        double directory = error_of(family, made, ours, NULL);
        assert_true(directory < 1e-5 && error_of(family, made, NULL, NULL) < 1e-4);
    }
    tdl_model_close(model);
    size_t size, again_size;
    uint8_t *bytes = test_file_read(gguf, &size), *again_bytes = test_file_read(again, &again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again_bytes, size);
    free(bytes), free(again_bytes), free(ours);
}

static void test_families(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) check_family(families[f], dir);
    test_dir_remove(dir);
}

// Given tensors take the place of the model's own; types as asked for.
static void test_tensors(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "a.gguf");
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/qwen3"), *back;
    tdl_tensor *tensors = calloc((size_t)model->params.n, sizeof *tensors);
    int32_t up = tdl_param_index(TDL_ROLE_FFN_UP, 1), norm = tdl_param_index(TDL_ROLE_FFN_NORM, 0);
    int64_t n = tdl_tensor_n_elements(&model->params.list[up].tensor);
    float *values = malloc((size_t)n * sizeof *values), ones[32], got;
    for (int64_t i = 0; i < n; i++) values[i] = (float)i / 4;
    for (int i = 0; i < 32; i++) ones[i] = 1.5f;
    const tdl_tensor *shape = &model->params.list[up].tensor;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, shape->shape, values, &tensors[up], NULL), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){32}, ones, &tensors[norm], NULL), TDL_OK);
    static const tdl_dtype types[] = {TDL_DTYPE_NONE, TDL_DTYPE_F32, TDL_DTYPE_F16, TDL_DTYPE_BF16};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        export_gguf(&(tdl_export_desc){.model = model, .tensors = tensors, .matrices = types[k]}, path);
        back = open_model(path);
        const tdl_param *table = tdl_param_get(&back->params, TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER);
        assert_int_equal(table->tensor.dtype, types[k] ? types[k] : TDL_DTYPE_BF16);
        own_all(back);
        tdl_tensor row = tdl_tensor_slice(&back->params.list[up].tensor, 0, 0, 1);
        assert_int_equal(row.dtype, types[k] ? types[k] : TDL_DTYPE_F32);
        float first[64];
        tdl_tensor_to_f32(&row, first);
        assert_true(first[31] == 7.75f);
        memcpy(&got, back->params.list[norm].tensor.data, sizeof got);
        assert_true(got == 1.5f);
        tdl_model_close(back);
    }
    tdl_error err = {0};
    tensors[norm].shape[0] = 31;
    assert_error(tdl_export_save(&(tdl_export_desc){.model = model, .tensors = tensors}, path, &err),
                 TDL_ERROR_ARGUMENT, &err, "'blk.0.ffn_norm.weight' is [31] F32, expected [32] F32");
    tensors[norm].shape[0] = 32;
    assert_error(tdl_export_save(&(tdl_export_desc){.model = model, .matrices = TDL_DTYPE_Q8_0}, path, &err),
                 TDL_ERROR_ARGUMENT, &err, "matrices as Q8_0");
    tdl_model_close(model);
    free(tensors), free(values);
    test_dir_remove(dir);
}

// What GGUF cannot say, and what a GGUF model cannot become.
static void test_refused(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_error err = {0};
    test_dir_make(dir);
    test_path(path, dir, "a.gguf");
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/llama-yarn");
    tdl_export_desc desc = {.model = model};
    model->config.windows[0] = 5, model->config.windows[1] = 7;
    assert_error(tdl_export_check(&desc, &err), TDL_ERROR_UNSUPPORTED, &err, "layer 1 has an attention window of 7");
    model->config.windows[0] = model->config.windows[1] = 0;
    model->config.act = TDL_ACT_RELU;
    assert_error(tdl_export_save(&desc, path, &err), TDL_ERROR_UNSUPPORTED, &err, "activation");
    model->config.act = model->arch->act;
    model->config.rope.truncate = false;
    assert_error(tdl_export_save(&desc, path, &err), TDL_ERROR_UNSUPPORTED, &err, "YaRN with truncate false");
    model->config.rope.truncate = true;
    assert_error(tdl_export_save(&desc, "/proc/none/x", &err), TDL_ERROR_IO, &err, "cannot make the directory");
    tdl_model_close(model);
    model = open_model(TDL_TEST_DATA "/hf-tiny/llama3-rope");
    export_gguf(&(tdl_export_desc){.model = model}, path);
    tdl_model_close(model);
    model = open_model(path);
    assert_error(tdl_export_save(&(tdl_export_desc){.model = model}, dir, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "rope_freqs.weight");
    tdl_model_close(model);
    test_dir_remove(dir);
}

// Scales on cos and sin, and weights of experts that are not made to add up to 1: there and back, where there is a key.
static void test_scales(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], hf[TEST_PATH_SIZE];
    static const char *const names[] = {"llama-yarn", "llama", "qwen3_moe", "mixtral"};
    tdl_error err = {0};
    test_dir_make(dir);
    test_path(path, dir, "a.gguf"), test_path(hf, dir, "a");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char source[TEST_PATH_SIZE];
        bool experts = i > 1;
        snprintf(source, sizeof source, "%s/hf-tiny/%s", TDL_TEST_DATA, names[i]);
        tdl_model *model = open_model(source);
        if (experts) model->config.experts_renorm = false;
        else model->config.rope.attn_factor = 1.5;
        export_gguf(&(tdl_export_desc){.model = model}, path);
        tdl_model_close(model);
        model = open_model(path);
        assert_int_equal(tdl_model_n_warnings(model), 0);
        assert_true(experts || fabs(model->config.rope.attn_factor - 1.5) < 1e-6);
        assert_true(!experts || !model->config.experts_renorm);
        tdl_status status = tdl_export_save(&(tdl_export_desc){.model = model}, hf, &err);
        tdl_model_close(model);
        if (i == 1) assert_error(status, TDL_ERROR_UNSUPPORTED, &err, "cos and sin are scaled by 1.5");
        if (i == 3) assert_error(status, TDL_ERROR_UNSUPPORTED, &err, "expert_weights_norm is false");
        if (i % 2) continue;
        assert_int_equal(status, TDL_OK);
        model = open_model(hf);
        assert_int_equal(tdl_model_n_warnings(model), 0);
        assert_int_equal(tdl_weights_meta(model->weights, "architectures").n, 1);
        assert_true(experts ? !model->config.experts_renorm : fabs(model->config.rope.attn_factor - 1.5) < 1e-6);
        tdl_model_close(model);
    }
    test_dir_remove(dir);
}

// A window in some layers only, there and back through GGUF; where no config.json can say it, an error.
static void test_windows(void **state) {
    (void)state;
    static const char *const names[] = {"qwen2", "llama-linear"};
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], hf[TEST_PATH_SIZE], again[TEST_PATH_SIZE];
    static const int32_t ids[] = {5, 17, 3, 99, 42, 7, 8, 61};
    tdl_error err = {0};
    test_dir_make(dir);
    test_path(path, dir, "a.gguf"), test_path(hf, dir, "a"), test_path(again, dir, "b.gguf");
    for (size_t i = 0; i < 2; i++) {
        char source[TEST_PATH_SIZE];
        snprintf(source, sizeof source, "%s/hf-tiny/%s", TDL_TEST_DATA, names[i]);
        tdl_model *model = open_model(source);
        size_t n = 8 * (size_t)model->config.n_vocab;
        float *whole = golden_logits(model, ids, 8);
        model->config.windows[1] = 3;
        float *expected = golden_logits(model, ids, 8);
        assert_true(golden_error(whole, expected, n) > 1e-3); // the window matters
        export_gguf(&(tdl_export_desc){.model = model}, path);
        tdl_model *back = open_model(path);
        assert_int_equal(back->config.windows[0], 0);
        assert_int_equal(back->config.windows[1], 3);
        float *logits = golden_logits(back, ids, 8);
        assert_true(golden_error(logits, expected, n) < 1e-5);
        tdl_status status = tdl_export_save(&(tdl_export_desc){.model = back}, hf, &err);
        if (i == 1) assert_error(status, TDL_ERROR_UNSUPPORTED, &err, "only some layers have an attention window");
        tdl_model_close(back);
        if (i == 0) {
            assert_int_equal(status, TDL_OK);
            back = open_model(hf);
            assert_true(back->config.windows[0] == 0 && back->config.windows[1] == 3);
            tdl_model_close(back);
        }
        tdl_model_close(model);
        free(whole), free(expected), free(logits);
    }
    test_dir_remove(dir);
}

// A GGUF model of block types as a directory: every weight decoded.
static void test_blocks(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    tdl_model *model = open_model(TDL_REPO "/models/novelist-7m-q8_0.gguf");
    export_safetensors(&(tdl_export_desc){.model = model}, dir);
    tdl_model *back = open_model(dir);
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(back, &info);
    assert_string_equal(info.dtype, "F32");
    int32_t ids[] = {47, 2218, 623, 259, 607};
    float *expected = golden_logits(model, ids, 5), *logits = golden_logits(back, ids, 5);
    double error = golden_error(logits, expected, 5 * (size_t)info.n_vocab);
    print_message("Q8_0 as a directory: largest error %.1e\n", error);
    assert_true(error < 1e-4);
    free(expected), free(logits);
    tdl_model_close(model), tdl_model_close(back);
    test_dir_remove(dir);
}

// The name that the file at `path` has after an export of `source`.
static void check_name(const char *source, const char *asked, const char *dir, const char *file, const char *expected) {
    char path[TEST_PATH_SIZE];
    tdl_model_info info = {.size = sizeof info};
    tdl_model *model = open_model(source);
    export_gguf(&(tdl_export_desc){.model = model, .name = asked}, test_path(path, dir, file));
    tdl_model_close(model);
    model = open_model(path);
    tdl_model_get_info(model, &info);
    assert_string_equal(info.name, expected);
    tdl_model_close(model);
}

// A GGUF file is named by who asks, by what the model's own file says, by its path.
static void test_name(void **state) {
    (void)state;
    static const char llama[] = TDL_TEST_DATA "/hf-tiny/llama";
    char dir[TEST_PATH_SIZE], named[TEST_PATH_SIZE], run[TEST_PATH_SIZE];
    test_dir_make(dir);
    assert_int_equal(tdl_dir_make(tdl_allocator_or_default(NULL), test_path(run, dir, "novel"), NULL), TDL_OK);
    check_name(llama, NULL, dir, "poem.gguf", "poem");
    check_name(llama, NULL, dir, "novel/model.gguf", "novel");
    check_name(llama, NULL, dir, "novel//model.gguf", "novel");
    check_name(llama, NULL, dir, "novel/./model.gguf", "model");
    check_name(llama, NULL, dir, "novel/\xff.gguf", "");                                    // no UTF-8
    check_name(TDL_REPO "/models/novelist-7m-q8_0.gguf", NULL, dir, "again.gguf", "again"); // has none
    check_name(llama, "asked", dir, "novel/named.gguf", "asked");
    check_name(test_path(named, dir, "novel/named.gguf"), NULL, dir, "again.gguf", "asked");
    check_name(named, "other", dir, "again.gguf", "other");
    test_dir_remove(dir);
}

typedef struct scene {
    tdl_model *model;
    char gguf[TEST_PATH_SIZE], hf[TEST_PATH_SIZE];
} scene;

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    scene *s = arg;
    const tdl_allocator *own = s->model->mem;
    s->model->mem = m;
    tdl_export_desc desc = {.model = s->model, .matrices = TDL_DTYPE_F16};
    tdl_status status = tdl_export_save(&desc, s->gguf, NULL);
    if (status == TDL_OK) status = tdl_export_save(&desc, s->hf, NULL);
    s->model->mem = own;
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    scene s;
    test_dir_make(dir);
    test_path(s.gguf, dir, "a.gguf");
    test_path(s.hf, dir, "a");
    s.model = open_model(TDL_TEST_DATA "/hf-tiny/llama3-rope");
    assert_true(fail_alloc_each(scenario, &s) > 50);
    tdl_model_close(s.model);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families), cmocka_unit_test(test_tensors), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scales),   cmocka_unit_test(test_windows), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_name),     cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
