// SPDX-License-Identifier: MIT
// test_lora_file.c - LoRA adapters against PEFT: its files read, merged and run give PyTorch's logits; ours are its files again.
#include "base/json.h"
#include "format/safetensors_write.h"
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/load_all.h"
#include "support/test_files.h"
#include "train/export.h"
#include "train/lora_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[TEST_PATH_SIZE];

static int make_dir(void **state) {
    (void)state;
    test_dir_make(dir);
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

static tdl_model *open_model(const char *path) {
    tdl_model *model = NULL;
    tdl_error err = {0};
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err)) fail_msg("%s: %s", path, err.message);
    return model;
}

static tdl_lora *open_lora(const tdl_model *model, const char *path) {
    tdl_lora *lora = NULL;
    tdl_error err = {0};
    if (tdl_lora_open(model, path, &lora, &err)) fail_msg("%s: %s", path, err.message);
    return lora;
}

// The model with the adapter merged, written to `path`.
static void write_merged(tdl_model *model, const tdl_lora *lora, const char *path) {
    tdl_error err = {0};
    own_all(model);
    tdl_tensor *tensors = calloc((size_t)model->params.n, sizeof *tensors);
    for (size_t i = 0; i < lora->n; i++) {
        const tdl_tensor *w = &model->params.list[lora->pairs[i].param].tensor;
        float *merged = malloc((size_t)tdl_tensor_n_elements(w) * sizeof *merged);
        tdl_lora_merge(&lora->pairs[i], w, merged);
        assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, w->shape, merged, &tensors[lora->pairs[i].param], NULL),
                         TDL_OK);
    }
    if (tdl_export_save(&(tdl_export_desc){.model = model, .tensors = tensors}, path, &err))
        fail_msg("%s", err.message);
    for (int32_t i = 0; i < model->params.n; i++) free(tensors[i].data);
    free(tensors);
}

// The largest error of the model at `path` against PyTorch's logits with the adapter.
static double error_of(const char *family, const char *path) {
    char file[TEST_PATH_SIZE];
    size_t n_ids, n;
    snprintf(file, sizeof file, "%s/train/peft-%s/reference.json", TDL_TEST_DATA, family);
    json_t *reference = golden_json(file);
    int32_t *ids = golden_ids(json_object_get(reference, "ids"), &n_ids);
    float *expected = golden_floats(json_object_get(reference, "f32"), &n);
    tdl_model *model = open_model(path);
    float *logits = golden_logits(model, ids, n_ids);
    double error = golden_error(logits, expected, n);
    tdl_model_close(model);
    json_decref(reference);
    free(ids), free(expected), free(logits);
    return error;
}

static void check_same_file(const char *a_dir, const char *b_dir) {
    char a_path[TEST_PATH_SIZE], b_path[TEST_PATH_SIZE];
    tdl_error err = {0};
    size_t a_size, b_size;
    uint8_t *a = test_file_read(test_path(a_path, a_dir, "adapter_model.safetensors"), &a_size);
    uint8_t *b = test_file_read(test_path(b_path, b_dir, "adapter_model.safetensors"), &b_size);
    uint64_t a_header, b_header;
    memcpy(&a_header, a, 8), memcpy(&b_header, b, 8);
    json_t *a_json = NULL, *b_json = NULL; // the order and the data's places may differ
    assert_int_equal(tdl_json_parse((char *)a + 8, a_header, "a", &a_json, &err), TDL_OK);
    assert_int_equal(tdl_json_parse((char *)b + 8, b_header, "b", &b_json, &err), TDL_OK);
    assert_int_equal(json_object_size(a_json), json_object_size(b_json));
    const char *name;
    json_t *entry;
    json_object_foreach(a_json, name, entry) {
        const json_t *other = json_object_get(b_json, name);
        if (!other) fail_msg("%s is missing", name);
        if (strcmp(name, "__metadata__") == 0) continue;
        assert_true(json_equal(json_object_get(entry, "shape"), json_object_get(other, "shape")));
        json_int_t from[2][2];
        for (int k = 0; k < 4; k++)
            from[k / 2][k % 2] = json_integer_value(
                json_array_get(json_object_get(k / 2 ? other : entry, "data_offsets"), (size_t)k % 2));
        assert_memory_equal(a + 8 + a_header + from[0][0], b + 8 + b_header + from[1][0],
                            (size_t)(from[0][1] - from[0][0]));
    }
    json_decref(a_json), json_decref(b_json);
    free(a), free(b);
}

// From the directory, and from a GGUF file whose q and k are permuted.
static void check_family(const char *family, size_t n_pairs, float scale) {
    char source[TEST_PATH_SIZE], adapter[TEST_PATH_SIZE], gguf[TEST_PATH_SIZE], merged[TEST_PATH_SIZE],
        again[TEST_PATH_SIZE];
    tdl_error err = {0};
    snprintf(source, sizeof source, "%s/hf-tiny/%s", TDL_TEST_DATA, family);
    snprintf(adapter, sizeof adapter, "%s/train/peft-%s", TDL_TEST_DATA, family);
    test_path(gguf, dir, "model.gguf");
    test_path(merged, dir, "merged.gguf");
    test_path(again, dir, "adapter");
    for (int k = 0; k < 2; k++) {
        tdl_model *model = open_model(k ? gguf : source);
        if (!k && tdl_export_save(&(tdl_export_desc){.model = model}, gguf, &err)) fail_msg("%s", err.message);
        tdl_lora *lora = open_lora(model, adapter);
        assert_int_equal(lora->n, n_pairs);
        assert_true(fabsf(lora->pairs[0].scale - scale) < 1e-6f);
        write_merged(model, lora, merged);
        double without = error_of(family, gguf), with = error_of(family, merged);
        print_message("%s from %s: largest error %.1e with the adapter, %.1e without\n", family,
                      k ? "GGUF" : "a directory", with, without);
        assert_true(with < 1e-4 && without > 1e-2);
        if (tdl_lora_save(model, lora, "base", again, &err)) fail_msg("%s", err.message);
        check_same_file(adapter, again);
        tdl_lora *back = open_lora(model, again);
        assert_true(back->alpha == lora->alpha && back->rank_stabilized == lora->rank_stabilized && back->n == lora->n);
        tdl_lora_close(back);
        tdl_lora_close(lora);
        tdl_model_close(model);
    }
}

static void test_peft(void **state) {
    (void)state;
    check_family("llama", 6, 1.5f);
    check_family("gpt2", 4, 3 / sqrtf(2));
}

static tdl_model *open_with(const char *path, const char *lora, tdl_status expected, const char *message) {
    tdl_model *model = NULL;
    tdl_error err = {0};
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .precision = TDL_PRECISION_F32, .lora = lora};
    tdl_status status = tdl_model_open(&desc, &model, &err);
    if (expected) assert_error(status, expected, &err, message);
    else if (status) fail_msg("%s: %s", path, err.message);
    return model;
}

// A model that is opened with PEFT's adapter gives PyTorch's logits with it: of F32 matrices as near as merged ones, of the
// directory's own BF16 as near as those can be. A directory that has it as "adapter" serves too.
static void check_opened(const char *family, int32_t n_pairs) {
    char source[TEST_PATH_SIZE], adapter[TEST_PATH_SIZE], plain[TEST_PATH_SIZE], file[TEST_PATH_SIZE];
    tdl_error err = {0};
    size_t n_ids, n;
    snprintf(source, sizeof source, "%s/hf-tiny/%s", TDL_TEST_DATA, family);
    snprintf(adapter, sizeof adapter, "%s/train/peft-%s", TDL_TEST_DATA, family);
    snprintf(file, sizeof file, "%s/train/peft-%s/reference.json", TDL_TEST_DATA, family);
    json_t *reference = golden_json(file);
    int32_t *ids = golden_ids(json_object_get(reference, "ids"), &n_ids);
    float *expected = golden_floats(json_object_get(reference, "f32"), &n);
    tdl_model *model = open_model(source);
    tdl_export_desc to = {.model = model, .matrices = TDL_DTYPE_F32};
    if (tdl_export_save(&to, test_path(plain, dir, "f32.gguf"), &err)) fail_msg("%s", err.message);
    tdl_model_close(model);
    double errors[3];
    for (int i = 0; i < 3; i++) { // F32 with, as the directory with, F32 without
        model = open_with(i == 1 ? source : plain, i < 2 ? adapter : NULL, TDL_OK, NULL);
        tdl_model_info info = {.size = sizeof info};
        tdl_model_get_info(model, &info);
        assert_int_equal(info.n_lora, i < 2 ? n_pairs : 0);
        assert_int_equal(info.lora_size > 0, i < 2);
        float *logits = golden_logits(model, ids, n_ids);
        errors[i] = golden_error(logits, expected, n);
        free(logits);
        tdl_model_close(model);
    }
    print_message("%s opened with the adapter: largest error %.1e in F32, %.1e as the directory has it, %.1e without\n",
                  family, errors[0], errors[1], errors[2]);
    assert_true(errors[0] < 1e-4 && errors[1] < errors[2] / 4 && errors[2] > 1e-2);
    json_decref(reference);
    free(ids), free(expected);
}

static void test_opened(void **state) {
    (void)state;
    check_opened("llama", 6);
    check_opened("gpt2", 4);
    char run[TEST_PATH_SIZE], inner[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_error err = {0};
    assert_int_equal(tdl_dir_make(tdl_allocator_or_default(NULL), test_path(run, dir, "run"), &err), TDL_OK);
    open_with(TDL_TEST_DATA "/hf-tiny/llama", run, TDL_ERROR_IO,
              "nor its directory 'adapter' has an adapter_config.json");
    assert_int_equal(tdl_dir_make(tdl_allocator_or_default(NULL), test_path(inner, run, "adapter"), &err), TDL_OK);
    test_file_copy(TDL_TEST_DATA "/train/peft-llama/adapter_config.json",
                   test_path(path, inner, "adapter_config.json"));
    test_file_copy(TDL_TEST_DATA "/train/peft-llama/adapter_model.safetensors",
                   test_path(path, inner, "adapter_model.safetensors"));
    tdl_model_close(open_with(TDL_TEST_DATA "/hf-tiny/llama", run, TDL_OK, NULL));
    open_with(TDL_TEST_DATA "/hf-tiny/gpt2", run, TDL_ERROR_FORMAT, "belongs to no matrix of this model");
}

// What the merged matrix cannot hold is no weight.
static void test_range(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    float a[2 * 32] = {3e38f}, b[16 * 2] = {3e38f};
    tdl_weights_tensor tensors[2] = {{.name = "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight"},
                                     {.name = "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight"}};
    test_file_copy(TDL_TEST_DATA "/train/peft-llama/adapter_config.json", test_path(path, dir, "adapter_config.json"));
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){2, 32}, a, &tensors[0].tensor, NULL), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){16, 2}, b, &tensors[1].tensor, NULL), TDL_OK);
    test_path(path, dir, "adapter_model.safetensors");
    assert_int_equal(tdl_safetensors_save(tdl_allocator_or_default(NULL), path, tensors, 2, &err), TDL_OK);
    open_with(TDL_TEST_DATA "/hf-tiny/llama", dir, TDL_ERROR_FORMAT,
              "'blk.0.attn_v.weight': element 0 is inf with the adapter");
}

static tdl_status open_scenario(const tdl_allocator *m, void *arg) {
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = TDL_TEST_DATA "/hf-tiny/llama", .device = arg, .allocator = m};
    desc.lora = TDL_TEST_DATA "/train/peft-llama", desc.lazy = true;
    tdl_status status = tdl_model_open(&desc, &model, NULL);
    tdl_model_close(model);
    return status;
}

static void test_opened_without_memory(void **state) {
    (void)state;
    tdl_device *device = NULL;
    assert_int_equal(tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc)}, &device, NULL), TDL_OK);
    assert_true(fail_alloc_each(open_scenario, device) > 40);
    tdl_device_close(device);
}

// Targets by their names' ends where every layer has them, else in full.
static void test_targets(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/gpt2");
    tdl_lora *lora = open_lora(model, TDL_TEST_DATA "/train/peft-gpt2");
    for (int k = 0; k < 2; k++) {
        lora->n -= k;
        assert_int_equal(tdl_lora_save(model, lora, NULL, dir, &err), TDL_OK);
        lora->n += k;
        json_t *config = golden_json(test_path(path, dir, "adapter_config.json"));
        const json_t *targets = json_object_get(config, "target_modules");
        assert_int_equal(json_array_size(targets), k ? 3 : 2);
        assert_string_equal(json_string_value(json_array_get(targets, 0)),
                            k ? "transformer.h.0.attn.c_attn" : "attn.c_attn");
        assert_true(json_is_true(json_object_get(config, "fan_in_fan_out")));
        assert_int_equal(json_integer_value(json_object_get(config, "r")), 2);
        json_decref(config);
    }
    tdl_lora_close(lora);
    tdl_model_close(model);
}

static void try_config(const tdl_model *model, const char *text, tdl_status status, const char *message) {
    char path[TEST_PATH_SIZE];
    tdl_lora *lora = NULL;
    tdl_error err = {0};
    test_file_write(test_path(path, dir, "adapter_config.json"), text, strlen(text));
    assert_error(tdl_lora_open(model, dir, &lora, &err), status, &err, message);
}

static void test_bad(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_lora *lora = NULL;
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/llama"), *other = open_model(TDL_TEST_DATA "/hf-tiny/gpt2");
    try_config(model, "{\"peft_type\": \"IA3\"}", TDL_ERROR_UNSUPPORTED, "peft_type is 'IA3'");
    try_config(model, "{\"peft_type\": \"LORA\"}", TDL_ERROR_FORMAT, "lora_alpha is missing");
    try_config(model, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2, \"bias\": \"all\"}",
               TDL_ERROR_UNSUPPORTED, "bias is 'all'");
    try_config(model, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2, \"use_dora\": true}",
               TDL_ERROR_UNSUPPORTED, "use_dora");
    static const char *const refused[] = {
        "\"layer_replication\": [[0, 2]]",  "\"alora_invocation_tokens\": [1]",
        "\"target_parameters\": [\"x\"]",   "\"init_lora_weights\": \"pissa_niter_4\"",
        "\"init_lora_weights\": \"olora\"", "\"use_bdlora\": {\"x\": 1}",
        "\"use_frobnicate\": true",         "\"task_type\": \"SEQ_CLS\"",
        "\"loftq_config\": {\"bits\": 4}"};
    static const char *const no_form[] = {"\"use_rslora\": 1", "\"r\": \"2\"", "\"r\": 0"};
    for (size_t i = 0; i < sizeof no_form / sizeof *no_form; i++) {
        char text[200], name[32];
        snprintf(text, sizeof text, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, %s}", no_form[i]);
        snprintf(name, sizeof name, "%.*s is no", (int)strcspn(no_form[i] + 1, "\""), no_form[i] + 1);
        try_config(model, text, TDL_ERROR_FORMAT, i ? "r is missing or no positive integer" : name);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[200], name[32];
        snprintf(text, sizeof text, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2, %s}", refused[i]);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(refused[i] + 1, "\""), refused[i] + 1);
        try_config(model, text, TDL_ERROR_UNSUPPORTED, name);
    }
    try_config(model, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2, \"init_lora_weights\": \"gaussian\"}",
               TDL_ERROR_IO, "adapter_model.safetensors");
    try_config(model, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2}", TDL_ERROR_IO,
               "adapter_model.safetensors");
    test_file_write(test_path(path, dir, "adapter_model.safetensors"), "nothing", 7);
    try_config(model, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4, \"r\": 2}", TDL_ERROR_FORMAT,
               "adapter_model.safetensors");
    assert_error(tdl_lora_open(other, TDL_TEST_DATA "/train/peft-llama", &lora, &err), TDL_ERROR_FORMAT, &err,
                 "belongs to no matrix of this model");
    lora = open_lora(model, TDL_TEST_DATA "/train/peft-llama");
    lora->pairs[1].a.shape[0] = 1;
    assert_error(tdl_lora_save(model, lora, NULL, dir, &err), TDL_ERROR_ARGUMENT, &err, "A is [1, 32] F32");
    lora->pairs[1].a.shape[0] = 2;
    lora->pairs[1].param = tdl_param_index(TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER);
    assert_error(tdl_lora_save(model, lora, NULL, dir, &err), TDL_ERROR_UNSUPPORTED, &err, "token_embd.weight");
    tdl_lora_close(lora);
    tdl_lora_close(NULL);
    tdl_model_close(model), tdl_model_close(other);
}

// A pair with one half, and one of another shape.
static void test_halves(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_lora *lora = NULL;
    float data[64] = {0};
    tdl_weights_tensor tensors[2] = {{.name = "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight"},
                                     {.name = "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight"}};
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/llama");
    test_file_copy(TDL_TEST_DATA "/train/peft-llama/adapter_config.json", test_path(path, dir, "adapter_config.json"));
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){2, 32}, data, &tensors[0].tensor, NULL), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){32, 2}, data, &tensors[1].tensor, NULL), TDL_OK);
    test_path(path, dir, "adapter_model.safetensors");
    assert_int_equal(tdl_safetensors_save(model->mem, path, tensors, 1, &err), TDL_OK);
    assert_error(tdl_lora_open(model, dir, &lora, &err), TDL_ERROR_FORMAT, &err, "v_proj.lora_B.weight' is missing");
    assert_int_equal(tdl_safetensors_save(model->mem, path, tensors, 2, &err), TDL_OK);
    assert_error(tdl_lora_open(model, dir, &lora, &err), TDL_ERROR_FORMAT, &err, "is [32, 2] F32, expected [16, 2]");
    tensors[0].tensor.shape[0] = 1; // the configuration says 2
    assert_int_equal(tdl_safetensors_save(model->mem, path, tensors, 2, &err), TDL_OK);
    assert_error(tdl_lora_open(model, dir, &lora, &err), TDL_ERROR_FORMAT, &err, "rank 1, expected 2 as 'r' says");
    tdl_model_close(model);
}

typedef struct scene {
    tdl_model *model;
} scene;

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    scene *s = arg;
    const tdl_allocator *own = s->model->mem;
    tdl_lora *lora = NULL;
    s->model->mem = m;
    tdl_status status = tdl_lora_open(s->model, TDL_TEST_DATA "/train/peft-llama", &lora, NULL);
    if (status == TDL_OK) status = tdl_lora_save(s->model, lora, "b", dir, NULL);
    tdl_lora_close(lora);
    s->model->mem = own;
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char gguf[TEST_PATH_SIZE];
    tdl_model *model = open_model(TDL_TEST_DATA "/hf-tiny/llama");
    test_path(gguf, dir, "model.gguf");
    assert_int_equal(tdl_export_save(&(tdl_export_desc){.model = model}, gguf, NULL), TDL_OK);
    tdl_model_close(model);
    scene s = {open_model(gguf)}; // with rows to turn
    assert_true(fail_alloc_each(scenario, &s) > 20);
    tdl_model_close(s.model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_peft, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_opened, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_range, make_dir, remove_dir),
        cmocka_unit_test(test_opened_without_memory),
        cmocka_unit_test_setup_teardown(test_targets, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_bad, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_halves, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_memory, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
