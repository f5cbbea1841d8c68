// test_session_bits.c - the same tokens give the same bits: whatever the prefill chunk, the threads, the neighbours.
//
// Logits after a prompt and after a few decoded tokens, bit for bit, over chunks of 1, 7, 64 and all, 1 to 4 threads, alone
// and in a batch of 5, in both precisions, on the bundled model (int8 kernels) and on tiny models (F32, windows, GQA).
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

// The same for a session among NEIGHBOURS others with prompts of other lengths, sharing steps of few tokens.
static void run_batched(tdl_model *model, const int32_t *prompt, size_t n_prompt, int32_t n_vocab, float *out) {
    tdl_error err = {0};
    tdl_batch *batch = NULL;
    tdl_session *sessions[NEIGHBOURS + 1] = {NULL};
    tdl_batch_desc shared = {
        .size = sizeof shared, .n_sessions_max = NEIGHBOURS + 1, .n_tokens_max = 48, .n_cache_tokens = 5 * 192};
    assert_int_equal(tdl_batch_create(model, &shared, &batch, &err), TDL_OK);
    for (int i = 0; i <= NEIGHBOURS; i++) {
        int32_t other[PROMPT];
        size_t n = (size_t)(11 + 31 * i) % PROMPT;
        make_prompt(other, n, n_vocab, 77u + (uint32_t)i);
        tdl_session_desc desc = {.size = sizeof desc, .batch = batch, .n_ctx = 180, .ignore_eos = true};
        assert_int_equal(tdl_session_create(model, &desc, &sessions[i], &err), TDL_OK);
        bool ours = i == 2;
        assert_int_equal(tdl_session_push(sessions[i], ours ? prompt : other, ours ? n_prompt : n, &err), TDL_OK);
    }
    for (int got = 0; got <= DECODED;) {
        assert_int_equal(tdl_batch_step(batch, &err), TDL_OK);
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

static void check_model(const char *path) {
    static const int32_t chunks[] = {1, 7, 64, PROMPT};
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    for (int precision = TDL_PRECISION_AUTO; precision <= TDL_PRECISION_F32; precision++) {
        float *expected = NULL, *got = NULL;
        size_t size = 0;
        for (int32_t n_threads = 1; n_threads <= 4; n_threads++) {
            tdl_device *device;
            tdl_model *model = golden_open(path, (tdl_precision)precision, n_threads, NULL, &device);
            tdl_model_info info = {.size = sizeof info};
            tdl_model_get_info(model, &info);
            int32_t prompt[PROMPT];
            make_prompt(prompt, PROMPT, info.n_vocab, 1);
            size = (size_t)(DECODED + 1) * (size_t)info.n_vocab * sizeof(float);
            if (!got) got = malloc(size);
            for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                run_alone(model, chunks[c], prompt, PROMPT, info.n_vocab, got);
                if (!expected) {
                    expected = malloc(size);
                    memcpy(expected, got, size);
                }
                if (memcmp(got, expected, size) != 0)
                    fail_msg("%s: chunk %d, %d threads differ", path, chunks[c], n_threads);
            }
            run_batched(model, prompt, PROMPT, info.n_vocab, got);
            if (memcmp(got, expected, size) != 0) fail_msg("%s: in a batch of 5, %d threads differ", path, n_threads);
            tdl_model_close(model);
            tdl_device_close(device);
        }
        free(expected), free(got);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bundled), cmocka_unit_test(gpt2), cmocka_unit_test(mistral),
                                       cmocka_unit_test(qwen3), cmocka_unit_test(mixtral)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
