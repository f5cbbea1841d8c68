// SPDX-License-Identifier: MIT
// test_session_bits.c - the same tokens give the same bits: whatever the prefill chunk, the threads, the neighbours.
//
// Logits after a prompt and after a few decoded tokens, bit for bit, over chunks of 1, 7, 64 and all, 1 to 4 threads, alone
// and in a batch of 5 with one set of neighbours and another, in both precisions, on the bundled model (int8 kernels) and on
// tiny models (F32, windows, GQA). The same on WebGPU where the model is opened `invariant`, with an adapter's own limits and,
// the tiny models, with the least that all have. "webgpu-tiny" as an argument leaves out all but the tiny models there;
// "webgpu-bundled" runs the bundled model there, which takes a driver on the CPU a minute, and nothing else.
#include "support/adapter.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PROMPT = 150, DECODED = 5, NEIGHBOURS = 4 };

static void make_prompt(int32_t *ids, size_t n, int32_t n_vocab, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)((seed >> 8) % (uint32_t)n_vocab);
    }
}

// Logits after the prompt and after each of DECODED greedy tokens: out [(DECODED + 1) * n_vocab].
static void run_alone(tdl_model *model, int32_t n_batch, const int32_t *prompt, size_t n_prompt, int32_t n_vocab,
                      float *out) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    tdl_session_desc desc = {
        .size = sizeof desc, .n_ctx = PROMPT + DECODED + 2, .n_batch = n_batch, .ignore_eos = true};
    assert_int_equal(tdl_session_create(model, &desc, &session, &err), TDL_OK);
    assert_int_equal(tdl_session_push(session, prompt, n_prompt, &err), TDL_OK);
    for (int i = 0; i <= DECODED; i++) {
        int32_t token;
        tdl_status status;
        while ((status = tdl_session_next(session, &token, &err)) == TDL_PENDING) {
        }
        assert_int_equal(status, TDL_OK);
        memcpy(out + (size_t)i * (size_t)n_vocab, tdl_session_logits(session), (size_t)n_vocab * sizeof *out);
    }
    tdl_session_destroy(session);
}

// The same for a session among NEIGHBOURS others with prompts of other lengths, which follow from the seed, sharing steps of
// few tokens.
static void run_batched(tdl_model *model, uint32_t seed, const int32_t *prompt, size_t n_prompt, int32_t n_vocab,
                        float *out) {
    tdl_error err = {0};
    tdl_batch *batch = NULL;
    tdl_session *sessions[NEIGHBOURS + 1] = {NULL};
    tdl_batch_desc shared = {
        .size = sizeof shared, .n_sessions_max = NEIGHBOURS + 1, .n_tokens_max = 48, .n_cache_tokens = 5 * 192};
    assert_int_equal(tdl_batch_create(model, &shared, &batch, &err), TDL_OK);
    for (int i = 0; i <= NEIGHBOURS; i++) {
        int32_t other[PROMPT];
        size_t n = (size_t)((int)(seed % 23) + 31 * i) % PROMPT;
        make_prompt(other, n, n_vocab, seed + (uint32_t)i);
        tdl_session_desc desc = {.size = sizeof desc, .batch = batch, .n_ctx = 180, .ignore_eos = true};
        assert_int_equal(tdl_session_create(model, &desc, &sessions[i], &err), TDL_OK);
        bool ours = i == 2;
        assert_int_equal(tdl_session_push(sessions[i], ours ? prompt : other, ours ? n_prompt : n, &err), TDL_OK);
    }
    for (int got = 0; got <= DECODED;) {
        tdl_status step = tdl_batch_step(batch, &err);
        assert_true(step == TDL_OK || step == TDL_PENDING);
        for (int i = 0; i <= NEIGHBOURS; i++) {
            int32_t token;
            size_t n;
            tdl_session_tokens(sessions[i], &n);
            if (n >= 179) continue; // a neighbour that has filled its context
            tdl_status status = tdl_session_next(sessions[i], &token, &err);
            assert_true(status == TDL_OK || status == TDL_PENDING);
            if (i == 2 && status == TDL_OK && got <= DECODED)
                memcpy(out + (size_t)(got++) * (size_t)n_vocab, tdl_session_logits(sessions[i]),
                       (size_t)n_vocab * sizeof *out);
        }
    }
    for (int i = 0; i <= NEIGHBOURS; i++) tdl_session_destroy(sessions[i]);
    tdl_batch_destroy(batch);
}

// Whether the model's bits are `expected` however it is asked; sets them where there are none. Both are malloc'd.
// all: in every chunk and among both sets of neighbours, else in one chunk and among one set.
static void check_bits(tdl_model *model, const char *what, bool all, float **expected, float **got) {
    static const int32_t chunks[] = {7, 1, 64, PROMPT};
    static const uint32_t neighbours[] = {80, 2000};
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(model, &info);
    int32_t prompt[PROMPT];
    make_prompt(prompt, PROMPT, info.n_vocab, 1);
    size_t size = (size_t)(DECODED + 1) * (size_t)info.n_vocab * sizeof(float);
    if (!*got) *got = malloc(size);
    for (size_t c = 0; c < (all ? sizeof chunks / sizeof *chunks : 1); c++) {
        run_alone(model, chunks[c], prompt, PROMPT, info.n_vocab, *got);
        if (!*expected) {
            *expected = malloc(size);
            memcpy(*expected, *got, size);
        }
        if (memcmp(*got, *expected, size) != 0) fail_msg("%s: chunk %d differs", what, chunks[c]);
    }
    for (size_t i = 0; i < (all ? sizeof neighbours / sizeof *neighbours : 1); i++) {
        run_batched(model, neighbours[i], prompt, PROMPT, info.n_vocab, *got);
        if (memcmp(*got, *expected, size) != 0) fail_msg("%s: in a batch of 5, %u, differs", what, neighbours[i]);
    }
}

static void check_model(const char *path) {
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    for (int precision = TDL_PRECISION_AUTO; precision <= TDL_PRECISION_F32; precision++) {
        float *expected = NULL, *got = NULL;
        for (int32_t n_threads = 1; n_threads <= 4; n_threads++) {
            tdl_device *device;
            tdl_model *model = golden_open(path, (tdl_precision)precision, n_threads, NULL, &device);
            char what[256];
            snprintf(what, sizeof what, "%s, %d threads", path, n_threads);
            check_bits(model, what, n_threads <= 2, &expected, &got);
            tdl_model_close(model);
            tdl_device_close(device);
        }
        free(expected), free(got);
    }
}

static void check_webgpu(const char *path, size_t n_devices) {
    static const char *const names[] = {"webgpu", "webgpu:0:min"};
    for (size_t i = 0; i < n_devices; i++) {
        tdl_error err = {0};
        tdl_device *device;
        tdl_model *model;
        tdl_device_desc device_desc = {.size = sizeof device_desc, .name = names[i]};
        device = adapter_open(&device_desc);
        if (!device) skip();
        tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .invariant = true};
        if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
        float *expected = NULL, *got = NULL;
        char what[256];
        snprintf(what, sizeof what, "%s on %s", path, names[i]);
        check_bits(model, what, true, &expected, &got);
        free(expected), free(got);
        tdl_model_close(model);
        tdl_device_close(device);
    }
}

static void bundled(void **state) {
    (void)state;
    check_model(TDL_REPO "/models/novelist-7m-q8_0.gguf");
}

static void gpt2(void **state) {
    (void)state;
    check_model(TDL_TEST_DATA "/hf-tiny/gpt2");
}

static void mistral(void **state) {
    (void)state;
    check_model(TDL_TEST_DATA "/hf-tiny/mistral");
}

static void qwen3(void **state) {
    (void)state;
    check_model(TDL_TEST_DATA "/hf-tiny/qwen3");
}

static void mixtral(void **state) {
    (void)state;
    check_model(TDL_TEST_DATA "/hf-tiny/mixtral");
}

static void webgpu_bundled(void **state) {
    (void)state;
    check_webgpu(TDL_REPO "/models/novelist-7m-q8_0.gguf", 1);
}

static void webgpu_gpt2(void **state) {
    (void)state;
    check_webgpu(TDL_TEST_DATA "/hf-tiny/gpt2", 2);
}

static void webgpu_mistral(void **state) {
    (void)state;
    check_webgpu(TDL_TEST_DATA "/hf-tiny/mistral", 2);
}

static void webgpu_qwen3(void **state) {
    (void)state;
    check_webgpu(TDL_TEST_DATA "/hf-tiny/qwen3", 2);
}

static void webgpu_mixtral(void **state) {
    (void)state;
    check_webgpu(TDL_TEST_DATA "/hf-tiny/mixtral", 2);
}

int main(int argc, char **argv) {
    const struct CMUnitTest cpu[] = {cmocka_unit_test(bundled), cmocka_unit_test(gpt2), cmocka_unit_test(mistral),
                                     cmocka_unit_test(qwen3), cmocka_unit_test(mixtral)};
    const struct CMUnitTest large[] = {cmocka_unit_test(webgpu_bundled)};
    const struct CMUnitTest tiny[] = {cmocka_unit_test(webgpu_gpt2), cmocka_unit_test(webgpu_mistral),
                                      cmocka_unit_test(webgpu_qwen3), cmocka_unit_test(webgpu_mixtral)};
    bool only_tiny = argc > 1 && strcmp(argv[1], "webgpu-tiny") == 0;
    if (argc > 1 && strcmp(argv[1], "webgpu-bundled") == 0)
        return adapter_verdict(cmocka_run_group_tests(large, NULL, NULL));
    return adapter_verdict((only_tiny ? 0 : cmocka_run_group_tests(cpu, NULL, NULL)) +
                           cmocka_run_group_tests(tiny, NULL, NULL));
}
