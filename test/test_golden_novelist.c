// SPDX-License-Identifier: MIT
// test_golden_novelist.c - the 7M novelist against PyTorch (float32 on the same F16 weights): logits after a prompt, greedy
// continuations, and mean losses of windows of 512 tokens; from the GGUF and from a Hugging Face directory made of it.
//
// The F16 model is 15 MB and stays out of the tree: the test says that it is skipped where the shared data is not there.
#include "format/gguf_write.h"
#include "format/safetensors_write.h"
#include "support/golden.h"
#include "support/load_all.h"
#include "tensor/dtype.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WINDOW = 512, VOCAB = 4096, GREEDY = 96 };

static json_t *reference; // NULL: no shared data
static char gguf_path[4096];

static tdl_status write_hf_dir(const char *dir);

static void check_prompts(tdl_model *model) {
    json_t *prompt;
    size_t i, n_ids, n_greedy;
    double worst = 0;
    json_array_foreach(json_object_get(reference, "greedy"), i, prompt) {
        int32_t *ids = golden_ids(json_object_get(prompt, "ids"), &n_ids), ours[GREEDY];
        int32_t *greedy = golden_ids(json_object_get(prompt, "greedy_ids"), &n_greedy);
        assert_int_equal(n_greedy, GREEDY);
        float *logits = golden_logits(model, ids, n_ids), *last = logits + (n_ids - 1) * VOCAB;
        json_t *first = json_object_get(prompt, "last_logits_first32"),
               *top = json_object_get(prompt, "last_logits_top10");
        for (size_t j = 0; j < json_array_size(first); j++) {
            float expected = (float)json_number_value(json_array_get(first, j));
            worst = fmax(worst, golden_error(&last[j], &expected, 1));
        }
        for (size_t j = 0; j < json_array_size(top); j++) {
            json_t *pair = json_array_get(top, j);
            float expected = (float)json_number_value(json_array_get(pair, 1));
            worst = fmax(worst, golden_error(&last[json_integer_value(json_array_get(pair, 0))], &expected, 1));
        }
        golden_greedy(model, ids, n_ids, ours, GREEDY);
        assert_memory_equal(ours, greedy, sizeof ours);
        free(ids), free(greedy), free(logits);
    }
    print_message("f32: logits within %.2e of PyTorch's\n", worst);
    assert_true(worst <= 1e-4);
}

// Losses of every window within `bound`; returns the logits of the first for the caller to compare and free.
static float *check_windows(tdl_model *model, double bound) {
    json_t *windows = json_object_get(reference, "windows"),
           *losses = json_object_get(windows, "mean_nll_per_512_window");
    size_t n_ids;
    int32_t *ids = golden_ids(json_object_get(windows, "ids"), &n_ids);
    float *first = NULL;
    double worst = 0;
    assert_int_equal(n_ids, json_array_size(losses) * WINDOW);
    for (size_t i = 0; i < n_ids / WINDOW; i++) {
        float *logits = golden_logits(model, ids + i * WINDOW, WINDOW);
        double nll = golden_nll(logits, ids + i * WINDOW, WINDOW, VOCAB);
        worst = fmax(worst, fabs(nll - json_number_value(json_array_get(losses, i))));
        if (first) free(logits);
        else first = logits;
    }
    print_message("losses within %.2e of PyTorch's\n", worst);
    assert_true(worst <= bound);
    free(ids);
    return first;
}

static void check_file(const char *path) {
    tdl_device *device;
    tdl_model *model = golden_open(path, TDL_PRECISION_F32, 2, NULL, &device);
    check_prompts(model);
    float *exact = check_windows(model, 1e-4);
    tdl_model_close(model);
    tdl_device_close(device);

    model = golden_open(path, TDL_PRECISION_AUTO, 2, NULL, &device);
    float *rounded = check_windows(model, 1e-3);
    double kl = golden_kl(rounded, exact, WINDOW, VOCAB);
    print_message("auto: largest KL to f32 %.2e\n", kl);
    assert_true(kl < 1e-4);
    free(exact), free(rounded);
    tdl_model_close(model);
    tdl_device_close(device);
}

static void from_gguf(void **state) {
    (void)state;
    if (!reference) skip();
    check_file(gguf_path);
}

static void from_safetensors(void **state) {
    (void)state;
    if (!reference) skip();
    char dir[] = "/tmp/treadle-novelist-XXXXXX", path[128];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(write_hf_dir(dir), TDL_OK);
    check_file(dir);
    static const char *const files[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
}

// GGUF files have q and k permuted so that RoPE pairs are adjacent: row 2i + j of a head was row j * hd / 2 + i.
static void unpermute(tdl_tensor *t, int64_t n_heads) {
    int64_t hd = t->shape[0] / n_heads, row = t->strides[0];
    uint8_t *data = malloc((size_t)(t->shape[0] * row));
    for (int64_t h = 0; h < n_heads; h++)
        for (int64_t i = 0; i < hd / 2; i++)
            for (int64_t j = 0; j < 2; j++)
                memcpy(data + (h * hd + j * hd / 2 + i) * row, t->data + (h * hd + 2 * i + j) * row, (size_t)row);
    t->data = data;
}

static void hf_name(const char *gguf, char *name, size_t size) {
    static const char *const parts[][2] = {
        {"attn_norm", "input_layernorm"}, {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
        {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"}};
    int layer;
    char part[64];
    if (strcmp(gguf, "token_embd.weight") == 0) snprintf(name, size, "model.embed_tokens.weight");
    if (strcmp(gguf, "output_norm.weight") == 0) snprintf(name, size, "model.norm.weight");
    if (sscanf(gguf, "blk.%d.%63[a-z_]", &layer, part) != 2) return;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(part, parts[i][0]) == 0) snprintf(name, size, "model.layers.%d.%s.weight", layer, parts[i][1]);
}

static tdl_status write_hf_dir(const char *dir) {
    enum { TENSORS_MAX = 128 };
    static char names[TENSORS_MAX][96];
    static tdl_weights_tensor tensors[TENSORS_MAX];
    char path[128];
    tdl_error err = {0};
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_weights *weights = NULL;
    if (tdl_weights_open(&(tdl_weights_desc){.mem = mem, .path = gguf_path}, &weights, &err) != TDL_OK)
        fail_msg("%s", err.message);
    load_all(weights);
    size_t n = tdl_weights_n_tensors(weights);
    assert_true(n > 0 && n <= TENSORS_MAX);
    for (size_t i = 0; i < n; i++) {
        const tdl_weights_tensor *from = tdl_weights_at(weights, i);
        hf_name(from->name, names[i], sizeof names[i]);
        tensors[i] = (tdl_weights_tensor){.name = names[i], .tensor = from->tensor};
        if (strstr(from->name, "attn_q.")) unpermute(&tensors[i].tensor, 4);
        if (strstr(from->name, "attn_k.")) unpermute(&tensors[i].tensor, 2);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    tdl_status status = tdl_safetensors_save(mem, path, tensors, n, &err);
    for (size_t i = 0; i < n; i++)
        if (tensors[i].tensor.data != tdl_weights_at(weights, i)->tensor.data) free(tensors[i].tensor.data);
    tdl_weights_close(weights);
    if (status != TDL_OK) fail_msg("%s", err.message);

    snprintf(path, sizeof path, "%s/config.json", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 256, "
          "\"num_hidden_layers\": 8,\n"
          " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"intermediate_size\": 768, \"vocab_size\": 4096,\n"
          " \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": "
          "\"silu\",\n"
          " \"tie_word_embeddings\": true, \"rope_scaling\": null}\n",
          f);
    return fclose(f) == 0 ? TDL_OK : TDL_ERROR_IO;
}

int main(void) {
    const char *path = golden_shared("models/novelist-7m-reference.json");
    if (path) reference = golden_json(path);
    if (reference) snprintf(gguf_path, sizeof gguf_path, "%s", golden_shared("models/novelist-7m-f16.gguf"));
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_gguf), cmocka_unit_test(from_safetensors)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(reference);
    return failed;
}
