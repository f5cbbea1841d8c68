// SPDX-License-Identifier: MIT
// test_finish.c - why a sequence ended: an end-of-generation token, a stop string, its length; and that new input goes on.
#include "model/model_impl.h"
#include "support/test_files.h"
#include "token/bpe_train.h"
#include "train/fresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tdl_model
    *model; // random weights over 256 bytes and <|endoftext|>, which a high temperature draws sooner or later

static int open_model(void **state) {
    (void)state;
    static const char *const specials[] = {"<|endoftext|>"};
    static const char config[] =
        "{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 32, \"num_attention_heads\": 2, "
        "\"intermediate_size\": 32, \"max_position_embeddings\": 4096, \"eos_token_id\": 0}";
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    const tdl_bpe_train_desc of = {
        .mem = mem, .pre = "gpt-2", .n_vocab = 257, .count_min = 1, .specials = specials, .n_specials = 1};
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_bpe_trainer *trainer = NULL;
    tdl_str json = tdl_str_make(mem);
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    assert_int_equal(tdl_bpe_trainer_create(&of, &trainer, &err), TDL_OK);
    assert_int_equal(tdl_bpe_trainer_write(trainer, &json, &err), TDL_OK);
    test_file_write(test_path(path, dir, "tokenizer.json"), json.ptr, json.size);
    test_file_write(test_path(path, dir, "config.json"), config, sizeof config - 1);
    const tdl_fresh_desc fresh = {.mem = mem, .config = dir, .seed = 5};
    const tdl_model_desc desc = {.size = sizeof desc};
    assert_int_equal(tdl_fresh_weights(&fresh, &weights, &err), TDL_OK);
    assert_int_equal(tdl_model_open_weights(weights, &desc, &model, &err), TDL_OK);
    tdl_bpe_trainer_destroy(trainer);
    tdl_str_deinit(&json);
    test_dir_remove(dir);
    return 0;
}

static int close_model(void **state) {
    (void)state;
    tdl_model_close(model);
    return 0;
}

static tdl_session *begin(tdl_session_desc desc) {
    tdl_session *s = NULL;
    desc.size = sizeof desc;
    desc.sampler.temperature = 1000; // every token is as probable as any other
    desc.sampler.seed = 9;
    assert_int_equal(tdl_session_create(model, &desc, &s, NULL), TDL_OK);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_NONE);
    assert_int_equal(tdl_session_push_text(s, "a", 1, NULL, NULL), TDL_OK);
    return s;
}

// Until it ends; the last token, and what was the reason then, before DONE was said.
static tdl_status end(tdl_session *s, int32_t *last, tdl_finish *early) {
    tdl_status status;
    int32_t token = -1;
    *early = TDL_FINISH_NONE;
    while ((status = tdl_session_next(s, &token, NULL)) == TDL_OK || status == TDL_PENDING) {
        *early = tdl_session_finish(s);
    }
    size_t n;
    const int32_t *tokens = tdl_session_tokens(s, &n);
    *last = tokens[n - 1];
    return status;
}

static void test_end(void **state) {
    (void)state;
    int32_t last;
    tdl_finish early;
    tdl_session *s = begin((tdl_session_desc){0}), *moved = NULL;
    assert_int_equal(end(s, &last, &early), TDL_DONE);
    assert_int_equal(last, 0);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_END);
    assert_int_equal(tdl_session_next(s, &last, NULL), TDL_DONE); // and again
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_END);
    assert_int_equal(tdl_session_move(s, model, NULL, &moved, NULL), TDL_OK);
    assert_int_equal(tdl_session_finish(moved), TDL_FINISH_END);
    assert_int_equal(tdl_session_push_text(s, "b", 1, NULL, NULL), TDL_OK);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_NONE);
    tdl_session_destroy(moved);
    tdl_session_destroy(s);
    s = begin((tdl_session_desc){.ignore_eos = true, .n_ctx = 3000});
    assert_int_equal(end(s, &last, &early), TDL_ERROR_CONTEXT_FULL);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_NONE);
    tdl_session_destroy(s);
}

static void test_stop(void **state) {
    (void)state;
    static const char *const stops[] = {"q", "Z"};
    int32_t last;
    tdl_finish early;
    tdl_session *s = begin((tdl_session_desc){.ignore_eos = true, .stops = stops, .n_stops = 2});
    assert_int_equal(end(s, &last, &early), TDL_DONE);
    assert_int_equal(early, TDL_FINISH_STOP); // with the token that completed it
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_STOP);
    assert_int_equal(tdl_session_rewind(s, 1, NULL), TDL_OK);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_NONE);
    tdl_session_destroy(s);
}

static void test_length(void **state) {
    (void)state;
    int32_t last;
    tdl_finish early;
    tdl_session *s = begin((tdl_session_desc){.ignore_eos = true, .n_predict = 5});
    assert_int_equal(end(s, &last, &early), TDL_DONE);
    assert_int_equal(early, TDL_FINISH_LENGTH);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_LENGTH);
    size_t n;
    tdl_session_tokens(s, &n);
    assert_int_equal(n, 6);
    assert_int_equal(tdl_session_push_text(s, "b", 1, NULL, NULL), TDL_OK);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_NONE);
    assert_int_equal(end(s, &last, &early), TDL_DONE);
    assert_int_equal(tdl_session_finish(s), TDL_FINISH_LENGTH);
    tdl_session_destroy(s);
}

static void test_names(void **state) {
    (void)state;
    static const char *const names[] = {"none", "end", "stop", "length", "none"};
    for (int i = 0; i < 5; i++) assert_string_equal(tdl_finish_name((tdl_finish)i), names[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_end), cmocka_unit_test(test_stop),
                                       cmocka_unit_test(test_length), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, open_model, close_model);
}
