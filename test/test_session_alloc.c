// SPDX-License-Identifier: MIT
// test_session_alloc.c - every allocation of a life of two sessions in a batch fails once: the call that says MEMORY has changed
// nothing, and who makes it again gets the tokens and the text of a life without failures.
//
// With stop strings, penalties, random draws, n_predict, rewinds, syncs and pushed text; on the CPU, and on "null", whose tokens
// are picked with steps under way (there without text: that model has no tokenizer).
#include "support/fail_alloc.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";
enum { N_TURNS = 36, RECORD_MAX = 8192, TRIES_MAX = 10000 };

typedef struct life {
    tdl_model *model;
    fail_alloc *fa;
    bool text;
    char record[RECORD_MAX]; // statuses, tokens and text as they came
    size_t size;
    int32_t n_failed; // calls that said MEMORY
} life;

static void note(life *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->record + l->size, sizeof l->record - l->size, format, args);
    va_end(args);
    assert_true(n >= 0 && l->size + (size_t)n < sizeof l->record);
    l->size += (size_t)n;
}

// Makes a call until it says something else than MEMORY; a call that fails leaves the timeline as it is.
#define AGAIN(l, session, call)                                      \
    do {                                                             \
        size_t n_before_, n_after_;                                  \
        tdl_session_tokens(session, &n_before_);                     \
        err = (tdl_error){0};                                        \
        if ((status = (call)) != TDL_ERROR_MEMORY) break;            \
        tdl_session_tokens(session, &n_after_);                      \
        assert_int_equal(n_after_, n_before_);                       \
        assert_true(err.code == TDL_ERROR_MEMORY && err.message[0]); \
        (l)->n_failed++;                                             \
    } while (true)

static tdl_session *make(life *l, tdl_batch *batch, int i) {
    tdl_error err = {0};
    tdl_session *s = NULL;
    const char *stops[] = {"never in any text", i ? "the " : "zq"};
    tdl_session_desc desc = {.size = sizeof desc,
                             .batch = batch,
                             .n_ctx = 100,
                             .n_predict = i ? 0 : 9,
                             .ignore_eos = i == 0,
                             .stops = stops,
                             .n_stops = 2,
                             .sampler = {.temperature = 0.9f, .top_k = 40, .top_p = 0.95f, .seed = 5}};
    if (i && l->text) desc.sampler.repetition_penalty = 1.1f;
    if (tdl_session_create(l->model, &desc, &s, &err) != TDL_OK) fail_msg("%s", err.message);
    const int32_t ids[] = {5, 17, 99, 200, 3};
    if (l->text)
        assert_int_equal(tdl_session_push_text(s, i ? "The old dog" : "It was a dark", 11, NULL, NULL), TDL_OK);
    else assert_int_equal(tdl_session_push(s, ids, 5, NULL), TDL_OK);
    return s;
}

static void turn(life *l, tdl_batch *batch, tdl_session *s, int t) {
    tdl_error err;
    tdl_status status;
    int32_t token = -1;
    for (int tries = 0;; tries++) {
        AGAIN(l, s, tdl_session_next(s, &token, &err));
        if (status != TDL_PENDING) break;
        AGAIN(l, s, tdl_batch_step(batch, &err));
        assert_true(status >= 0 && tries < TRIES_MAX);
    }
    assert_true(status == TDL_OK || status == TDL_DONE);
    note(l, " %d:%d", (int)status, token);
    if (t % 3 == 2 || status == TDL_DONE) {
        tdl_text text = tdl_session_take_text(s);
        note(l, "[%.*s]", (int)text.size, text.ptr);
    }
    const int32_t ids[] = {7, 8, 9, 10, 11, 12, 13};
    if (t == 12 || status == TDL_DONE) AGAIN(l, s, tdl_session_rewind(s, 4, &err));
    if (t == 17) AGAIN(l, s, tdl_session_sync(s, ids, 7, &err));
    if (t == 23 && l->text)
        AGAIN(l, s, tdl_session_push_text(s, " and then \xc5\x8d \xf0\x9f\x90\x95", 17, NULL, &err));
    if (t == 27) AGAIN(l, s, tdl_session_push(s, ids, 3, &err));
    assert_true(status >= 0);
}

// fail_at: the number, from 1, of the allocation after the beginning that fails; 0: none. n: of the turns.
static void live(life *l, int64_t fail_at) {
    tdl_error err = {0};
    tdl_batch *batch = NULL;
    l->size = 0;
    l->n_failed = 0;
    l->fa->fail_at = 0;
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = 2, .n_tokens_max = 16, .n_cache_tokens = 256};
    if (tdl_batch_create(l->model, &desc, &batch, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_session *s[2] = {make(l, batch, 0), make(l, batch, 1)};
    l->fa->n_failed = 0;
    l->fa->fail_at = fail_at ? l->fa->n_calls + fail_at : 0;
    for (int t = 0; t < N_TURNS; t++) turn(l, batch, s[t % 3 == 0], t);
    l->fa->fail_at = 0;
    for (int i = 0; i < 2; i++) {
        size_t n;
        const int32_t *tokens = tdl_session_tokens(s[i], &n);
        for (size_t j = 0; j < n; j++) note(l, " %d", tokens[j]);
        tdl_session_destroy(s[i]);
    }
    tdl_batch_destroy(batch);
}

static void check(const char *device_name, const char *path, bool text) {
    static life whole, failing;
    tdl_error err = {0};
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_device *device = NULL;
    tdl_model *model = NULL;
    tdl_device_desc on = {.size = sizeof on, .name = device_name, .n_threads = 1, .allocator = &fa.mem};
    if (tdl_device_open(&on, &device, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_model_desc of = {.size = sizeof of,
                         .path = path,
                         .device = device,
                         .allocator = &fa.mem,
                         .precision = text ? TDL_PRECISION_AUTO : TDL_PRECISION_F32};
    if (tdl_model_open(&of, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    whole = failing = (life){.model = model, .fa = &fa, .text = text};
    live(&whole, 0);
    int64_t n = 0;
    int32_t n_failed = 0;
    do {
        live(&failing, ++n);
        n_failed += failing.n_failed;
        if (strcmp(failing.record, whole.record) != 0)
            fail_msg("allocation %lld: '%s', expected '%s'", (long long)n, failing.record, whole.record);
    } while (fa.n_failed);
    print_message("%s: %lld allocations, %d calls said so\n", device_name, (long long)n - 1, n_failed);
    assert_true(n_failed >= 5);
    tdl_model_close(model);
    tdl_device_close(device);
    fail_alloc_check(&fa);
}

static void text_is_not_lost(void **state) {
    (void)state;
    if (access(DEMO, R_OK) != 0) skip();
    check("cpu", DEMO, true);
}

static void picked_tokens_are_not_lost(void **state) {
    (void)state;
    check("null", LLAMA, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_is_not_lost),
                                       cmocka_unit_test(picked_tokens_are_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
