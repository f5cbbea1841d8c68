// SPDX-License-Identifier: MIT
// test_in_flight.c - tokens that the device picks, with steps under way whose tokens the host has not seen: nothing that a
// program can see may differ from a host that samples each token before it begins the next.
//
// Two sessions of one model and one device are compared: one is asked for its logits before anything, and is sampled for on the
// host from then on. On the device "null", and on WebGPU where there is one, also held to the least limits.
#include "backend/null/null_device.h"
#include "base/rng.h"
#include "run/batch.h"
#include "support/adapter.h"
#include "support/golden.h"
#include "token/tokenizer_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";
static const char *const device_names[] = {"null", "webgpu", "webgpu:0:min"};
enum {
    N_DEVICES = sizeof device_names / sizeof *device_names,
    VOCAB = 256,
    N_CTX = 100,
    WAIT_S = 300
}; // WAIT_S: only a hang waits so long

static const tdl_sampler_desc samplers[] = {
    {0},
    {.temperature = 0.8f, .top_k = 40, .seed = 7},
    {.temperature = 3, .top_k = 64, .seed = 8},
    {.temperature = 1.5f, .top_k = 20, .top_p = 0.8f, .min_p = 0.02f, .seed = 9},
    {.temperature = 1, .top_k = 64, .min_p = 0.05f, .seed = UINT64_MAX},
    {.temperature = 2, .top_k = 1, .seed = 3}};
enum { N_SAMPLERS = sizeof samplers / sizeof *samplers };

static tdl_device *open_device(const char *name) {
    return adapter_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = name});
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static void close_device(tdl_device *device) {
    tdl_null_report report = {0};
    if (device->backend->id == TDL_BACKEND_NULL) ((tdl_null_device *)device)->report_to = &report;
    tdl_device_close(device);
    if (report.n_violations) fail_msg("%s", report.violation);
}

static tdl_session *make(tdl_model *model, tdl_session_desc desc, bool host) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    desc.size = sizeof desc;
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    if (host) assert_null(tdl_session_logits(session)); // there are none, but from now on there will be
    return session;
}

// The next token, or whatever else there is but PENDING. batch NULL: the session has its own.
static tdl_status next(tdl_session *session, tdl_batch *batch, int32_t *token, tdl_error *err) {
    for (time_t end = time(NULL) + WAIT_S; time(NULL) < end;) {
        tdl_status status = tdl_session_next(session, token, err);
        if (status != TDL_PENDING) return status;
        if (batch && (status = tdl_batch_step(batch, err)) < 0) return status;
    }
    fail_msg("no token after %d seconds", WAIT_S);
    return TDL_PENDING;
}

static void for_each_device(void (*check)(tdl_device *device)) {
    for (int i = 0; i < N_DEVICES; i++) {
        tdl_device *device = open_device(device_names[i]);
        if (!device) continue;
        check(device);
        close_device(device);
    }
}

// ---- one session ----------------------------------------------------------------------------------------------------

static const int32_t prompt[] = {5, 17, 99, 200, 3};
enum { N_PROMPT = sizeof prompt / sizeof *prompt, N_NEW = 60 };

static void say(tdl_model *model, const tdl_sampler_desc *sampler, bool host, int32_t *said) {
    tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true, .sampler = *sampler}, host);
    assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, NULL), TDL_OK);
    for (int i = 0; i < N_NEW; i++) assert_int_equal(next(s, NULL, &said[i], NULL), TDL_OK);
    tdl_session_destroy(s);
}

static void check_draws(tdl_device *device) {
    tdl_model *model = open_model(device, LLAMA);
    int32_t picked[N_NEW], again[N_NEW], sampled[N_NEW], n_apart = 0;
    for (int i = 0; i < N_SAMPLERS; i++) {
        say(model, &samplers[i], false, picked);
        say(model, &samplers[i], false, again);
        say(model, &samplers[i], true, sampled);
        assert_memory_equal(picked, again, sizeof picked);
        assert_memory_equal(picked, sampled, sizeof picked);
        for (int j = 0; j < N_NEW; j++) n_apart += i == 2 && picked[j] != picked[0];
    }
    assert_true(n_apart > N_NEW / 2); // they are drawn
    tdl_model_close(model);
}

static void device_draws_what_the_host_draws(void **state) {
    (void)state;
    for_each_device(check_draws);
}

static tdl_null_report *report_of(tdl_device *device) { return &((tdl_null_device *)device)->report; }

// What is under way when a token is handed over, and that nothing but ids is read.
static void steps_are_ahead_of_their_tokens(void **state) {
    (void)state;
    tdl_device *device = open_device("null");
    tdl_model *model = open_model(device, LLAMA);
    const tdl_null_report *report = report_of(device);
    int32_t token, n_max = device->backend->steps_max;
    assert_true(n_max > 1 && n_max <= TDL_AHEAD_MAX);
    for (int host = 0; host < 2; host++) {
        tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true, .n_predict = N_NEW}, host);
        assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, NULL), TDL_OK);
        for (int i = 0; i < N_NEW; i++) {
            assert_int_equal(next(s, NULL, &token, NULL), TDL_OK);
            int32_t n_left = N_NEW - 1 - i, n_ahead = (int32_t)(report->n_calls[TDL_NULL_SUBMIT] - report->n_steps);
            assert_int_equal(n_ahead, host ? 0 : n_left < n_max - 1 ? n_left : n_max - 1); // none beyond n_predict
            assert_true(tdl_session_n_computed(s) <= N_PROMPT + i + 1);
            for (const tdl_null_task *t = ((tdl_null_device *)device)->tasks; t; t = t->next)
                if (t->call == TDL_NULL_READ) assert_int_equal(t->size, sizeof(int32_t));
        }
        assert_int_equal(next(s, NULL, &token, NULL), TDL_DONE);
        tdl_session_destroy(s);
    }
    // A prompt takes its steps and none more, though the last of them picks a token.
    int64_t n_before = report->n_calls[TDL_NULL_SUBMIT];
    tdl_batch *batch = NULL;
    tdl_batch_desc desc = {.size = sizeof desc, .n_tokens_max = 2, .n_cache_tokens = 64};
    assert_int_equal(tdl_batch_create(model, &desc, &batch, NULL), TDL_OK);
    tdl_session *s = make(model, (tdl_session_desc){.batch = batch}, false);
    assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, NULL), TDL_OK);
    while (tdl_batch_step(batch, NULL) != TDL_DONE) {
    }
    assert_int_equal(report->n_calls[TDL_NULL_SUBMIT], n_before + 3);
    tdl_session_destroy(s);
    tdl_batch_destroy(batch);
    tdl_model_close(model);
    close_device(device);
}

// Logits asked for in the middle are those that the last token was picked from, and the text goes on as it would have.
static void check_logits(tdl_device *device) {
    tdl_model *model = open_model(device, LLAMA);
    int32_t said[N_NEW], token;
    say(model, &samplers[1], false, said);
    for (int ask = 1; ask < N_NEW; ask += 7) {
        tdl_session *s =
            make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true, .sampler = samplers[1]}, false);
        assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, NULL), TDL_OK);
        for (int i = 0; i < N_NEW; i++) {
            assert_int_equal(next(s, NULL, &token, NULL), TDL_OK);
            assert_int_equal(token, said[i]);
            if (i + 1 != ask && i != ask) continue;
            size_t n;
            const float *logits = tdl_session_logits(s);
            const int32_t *tokens = tdl_session_tokens(s, &n);
            assert_non_null(logits);
            float *all = golden_logits(model, tokens, n - 1); // before the last
            assert_true(golden_error(logits, all + (n - 2) * VOCAB, VOCAB) <= 1e-5);
            free(all);
        }
        tdl_session_destroy(s);
    }
    tdl_model_close(model);
}

static void logits_may_be_asked_for(void **state) {
    (void)state;
    for_each_device(check_logits);
}

// ---- ends -----------------------------------------------------------------------------------------------------------

enum { TEXT_MAX = 1024, N_TEXT = 14 };

// Text and tokens to the end; then the session goes on from its tokens and 'more'.
static size_t write_text(tdl_model *model, const char *stop, bool host, char text[TEXT_MAX], int32_t *tokens) {
    const char *stops[] = {stop};
    const int32_t more[] = {300, 400, 500};
    int32_t token;
    size_t n = 0;
    tdl_status status;
    tdl_session *s =
        make(model,
             (tdl_session_desc){
                 .n_ctx = 128, .n_predict = N_TEXT, .stops = stops, .n_stops = stop ? 1 : 0, .sampler = samplers[1]},
             host);
    text[0] = 0;
    assert_int_equal(tdl_session_push_text(s, "It was a dark and stormy night", 30, NULL, NULL), TDL_OK);
    do {
        status = next(s, NULL, &token, NULL);
        assert_true(status >= 0);
        tdl_text piece = tdl_session_take_text(s);
        strncat(text, piece.ptr, piece.size);
    } while (status != TDL_DONE);
    assert_int_equal(next(s, NULL, &token, NULL), TDL_DONE);
    assert_int_equal(tdl_session_push(s, more, 3, NULL), TDL_OK);
    for (int i = 0; i < 4 && status >= 0; i++) status = next(s, NULL, &token, NULL);
    const int32_t *all = tdl_session_tokens(s, &n);
    assert_true(n <= 128);
    memcpy(tokens, all, n * sizeof *all);
    tdl_session_destroy(s);
    return n;
}

static void check_ends(tdl_device *device) {
    tdl_model *model = open_model(device, DEMO);
    char whole[TEXT_MAX], text[2][TEXT_MAX], stop[8] = "";
    int32_t tokens[2][128], whole_tokens[128];
    write_text(model, NULL, true, whole, whole_tokens);
    assert_true(strlen(whole) > 30);
    assert_true(model->tokenizer->n_ends > 0);
    int32_t end = model->tokenizer->ends[0];
    for (int kind = 0; kind < 3; kind++) { // n_predict, a stop string, an end-of-generation token
        if (kind == 1) memcpy(stop, whole + 20, 6);
        if (kind == 2) model->tokenizer->ends[0] = whole_tokens[16]; // one that comes in the text
        size_t n[2];
        for (int host = 0; host < 2; host++)
            n[host] = write_text(model, kind == 1 ? stop : NULL, host, text[host], tokens[host]);
        assert_string_equal(text[0], text[1]);
        assert_true(kind == 0 ? strcmp(text[0], whole) == 0 : strlen(text[0]) < strlen(whole));
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(tokens[0], tokens[1], n[0] * sizeof **tokens);
        model->tokenizer->ends[0] = end;
    }
    tdl_model_close(model);
}

static void ends_are_kept(void **state) {
    (void)state;
    FILE *f = fopen(DEMO, "rb");
    if (!f) skip();
    fclose(f);
    for_each_device(check_ends);
}

// ---- random lives of ragged batches -----------------------------------------------------------------------------------

enum { N_SESSIONS = 4, N_ACTS = 250, N_ACTS_GPU = 120 }; // a step takes a GPU's driver on the CPU a while

// A batch of sessions, of which some can only be sampled for on the host; `host`: all of them.
typedef struct world {
    tdl_model *model;
    tdl_batch *batch;
    tdl_session *sessions[N_SESSIONS];
    bool host;
} world;

static void birth(world *w, int i, uint32_t kind) {
    tdl_session_desc desc = {
        .batch = w->batch, .n_ctx = N_CTX, .ignore_eos = true, .sampler = samplers[kind % N_SAMPLERS]};
    if (i == N_SESSIONS - 1)
        desc.sampler = (tdl_sampler_desc){.temperature = 1, .presence_penalty = 0.5f, .seed = kind};
    if (kind % 3 == 2) desc.n_predict = 5;
    w->sessions[i] = make(w->model, desc, w->host);
}

static void begin_world(world *w, tdl_model *model, bool host) {
    tdl_error err = {0};
    *w = (world){.model = model, .host = host};
    tdl_batch_desc desc = {
        .size = sizeof desc, .n_sessions_max = N_SESSIONS, .n_tokens_max = 9, .n_cache_tokens = N_SESSIONS * 128};
    if (tdl_batch_create(model, &desc, &w->batch, &err) != TDL_OK) fail_msg("%s", err.message);
    for (int i = 0; i < N_SESSIONS; i++) birth(w, i, (uint32_t)i);
}

static void end_world(world *w) {
    for (int i = 0; i < N_SESSIONS; i++) tdl_session_destroy(w->sessions[i]);
    tdl_batch_destroy(w->batch);
}

// One thing that a program may do, with session i; what it sees: a status, and a token.
static tdl_status act(world *w, tdl_rng rng, int i, int32_t *token, tdl_error *err) {
    tdl_session *s = w->sessions[i];
    size_t n;
    int32_t ids[24];
    const int32_t *tokens = tdl_session_tokens(s, &n);
    uint32_t what = tdl_rng_u32(&rng) % 20, many = tdl_rng_u32(&rng) % 12;
    for (size_t j = 0; j < 24; j++) ids[j] = (int32_t)(tdl_rng_u32(&rng) % VOCAB);
    tdl_status status = TDL_OK;
    if (what < 10) {
        for (uint32_t j = 0; j <= many && status == TDL_OK; j++) status = next(s, w->batch, token, err);
        return status;
    }
    if (what < 13) return tdl_session_push(s, ids, many + 1, err);
    if (what == 13) return tdl_session_rewind(s, n ? tdl_rng_u32(&rng) % n : 0, err);
    if (what == 14) {
        size_t n_kept = n < 12 ? n : 12;
        if (n_kept) memcpy(ids, tokens, n_kept * sizeof *ids);
        return tdl_session_sync(s, ids, n_kept + many, err);
    }
    if (what == 15) {
        tdl_session_destroy(s);
        birth(w, i, tdl_rng_u32(&rng));
        return TDL_OK;
    }
    for (uint32_t j = 0; j < what - 15; j++) // leaves steps under way, or done and not asked for
        if ((status = tdl_batch_step(w->batch, err)) < 0) return status;
    return TDL_OK;
}

static void compare(const world *a, const world *b) {
    for (int i = 0; i < N_SESSIONS; i++) {
        size_t n[2];
        const int32_t *x = tdl_session_tokens(a->sessions[i], &n[0]), *y = tdl_session_tokens(b->sessions[i], &n[1]);
        assert_int_equal(n[0], n[1]);
        assert_true(tdl_session_n_computed(a->sessions[i]) <= (int32_t)n[0]);
        if (n[0]) assert_memory_equal(x, y, n[0] * sizeof *x);
    }
}

static void check_lives(tdl_device *device) {
    bool null = device->backend->id == TDL_BACKEND_NULL;
    tdl_model *model = open_model(device, LLAMA);
    int64_t n_new = 0;
    for (uint64_t seed = 0; seed < (null ? 12 : 1); seed++) {
        tdl_rng rng = tdl_rng_make(seed, 5);
        world device_picks, host_samples;
        begin_world(&device_picks, model, false);
        begin_world(&host_samples, model, true);
        for (int a = 0; a < (null ? N_ACTS : N_ACTS_GPU); a++) {
            tdl_error err = {0};
            int32_t token[2] = {-1, -1};
            int i = (int)(tdl_rng_u32(&rng) % N_SESSIONS);
            if (null) ((tdl_null_device *)device)->n_pending = (int32_t)(tdl_rng_u32(&rng) % 3);
            tdl_rng same = rng;
            tdl_status status = act(&device_picks, same, i, &token[0], &err);
            assert_int_equal(act(&host_samples, same, i, &token[1], &err), status);
            if (status != TDL_OK && status != TDL_DONE && status != TDL_ERROR_CONTEXT_FULL &&
                status != TDL_ERROR_ARGUMENT)
                fail_msg("seed %d, act %d: %s", (int)seed, a, err.message);
            assert_int_equal(token[0], token[1]);
            compare(&device_picks, &host_samples);
            n_new += token[0] >= 0;
            for (int j = 0; j < 40; j++) tdl_rng_u32(&rng);
        }
        end_world(&device_picks);
        end_world(&host_samples);
    }
    print_message("%s: %lld times a token\n", tdl_device_summary(device), (long long)n_new);
    assert_true(n_new > (null ? 500 : 20));
    tdl_model_close(model);
}

static void lives_are_the_same(void **state) {
    (void)state;
    for_each_device(check_lives);
}

// Calls that fail now and then, steps under way or not: who makes the call again loses nothing.
static void failures_lose_nothing(void **state) {
    (void)state;
    static const tdl_null_call calls[] = {TDL_NULL_WRITE, TDL_NULL_READ, TDL_NULL_SUBMIT, TDL_NULL_POLL};
    int64_t n_failures = 0;
    tdl_device *devices[2] = {open_device("null"), open_device("null")};
    tdl_model *models[2] = {open_model(devices[0], LLAMA), open_model(devices[1], LLAMA)};
    tdl_null_device *null = (tdl_null_device *)devices[0];
    for (uint64_t seed = 0; seed < 10; seed++) {
        tdl_rng rng = tdl_rng_make(seed, 6);
        world failing, host;
        begin_world(&failing, models[0], false);
        begin_world(&host, models[1], true);
        for (int a = 0; a < N_ACTS; a++) {
            int i = (int)(tdl_rng_u32(&rng) % N_SESSIONS);
            int32_t token;
            size_t n;
            null->n_pending = (int32_t)(tdl_rng_u32(&rng) % 3);
            if (tdl_session_tokens(failing.sessions[i], &n), n == 0 || n > 80) {
                for (int w = 0; w < 2; w++) {
                    tdl_session *s = w ? host.sessions[i] : failing.sessions[i];
                    assert_int_equal(tdl_session_sync(s, prompt, N_PROMPT, NULL), TDL_OK);
                }
            }
            tdl_null_call call = calls[tdl_rng_u32(&rng) % 4];
            tdl_status kind = tdl_rng_u32(&rng) % 2 ? TDL_ERROR_DEVICE : TDL_ERROR_MEMORY;
            null->fault = (tdl_null_fault){call, null->report.n_calls[call] + 1 + tdl_rng_u32(&rng) % 4, kind};
            tdl_error err = {0};
            tdl_status status = next(failing.sessions[i], failing.batch, &token, &err);
            if (status == kind) {
                n_failures++;
                assert_non_null(strstr(err.message, "as asked"));
                status = next(failing.sessions[i], failing.batch, &token, &err);
            }
            null->fault = (tdl_null_fault){0};
            assert_int_equal(next(host.sessions[i], host.batch, &token, NULL), status);
            compare(&failing, &host);
        }
        end_world(&failing);
        end_world(&host);
    }
    print_message("%lld failures\n", (long long)n_failures);
    assert_true(n_failures > 100);
    for (int i = 0; i < 2; i++) {
        tdl_model_close(models[i]);
        close_device(devices[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_draws_what_the_host_draws),
        cmocka_unit_test(steps_are_ahead_of_their_tokens),
        cmocka_unit_test(logits_may_be_asked_for),
        cmocka_unit_test(ends_are_kept),
        cmocka_unit_test(lives_are_the_same),
        cmocka_unit_test(failures_lose_nothing),
    };
    return adapter_verdict(cmocka_run_group_tests(tests, NULL, NULL));
}
