// SPDX-License-Identifier: MIT
// train.c - a small model from one text file: train TEXT DIR [STEPS]. DIR gets a tokenizer trained on the text, checkpoints,
// loss.html and in the end model.gguf. Ctrl-C writes a checkpoint; the same command line goes on from it.
#define TDL_EXPERIMENTAL // training may still change
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <treadle.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

// While the data is tokenized. False: stop.
static bool progress(void *user, double fraction) {
    (void)user;
    fprintf(stderr, "\rreading %3.0f%%", 100 * fraction);
    return !interrupted;
}

// OK: a step is done. DONE: all are. What takes long comes as PENDING, so that a program with a window can go on.
static tdl_status step(tdl_trainer *trainer, tdl_train_step *out, tdl_error *err) {
    tdl_status status;
    do status = tdl_trainer_step(trainer, out, err);
    while (status == TDL_PENDING);
    return status;
}

static tdl_status train(tdl_trainer *trainer, const char *dir, tdl_error *err) {
    tdl_train_step done = {.size = sizeof done};
    tdl_status status;
    while (!interrupted && (status = step(trainer, &done, err)) == TDL_OK) {
        printf("step %d  loss %.4f  %.0f tokens/s\n", done.step, (double)done.loss, (double)done.tokens_per_s);
        fflush(stdout);
    }
    if (interrupted) {
        while ((status = tdl_trainer_checkpoint(trainer, err)) == TDL_PENDING) continue;
        return status;
    }
    if (status < 0) return status;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/model.gguf", dir) >= (int)sizeof path) return TDL_ERROR_ARGUMENT;
    while ((status = tdl_trainer_save(trainer, path, err)) == TDL_PENDING) continue;
    if (status == TDL_OK) printf("%s\n", path);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: train TEXT DIR [STEPS]\n");
        return 2;
    }
    const char *const data[] = {argv[1]};
    tdl_error err = {0};
    tdl_trainer *trainer = NULL;
    tdl_trainer_desc desc = {.size = sizeof desc,
                             .shape = "tiny",
                             .data = data,
                             .n_data = 1,
                             .dir = argv[2],
                             .resume = true, // where DIR has a checkpoint; else it begins
                             .n_steps = argc > 3 ? atoi(argv[3]) : 0,
                             .progress = progress};

    signal(SIGINT, on_interrupt);
    tdl_status status = tdl_trainer_create(&desc, &trainer, &err);
    fprintf(stderr, "\n");
    if (status == TDL_OK) status = train(trainer, argv[2], &err);
    if (status < 0) fprintf(stderr, "train: %s\n", err.code ? err.message : tdl_status_name(status));
    tdl_trainer_destroy(trainer);
    return status < 0;
}
