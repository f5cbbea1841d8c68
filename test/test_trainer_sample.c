// SPDX-License-Identifier: MIT
// test_trainer_sample.c - what a run shows of the model while it is trained: what a session makes of the same weights, as greedily,
// and nothing of the run is another for it.
#include "backend/null/null_device.h"
#include "base/str.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/train_runs.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAMPLE_TOKENS = 48 };

// The whole run, its model saved; samples [64]: which steps had one; text [1024]: the last one.
static void run_with_samples(const tdl_trainer_desc *desc, const char *model, bool *samples, char *text) {
    tdl_trainer *trainer = run_create(desc);
    tdl_train_step step = {.size = sizeof step};
    tdl_error err = {0};
    tdl_status status;
    while ((status = tdl_trainer_step(trainer, &step, &err)) >= 0 && status != TDL_DONE) {
        if (status != TDL_OK) continue;
        samples[step.step] = step.sample != NULL;
        if (step.sample) snprintf(text, 1024, "%s", step.sample);
    }
    if (status < 0 || run_save(trainer, model, &err)) fail_msg("%s", err.message);
    tdl_trainer_destroy(trainer);
}

// What a session makes of these segments, as greedily.
static void generate(const char *path, const tdl_segment *segments, size_t n, char *text) {
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    tdl_error err = {0};
    int32_t ids[64], token;
    size_t n_ids, size = 0;
    const tdl_model_desc of = {.size = sizeof of, .path = path, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&of, &model, &err)) fail_msg("%s", err.message);
    const tdl_session_desc desc = {.size = sizeof desc, .n_predict = SAMPLE_TOKENS};
    if (tdl_session_create(model, &desc, &session, &err)) fail_msg("%s", err.message);
    const tdl_encode_desc bare = {.size = sizeof bare};
    if (tdl_tokenizer_encode_segments(tdl_model_tokenizer(model), segments, n, &bare, ids, 64, &n_ids, &err))
        fail_msg("%s", err.message);
    if (tdl_session_push(session, ids, n_ids, &err)) fail_msg("%s", err.message);
    tdl_status status;
    while ((status = tdl_session_next(session, &token, &err)) >= 0 && status != TDL_DONE) {
        tdl_text more = tdl_session_take_text(session);
        memcpy(text + size, more.ptr, more.size);
        size += more.size;
    }
    if (status < 0) fail_msg("%s", err.message);
    tdl_text more = tdl_session_take_text(session);
    memcpy(text + size, more.ptr, more.size);
    text[size + more.size] = 0;
    tdl_session_destroy(session);
    tdl_model_close(model);
}

// At each evaluation and after the last step; with and without it the same losses, model and checkpoint to the bit.
static void test_samples(void **state) {
    run_fixture *f = *state;
    char models[2][TEST_PATH_SIZE], files[2][TEST_PATH_SIZE], path[TEST_PATH_SIZE], text[1024] = "", expected[1024];
    const char *val[] = {f->val};
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        bool samples[64] = {0};
        snprintf(run, sizeof run, "samples-%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 5, desc.dropout = 0.1f;
        if (i) desc.sample = "the cat";
        snprintf(files[i], sizeof files[i], "%.200s/checkpoint.tdl", run);
        run_with_samples(&desc, test_path(models[i], run, "m.gguf"), samples, text);
        for (int step = 1; step <= 12; step++) assert_int_equal(samples[step], i && (step % 5 == 0 || step == 12));
        size_t size;
        char *log = (char *)test_file_read(test_path(path, run, "log.jsonl"), &size);
        log[size - 1] = 0;
        const char *last = strrchr(log, '\n');
        assert_int_equal(strstr(last, "\"sample\":\"") != NULL, i);
        free(log);
    }
    assert_same_files(models[0], models[1]);
    assert_same_files(files[0], files[1]);
    // The weights of the end are those of the last step, which had the lowest loss, so that the file's model says it too.
    generate(models[1], &(tdl_segment){"the cat", 7, false}, 1, expected);
    assert_true(strlen(text) > 0);
    assert_string_equal(text, expected);
}

// Without validation data there are samples all the same; of conversations the text is a user's message.
static void test_chats(void **state) {
    static const char config[] = "{\"model_type\": \"llama\", \"vocab_size\": 502, \"hidden_size\": 32, "
                                 "\"intermediate_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                                 "\"max_position_embeddings\": 96, \"rms_norm_eps\": 1e-5}";
    static const char chat[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", "
                               "\"content\": \"abab\"}]}\n";
    static const char prompt[] = "{\"prompt\": \"Hi\", \"completion\": \"abab\"}\n";
    run_fixture *f = *state;
    char data_path[TEST_PATH_SIZE], config_path[TEST_PATH_SIZE];
    test_file_write(test_path(config_path, f->dir, "qwen.json"), config, sizeof config - 1);
    const char *data[] = {test_path(data_path, f->dir, "chat.jsonl")};
    const tdl_segment segments[] = {{"<|im_start|>", 12, true}, {"user\nHi", 7, false},     {"<|im_end|>", 10, true},
                                    {"\n", 1, false},           {"<|im_start|>", 12, true}, {"assistant\n", 10, false}};
    const tdl_segment without[] = {{"user: Hi\nassistant:", 19, false}}; // a tokenizer that has no marks
    for (int i = 0; i < 3; i++) {
        char run[TEST_PATH_SIZE], model[TEST_PATH_SIZE], text[1024] = "", expected[1024];
        bool samples[64] = {0};
        test_file_write(data_path, i == 1 ? prompt : chat, i == 1 ? sizeof prompt - 1 : sizeof chat - 1);
        snprintf(run, sizeof run, "chats-%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        if (i < 2) desc.config_path = config_path, desc.tokenizer_path = TDL_TEST_DATA "/token/qwen2.tokenizer.json";
        desc.data = data, desc.n_batch = 1, desc.n_steps = 30, desc.sample = "Hi";
        run_with_samples(&desc, test_path(model, run, "m.gguf"), samples, text);
        assert_true(samples[30] && !samples[29]);
        generate(model, i == 2 ? without : i == 1 ? &(tdl_segment){"Hi", 2, false} : segments, i ? 1 : 6, expected);
        assert_string_equal(text, expected);
        if (!i) assert_string_equal(text, "abab"); // as taught, and there it ends
    }
}

// A device that takes its time and checks what it is asked for gives the CPU's sample; a run may end within one; and each
// allocation may fail.
static void test_takes_time(void **state) {
    run_fixture *f = *state;
    char texts[2][1024] = {"", ""}, model[TEST_PATH_SIZE];
    tdl_error err = {0};
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        bool samples[64] = {0};
        snprintf(run, sizeof run, "time-%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        tdl_device *device = NULL;
        const tdl_device_desc of = {.size = sizeof of, .name = i ? "null" : "cpu"};
        if (tdl_device_open(&of, &device, &err)) fail_msg("%s", err.message);
        if (i) ((tdl_null_device *)device)->n_pending = 2;
        desc.device = device, desc.sample = "the cat", desc.n_steps = 2, desc.n_val_every = 1;
        run_with_samples(&desc, test_path(model, run, "m.gguf"), samples, texts[i]);
        assert_true(samples[1] && samples[2]);
        if (i) { // given up at each of its turns
            desc.dir = test_path(model, f->dir, "given-up"), desc.n_steps = 1;
            tdl_trainer *trainer = run_create(&desc);
            for (int k = 0; k < 40 && trainer->phase != TDL_PHASE_SAMPLE; k++)
                assert_int_equal(tdl_trainer_step(trainer, NULL, &err), TDL_PENDING);
            for (int k = 0; k < 5; k++) assert_int_equal(tdl_trainer_step(trainer, NULL, &err), TDL_PENDING);
            assert_int_equal(trainer->phase, TDL_PHASE_SAMPLE);
            tdl_trainer_destroy(trainer);
        }
        tdl_device_close(device);
    }
    assert_string_equal(texts[0], texts[1]);
}

// From its prompt to its text.
static tdl_status scenario(const tdl_allocator *mem, void *arg) {
    tdl_trainer *t = arg;
    const tdl_allocator *own = t->mem;
    t->mem = mem;
    tdl_status status = tdl_trainer_sample_open(t, NULL);
    if (status == TDL_OK) status = tdl_trainer_sample_begin(t, NULL);
    if (status == TDL_OK) {
        do {
            status = tdl_train_engine_poll(t->engine, NULL);
            if (status == TDL_OK) status = tdl_trainer_sample_advance(t, NULL);
        } while (status == TDL_PENDING);
        if (status == TDL_OK) assert_true(t->sample.text.size > 0);
    }
    tdl_trainer_sample_close(t);
    t->sample = (tdl_train_sample){0};
    t->mem = own;
    return status;
}

static void test_without_memory(void **state) {
    char run[TEST_PATH_SIZE] = "memory";
    tdl_trainer_desc desc = run_desc(*state, run);
    tdl_trainer *trainer = run_create(&desc);
    trainer->desc.sample = "the cat";
    assert_true(fail_alloc_each(scenario, trainer) > 8);
    tdl_trainer_destroy(trainer);
}

static void test_refuses(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "refuses", text[512];
    tdl_trainer *trainer = NULL;
    tdl_error err = {0};
    tdl_trainer_desc desc = run_desc(f, run);
    for (size_t i = 0; i < sizeof text; i++) text[i] = "the cat "[i % 8];
    text[sizeof text - 1] = 0, desc.sample = text;
    assert_int_equal(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "tokens, the model's context is 64"));
    desc.sample = "";
    assert_int_equal(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "sample: the text is empty"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {TEST(test_samples), TEST(test_chats), TEST(test_takes_time),
                                       TEST(test_without_memory), TEST(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
