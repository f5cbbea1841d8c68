// SPDX-License-Identifier: MIT
// test_trainer_lengths.c - how long a run is, and how long its sequences are, where nobody said: what the model and the data make
// of the defaults, and that it is the same when the run goes on.
#include "support/test_files.h"
#include "support/train_runs.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"cat", "dog", "bird", "fish", "tree", "house", "star", "friend"};

// n records, of which each has a prompt and a completion of n_words words.
static void write_records(const char *path, int n, int n_words) {
    static char text[1 << 16];
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "{\"prompt\": \"the %s\", \"completion\": \"",
                                 words[i % 8]);
        for (int k = 0; k < n_words; k++)
            size += (size_t)snprintf(text + size, sizeof text - size, " %s", words[(i + k) % 8]);
        size += (size_t)snprintf(text + size, sizeof text - size, "\"}\n");
    }
    test_file_write(path, text, size);
}

// A model to begin with, in a file.
static void make_model(const run_fixture *f, char path[TEST_PATH_SIZE]) {
    char run[TEST_PATH_SIZE] = "base";
    tdl_trainer_desc desc = run_desc(f, run);
    desc.n_steps = 1;
    run_whole(&desc, test_path(path, f->dir, "base.gguf"));
}

static tdl_trainer_desc tune_desc(const run_fixture *f, const char *model, char *run) {
    tdl_trainer_desc desc = run_desc(f, run);
    desc.config_path = desc.tokenizer_path = NULL, desc.model_path = model, desc.lora_rank = 2;
    desc.n_steps = desc.n_batch = desc.n_seq = desc.n_warmup_steps = 0;
    desc.lr = 0;
    return desc;
}

static tdl_trainer_info info_of(const tdl_trainer *trainer) {
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    return info;
}

// Windows: the longest record needs n tokens but its last; rounded up to 16; no more than the context; a given length stays; a
// text's windows are not touched.
static void test_windows(void **state) {
    run_fixture *f = *state;
    char model[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    const char *data[] = {test_path(path, f->dir, "records.jsonl")};
    make_model(f, model);
    static const struct {
        int n_words;
        int32_t n_seq, expected;
    } cases[] = {{2, 0, 16}, {11, 0, 0}, {200, 0, 64}, {2, 40, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "windows-%zu", i);
        write_records(path, 3, cases[i].n_words);
        tdl_trainer_desc desc = tune_desc(f, model, run);
        desc.data = data, desc.n_seq = cases[i].n_seq;
        tdl_trainer *trainer = run_create(&desc);
        tdl_trainer_info info = info_of(trainer);
        int32_t expected = cases[i].expected;
        if (!expected) expected = ((int32_t)info.data.n_longest - 1 + 15) / 16 * 16;
        if (cases[i].n_words == 11) assert_in_range(expected, 17, 63); // tells something
        assert_int_equal(info.n_seq, expected);
        assert_int_equal(info.data.n_cut, cases[i].n_words == 200 ? 3 : 0);
        tdl_trainer_destroy(trainer);
    }
    char run[TEST_PATH_SIZE] = "text";
    tdl_trainer_desc desc = tune_desc(f, model, run);
    tdl_trainer *trainer = run_create(&desc);
    assert_int_equal(info_of(trainer).n_seq, 64);
    tdl_trainer_destroy(trainer);
    // What is measured counts too.
    char val_run[TEST_PATH_SIZE] = "val", val_path[TEST_PATH_SIZE];
    const char *val[] = {test_path(val_path, f->dir, "val.jsonl")};
    write_records(path, 3, 2), write_records(val_path, 3, 11);
    desc = tune_desc(f, model, val_run);
    desc.data = data, desc.val_data = val, desc.n_val_data = 1;
    trainer = run_create(&desc);
    tdl_trainer_info info = info_of(trainer);
    assert_true(info.n_seq > 16 && info.n_seq < 64 && info.val_data.n_cut == 0);
    tdl_trainer_destroy(trainer);
}

// What 28 windows, and others, come to.
static void test_steps(void **state) {
    (void)state;
    static const struct {
        uint64_t n_windows;
        int32_t n_batch, n_steps, n_epochs; // given
        int32_t batch, steps, val_every;    // expected
    } cases[] = {
        {28, 0, 0, 0, 1, 224, 28},       {47, 0, 0, 0, 1, 235, 47},        {48, 0, 0, 0, 2, 120, 24},
        {192, 0, 0, 0, 8, 72, 24},       {191, 0, 0, 0, 4, 144, 48},       {2664, 0, 0, 0, 8, 999, 100},
        {100000, 0, 0, 0, 8, 1000, 100}, {10, 0, 0, 0, 1, 200, 10},        {1, 0, 0, 0, 1, 20, 1},
        {28, 8, 0, 0, 8, 70, 4},         {28, 0, 5, 0, 1, 5, 28},          {28, 0, 0, 2, 1, 56, 28},
        {28, 8, 0, 2, 8, 7, 4},          {100000, 0, 0, 2, 8, 25000, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *data[] = {"d"};
        tdl_trainer_desc out, desc = {.size = sizeof desc, .model_path = "m", .lora_rank = 4, .dir = "o", .data = data};
        desc.n_data = 1, desc.n_batch = cases[i].n_batch;
        desc.n_steps = cases[i].n_steps, desc.n_epochs = cases[i].n_epochs;
        tdl_error err = {0};
        const tdl_run_facts facts = {.n_ctx = 64, .n_windows = cases[i].n_windows};
        if (tdl_trainer_settings(&desc, &facts, &out, &err)) fail_msg("%zu: %s", i, err.message);
        assert_int_equal(out.n_batch, cases[i].batch);
        assert_int_equal(out.n_steps, cases[i].steps);
        assert_int_equal(out.n_val_every, cases[i].val_every);
        // Random weights: as ever, unless epochs are given.
        desc.model_path = NULL, desc.config_path = desc.tokenizer_path = "c", desc.lora_rank = 0;
        if (tdl_trainer_settings(&desc, &facts, &out, &err)) fail_msg("%zu: %s", i, err.message);
        assert_int_equal(out.n_batch, cases[i].n_batch ? cases[i].n_batch : 8);
        if (!cases[i].n_epochs) assert_int_equal(out.n_steps, cases[i].n_steps ? cases[i].n_steps : 1000);
        else assert_int_equal(out.n_steps, (int)(cases[i].n_windows * 2 + 7) / 8);
        assert_int_equal(out.n_val_every, 100);
    }
}

static void test_rates(void **state) {
    (void)state;
    const char *data[] = {"d"};
    tdl_trainer_desc out, desc = {.size = sizeof desc, .model_path = "m", .lora_rank = 4, .dir = "o", .data = data};
    desc.n_data = 1, desc.n_steps = 300;
    static const struct {
        int32_t n_embd;
        float lr;
    } cases[] = {{64, 1e-3f}, {576, 1e-3f}, {2048, 3.8621e-4f}, {4096, 2.2964e-4f}}; // 1e-3 (576 / n)^0.75
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){.n_embd = cases[i].n_embd}, &out, NULL), TDL_OK);
        assert_float_equal(out.lr, cases[i].lr, 2e-8f);
        assert_int_equal(out.n_warmup_steps, 10);
    }
    desc.lora_rank = 0;
    assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){.n_embd = 64}, &out, NULL), TDL_OK);
    assert_float_equal(out.lr, 1e-4f, 1e-9f);
    desc.n_steps = 40;
    assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){0}, &out, NULL), TDL_OK);
    assert_int_equal(out.n_warmup_steps, 4);
}

static void test_refuses(void **state) {
    (void)state;
    const char *data[] = {"d"};
    tdl_error err = {0};
    tdl_trainer_desc out, desc = {.size = sizeof desc, .model_path = "m", .dir = "o", .data = data, .n_data = 1};
    desc.n_steps = 3, desc.n_epochs = 2;
    assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){0}, &out, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "n_steps is 3 and n_epochs 2: only one of them"));
    desc.n_steps = 0, desc.n_epochs = -1;
    assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){0}, &out, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "n_epochs is -1, expected 0 to"));
    desc.n_epochs = INT32_MAX, desc.n_batch = 8;
    assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){.n_windows = 100}, &out, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "n_epochs is 2147483647: 26843545588 steps, at most"));
}

// A run that chose for itself goes on as what it was; more epochs make it longer.
static void test_goes_on(void **state) {
    run_fixture *f = *state;
    char model[TEST_PATH_SIZE], path[TEST_PATH_SIZE], run[TEST_PATH_SIZE] = "goes-on";
    const char *data[] = {test_path(path, f->dir, "records.jsonl")};
    make_model(f, model);
    write_records(path, 6, 8);
    tdl_trainer_desc desc = tune_desc(f, model, run);
    desc.data = data, desc.n_epochs = 2;
    tdl_trainer *trainer = run_create(&desc);
    tdl_trainer_info first = info_of(trainer);
    run_outcome o = run_advance(trainer, 64);
    assert_int_equal(o.status, TDL_DONE);
    assert_int_equal(o.n_steps, (int)first.data.n_windows * 2);
    tdl_trainer_destroy(trainer);
    desc.resume = true, desc.n_epochs = 0;
    trainer = run_create(&desc);
    tdl_trainer_info info = info_of(trainer);
    assert_int_equal(info.n_steps, first.n_steps);
    assert_int_equal(info.n_seq, first.n_seq);
    assert_int_equal(info.n_batch, first.n_batch);
    assert_null(strstr(info.notes, "resume:"));
    tdl_trainer_destroy(trainer);
    desc.n_epochs = 3;
    trainer = run_create(&desc);
    info = info_of(trainer);
    assert_int_equal(info.n_done, first.n_steps);
    assert_int_equal(info.n_steps, (int)first.data.n_windows * 3);
    tdl_trainer_destroy(trainer);
}

// How many of n records are held out where val_split is given, or 0.
static tdl_trainer *split_run(const run_fixture *f, const char *model, int n, float split, char *run) {
    static char path[TEST_PATH_SIZE];
    static const char *data[] = {path};
    write_records(test_path(path, f->dir, "split.jsonl"), n, 3);
    tdl_trainer_desc desc = tune_desc(f, model, run);
    desc.data = data, desc.val_split = split, desc.n_steps = 4, desc.n_val_every = 1;
    return run_create(&desc);
}

static void test_holds_out(void **state) {
    run_fixture *f = *state;
    char model[TEST_PATH_SIZE];
    make_model(f, model);
    static const struct {
        int n;
        float split;
        uint64_t expected;
        bool decides;
    } cases[] = {{99, 0, 0, false},    {100, 0, 5, false},       {119, 0, 5, false},    {120, 0, 6, false},
                 {640, 0, 32, true},   {620, 0, 31, false},      {40, 0.5f, 20, false}, {3, 0.1f, 1, false},
                 {64, 0.5f, 32, true}, {200, TDL_ZERO, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char run[TEST_PATH_SIZE], best[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "split-%zu", i);
        tdl_trainer *trainer = split_run(f, model, cases[i].n, cases[i].split, run);
        tdl_trainer_info info = info_of(trainer);
        assert_int_equal(info.val_data.n_records, cases[i].expected);
        assert_int_equal(info.val_data.n_windows > 0, cases[i].expected > 0);
        assert_int_equal(strstr(info.notes, "held out and not learned") != NULL, cases[i].expected > 0);
        run_outcome o = run_advance(trainer, 8);
        assert_int_equal(o.status, TDL_DONE);
        assert_int_equal(o.n_val_counted[0] > 0, cases[i].expected > 0);
        // So few say nothing about which weights are best.
        FILE *file = fopen(test_path(best, run, "best.tdl"), "rb");
        assert_int_equal(file != NULL, cases[i].decides);
        if (file) fclose(file);
        assert_int_equal(info_of(trainer).best_step > 0, cases[i].decides);
        tdl_trainer_destroy(trainer);
    }
}

// What was held out stays so when the run goes on: the same losses to the bit. Another part is another run.
static void test_holds_out_the_same(void **state) {
    run_fixture *f = *state;
    char model[TEST_PATH_SIZE], path[TEST_PATH_SIZE], whole[TEST_PATH_SIZE] = "whole", parts[TEST_PATH_SIZE] = "parts";
    const char *data[] = {test_path(path, f->dir, "records.jsonl")};
    make_model(f, model);
    write_records(path, 100, 3);
    tdl_trainer_desc desc = tune_desc(f, model, whole);
    desc.data = data, desc.n_steps = 10, desc.n_val_every = 2, desc.n_checkpoint_every = 5;
    run_outcome a = run_whole(&desc, NULL);
    desc.dir = test_path(path, f->dir, "parts");
    strcpy(parts, path), test_path(path, f->dir, "records.jsonl"), desc.dir = parts;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome b = run_advance(trainer, 5);
    assert_int_equal(b.status, TDL_OK);
    tdl_trainer_destroy(trainer);
    desc.resume = true, desc.n_steps = desc.n_val_every = 0;
    trainer = run_create(&desc);
    assert_int_equal(info_of(trainer).val_data.n_records, 5);
    run_outcome rest = run_advance(trainer, 64);
    assert_int_equal(rest.status, TDL_DONE);
    for (int i = 0; i < rest.n_steps; i++) {
        b.losses[b.n_steps] = rest.losses[i], b.val_losses[b.n_steps] = rest.val_losses[i];
        b.n_steps++;
    }
    assert_same_losses(&a, &b);
    tdl_trainer_destroy(trainer);
    tdl_error err = {0};
    desc.val_split = 0.25f;
    assert_int_equal(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "the checkpoint's val_split is 0.05"));
}

static void expect(const tdl_trainer_desc *desc, const char *message) {
    tdl_trainer *trainer = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_trainer_create(desc, &trainer, &err), TDL_ERROR_ARGUMENT);
    if (!strstr(err.message, message)) fail_msg("'%s' has no '%s'", err.message, message);
}

static void test_holds_out_no_text(void **state) {
    run_fixture *f = *state;
    char model[TEST_PATH_SIZE], path[TEST_PATH_SIZE], run[TEST_PATH_SIZE] = "text";
    make_model(f, model);
    tdl_trainer_desc desc = tune_desc(f, model, run);
    desc.n_steps = 1;
    tdl_trainer *trainer = run_create(&desc);
    assert_non_null(strstr(info_of(trainer).notes, "validation: none: of text nothing is held out"));
    assert_int_equal(info_of(trainer).val_data.n_tokens, 0);
    tdl_trainer_destroy(trainer);
    desc.val_split = 0.1f;
    expect(&desc, "val_split is 0.1, but there is text among the data");
    const char *mixed[] = {test_path(path, f->dir, "records.jsonl"), f->data};
    write_records(path, 30, 3);
    desc.data = mixed, desc.n_data = 2;
    expect(&desc, "val_split is 0.1, but there is text among the data");
    desc.data = desc.val_data = mixed, desc.n_data = desc.n_val_data = 1;
    expect(&desc, "val_split and val_data: only one of them");
    desc.n_val_data = 0, desc.val_split = 0.6f;
    expect(&desc, "val_split is 0.6, expected 0 to 0.5");
    desc.val_split = TDL_ZERO, desc.n_patience = 2;
    expect(&desc, "n_patience needs val_data or val_split");
    desc.val_split = 0;
    expect(&desc, "n_patience needs val_data or val_split"); // of so few none is held out
    desc.val_split = 0.05f;
    trainer = run_create(&desc); // one record decides then, since it was asked to
    assert_int_equal(run_advance(trainer, 8).status, TDL_DONE);
    assert_int_equal(info_of(trainer).best_step, 1);
    tdl_trainer_destroy(trainer);
}

// A record that would be held out and has no answer in a window: none is held out, unless it is asked for.
static void test_holds_out_what_counts(void **state) {
    run_fixture *f = *state;
    static char text[1 << 14];
    char model[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    const char *data[] = {test_path(path, f->dir, "records.jsonl")};
    size_t size = 0;
    int n_held[2] = {0};
    make_model(f, model);
    for (int i = 0; i < 100; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "{\"prompt\": \"%s\", \"completion\": \" cat\"}\n",
                                 i % 10 == 0 ? "dog"
                                             : "the dog sees the cat, the house, the tree and the star of the night");
    test_file_write(path, text, size);
    for (uint64_t seed = 0; seed < 8; seed++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "counts-%d", (int)seed);
        tdl_trainer_desc desc = tune_desc(f, model, run);
        desc.data = data, desc.n_steps = 1, desc.n_seq = 12, desc.seed = seed;
        tdl_trainer *trainer = run_create(&desc);
        tdl_trainer_info info = info_of(trainer);
        assert_int_equal(run_advance(trainer, 8).status, TDL_DONE);
        tdl_trainer_destroy(trainer);
        assert_true(info.val_data.n_records == 0 || info.val_data.n_records == 5);
        n_held[info.val_data.n_records > 0]++;
        if (info.val_data.n_records) continue;
        snprintf(run, sizeof run, "asked-%d", (int)seed);
        desc = tune_desc(f, model, run);
        desc.data = data, desc.n_seq = 12, desc.seed = seed, desc.val_split = 0.05f;
        expect(&desc, "validation data: data: nothing to learn in windows of 12 tokens");
    }
    assert_true(n_held[0] && n_held[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {TEST(test_windows),
                                       TEST(test_goes_on),
                                       TEST(test_holds_out),
                                       TEST(test_holds_out_the_same),
                                       TEST(test_holds_out_no_text),
                                       TEST(test_holds_out_what_counts),
                                       cmocka_unit_test(test_steps),
                                       cmocka_unit_test(test_rates),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
