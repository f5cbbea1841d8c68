// SPDX-License-Identifier: MIT
// train_runs.c - see train_runs.h.
#include "support/train_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void run_write_text(const char *path, uint32_t seed, int n_sentences) {
    static const char *const words[4][4] = {{"the cat", "a dog", "my bird", "one fish"},
                                            {"sees", "likes", "hears", "follows"},
                                            {"the house", "a tree", "my friend", "one star"},
                                            {"today.", "again.", "at night.", "now."}};
    char *text = malloc((size_t)n_sentences * 64 + 1);
    size_t size = 0;
    for (int i = 0; i < n_sentences; i++) {
        for (int w = 0; w < 4; w++) {
            seed = seed * 1664525u + 1013904223u;
            size += (size_t)sprintf(text + size, "%s ", words[w][seed >> 30]);
        }
        if (i % 8 == 7) text[size - 1] = '\0'; // the next document
    }
    test_file_write(path, text, size);
    free(text);
}

int run_setup(void **state) {
    run_fixture *f = calloc(1, sizeof *f);
    test_dir_make(f->dir);
    char text[sizeof RUN_CONFIG + 16];
    snprintf(text, sizeof text, RUN_CONFIG, "llama");
    test_file_write(test_path(f->config, f->dir, "config.json"), text, strlen(text));
    run_write_text(test_path(f->data, f->dir, "train.txt"), 1, 400);
    run_write_text(test_path(f->val, f->dir, "val.txt"), 2, 40);
    *state = f;
    return 0;
}

int run_teardown(void **state) {
    run_fixture *f = *state;
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

// A run of 12 steps; `run` names its directory.
tdl_trainer_desc run_desc(const run_fixture *f, char *run) {
    static const char tokenizer[] = TDL_TEST_DATA "/token/gpt2.tokenizer.json";
    static const char *data[1];
    char path[TEST_PATH_SIZE];
    data[0] = f->data;
    test_path(path, f->dir, run);
    strcpy(run, path);
    return (tdl_trainer_desc){.size = sizeof(tdl_trainer_desc),
                              .config_path = f->config,
                              .tokenizer_path = tokenizer,
                              .precision = TDL_PRECISION_F32,
                              .dir = run,
                              .data = data,
                              .n_data = 1,
                              .n_steps = 12,
                              .n_batch = 4,
                              .n_seq = 32,
                              .n_warmup_steps = 2,
                              .lr = 0.01f,
                              .n_checkpoint_every = 5,
                              .seed = 3};
}

tdl_trainer *run_create(const tdl_trainer_desc *desc) {
    tdl_error err = {0};
    tdl_trainer *trainer = NULL;
    if (tdl_trainer_create(desc, &trainer, &err) != TDL_OK) fail_msg("%s", err.message);
    return trainer;
}

// Steps until DONE, an error or n_max steps.
run_outcome run_advance(tdl_trainer *trainer, int n_max) {
    run_outcome o = {.status = TDL_PENDING};
    tdl_train_step step = {.size = sizeof step};
    while (o.status >= 0 && o.status != TDL_DONE && o.n_steps < n_max) {
        o.status = tdl_trainer_step(trainer, &step, &o.err);
        if (o.status != TDL_OK) continue;
        o.losses[o.n_steps] = step.loss;
        o.n_counted[o.n_steps] = step.n_counted;
        o.n_val_counted[o.n_steps] = step.n_val_counted;
        o.val_losses[o.n_steps++] = step.val_loss;
    }
    return o;
}

// What returns PENDING is called until it returns something else.
tdl_status run_checkpoint(tdl_trainer *trainer, tdl_error *err) {
    tdl_status status = TDL_PENDING;
    while (status == TDL_PENDING) status = tdl_trainer_checkpoint(trainer, err);
    return status;
}

tdl_status run_save(tdl_trainer *trainer, const char *path, tdl_error *err) {
    tdl_status status = TDL_PENDING;
    while (status == TDL_PENDING) status = tdl_trainer_save(trainer, path, err);
    return status;
}

run_outcome run_whole(const tdl_trainer_desc *desc, const char *model) {
    tdl_error err = {0};
    tdl_trainer *trainer = run_create(desc);
    run_outcome o = run_advance(trainer, 64);
    if (o.status != TDL_DONE) fail_msg("%s", o.err.message);
    if (model && run_save(trainer, model, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_trainer_destroy(trainer);
    return o;
}

void assert_same_losses(const run_outcome *a, const run_outcome *b) {
    assert_int_equal(a->n_steps, b->n_steps);
    assert_memory_equal(a->losses, b->losses, (size_t)a->n_steps * sizeof *a->losses);
}

void assert_same_files(const char *a, const char *b) {
    size_t a_size, b_size;
    uint8_t *a_bytes = test_file_read(a, &a_size), *b_bytes = test_file_read(b, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    free(a_bytes), free(b_bytes);
}
