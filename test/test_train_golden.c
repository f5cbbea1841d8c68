// SPDX-License-Identifier: MIT
// test_train_golden.c - training against PyTorch: loss, every parameter's gradient, and 20 steps of AdamW, for seven families.
//
// test/data/train/<family>.json: see ORIGIN.md there. Gradients of large tensors are sampled; their norms are whole. The same on
// devices that bind less than the embedding matrix has, which makes it, its gradient and its moments come in parts.
#include "support/adapter.h"
#include "support/golden.h"
#include "train/train_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(TDL_WEBGPU_LIBRARY)
static const char LIBRARY[] = TDL_WEBGPU_LIBRARY;
#else
static const char *const LIBRARY = NULL;
#endif

static const char *const names[] = {"gpt2", "llama", "qwen2", "qwen3", "mistral", "mixtral", "qwen3_moe"};
static const double GRADIENT_BOUND = 1e-4, LOSS_BOUND = 1e-3;

typedef struct batch {
    int32_t n, n_counted;
    int32_t *ids, *targets, *positions, *id_order, *position_order;
} batch;

static void sort_rows(const int32_t *keys, int32_t n, int32_t *order) {
    int32_t n_sorted = 0, max = 0;
    for (int32_t i = 0; i < n; i++) max = keys[i] > max ? keys[i] : max;
    for (int32_t key = 0; key <= max; key++)
        for (int32_t i = 0; i < n; i++)
            if (keys[i] == key) order[n_sorted++] = i;
}

static batch read_batch(const json_t *documents) {
    batch b = {0};
    for (size_t d = 0; d < json_array_size(documents); d++)
        b.n += (int32_t)json_array_size(json_object_get(json_array_get(documents, d), "ids"));
    int32_t **arrays[] = {&b.ids, &b.targets, &b.positions, &b.id_order, &b.position_order};
    for (size_t i = 0; i < 5; i++) *arrays[i] = calloc((size_t)b.n, sizeof(int32_t));
    int32_t at = 0;
    for (size_t d = 0; d < json_array_size(documents); d++) {
        size_t n, n_targets;
        int32_t *ids = golden_ids(json_object_get(json_array_get(documents, d), "ids"), &n);
        int32_t *targets = golden_ids(json_object_get(json_array_get(documents, d), "targets"), &n_targets);
        assert_int_equal(n, n_targets);
        for (size_t i = 0; i < n; i++, at++) {
            b.ids[at] = ids[i];
            b.targets[at] = targets[i];
            b.positions[at] = (int32_t)i;
            b.n_counted += targets[i] >= 0;
        }
        free(ids), free(targets);
    }
    sort_rows(b.ids, b.n, b.id_order);
    sort_rows(b.positions, b.n, b.position_order);
    return b;
}

static void batch_free(batch *b) {
    free(b->ids), free(b->targets), free(b->positions), free(b->id_order), free(b->position_order);
}

static tdl_status make_engine(tdl_model *model, const batch *b, const json_t *adamw, bool recompute,
                              tdl_train_engine **out, tdl_error *err) {
    const json_t *betas = json_object_get(adamw, "betas");
    tdl_train_engine_desc desc = {.model = model,
                                  .n_tokens = b->n,
                                  .recompute = recompute,
                                  .precision = TDL_PRECISION_F32,
                                  .beta1 = (float)json_real_value(json_array_get(betas, 0)),
                                  .beta2 = (float)json_real_value(json_array_get(betas, 1)),
                                  .eps = (float)json_real_value(json_object_get(adamw, "eps")),
                                  .weight_decay = (float)json_real_value(json_object_get(adamw, "weight_decay"))};
    return tdl_train_engine_create(&desc, out, err);
}

static void wait_for(tdl_train_engine *e) {
    tdl_error err = {0};
    tdl_status status;
    while ((status = tdl_train_engine_poll(e, &err)) == TDL_PENDING) continue;
    if (status != TDL_OK) fail_msg("%s", err.message);
}

// The gradients of one batch; the mean loss.
static double gradients(tdl_train_engine *e, const batch *b, tdl_hypers *hypers) {
    tdl_micro_batch micro = {b->ids, b->targets, b->positions, b->id_order, b->position_order, {1, 2}};
    hypers->values[TDL_HYPER_LOSS_SCALE] = 1 / (float)b->n_counted;
    hypers->values[TDL_HYPER_UNSCALE] = 1;
    assert_int_equal(tdl_train_engine_gradients(e, &micro, hypers, NULL), TDL_OK);
    wait_for(e);
    double sum = 0;
    for (int32_t i = 0; i < b->n; i++) sum += (double)tdl_train_engine_losses(e)[i];
    return sum / b->n_counted;
}

// The tensor's name in the safetensors file (of experts, which have many there, GGUF's), and whether it lies there transposed.
static void hf_name(const tdl_model *model, int32_t weight, char *name, size_t size, bool *transposed) {
    static const char *const roles[TDL_ROLE_COUNT][TDL_NAMING_COUNT] = {
#define TDL_ROLE(id, rows, cols, gguf, llama, gpt2) {gguf, llama, gpt2, llama},
#define TDL_ROLE_EXPERTS(id, rows, cols, gguf, llama, mixtral) {gguf, llama, NULL, mixtral},
#include "model/roles.def"
#undef TDL_ROLE
#undef TDL_ROLE_EXPERTS
    };
    int32_t role = weight % TDL_ROLE_COUNT, layer = weight / TDL_ROLE_COUNT - 1;
    bool experts = tdl_role_is_experts((tdl_role)role);
    const char *format = roles[role][experts ? TDL_NAMING_GGUF : model->arch->naming], *hole = strstr(format, "%d");
    if (hole) snprintf(name, size, "%.*s%d%s", (int)(hole - format), format, layer, hole + 2);
    else snprintf(name, size, "%s", format);
    *transposed = model->arch->conv1d && layer >= 0 && model->params.list[weight].tensor.n_dims == 2;
}

// The largest relative error: of the norm, and of elements against the largest of them.
static double gradient_error(tdl_train_engine *e, const tdl_model *model, int32_t i, const json_t *expected) {
    const tdl_trained *p = tdl_train_engine_param(e, i);
    char name[160];
    bool transposed;
    hf_name(model, p->weight, name, sizeof name, &transposed);
    const json_t *entry = json_object_get(expected, name);
    if (!entry) fail_msg("no gradient of '%s'", name);
    size_t n = (size_t)tdl_tensor_n_elements(&p->tensor), n_samples;
    float *ours = malloc(n * sizeof *ours), *samples = golden_floats(json_object_get(entry, "f32"), &n_samples);
    assert_int_equal(tdl_train_engine_read(e, TDL_TRAIN_GRAD, i, 0, ours, n * sizeof *ours, NULL), TDL_OK);
    wait_for(e);
    size_t rows = transposed ? (size_t)p->tensor.shape[0] : 1, cols = n / rows;
    double sum = 0, largest = 1e-30, worst = 0, norm = json_real_value(json_object_get(entry, "norm"));
    for (size_t j = 0; j < n; j++) sum += (double)ours[j] * (double)ours[j];
    for (size_t k = 0; k < n_samples; k++) largest = fmax(largest, fabs((double)samples[k]));
    for (size_t k = 0; k < n_samples; k++) {
        size_t at = n_samples == n ? k : 1009 * k % n; // in the file's order
        size_t mine = transposed ? at % rows * cols + at / rows : at;
        worst = fmax(worst, fabs((double)ours[mine] - (double)samples[k]) / largest);
    }
    worst = fmax(worst, fabs(sqrt(sum) - norm) / norm);
    free(ours), free(samples);
    return worst;
}

typedef struct family_check {
    const char *device; // NULL: cpu
    bool recompute;
    uint64_t size_max; // bytes that the device binds; 0: as it says
    int32_t n_parts;   // of the embedding tables then, all together
} family_check;

// Ops of a kind in the engine's plans.
static int32_t n_ops_of(const tdl_train_engine *e, const char *op) {
    tdl_str text = tdl_str_make(tdl_allocator_or_default(NULL));
    char line[64];
    int32_t n = 0;
    assert_int_equal(tdl_train_engine_print(e, &text, NULL), TDL_OK);
    snprintf(line, sizeof line, " %s ", op);
    for (const char *at = strstr(text.ptr, line); at; at = strstr(at + 1, line)) n++;
    tdl_str_deinit(&text);
    return n;
}

static void check_family(const char *name, const family_check *check) {
    char path[4096];
    snprintf(path, sizeof path, "%s/train/%s.json", TDL_TEST_DATA, name);
    json_t *reference = golden_json(path);
    snprintf(path, sizeof path, "%s/hf-tiny/%s", TDL_TEST_DATA, name);
    tdl_device *device = NULL;
    tdl_model *model = NULL;
    tdl_error err = {0};
    const tdl_device_desc where = {.size = sizeof where, .name = check->device, .n_threads = 2, .library = LIBRARY};
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .precision = TDL_PRECISION_F32};
    if (tdl_device_open(&where, &device, &err) != TDL_OK) fail_msg("%s", err.message);
    desc.device = device;
    if (check->size_max) device->value_size_max = check->size_max;
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    batch b = read_batch(json_object_get(reference, "documents"));
    const json_t *adamw = json_object_get(reference, "adamw"), *losses = json_object_get(reference, "losses");
    const json_t *norms = json_object_get(reference, "norms");
    tdl_train_engine *e = NULL;
    if (make_engine(model, &b, adamw, check->recompute, &e, &err) != TDL_OK) fail_msg("%s", err.message);
    if (check->size_max) assert_int_equal(n_ops_of(e, "embed_grad"), check->n_parts);
    tdl_hypers hypers = {{0}};
    double loss = gradients(e, &b, &hypers), worst = 0, worst_loss = 0, worst_norm = 0;
    const char *worst_name = "";
    for (int32_t i = 0; i < tdl_train_engine_n_params(e); i++) {
        double error = gradient_error(e, model, i, json_object_get(reference, "gradients"));
        if (error > worst) worst = error, worst_name = tdl_train_engine_param(e, i)->name;
    }
    assert_int_equal(tdl_train_engine_n_params(e), json_object_size(json_object_get(reference, "gradients")));
    hypers.values[TDL_HYPER_CLIP] = (float)json_real_value(json_object_get(reference, "clip"));
    hypers.values[TDL_HYPER_LR] = (float)json_real_value(json_object_get(adamw, "lr"));
    double beta1 = json_real_value(json_array_get(json_object_get(adamw, "betas"), 0));
    double beta2 = json_real_value(json_array_get(json_object_get(adamw, "betas"), 1));
    for (size_t step = 1; step <= json_array_size(norms); step++) {
        double expected = json_real_value(json_array_get(losses, step - 1));
        worst_loss = fmax(worst_loss, fabs(loss - expected) / expected);
        hypers.values[TDL_HYPER_M_FACTOR] = (float)(1 / (1 - pow(beta1, (double)step)));
        hypers.values[TDL_HYPER_V_FACTOR] = (float)(1 / (1 - pow(beta2, (double)step)));
        assert_int_equal(tdl_train_engine_update(e, &hypers, NULL), TDL_OK);
        wait_for(e);
        bool finite;
        double norm = json_real_value(json_array_get(norms, step - 1));
        worst_norm = fmax(worst_norm, fabs((double)tdl_train_engine_grad_norm(e, &finite) - norm) / norm);
        assert_true(finite);
        loss = gradients(e, &b, &hypers);
    }
    double last = json_real_value(json_array_get(losses, json_array_size(norms)));
    worst_loss = fmax(worst_loss, fabs(loss - last) / last);
    print_message("%s %s%s%s: gradients %.1e (%s), losses of 20 steps %.1e, norms %.1e\n",
                  check->device ? check->device : "cpu", name, check->recompute ? " recomputed" : "",
                  check->size_max ? " in parts" : "", worst, worst_name, worst_loss, worst_norm);
    assert_true(worst <= GRADIENT_BOUND);
    assert_true(worst_loss <= LOSS_BOUND);
    assert_true(worst_norm <= LOSS_BOUND);
    tdl_train_engine_destroy(e);
    batch_free(&b);
    tdl_model_close(model);
    tdl_device_close(device);
    json_decref(reference);
}

static void test_families(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_family(names[i], &(family_check){0});
}

// Activation checkpointing changes what is kept, not what is computed.
static void test_recomputed(void **state) {
    (void)state;
    check_family("gpt2", &(family_check){.recompute = true});
    check_family("qwen3", &(family_check){.recompute = true});
    check_family("mixtral", &(family_check){.recompute = true});
}

static void test_webgpu(void **state) {
    (void)state;
    tdl_device *device =
        adapter_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = "webgpu", .library = LIBRARY});
    if (!device) skip();
    tdl_device_close(device);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_family(names[i], &(family_check){.device = "webgpu"});
    check_family("gpt2", &(family_check){.device = "webgpu:0:min"});
    check_family("mixtral", &(family_check){.device = "webgpu:0:min"});
}

// Tables have 32 KiB, of which gpt2 has two. Of 48 tokens an activation has at most 15,360 bytes, in gpt2 and qwen3 24,576.
static void test_in_parts(void **state) {
    (void)state;
    static const char *const devices[] = {"null", "webgpu"};
    for (int i = 0; i < 2; i++) {
        tdl_device *device = NULL;
        const tdl_device_desc where = {.size = sizeof where, .name = devices[i], .library = LIBRARY};
        if (tdl_device_open(&where, &device, NULL) != TDL_OK) continue; // test_webgpu says it
        tdl_device_close(device);
        check_family("gpt2", &(family_check){.device = devices[i], .size_max = 24576, .n_parts = 4});
        check_family("llama", &(family_check){.device = devices[i], .size_max = 15360, .n_parts = 4});
        check_family("qwen3",
                     &(family_check){.device = devices[i], .recompute = true, .size_max = 24576, .n_parts = 2});
    }
}

// Activations do not come in parts: the message says of how many tokens they would fit.
static void test_micro_batch_over_the_limit(void **state) {
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/train/llama.json", TDL_TEST_DATA);
    json_t *reference = golden_json(path);
    snprintf(path, sizeof path, "%s/hf-tiny/llama", TDL_TEST_DATA);
    tdl_device *device = NULL;
    tdl_model *model = NULL;
    tdl_train_engine *e = NULL;
    tdl_error err = {0};
    const tdl_device_desc where = {.size = sizeof where, .name = "null"};
    assert_int_equal(tdl_device_open(&where, &device, &err), TDL_OK);
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    device->value_size_max = 31 * 80 * sizeof(float) + 100; // ffn_up has 80 columns
    assert_int_equal(tdl_model_open(&desc, &model, &err), TDL_OK);
    batch b = read_batch(json_object_get(reference, "documents"));
    const json_t *adamw = json_object_get(reference, "adamw");
    assert_int_equal(make_engine(model, &b, adamw, false, &e, &err), TDL_ERROR_LIMIT);
    assert_non_null(strstr(err.message, "ffn"));
    assert_non_null(strstr(err.message, "a micro-batch of 48 tokens does not fit, one of 31 would"));
    batch_free(&b);
    tdl_model_close(model);
    tdl_device_close(device);
    json_decref(reference);
}

enum { TOKENS_MAX = 64, SAMPLES = 512 };

// What one device makes of a batch of gpt2's with dropout.
typedef struct dropped {
    float losses[TOKENS_MAX], grad[SAMPLES];
} dropped;

static tdl_status drop(const tdl_device_desc *where, const tdl_train_engine_desc *settings, dropped *out,
                       tdl_error *err) {
    json_t *reference = golden_json(TDL_TEST_DATA "/train/gpt2.json");
    tdl_model_desc desc = {.size = sizeof desc, .path = TDL_TEST_DATA "/hf-tiny/gpt2", .precision = TDL_PRECISION_F32};
    tdl_model *model = NULL;
    tdl_train_engine *e = NULL;
    batch b = read_batch(json_object_get(reference, "documents"));
    tdl_hypers hypers = {{0}};
    tdl_status status = tdl_device_open(where, &desc.device, err);
    if (status != TDL_OK) goto cleanup;
    assert_int_equal(tdl_model_open(&desc, &model, err), TDL_OK);
    tdl_train_engine_desc of = *settings;
    of.model = model, of.n_tokens = b.n, of.precision = TDL_PRECISION_F32;
    if (tdl_train_engine_create(&of, &e, err) != TDL_OK) fail_msg("%s", err->message);
    assert_true(b.n <= TOKENS_MAX);
    gradients(e, &b, &hypers);
    memcpy(out->losses, tdl_train_engine_losses(e), (size_t)b.n * sizeof *out->losses);
    for (int32_t i = 0; i < tdl_train_engine_n_params(e); i++)
        if (strcmp(tdl_train_engine_param(e, i)->name, "blk.0.attn_qkv.weight") == 0)
            assert_int_equal(tdl_train_engine_read(e, TDL_TRAIN_GRAD, i, 0, out->grad, sizeof out->grad, err), TDL_OK);
    wait_for(e);
cleanup:
    tdl_train_engine_destroy(e);
    tdl_model_close(model);
    tdl_device_close(desc.device);
    batch_free(&b);
    json_decref(reference);
    return status;
}

static double difference(const float *a, const float *b, size_t n) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)b[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    assert_true(largest > 0);
    return worst / largest;
}

// The masks are the same wherever and however they are made: other threads and activations computed again change no bit, another
// device only how it rounds. Attention's weights have masks of their own.
static void test_dropout(void **state) {
    (void)state;
    const tdl_device_desc cpu = {.size = sizeof cpu, .n_threads = 2}, one = {.size = sizeof one, .n_threads = 1};
    const tdl_device_desc gpu = {.size = sizeof gpu, .name = "webgpu", .library = LIBRARY};
    static const tdl_train_engine_desc both = {.dropout = 0.2f, .attention_dropout = 0.3f},
                                       again = {.dropout = 0.2f, .attention_dropout = 0.3f, .recompute = true},
                                       block = {.dropout = 0.2f}, attention = {.attention_dropout = 0.3f}, none = {0};
    static dropped want, have;
    tdl_error err = {0};
    assert_int_equal(drop(&cpu, &both, &want, &err), TDL_OK);
    assert_int_equal(drop(&one, &both, &have, &err), TDL_OK);
    assert_memory_equal(&want, &have, sizeof want);
    assert_int_equal(drop(&cpu, &again, &have, &err), TDL_OK);
    assert_memory_equal(&want, &have, sizeof want);
    assert_int_equal(drop(&cpu, &block, &have, &err), TDL_OK);
    assert_true(difference(have.losses, want.losses, TOKENS_MAX) > 1e-3);
    assert_int_equal(drop(&cpu, &attention, &want, &err), TDL_OK);
    assert_int_equal(drop(&cpu, &none, &have, &err), TDL_OK);
    assert_true(difference(have.losses, want.losses, TOKENS_MAX) > 1e-3);
    if (drop(&gpu, &attention, &have, &err) != TDL_OK) return; // test_webgpu says it
    print_message("webgpu gpt2 with dropout: losses %.1e from the CPU's, gradients %.1e\n",
                  difference(have.losses, want.losses, TOKENS_MAX), difference(have.grad, want.grad, SAMPLES));
    assert_true(difference(have.losses, want.losses, TOKENS_MAX) < 1e-5);
    assert_true(difference(have.grad, want.grad, SAMPLES) < GRADIENT_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families), cmocka_unit_test(test_recomputed),
        cmocka_unit_test(test_webgpu),   cmocka_unit_test(test_in_parts),
        cmocka_unit_test(test_dropout),  cmocka_unit_test(test_micro_batch_over_the_limit)};
    return adapter_verdict(cmocka_run_group_tests(tests, NULL, NULL));
}
