// SPDX-License-Identifier: MIT
// test_not_finite.c - logits that are NaN or infinite: every call of a session says so and where that began, nothing else is
// disturbed, and what the message names is the weight that was damaged.
//
// The model is hf-tiny/llama with NaN in the embedding of one token (or infinity in all of the last norm), on the CPU, on "null"
// and on WebGPU where there is one. Expected tokens are those of the undamaged model.
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/test_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char *const device_names[] = {"cpu", "null", "webgpu", "webgpu:0:min"};
enum { N_DEVICES = sizeof device_names / sizeof *device_names, VOCAB = 256, N_CTX = 200, EMBD = 32 };
static const int32_t prompt[] = {5, 17, 99, 200, 3};
enum { N_PROMPT = sizeof prompt / sizeof *prompt };

// A copy of the model in which BF16 elements [first, first + count) of a tensor are `value`.
static void damage(const char *dir, const char *tensor, size_t first, size_t count, uint16_t value) {
    char path[TEST_PATH_SIZE], from[TEST_PATH_SIZE];
    size_t size;
    uint64_t header_size;
    test_file_copy(test_path(from, LLAMA, "config.json"), test_path(path, dir, "config.json"));
    uint8_t *bytes = test_file_read(test_path(path, LLAMA, "model.safetensors"), &size);
    memcpy(&header_size, bytes, sizeof header_size);
    json_t *header = json_loadb((const char *)bytes + 8, header_size, 0, NULL);
    const json_t *offsets = json_object_get(json_object_get(header, tensor), "data_offsets");
    assert_non_null(offsets);
    uint8_t *at = bytes + 8 + header_size + json_integer_value(json_array_get(offsets, 0));
    for (size_t i = first; i < first + count; i++) memcpy(at + 2 * i, &value, sizeof value);
    json_decref(header);
    test_file_write(test_path(path, dir, "model.safetensors"), bytes, size);
    free(bytes);
}

static tdl_device *open_device(const char *name) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_device_desc desc = {.size = sizeof desc, .name = name, .n_threads = 2};
    if (tdl_device_open(&desc, &device, &err) != TDL_OK) print_message("%s is skipped: %s\n", name, err.message);
    return device;
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static tdl_model *open_with_bad_token(tdl_device *device, int32_t id) {
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    damage(dir, "model.embed_tokens.weight", (size_t)id * EMBD + 7, 1, 0x7fc0);
    tdl_model *model = open_model(device, dir);
    test_dir_remove(dir);
    return model;
}

static tdl_session *make(tdl_model *model, tdl_batch *batch) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .batch = batch, .n_ctx = N_CTX, .n_batch = 4, .ignore_eos = true};
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    return session;
}

static tdl_status next(tdl_session *session, tdl_batch *batch, int32_t *token, tdl_error *err) {
    tdl_status status;
    while ((status = tdl_session_next(session, token, err)) == TDL_PENDING)
        if (batch) assert_true(tdl_batch_step(batch, NULL) >= 0);
    return status;
}

// It has said NOT_FINITE: it says so again, has no logits, and its tokens are these.
static void check_failed(tdl_session *s, const int32_t *ids, size_t n_ids, const char *where) {
    tdl_error err = {0};
    int32_t token = -7;
    size_t n;
    for (int i = 0; i < 2; i++) assert_error(tdl_session_next(s, &token, &err), TDL_ERROR_NOT_FINITE, &err, where);
    assert_int_equal(token, -7);
    assert_null(tdl_session_logits(s));
    const int32_t *tokens = tdl_session_tokens(s, &n);
    assert_int_equal(n, n_ids);
    assert_memory_equal(tokens, ids, n * sizeof *ids);
}

static void for_each_device(void (*check)(tdl_device *device)) {
    for (int i = 0; i < N_DEVICES; i++) {
        tdl_device *device = open_device(device_names[i]);
        if (!device) continue;
        check(device);
        tdl_device_close(device);
    }
}

// A bad token in the prompt, followed by fine ones: the message names its position, not the last. Rewound, the session goes on.
static void check_prompt(tdl_device *device) {
    tdl_model *model = open_with_bad_token(device, 77), *fine = open_model(device, LLAMA);
    int32_t ids[70], expected[4], token;
    for (int32_t i = 0; i < 70; i++) ids[i] = i == 37 ? 77 : (i * 11 + 3) % 70; // more than a page
    golden_greedy(fine, ids, 37, expected, 4);
    for (int host = 0; host < 2; host++) {
        tdl_error err = {0};
        tdl_session *s = make(model, NULL);
        if (host) assert_null(tdl_session_logits(s));
        assert_int_equal(tdl_session_push(s, ids, 70, &err), TDL_OK);
        tdl_status status = next(s, NULL, &token, &err);
        assert_error(status, TDL_ERROR_NOT_FINITE, &err, "after position 69 are not finite: at position 37, token 77");
        assert_non_null(strstr(err.message, "embed, first made NaN in"));
        check_failed(s, ids, 70, "at position 37");
        assert_true(tdl_session_n_computed(s) <= 37); // what was looked at is computed anew
        tdl_session *moved = NULL;
        assert_int_equal(tdl_session_move(s, model, NULL, &moved, &err), TDL_OK);
        assert_int_equal(next(moved, NULL, &token, &err), TDL_ERROR_NOT_FINITE);
        tdl_session_destroy(moved);
        assert_int_equal(tdl_session_rewind(s, 37, &err), TDL_OK);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(next(s, NULL, &token, &err), TDL_OK);
            assert_int_equal(token, expected[i]);
        }
        assert_non_null(tdl_session_logits(s));
        tdl_session_destroy(s);
    }
    tdl_model_close(fine);
    tdl_model_close(model);
}

static void prompt_says_where(void **state) {
    (void)state;
    for_each_device(check_prompt);
}

// A bad token that is sampled in the middle of a text, on a device with steps under way behind it: all tokens up to it come.
static void check_decode(tdl_device *device) {
    enum { N = 30 };
    tdl_model *fine = open_model(device, LLAMA);
    int32_t said[N_PROMPT + N], token, bad = -1, n_before = 0;
    memcpy(said, prompt, sizeof prompt);
    golden_greedy(fine, prompt, N_PROMPT, said + N_PROMPT, N);
    for (int32_t i = 9; i < N && bad < 0; i++) { // the first that was not said before
        bad = said[N_PROMPT + i];
        for (int32_t j = 0; j < N_PROMPT + i; j++)
            if (said[j] == bad) bad = -1;
        n_before = i + 1;
    }
    assert_true(bad >= 0);
    tdl_model *model = open_with_bad_token(device, bad);
    for (int host = 0; host < 2; host++) {
        tdl_error err = {0};
        char where[64];
        tdl_session *s = make(model, NULL);
        if (host) assert_null(tdl_session_logits(s));
        assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, &err), TDL_OK);
        for (int32_t i = 0; i < n_before; i++) {
            assert_int_equal(next(s, NULL, &token, &err), TDL_OK);
            assert_int_equal(token, said[N_PROMPT + i]);
        }
        snprintf(where, sizeof where, "at position %d, token %d", N_PROMPT + n_before - 1, bad);
        assert_error(next(s, NULL, &token, &err), TDL_ERROR_NOT_FINITE, &err, where);
        check_failed(s, said, (size_t)(N_PROMPT + n_before), where);
        assert_int_equal(tdl_session_rewind(s, N_PROMPT, &err), TDL_OK); // and again
        for (int32_t i = 0; i < n_before; i++) assert_int_equal(next(s, NULL, &token, &err), TDL_OK);
        assert_error(next(s, NULL, &token, &err), TDL_ERROR_NOT_FINITE, &err, where);
        const int32_t other = 4; // a push behind it does not heal it
        assert_int_equal(tdl_session_push(s, &other, 1, &err), TDL_OK);
        assert_error(next(s, NULL, &token, &err), TDL_ERROR_NOT_FINITE, &err, where);
        tdl_session_destroy(s);
    }
    tdl_model_close(model);
    tdl_model_close(fine);
}

static void decode_says_where(void **state) {
    (void)state;
    for_each_device(check_decode);
}

// eval fails as a whole: the timeline, its next token and its logits are as they were.
static void check_eval(tdl_device *device) {
    tdl_model *model = open_with_bad_token(device, 77), *fine = open_model(device, LLAMA);
    int32_t ids[90], expected[3], token;
    static float logits[90 * VOCAB];
    for (int32_t i = 0; i < 90; i++) ids[i] = i == 80 ? 77 : (i * 11 + 3) % 70;
    golden_greedy(fine, prompt, N_PROMPT, expected, 3);
    tdl_error err = {0};
    tdl_session *s = make(model, NULL);
    assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, &err), TDL_OK);
    for (int i = 0; i < 3; i++) {
        tdl_status status = tdl_session_eval(s, ids, 90, logits, &err);
        assert_error(status, TDL_ERROR_NOT_FINITE, &err, "are not finite: at position 8");
        size_t n;
        tdl_session_tokens(s, &n);
        assert_int_equal(n, N_PROMPT + i);
        assert_int_equal(next(s, NULL, &token, &err), TDL_OK);
        assert_int_equal(token, expected[i]);
    }
    assert_int_equal(tdl_session_eval(s, ids, 80, logits, &err), TDL_OK);
    tdl_session_destroy(s);
    tdl_model_close(fine);
    tdl_model_close(model);
}

static void eval_changes_nothing(void **state) {
    (void)state;
    for_each_device(check_eval);
}

// One session of a batch is bad: the steps go on, its neighbours say what they say alone, and so does who gets its pages.
static void check_batch(tdl_device *device) {
    enum { N_SESSIONS = 3, N = 12 };
    tdl_model *model = open_with_bad_token(device, 77), *fine = open_model(device, LLAMA);
    tdl_batch *batch = NULL;
    tdl_session *s[N_SESSIONS];
    tdl_error err = {0};
    int32_t expected[N_SESSIONS][N], token;
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = N_SESSIONS, .n_tokens_max = 9, .n_cache_tokens = 192};
    assert_int_equal(tdl_batch_create(model, &desc, &batch, &err), TDL_OK);
    const int32_t prompts[N_SESSIONS][4] = {{5, 6, 7, 8}, {9, 77, 10, 11}, {12, 13, 14, 15}};
    for (int i = 0; i < N_SESSIONS; i++) {
        golden_greedy(fine, prompts[i], 4, expected[i], N);
        s[i] = make(model, batch);
        assert_int_equal(tdl_session_push(s[i], prompts[i], 4, &err), TDL_OK);
    }
    for (int t = 0; t < N; t++)
        for (int i = 0; i < N_SESSIONS; i++) {
            tdl_status status = next(s[i], batch, &token, &err);
            if (i == 1) {
                assert_error(status, TDL_ERROR_NOT_FINITE, &err, "at position 1, token 77");
                continue;
            }
            assert_int_equal(status, TDL_OK);
            assert_int_equal(token, expected[i][t]);
        }
    tdl_session_destroy(s[1]);
    s[1] = make(model, batch);
    assert_int_equal(tdl_session_push(s[1], prompts[0], 4, &err), TDL_OK);
    for (int t = 0; t < N; t++) {
        assert_int_equal(next(s[1], batch, &token, &err), TDL_OK);
        assert_int_equal(token, expected[0][t]);
    }
    for (int i = 0; i < N_SESSIONS; i++) tdl_session_destroy(s[i]);
    tdl_batch_destroy(batch);
    tdl_model_close(fine);
    tdl_model_close(model);
}

static void neighbours_are_not_concerned(void **state) {
    (void)state;
    for_each_device(check_batch);
}

// What is infinite only at the end; and a search that gets no memory, in which case the error stays what it is.
static tdl_status fail_without_memory(const tdl_allocator *mem, void *dir) {
    tdl_device *cpu = NULL;
    tdl_model *model = NULL;
    tdl_session *s = NULL;
    tdl_error err = {0};
    int32_t token;
    tdl_device_desc of = {.size = sizeof of, .n_threads = 1, .allocator = mem};
    tdl_status status = tdl_device_open(&of, &cpu, &err);
    if (status == TDL_OK)
        status = tdl_model_open(
            &(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = dir, .device = cpu, .allocator = mem}, &model,
            &err);
    if (status == TDL_OK)
        status =
            tdl_session_create(model, &(tdl_session_desc){.size = sizeof(tdl_session_desc), .n_ctx = 16}, &s, &err);
    if (status == TDL_OK) status = tdl_session_push(s, prompt, N_PROMPT, &err);
    if (status == TDL_OK) {
        status = next(s, NULL, &token, &err);
        if (status == TDL_ERROR_NOT_FINITE) {
            assert_non_null(strstr(err.message, "after position 4 are not finite"));
            status = strstr(err.message, "an infinite value in") ? TDL_OK : TDL_ERROR_MEMORY;
        }
    }
    tdl_session_destroy(s);
    tdl_model_close(model);
    tdl_device_close(cpu);
    return status;
}

static void search_may_lack_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    damage(dir, "model.norm.weight", 0, EMBD, 0x7f80);
    assert_true(fail_alloc_each(fail_without_memory, dir) > 50);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompt_says_where),      cmocka_unit_test(decode_says_where),
        cmocka_unit_test(eval_changes_nothing),   cmocka_unit_test(neighbours_are_not_concerned),
        cmocka_unit_test(search_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
