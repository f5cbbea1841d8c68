// SPDX-License-Identifier: MIT
// test_session.c - a session's timeline: push, next, rewind, sync, stops, ends, limits; opening from bytes and callbacks; and
// every allocation failing once in open, step and close.
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/sanitizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { VOCAB = 256, N_CTX = 32 };
static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";

static tdl_device *device;
static tdl_model *model, *demo;

static tdl_session *make(tdl_model *of, tdl_session_desc desc) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    desc.size = sizeof desc;
    if (tdl_session_create(of, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    return session;
}

static tdl_status next(tdl_session *session, int32_t *token, tdl_error *err) {
    tdl_status status;
    while ((status = tdl_session_next(session, token, err)) == TDL_PENDING) {
    }
    return status;
}

static void generate(tdl_session *session, int32_t *out, size_t n) {
    tdl_error err = {0};
    for (size_t i = 0; i < n; i++) assert_int_equal(next(session, &out[i], &err), TDL_OK);
}

static void rewind_repeats(void **state) {
    (void)state;
    const int32_t prompt[] = {5, 17, 99, 200, 3};
    int32_t first[8], again[8];
    tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true});
    assert_int_equal(tdl_session_push(s, prompt, 5, NULL), TDL_OK);
    generate(s, first, 8);
    assert_int_equal(tdl_session_rewind(s, 5, NULL), TDL_OK);
    generate(s, again, 8);
    assert_memory_equal(first, again, sizeof first);
    assert_int_equal(tdl_session_rewind(s, 9, NULL), TDL_OK); // into the middle of what was generated
    generate(s, again, 4);
    assert_memory_equal(first + 4, again, 4 * sizeof *again);
    tdl_error err = {0};
    assert_int_equal(tdl_session_rewind(s, 14, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "14"));
    assert_int_equal(tdl_session_rewind(s, 0, NULL), TDL_OK);
    assert_int_equal(tdl_session_next(s, first, &err), TDL_ERROR_ARGUMENT); // nothing pushed
    tdl_session_destroy(s);
}

static void sync_equals_fresh(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 3, 40, 50}, c[] = {1, 2, 3};
    const struct {
        const int32_t *ids;
        size_t n;
    } wanted[] = {{a, 6}, {b, 5}, {c, 3}, {a, 6}, {a, 6}};
    tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true});
    for (size_t i = 0; i < 5; i++) {
        int32_t ours[4], fresh[4];
        size_t n;
        assert_int_equal(tdl_session_sync(s, wanted[i].ids, wanted[i].n, NULL), TDL_OK);
        const int32_t *tokens = tdl_session_tokens(s, &n);
        assert_int_equal(n, wanted[i].n);
        assert_memory_equal(tokens, wanted[i].ids, n * sizeof *tokens);
        generate(s, ours, 4);
        golden_greedy(model, wanted[i].ids, wanted[i].n, fresh, 4);
        assert_memory_equal(ours, fresh, sizeof ours);
    }
    tdl_session_destroy(s);
}

static void context_full(void **state) {
    (void)state;
    int32_t ids[N_CTX + 1] = {0}, token;
    tdl_error err = {0};
    tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true});
    assert_int_equal(tdl_session_push(s, ids, N_CTX + 1, &err), TDL_ERROR_CONTEXT_FULL);
    assert_non_null(strstr(err.message, "33"));
    assert_non_null(strstr(err.message, "32"));
    size_t n;
    tdl_session_tokens(s, &n);
    assert_int_equal(n, 0); // nothing was appended
    assert_int_equal(tdl_session_push(s, ids, N_CTX - 1, &err), TDL_OK);
    assert_int_equal(next(s, &token, &err), TDL_OK); // the last place
    assert_int_equal(next(s, &token, &err), TDL_ERROR_CONTEXT_FULL);
    assert_non_null(strstr(err.message, "32"));
    assert_int_equal(tdl_session_rewind(s, 10, &err), TDL_OK); // and on it goes
    assert_int_equal(next(s, &token, &err), TDL_OK);
    tdl_session_destroy(s);
}

static void bad_arguments(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_session *s = NULL;
    const tdl_session_desc bad[] = {
        {.size = 3},
        {.size = sizeof *bad, .n_ctx = -1},
        {.size = sizeof *bad, .n_batch = -1},
        {.size = sizeof *bad, .n_predict = -1},
        {.size = sizeof *bad, .sampler.temperature = -2},
        {.size = sizeof *bad, .n_stops = 1},
        {.size = sizeof *bad, .n_stops = 1, .stops = (const char *const[]){""}},
        {.size = sizeof *bad, .n_stops = 65, .stops = (const char *const[]){"a"}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (tdl_error){0};
        assert_true(tdl_session_create(model, &bad[i], &s, &err) < 0);
        assert_true(strlen(err.message) > 10);
    }
    s = make(model, (tdl_session_desc){.n_ctx = N_CTX});
    const int32_t wrong[] = {-1, VOCAB};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tdl_session_push(s, &wrong[i], 1, &err), TDL_ERROR_ARGUMENT);
        assert_int_equal(tdl_session_sync(s, &wrong[i], 1, &err), TDL_ERROR_ARGUMENT);
    }
    assert_int_equal(tdl_session_push_text(s, "hello", 5, NULL, &err),
                     TDL_ERROR_UNSUPPORTED); // no tokenizer in this model
    tdl_session_destroy(s);
    // GPT-2 has no position past its table.
    tdl_device *cpu;
    tdl_model *gpt2 = golden_open(TDL_TEST_DATA "/hf-tiny/gpt2", TDL_PRECISION_AUTO, 1, NULL, &cpu);
    tdl_session_desc past = {.size = sizeof past, .n_ctx = 257};
    assert_int_equal(tdl_session_create(gpt2, &past, &s, &err), TDL_ERROR_ARGUMENT);
    tdl_model_close(gpt2);
    tdl_device_close(cpu);
}

static void n_predict_and_text(void **state) {
    (void)state;
    if (!demo) skip();
    static const char prompt[] = "It was a dark and stormy night";
    char whole[512] = "", pieces[512] = "";
    int32_t token;
    tdl_error err = {0};
    tdl_session *s = make(demo, (tdl_session_desc){.n_ctx = 128, .n_predict = 24});
    assert_int_equal(tdl_session_push_text(s, prompt, sizeof prompt - 1, NULL, &err), TDL_OK);
    size_t n_before, n;
    tdl_session_tokens(s, &n_before);
    int count = 0;
    tdl_status status;
    while ((status = next(s, &token, &err)) == TDL_OK) {
        tdl_text text = tdl_session_take_text(s);
        strncat(pieces, text.ptr, text.size);
        count++;
    }
    assert_int_equal(status, TDL_DONE);
    assert_int_equal(count, 24);
    const int32_t *ids = tdl_session_tokens(s, &n);
    assert_int_equal(n, n_before + 24);
    assert_int_equal(
        tdl_tokenizer_decode(tdl_model_tokenizer(demo), ids + n_before, 24, NULL, whole, sizeof whole - 1, &n, &err),
        TDL_OK);
    whole[n] = 0;
    assert_string_equal(pieces, whole);
    tdl_session_destroy(s);
}

// The same text, cut before each of several stop strings taken from its middle.
static void stop_strings(void **state) {
    (void)state;
    if (!demo) skip();
    static const char prompt[] = "It was a dark and stormy night";
    enum { N_PASSES = 12, BEFORE = 3 };
    char whole[1024] = "";
    size_t ends[64] = {0}, n_ends = 0; // where tokens end
    for (int pass = 0; pass < N_PASSES; pass++) {
        char stop[16] = "";
        const char *stops[] = {"never in any text", stop};
        if (pass) assert_true(n_ends > N_PASSES && ends[pass + 3] > BEFORE);
        if (pass) memcpy(stop, whole + ends[pass + 3] - BEFORE, BEFORE + 1); // its last byte is in the next token
        tdl_session *s =
            make(demo, (tdl_session_desc){.n_ctx = 128, .n_predict = 40, .stops = stops, .n_stops = pass ? 2 : 1});
        char text[1024] = "";
        int32_t token;
        tdl_status status;
        assert_int_equal(tdl_session_push_text(s, prompt, sizeof prompt - 1, NULL, NULL), TDL_OK);
        do {
            status = next(s, &token, NULL);
            assert_true(status >= 0);
            tdl_text piece = tdl_session_take_text(s);
            strncat(text, piece.ptr, piece.size);
            if (pass) assert_null(strstr(text, stop));
            else if (piece.size && n_ends < 64) ends[n_ends++] = strlen(text);
            if (pass) assert_true(strlen(text) <= (size_t)(strstr(whole, stop) - whole));
        } while (status != TDL_DONE);
        if (!pass) memcpy(whole, text, sizeof whole);
        else assert_int_equal(strlen(text), strstr(whole, stop) - whole);
        assert_memory_equal(text, whole, strlen(text));
        tdl_session_destroy(s);
    }
}

// Moved to a new session after any number of tokens, with and without text taken before: the same text, cut at the same stop.
static void moved_session_goes_on(void **state) {
    (void)state;
    if (!demo) skip();
    static const char prompt[] = "It was a dark and stormy night";
    char whole[1024] = "", stop[8] = "";
    const char *stops[] = {"never in any text", stop};
    tdl_session_desc desc = {
        .n_ctx = 128, .n_predict = 30, .sampler = {.temperature = 0.8f, .seed = 3}, .stops = stops};
    for (int pass = -1; pass < 24;
         pass++) { // -1: whole, to find a stop; 0: whole, with the stop; then moved after so many
        tdl_session *s = make(demo, desc), *moved = NULL;
        char text[1024] = "";
        int32_t token;
        tdl_status status;
        tdl_error err = {0};
        assert_int_equal(tdl_session_push_text(s, prompt, sizeof prompt - 1, NULL, NULL), TDL_OK);
        for (int i = 0; (status = next(s, &token, NULL)) == TDL_OK; i++) {
            if (i % 2 == 0) {
                tdl_text piece = tdl_session_take_text(s);
                strncat(text, piece.ptr, piece.size);
            }
            if (i + 1 != pass) continue;
            if (tdl_session_move(s, demo, NULL, &moved, &err) != TDL_OK) fail_msg("%s", err.message);
            tdl_session_destroy(s);
            s = moved;
        }
        assert_int_equal(status, TDL_DONE);
        tdl_text rest = tdl_session_take_text(s);
        strncat(text, rest.ptr, rest.size);
        tdl_session_destroy(s);
        if (pass < 0) {
            memcpy(stop, text + strlen(text) - 12, 6);
            desc.n_stops = 2;
        } else if (pass == 0) {
            memcpy(whole, text, sizeof whole);
            assert_true(strlen(whole) > 10 && !strstr(whole, stop));
        }
        if (pass > 0) assert_string_equal(text, whole);
    }
    tdl_error err = {0};
    tdl_session *s = make(demo, (tdl_session_desc){.n_ctx = 16}), *moved = NULL;
    assert_int_equal(tdl_session_move(s, model, NULL, &moved, &err), TDL_ERROR_ARGUMENT); // another vocabulary
    assert_non_null(strstr(err.message, "256"));
    assert_int_equal(tdl_session_move(NULL, demo, NULL, &moved, &err), TDL_ERROR_ARGUMENT);
    tdl_session_destroy(s);
}

static tdl_status read_file(void *user, uint64_t offset, void *dst, size_t size) {
    return fseek(user, (long)offset, SEEK_SET) == 0 && fread(dst, 1, size, user) == size ? TDL_OK : TDL_ERROR_IO;
}

static void bytes_and_reader(void **state) {
    (void)state;
    if (!demo) skip();
    tdl_error err = {0};
    FILE *f = fopen(DEMO, "rb");
    struct stat st;
    assert_int_equal(fstat(fileno(f), &st), 0);
    void *bytes = malloc((size_t)st.st_size);
    assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
    const tdl_reader reader = {.read = read_file, .user = f, .size = (uint64_t)st.st_size};
    const tdl_model_desc descs[] = {
        {.size = sizeof *descs, .device = device, .bytes = bytes, .bytes_size = (size_t)st.st_size},
        {.size = sizeof *descs, .device = device, .reader = &reader}};
    const int32_t prompt[] = {100, 200, 300};
    int32_t expected[16], got[16];
    golden_greedy(demo, prompt, 3, expected, 16);
    for (int i = 0; i < 2; i++) {
        tdl_model *other = NULL;
        if (tdl_model_open(&descs[i], &other, &err) != TDL_OK) fail_msg("%s", err.message);
        golden_greedy(other, prompt, 3, got, 16);
        assert_memory_equal(expected, got, sizeof got);
        tdl_model_close(other);
    }
    free(bytes);
    fclose(f);
}

static bool refuse(void *user, double fraction) {
    *(double *)user = fraction;
    return false;
}

static void open_cancelled(void **state) {
    (void)state;
    double fraction = -1;
    tdl_error err = {0};
    tdl_model *other = NULL;
    tdl_model_desc desc = {
        .size = sizeof desc, .path = LLAMA, .device = device, .progress = refuse, .progress_user = &fraction};
    assert_int_equal(tdl_model_open(&desc, &other, &err), TDL_ERROR_CANCELLED);
    assert_true(fraction > 0 && fraction < 1);
    assert_null(other);
}

// A small pool shared by two sessions runs out: who needs a page waits, the batch says so too, and what is given back can be used.
static void shared_pool_runs_out(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_batch *batch = NULL;
    tdl_session *s[2];
    int32_t ids[100] = {0}, token, expected;
    golden_greedy(model, ids, 100, &expected, 1);
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = 2, .n_cache_tokens = 128}; // 3 pages of 64
    assert_int_equal(tdl_batch_create(model, &desc, &batch, &err), TDL_OK);
    assert_int_equal(tdl_batch_step(batch, &err), TDL_DONE);
    for (int i = 0; i < 2; i++) {
        tdl_session_desc of = {.size = sizeof of, .batch = batch, .ignore_eos = true};
        assert_int_equal(tdl_session_create(model, &of, &s[i], &err), TDL_OK);
        assert_int_equal(tdl_session_push(s[i], ids, 100, &err), TDL_OK);
    }
    tdl_session *third = NULL;
    tdl_session_desc of = {.size = sizeof of, .batch = batch};
    assert_int_equal(tdl_session_create(model, &of, &third, &err), TDL_ERROR_LIMIT);
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_PENDING); // nobody knows yet that it will have to wait
    assert_int_equal(tdl_batch_step(batch, &err), TDL_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(tdl_batch_step(batch, &err), TDL_WAITING);
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_WAITING);
    assert_int_equal(tdl_session_next(s[0], &token, &err), TDL_OK); // 2 pages
    assert_int_equal(token, expected);
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_WAITING);
    assert_int_equal(tdl_session_rewind(s[0], 60, &err), TDL_OK); // gives one page back
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_PENDING);
    while (tdl_batch_step(batch, &err) == TDL_OK) {
    }
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_OK);
    assert_int_equal(token, expected);
    // Both go on until neither can: the batch's whole cache is used, and each is told to wait.
    tdl_status status[2] = {TDL_OK, TDL_OK}, step;
    do {
        step = tdl_batch_step(batch, &err);
        for (int i = 0; i < 2; i++) status[i] = tdl_session_next(s[i], &token, &err);
    } while (step >= 0 && (status[0] != TDL_WAITING || status[1] < TDL_WAITING));
    assert_int_equal(status[0], TDL_WAITING);
    assert_int_equal(status[1], TDL_WAITING);
    assert_int_equal(tdl_batch_step(batch, &err), TDL_WAITING);
    tdl_session_destroy(s[0]);
    assert_int_equal(tdl_batch_step(batch, &err), TDL_OK);
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_OK);
    // Alone it gets all of the cache, but no more: then its context is full, and nothing can help but a rewind.
    int32_t n_ctx = tdl_session_n_ctx(s[1]);
    do {
        step = tdl_batch_step(batch, &err);
    } while (step >= 0 && (step = tdl_session_next(s[1], &token, &err)) == TDL_OK);
    assert_int_equal(step, TDL_ERROR_CONTEXT_FULL);
    size_t n;
    tdl_session_tokens(s[1], &n);
    assert_int_equal(n, n_ctx);
    assert_int_equal(n_ctx, 192);
    tdl_session_destroy(s[1]);
    tdl_batch_destroy(batch);
}

// A prompt that the pool cuts short keeps nobody else from the step: each session is visited once, and none is left out.
static void every_session_has_its_turn(void **state) {
    (void)state;
    enum { N = 3 };
    tdl_error err = {0};
    tdl_batch *batch = NULL;
    tdl_session *s[N];
    int32_t ids[300], token, expected;
    for (int32_t i = 0; i < 300; i++) ids[i] = i * 7 % VOCAB;
    golden_greedy(model, ids, 15, &expected, 1);
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = N, .n_cache_tokens = 128}; // 4 pages
    assert_int_equal(tdl_batch_create(model, &desc, &batch, &err), TDL_OK);
    for (int i = 0; i < N; i++) s[i] = make(model, (tdl_session_desc){.batch = batch, .ignore_eos = true});
    assert_int_equal(tdl_session_push(s[1], ids, 10, &err), TDL_OK);
    assert_int_equal(tdl_batch_step(batch, &err), TDL_OK);
    assert_int_equal(tdl_session_push(s[0], ids, 250, &err), TDL_OK);    // more than is left
    assert_int_equal(tdl_session_push(s[1], ids + 10, 5, &err), TDL_OK); // in the page that it has
    assert_int_equal(tdl_batch_step(batch, &err), TDL_OK);
    assert_int_equal(tdl_session_n_computed(s[0]), 192);
    assert_int_equal(tdl_session_next(s[1], &token, &err), TDL_OK);
    assert_int_equal(token, expected);
    for (int i = 0; i < N; i++) tdl_session_destroy(s[i]);
    tdl_batch_destroy(batch);
}

// Logits are those of the last token that is still there, or none.
static void logits_end_with_their_token(void **state) {
    (void)state;
    const int32_t ids[] = {5, 17, 99, 200, 3};
    int32_t token;
    float *all = golden_logits(model, ids, 5);
    tdl_session *s = make(model, (tdl_session_desc){.n_ctx = N_CTX, .ignore_eos = true});
    assert_null(tdl_session_logits(s));
    assert_int_equal(tdl_session_push(s, ids, 5, NULL), TDL_OK);
    for (int round = 0; round < 3; round++) {
        assert_null(tdl_session_logits(s));
        assert_int_equal(next(s, &token, NULL), TDL_OK);
        assert_memory_equal(tdl_session_logits(s), all + 4 * VOCAB, VOCAB * sizeof *all);
        if (round == 0) assert_int_equal(tdl_session_rewind(s, 5, NULL), TDL_OK);
        if (round == 1) assert_int_equal(tdl_session_sync(s, ids, 5, NULL), TDL_OK);
    }
    assert_int_equal(tdl_session_rewind(s, 2, NULL), TDL_OK);
    assert_null(tdl_session_logits(s));
    assert_int_equal(next(s, &token, NULL), TDL_OK);
    assert_memory_equal(tdl_session_logits(s), all + VOCAB, VOCAB * sizeof *all);
    assert_int_equal(tdl_session_rewind(s, 0, NULL), TDL_OK);
    assert_null(tdl_session_logits(s));
    free(all);
    tdl_session_destroy(s);
}

// Text that was lent stays until it is asked for again, and a move in between takes along only what was not lent.
static void lent_text_is_given_once(void **state) {
    (void)state;
    if (!demo) skip();
    char text[2][512] = {"", ""};
    int32_t token;
    for (int moves = 0; moves < 2; moves++) {
        tdl_session *s = make(demo, (tdl_session_desc){.n_ctx = 64, .n_predict = 16}), *moved = NULL;
        assert_int_equal(tdl_session_push_text(s, "It was a dark", 13, NULL, NULL), TDL_OK);
        for (int i = 0; next(s, &token, NULL) == TDL_OK; i++) {
            if (i % 2) continue;
            tdl_text piece = tdl_session_take_text(s);
            strncat(text[moves], piece.ptr, piece.size);
            if (!moves) continue;
            assert_int_equal(tdl_session_move(s, demo, NULL, &moved, NULL), TDL_OK);
            tdl_session_destroy(s);
            s = moved;
        }
        tdl_text rest = tdl_session_take_text(s);
        strncat(text[moves], rest.ptr, rest.size);
        assert_int_equal(tdl_session_take_text(s).size, 0);
        assert_int_equal(next(s, &token, NULL), TDL_DONE);
        assert_int_equal(tdl_session_take_text(s).size, 0);
        tdl_session_destroy(s);
    }
    assert_true(strlen(text[0]) > 20);
    assert_string_equal(text[0], text[1]);
}

// Open, three tokens, a rewind, close.
static tdl_status whole_life(const tdl_allocator *mem, void *path) {
    tdl_device *cpu = NULL;
    tdl_model *m = NULL;
    tdl_session *s = NULL;
    const int32_t prompt[] = {1, 2, 3};
    float *logits = malloc(3 * sizeof *logits * 4096);
    tdl_status status = tdl_device_open(
        &(tdl_device_desc){.size = sizeof(tdl_device_desc), .n_threads = 2, .allocator = mem}, &cpu, NULL);
    if (status == TDL_OK)
        status = tdl_model_open(
            &(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path, .device = cpu, .allocator = mem}, &m, NULL);
    if (status == TDL_OK) {
        const char *const stops[] = {"stop"};
        tdl_session_desc desc = {
            .size = sizeof desc, .n_ctx = 16, .stops = stops, .n_stops = 1, .sampler.temperature = 1};
        status = tdl_session_create(m, &desc, &s, NULL);
    }
    if (status == TDL_OK) status = tdl_session_push(s, prompt, 3, NULL);
    int32_t token;
    for (int i = 0; i < 3 && status == TDL_OK; i++) {
        while ((status = tdl_session_next(s, &token, NULL)) == TDL_PENDING) {
        }
        if (status == TDL_DONE) status = TDL_OK;
    }
    tdl_session *moved = NULL;
    if (status == TDL_OK) status = tdl_session_move(s, m, NULL, &moved, NULL);
    tdl_session_destroy(moved);
    if (status == TDL_OK) status = tdl_session_rewind(s, 2, NULL);
    if (status == TDL_OK) status = tdl_session_eval(s, prompt, 3, logits, NULL);
    tdl_session_destroy(s);
    tdl_model_close(m);
    tdl_device_close(cpu);
    free(logits);
    return status;
}

static void every_allocation_fails(void **state) {
    (void)state;
    int64_t n = fail_alloc_each(whole_life, (void *)(uintptr_t)LLAMA);
    print_message("%lld allocations in a life of a tiny model\n", (long long)n);
    assert_true(n > 20);
    if (THREAD_SANITIZED || access(DEMO, R_OK) != 0)
        return; // minutes there; a GGUF file with a tokenizer and prepared weights
    n = fail_alloc_each(whole_life, (void *)(uintptr_t)DEMO);
    print_message("%lld allocations in a life of the bundled model\n", (long long)n);
}

int main(void) {
    model = golden_open(LLAMA, TDL_PRECISION_AUTO, 2, NULL, &device);
    if (access(DEMO, R_OK) == 0) {
        tdl_error err = {0};
        tdl_model_desc desc = {.size = sizeof desc, .path = DEMO, .device = device};
        if (tdl_model_open(&desc, &demo, &err) != TDL_OK) return fprintf(stderr, "%s\n", err.message), 1;
    } else {
        printf("skipped: the bundled model is not here\n");
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewind_repeats),
        cmocka_unit_test(sync_equals_fresh),
        cmocka_unit_test(context_full),
        cmocka_unit_test(bad_arguments),
        cmocka_unit_test(n_predict_and_text),
        cmocka_unit_test(stop_strings),
        cmocka_unit_test(moved_session_goes_on),
        cmocka_unit_test(bytes_and_reader),
        cmocka_unit_test(open_cancelled),
        cmocka_unit_test(shared_pool_runs_out),
        cmocka_unit_test(every_session_has_its_turn),
        cmocka_unit_test(logits_end_with_their_token),
        cmocka_unit_test(lent_text_is_given_once),
        cmocka_unit_test(every_allocation_fails),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tdl_model_close(demo);
    tdl_model_close(model);
    tdl_device_close(device);
    return failed;
}
