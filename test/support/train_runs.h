// SPDX-License-Identifier: MIT
// train_runs.h - training runs for tests: a tiny random model, its text made of a few words, so that a few steps learn something.
#ifndef TDL_TEST_TRAIN_RUNS_H
#define TDL_TEST_TRAIN_RUNS_H

#include "support/test_files.h"

#include <stdint.h>

// A config.json with the family's name for %s.
#define RUN_CONFIG                                                                                                 \
    "{\"model_type\": \"%s\", \"vocab_size\": 515, \"hidden_size\": 32, \"intermediate_size\": 64, "               \
    "\"num_hidden_layers\": 2,"                                                                                    \
    " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 64, \"rms_norm_eps\": " \
    "1e-5,"                                                                                                        \
    " \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \"tie_word_embeddings\": true}"

typedef struct run_fixture {
    char dir[TEST_PATH_SIZE], config[TEST_PATH_SIZE], data[TEST_PATH_SIZE], val[TEST_PATH_SIZE];
} run_fixture;

typedef struct run_outcome {
    int n_steps;
    float losses[64], val_losses[64];
    int64_t n_counted[64], n_val_counted[64];
    tdl_status status;
    tdl_error err;
} run_outcome;

int run_setup(void **state); // *state: a run_fixture
int run_teardown(void **state);
void run_write_text(const char *path, uint32_t seed, int n_sentences);

// A run of 12 steps; `run` [TEST_PATH_SIZE] names its directory, and becomes its path.
tdl_trainer_desc run_desc(const run_fixture *f, char *run);
tdl_trainer *run_create(const tdl_trainer_desc *desc);
// Steps until DONE, an error or n_max steps.
run_outcome run_advance(tdl_trainer *trainer, int n_max);
// What returns PENDING is called until it returns something else.
tdl_status run_checkpoint(tdl_trainer *trainer, tdl_error *err);
tdl_status run_save(tdl_trainer *trainer, const char *path, tdl_error *err);
// All of a run, then its model as a file, unless model is NULL.
run_outcome run_whole(const tdl_trainer_desc *desc, const char *model);

void assert_same_losses(const run_outcome *a, const run_outcome *b);
void assert_same_files(const char *a, const char *b);

#endif
