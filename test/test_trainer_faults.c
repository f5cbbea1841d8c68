// SPDX-License-Identifier: MIT
// test_trainer_faults.c - what a run must not do in silence: take zero for a default, train on nothing, go on as another run,
// lose a step, forget what diverged, leave out records.
#include "backend/null/null_device.h"
#include "format/weights.h"
#include "support/fail_alloc.h"
#include "support/load_all.h"
#include "support/test_files.h"
#include "support/token_golden.h"
#include "support/train_runs.h"
#include "train/dataset.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- zero

static void test_zero(void **state) {
    static const size_t floats[] = {
        offsetof(tdl_trainer_desc, lr),         offsetof(tdl_trainer_desc, lr_min),
        offsetof(tdl_trainer_desc, beta1),      offsetof(tdl_trainer_desc, beta2),
        offsetof(tdl_trainer_desc, eps),        offsetof(tdl_trainer_desc, weight_decay),
        offsetof(tdl_trainer_desc, clip_norm),  offsetof(tdl_trainer_desc, dropout),
        offsetof(tdl_trainer_desc, lora_alpha), offsetof(tdl_trainer_desc, attention_dropout)};
    char run[TEST_PATH_SIZE] = "zero";
    tdl_trainer_desc good = run_desc(*state, run), out;
    tdl_error err = {0};
    good.config_path = good.tokenizer_path = NULL, good.model_path = "m", good.lora_rank = 4;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        static const float wrong[] = {-0.5f, -2, NAN, -INFINITY};
        tdl_trainer_desc desc = good;
        float *field = (float *)((char *)&desc + floats[i]), value;
        *field = 0;
        assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){.n_ctx = 64}, &out, &err), TDL_OK);
        memcpy(&value, (char *)&out + floats[i], sizeof value);
        bool is_dropout = floats[i] == offsetof(tdl_trainer_desc, dropout) ||
                          floats[i] == offsetof(tdl_trainer_desc, attention_dropout);
        assert_true(is_dropout ? value == 0 : value > 0);
        *field = TDL_ZERO;
        if (tdl_trainer_settings(&desc, &(tdl_run_facts){.n_ctx = 64}, &out, &err)) fail_msg("%s", err.message);
        memcpy(&value, (char *)&out + floats[i], sizeof value);
        assert_true(value == 0);
        for (size_t w = 0; w < 4; w++) {
            *field = wrong[w];
            assert_int_equal(tdl_trainer_settings(&desc, &(tdl_run_facts){.n_ctx = 64}, &out, &err),
                             TDL_ERROR_ARGUMENT);
        }
    }
}

// A rate of zero, and adapters scaled by zero, leave the validation loss where it was; the default does not.
static void test_zero_learns_nothing(void **state) {
    run_fixture *f = *state;
    const char *val[] = {f->val};
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "still%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.n_steps = 3, desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 1, desc.n_warmup_steps = -1;
        desc.lr = i ? 0 : TDL_ZERO;
        run_outcome o = run_whole(&desc, NULL);
        assert_true((o.val_losses[2] == o.val_losses[0]) == (i == 0));
    }
}

// ---- windows without targets

// A token file of the model's, taken for text: 300 tokens of one document, of which only the last is counted.
static void write_masked(const run_fixture *f, const char *path) {
    tdl_tokenizer *tokenizer = golden_tokenizer("gpt2.tokenizer.json");
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    const char *paths[] = {f->data};
    tdl_dataset *dataset = NULL;
    tdl_token_writer *writer = NULL;
    tdl_token_run run;
    tdl_error err = {0};
    int32_t id = 7;
    size_t start = 0;
    const tdl_dataset_desc desc = {
        .paths = paths, .n_paths = 1, .tokenizer = tokenizer, .n_vocab = 515, .cache_dir = f->dir};
    if (tdl_dataset_open(mem, &desc, &dataset, &err)) fail_msg("%s", err.message);
    tdl_token_run_init(&run, mem);
    assert_true(tdl_vec_push(&run.starts, &start, 1));
    for (int i = 0; i < 300; i++) {
        uint8_t counted = i == 299;
        assert_true(tdl_vec_push(&run.ids, &id, 1) && tdl_vec_push(&run.counted, &counted, 1));
    }
    if (tdl_token_writer_open(mem, path, 515, tdl_dataset_tokens(dataset)->key, &writer, &err) ||
        tdl_token_writer_add(writer, &run, &err) || tdl_token_writer_commit(writer, &err))
        fail_msg("%s", err.message);
    tdl_token_run_deinit(&run);
    tdl_dataset_close(dataset);
    tdl_tokenizer_close(tokenizer);
}

static char *read_text(const char *dir, const char *name) {
    char path[TEST_PATH_SIZE];
    size_t size;
    uint8_t *bytes = test_file_read(test_path(path, dir, name), &size);
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    free(bytes);
    return text;
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++) n++;
    return n;
}

// An evaluation of no token is no loss, not the best one and no reason to stop; a step of none is seen, too.
static void test_counts_nothing(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "masked", run2[TEST_PATH_SIZE] = "masked2", masked[TEST_PATH_SIZE];
    write_masked(f, test_path(masked, f->dir, "masked.bin"));
    const char *val[] = {masked};
    tdl_trainer_desc desc = run_desc(f, run);
    desc.val_data = val, desc.n_val_data = 1, desc.n_val_batches = 1, desc.n_val_every = 2, desc.n_patience = 1;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 64);
    assert_int_equal(o.status, TDL_DONE);
    assert_int_equal(o.n_steps, 12);
    for (int i = 0; i < 12; i++) {
        assert_true(isnan(o.val_losses[i]) && isfinite(o.losses[i]) && o.n_counted[i] > 0);
        assert_int_equal(o.n_val_counted[i], i % 2 ? 0 : -1);
    }
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    assert_int_equal(info.best_step, 0);
    tdl_trainer_destroy(trainer);
    char *log = read_text(run, "log.jsonl");
    assert_int_equal(count(log, "\"val_loss\":null"), 6);
    assert_int_equal(count(log, "\"val_loss\""), 6);
    free(log);

    tdl_trainer_desc on_masked = run_desc(f, run2);
    on_masked.data = val, on_masked.n_batch = 2,
    on_masked.n_steps = 10; // 10 windows of 32 an epoch, one of them counted
    o = run_whole(&on_masked, NULL);
    int n_none = 0;
    for (int i = 0; i < 10; i++) {
        assert_true(isnan(o.losses[i]) == (o.n_counted[i] == 0));
        n_none += o.n_counted[i] == 0;
    }
    assert_true(n_none >= 5);
    log = read_text(run2, "log.jsonl");
    assert_int_equal(count(log, "\"loss\":null"), n_none);
    assert_int_equal(count(log, "\"n_counted\":0"), n_none);
    free(log);
}

// ---- resuming

static void expect(const tdl_trainer_desc *desc, tdl_status status, const char *part) {
    tdl_trainer *trainer = NULL;
    tdl_error err = {0};
    assert_error(tdl_trainer_create(desc, &trainer, &err), status, &err, part);
    assert_null(trainer);
}

// A model of random weights as a file.
static void write_model(const run_fixture *f, const char *name, uint64_t seed, char *path) {
    char run[TEST_PATH_SIZE];
    tdl_error err = {0};
    snprintf(run, sizeof run, "of-%s", name);
    tdl_trainer_desc desc = run_desc(f, run);
    desc.seed = seed;
    tdl_trainer *trainer = run_create(&desc);
    if (run_save(trainer, test_path(path, f->dir, name), &err)) fail_msg("%s", err.message);
    tdl_trainer_destroy(trainer);
}

// What a checkpoint is of must be the same; each difference is an error that names it.
static void test_resumes_no_other(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "lora", a[TEST_PATH_SIZE], b[TEST_PATH_SIZE], c[TEST_PATH_SIZE], d[TEST_PATH_SIZE];
    write_model(f, "a.gguf", 1, a);
    write_model(f, "b.gguf", 2, b);
    size_t size;
    uint8_t *bytes = test_file_read(a, &size);
    bytes[size - 1] ^= 0x40; // one bit of the last tensor's last value
    test_file_write(test_path(c, f->dir, "c.gguf"), bytes, size);
    bytes[size - 1] ^= 0x40;
    uint8_t *theta = memmem(bytes, size, "rope.freq_base", 14);
    assert_non_null(theta);
    theta[14 + 4 + 3] ^= 1; // the type's 4 bytes, then an F32
    test_file_write(test_path(d, f->dir, "d.gguf"), bytes, size);
    free(bytes);

    const char *targets[] = {"blk.*.attn_q.weight"}, *frozen[] = {"blk.0.*"}, *other_data[] = {f->val};
    tdl_trainer_desc desc = run_desc(f, run);
    desc.config_path = desc.tokenizer_path = NULL, desc.model_path = a, desc.lora_rank = 4, desc.n_steps = 2;
    run_whole(&desc, NULL);
    desc.resume = true, desc.n_steps = 4;
#define OTHER(part, ...)                          \
    do {                                          \
        tdl_trainer_desc other = desc;            \
        __VA_ARGS__;                              \
        expect(&other, TDL_ERROR_ARGUMENT, part); \
    } while (0)
    OTHER("b.gguf': the checkpoint's run began from other weights", other.model_path = b);
    OTHER("c.gguf': the checkpoint's run began from other weights", other.model_path = c);
    OTHER("d.gguf': the checkpoint's run began from a model with other settings", other.model_path = d);
    OTHER("the checkpoint's lora_alpha is 8, this run's is 64", other.lora_alpha = 64);
    OTHER("the checkpoint's lora_alpha is 8, this run's is 0", other.lora_alpha = TDL_ZERO);
    OTHER("the checkpoint's lora_rank is 4, this run's is 8", other.lora_rank = 8);
    OTHER("the checkpoint's schedule is 0, this run's is 2", other.schedule = TDL_SCHEDULE_LINEAR);
    OTHER("the checkpoint's precision is 1, this run's is 0", other.precision = TDL_PRECISION_AUTO);
    OTHER("the checkpoint's seed is 3, this run's is 4", other.seed = 4);
    OTHER("the checkpoint's n_batch is 4, this run's is 2", other.n_batch = 2);
    OTHER("the checkpoint's n_seq is 32, this run's is 16", other.n_seq = 16);
    OTHER("this run has 4: freeze and lora_targets", other.lora_targets = targets, other.n_lora_targets = 1);
    OTHER("this run has 14: freeze and lora_targets", other.freeze = frozen, other.n_freeze = 1);
    OTHER("the position is one in other data", other.data = other_data);
#undef OTHER
}

// Rates and lengths may change, and are named; what is not given is as it was.
static void test_resumes_with_other_rates(void **state) {
    run_fixture *f = *state;
    char whole[TEST_PATH_SIZE] = "whole", part[TEST_PATH_SIZE] = "part", models[2][TEST_PATH_SIZE];
    for (int i = 0; i < 2; i++) {
        tdl_trainer_desc desc = run_desc(f, i ? part : whole);
        desc.dropout = 0.1f, desc.weight_decay = TDL_ZERO, desc.n_warmup_steps = -1, desc.clip_norm = 0.5f;
        desc.n_batch = 2, desc.lr_min = TDL_ZERO;
        if (i == 0) {
            run_whole(&desc, test_path(models[0], whole, "m.gguf"));
            continue;
        }
        tdl_trainer *trainer = run_create(&desc);
        assert_int_equal(run_advance(trainer, 7).n_steps, 7);
        tdl_trainer_destroy(trainer);
        desc.dropout = desc.weight_decay = desc.clip_norm = desc.lr = desc.lr_min = 0;
        desc.n_warmup_steps = desc.n_batch = desc.n_steps = desc.n_checkpoint_every = 0;
        desc.resume = true;
        run_whole(&desc, test_path(models[1], part, "m.gguf"));
    }
    assert_same_files(models[0], models[1]);

    tdl_trainer_desc desc = run_desc(f, part); // which is a path by now
    test_path(part, f->dir, "part");
    desc.dir = part, desc.resume = true, desc.n_steps = 20, desc.lr = 0.25f, desc.dropout = TDL_ZERO, desc.n_batch = 0;
    desc.n_warmup_steps = 0;
    tdl_trainer *trainer = run_create(&desc);
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    assert_int_equal(info.n_done, 12);
    assert_int_equal(info.n_batch, 2);
    assert_non_null(strstr(info.notes, "resume: lr is 0.25, the checkpoint's was 0.00999999978\n"));
    assert_non_null(strstr(info.notes, "resume: lr_min is 0.0250000004, the checkpoint's was 0\n"));
    assert_non_null(strstr(info.notes, "resume: n_steps is 20, the checkpoint's was 12\n"));
    assert_non_null(strstr(info.notes, "resume: dropout is 0, the checkpoint's was 0.100000001\n"));
    assert_null(strstr(info.notes, "warmup"));
    assert_null(strstr(info.notes, "clip"));
    tdl_trainer_destroy(trainer);
}

// ---- nothing is lost

// A step's line is in the log while its checkpoint is still being written; a run that is killed there has every line in the end.
static void test_logs_first(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "first", path[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_trainer_desc desc = run_desc(f, run);
    const tdl_device_desc where = {.size = sizeof where, .name = "null"};
    assert_int_equal(tdl_device_open(&where, &desc.device, &err), TDL_OK);
    ((tdl_null_device *)desc.device)->n_pending = 1;
    desc.n_checkpoint_every = 3, desc.n_steps = 4;
    tdl_trainer *trainer = run_create(&desc);
    assert_int_equal(run_advance(trainer, 2).n_steps, 2);
    bool seen = false;
    for (tdl_status status = TDL_PENDING; status == TDL_PENDING && !seen;) {
        status = tdl_trainer_step(trainer, NULL, &err);
        assert_int_equal(status, TDL_PENDING); // until the checkpoint is there the step is not over
        char *log = read_text(run, "log.jsonl");
        seen = count(log, "\n") == 3;
        free(log);
    }
    assert_false(test_file_exists(test_path(path, run, "checkpoint.tdl")));
    tdl_trainer_destroy(trainer);
    desc.resume = true;
    run_outcome o = run_whole(&desc, NULL);
    assert_int_equal(o.n_steps, 4);
    char *log = read_text(run, "log.jsonl");
    assert_int_equal(count(log, "\n"), 4);
    for (int i = 1; i <= 4; i++) {
        char part[24];
        snprintf(part, sizeof part, "{\"step\":%d,", i);
        assert_int_equal(count(log, part), 1);
    }
    free(log);
    tdl_device_close(desc.device);
}

// After a loss that is no number the weights are those of the step before: written, they go on, and diverge again at the same
// step unless the rate is lower.
static void test_keeps_what_diverged(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "diverged", message[512];
    tdl_error err = {0};
    tdl_trainer_desc desc = run_desc(f, run);
    desc.lr = 100, desc.weight_decay = 100, desc.n_warmup_steps = -1, desc.schedule = TDL_SCHEDULE_CONSTANT;
    desc.n_steps = 60, desc.n_checkpoint_every = 100;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 64);
    assert_true(o.status < 0 && strstr(o.err.message, "is not finite"));
    strcpy(message, o.err.message);
    print_message("%d steps, then %s\n", o.n_steps, message);
    assert_true(o.n_steps > 0);
    if (run_checkpoint(trainer, &err)) fail_msg("%s", err.message);
    tdl_trainer_destroy(trainer);
    desc.resume = true;
    trainer = run_create(&desc);
    run_outcome again = run_advance(trainer, 64);
    assert_int_equal(again.n_steps, 0);
    assert_string_equal(again.err.message, message);
    tdl_trainer_destroy(trainer);
    desc.n_steps = o.n_steps; // nothing is left to do: it can be written as a model
    char model[TEST_PATH_SIZE];
    run_whole(&desc, test_path(model, f->dir, "diverged.gguf"));
    assert_true(test_file_exists(model));
}

// Weights that are no numbers are never written over a checkpoint.
static void test_keeps_checkpoint(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "lost", path[TEST_PATH_SIZE], copy[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_trainer_desc desc = run_desc(f, run);
    tdl_trainer *trainer = run_create(&desc);
    assert_int_equal(run_advance(trainer, 2).n_steps, 2);
    assert_int_equal(run_checkpoint(trainer, &err), TDL_OK);
    test_file_copy(test_path(path, run, "checkpoint.tdl"), test_path(copy, run, "copy"));
    const float bad = INFINITY;
    assert_int_equal(tdl_train_engine_write(trainer->engine, TDL_TRAIN_WEIGHT, 3, 8, &bad, sizeof bad, &err), TDL_OK);
    assert_error(run_checkpoint(trainer, &err), TDL_ERROR_NOT_FINITE, &err,
                 "element 2 is inf: no checkpoint is written");
    assert_same_files(path, copy);
    tdl_trainer_destroy(trainer);
}

// ---- freezing

static const tdl_weights_tensor *tensor_of(const tdl_weights *weights, const char *name) {
    const tdl_weights_tensor *t = tdl_weights_find(weights, name);
    if (!t) fail_msg("no tensor %s", name);
    return t;
}

// What is frozen keeps its bytes and everything else changes, with adapters too.
static void test_freezes(void **state) {
    run_fixture *f = *state;
    char base[TEST_PATH_SIZE];
    static const char *const patterns[] = {"blk.0.*", "token_embd.weight"};
    write_model(f, "base.gguf", 1, base);
    for (int32_t rank = 0; rank <= 4; rank += 4) {
        char run[TEST_PATH_SIZE], model[TEST_PATH_SIZE];
        tdl_error err = {0};
        tdl_weights *weights[2] = {NULL, NULL};
        snprintf(run, sizeof run, "frozen%d", rank);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.config_path = desc.tokenizer_path = NULL, desc.model_path = base, desc.lora_rank = rank;
        desc.freeze = patterns, desc.n_freeze = 2, desc.n_steps = 3;
        run_whole(&desc, test_path(model, f->dir, rank ? "lora.gguf" : "full.gguf"));
        const char *paths[] = {base, model};
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                tdl_weights_open(&(tdl_weights_desc){.mem = tdl_allocator_or_default(NULL), .path = paths[i]},
                                 &weights[i], &err),
                TDL_OK);
        load_all(weights[0]), load_all(weights[1]);
        int n_same = 0, n_changed = 0;
        for (size_t i = 0; i < tdl_weights_n_tensors(weights[0]); i++) {
            const tdl_weights_tensor *a = tdl_weights_at(weights[0], i), *b = tensor_of(weights[1], a->name);
            size_t size = tdl_tensor_size(&a->tensor);
            assert_int_equal(size, tdl_tensor_size(&b->tensor));
            bool frozen = strncmp(a->name, "blk.0.", 6) == 0 || strcmp(a->name, "token_embd.weight") == 0;
            bool adapted = strncmp(a->name, "blk.1.", 6) == 0 && a->tensor.n_dims == 2;
            bool same = memcmp(a->tensor.data, b->tensor.data, size) == 0;
            if (same != (frozen || (rank && !adapted))) fail_msg("%s %s", a->name, same ? "is as it was" : "changed");
            n_same += same, n_changed += !same;
        }
        assert_true(n_same >= 10 && n_changed >= 7);
        tdl_weights_close(weights[0]), tdl_weights_close(weights[1]);
    }
    char run[TEST_PATH_SIZE] = "frozen-all";
    static const char *const all[] = {"*"}, *const none[] = {"blk.9.*"};
    tdl_trainer_desc desc = run_desc(f, run);
    desc.config_path = desc.tokenizer_path = NULL, desc.model_path = base, desc.lora_rank = 4;
    desc.freeze = all, desc.n_freeze = 1;
    expect(&desc, TDL_ERROR_ARGUMENT, "everything is frozen");
    desc.freeze = none;
    expect(&desc, TDL_ERROR_ARGUMENT, "freeze pattern 'blk.9.*' fits no tensor");
    desc.n_freeze = 0, desc.lora_rank = 0, desc.lora_alpha = 8;
    expect(&desc, TDL_ERROR_ARGUMENT, "lora_alpha and lora_targets are for adapters");
    desc.lora_alpha = 0, desc.n_patience = 3;
    expect(&desc, TDL_ERROR_ARGUMENT, "n_patience needs val_data");
    desc.n_patience = 0, desc.n_decay_steps = 3;
    expect(&desc, TDL_ERROR_ARGUMENT, "n_decay_steps is for the schedule wsd");
}

// ---- what became of the data

static const char records[] =
    "{\"prompt\": \"the cat\", \"completion\": \" sees the house today and again\"}\n"
    "{\"text\": \"\"}\n"
    "{\"messages\": [{\"role\": \"user\", \"content\": \"a dog\"}]}\n"
    "{\"prompt\": \"the cat the cat the cat the cat the cat the cat the cat the cat the cat the cat "
    "the cat the cat the cat\", \"completion\": \" sees\"}\n"
    "{\"prompt\": \"my bird\", \"completion\": \" hears the house today and again and the tree and the friend and the "
    "star\"}\n"
    "{\"prompt\": \"a dog\", \"completion\": \"\"}\n"
    "{\"text\": \"one fish follows one star at night, one fish follows one star at night, one fish follows a "
    "friend\"}\n";

static void test_says_what_was_left_out(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "records", path[TEST_PATH_SIZE], text_path[TEST_PATH_SIZE];
    test_file_write(test_path(path, f->dir, "records.jsonl"), records, sizeof records - 1);
    test_file_write(test_path(text_path, f->dir, "records.txt"), records, sizeof records - 1);
    const char *data[] = {path}, *val[] = {text_path};
    tdl_trainer_desc desc = run_desc(f, run);
    desc.data = data, desc.n_seq = 24, desc.n_batch = 2, desc.n_steps = 2;
    desc.val_data = val, desc.n_val_data = 1;
    tdl_trainer *trainer = run_create(&desc);
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    print_message("%s", info.notes);
    const tdl_train_data_info *d = &info.data;
    assert_int_equal(d->n_records, 7);
    assert_int_equal(d->n_empty, 1);
    assert_int_equal(d->n_masked, 1);
    assert_int_equal(d->n_empty_answers, 1);
    assert_int_equal(d->n_dropped, 1);
    assert_int_equal(d->n_cut, 1);
    assert_true(d->n_tokens_cut > 0 && d->n_longest > 24);
    assert_int_equal(d->n_split, 1);
    assert_int_equal(info.val_data.n_longest, 0); // of texts
    assert_non_null(strstr(info.notes, "data: 1 of 7 records are empty: left out\n"));
    assert_non_null(strstr(info.notes, "data: 1 of 7 records have nothing that is learned"));
    assert_non_null(strstr(info.notes, "data: 1 of 7 records have an empty answer"));
    assert_non_null(strstr(info.notes, "data: 1 of 7 records have no answer in a window of 24 tokens: left out"));
    assert_non_null(strstr(info.notes, "data: 1 of 7 records do not fit a window of 24 tokens: their ends"));
    assert_non_null(strstr(info.notes, "data: 1 of 7 records are texts that do not fit"));
    assert_non_null(strstr(info.notes, "records.txt' is read as text, but it begins as records do"));
    run_outcome o = run_advance(trainer, 8);
    assert_int_equal(o.status, TDL_DONE);
    tdl_trainer_destroy(trainer);
    char *json = read_text(run, "run.json"), *page = read_text(run, "loss.html");
    assert_non_null(strstr(json, "\"seq\":24"));
    assert_non_null(strstr(json, "\"records\":7,\"empty\":1,\"masked\":1,\"dropped\":1,\"cut\":1,"));
    assert_non_null(strstr(page, "\"records\":7,\"empty\":1,\"masked\":1,\"dropped\":1,\"cut\":1,"));
    free(json), free(page);
    char run2[TEST_PATH_SIZE] = "no-room";
    tdl_trainer_desc small = run_desc(f, run2);
    small.val_data = data, small.n_val_data = 1, small.n_seq = 2;
    static const char one[] = "{\"prompt\": \"the cat sees\", \"completion\": \" it\"}";
    test_file_write(path, one, sizeof one - 1);
    expect(&small, TDL_ERROR_ARGUMENT, "validation data: data: nothing to learn in windows of 2 tokens");
}

// tdl_data gives the documents that the token file has, from a file and from memory.
static void test_walks(void **state) {
    run_fixture *f = *state;
    char path[TEST_PATH_SIZE];
    tdl_error err = {0};
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_tokenizer *tokenizer = golden_tokenizer("gpt2.tokenizer.json");
    test_file_write(test_path(path, f->dir, "walk.jsonl"), records, sizeof records - 1);
    const char *const paths[] = {path, f->data, path};
    for (int i = 0; i < 3; i++) {
        tdl_dataset *dataset = NULL;
        tdl_data *data = NULL;
        tdl_data_document document = {.size = sizeof document};
        const tdl_dataset_desc whole = {.paths = &paths[i], .n_paths = 1, .tokenizer = tokenizer, .cache_dir = f->dir};
        if (tdl_dataset_open(mem, &whole, &dataset, &err)) fail_msg("%s", err.message);
        const tdl_token_file *file = tdl_dataset_tokens(dataset);
        tdl_data_desc desc = {.size = sizeof desc, .tokenizer = tokenizer, .path = paths[i]};
        if (i == 2) desc.path = NULL, desc.bytes = records, desc.bytes_size = sizeof records - 1;
        if (tdl_data_open(&desc, &data, &err)) fail_msg("%s", err.message);
        for (uint64_t n = 0; n < file->n_documents; n++) {
            assert_int_equal(tdl_data_next(data, &document, &err), TDL_OK);
            assert_int_equal(document.is_record, i != 1);
            assert_int_equal(document.n_ids, file->documents[n + 1] - file->documents[n]);
            for (size_t k = 0; k < document.n_ids; k++) {
                assert_int_equal(document.ids[k], tdl_token_file_id(file, file->documents[n] + k));
                assert_int_equal(document.counted[k], tdl_token_file_counted(file, file->documents[n] + k));
            }
        }
        assert_int_equal(tdl_data_next(data, &document, &err), TDL_DONE);
        assert_int_equal(tdl_data_next(data, &document, &err), TDL_DONE);
        tdl_train_data_info info;
        tdl_data_get_info(data, &info);
        assert_int_equal(info.n_records, file->counts.n_records);
        assert_int_equal(info.n_masked, file->counts.n_masked);
        assert_int_equal(info.n_tokens, file->n_tokens);
        tdl_data_close(data);
        tdl_dataset_close(dataset);
    }
    tdl_data *data = NULL;
    tdl_data_desc desc = {.size = sizeof desc, .tokenizer = tokenizer};
    assert_error(tdl_data_open(&desc, &data, &err), TDL_ERROR_ARGUMENT, &err, "one of path and bytes");
    desc.bytes = "plain text", desc.bytes_size = 10;
    assert_error(tdl_data_open(&desc, &data, &err), TDL_ERROR_FORMAT, &err, "an array of records, or a record a line");
    desc.bytes = "{\"text\": 3}", desc.bytes_size = 11;
    assert_int_equal(tdl_data_open(&desc, &data, &err), TDL_OK);
    assert_error(tdl_data_next(data, &(tdl_data_document){.size = sizeof(tdl_data_document)}, &err), TDL_ERROR_FORMAT,
                 &err, "records:1: \"text\" is a number");
    tdl_data_close(data);
    tdl_tokenizer_close(tokenizer);
}

static tdl_status walk_all(const tdl_allocator *mem, void *arg) {
    tdl_data *data = NULL;
    tdl_data_document document = {.size = sizeof document};
    tdl_error err = {0};
    const tdl_data_desc desc = {
        .size = sizeof desc, .tokenizer = arg, .bytes = records, .bytes_size = sizeof records - 1, .allocator = mem};
    tdl_status status = tdl_data_open(&desc, &data, &err);
    while (status == TDL_OK) status = tdl_data_next(data, &document, &err);
    tdl_data_close(data);
    return status == TDL_DONE ? TDL_OK : status;
}

static void test_walks_without_memory(void **state) {
    (void)state;
    tdl_tokenizer *tokenizer = golden_tokenizer("gpt2.tokenizer.json");
    fail_alloc_each(walk_all, tokenizer);
    tdl_tokenizer_close(tokenizer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_zero),
        TEST(test_zero_learns_nothing),
        TEST(test_counts_nothing),
        TEST(test_resumes_no_other),
        TEST(test_resumes_with_other_rates),
        TEST(test_logs_first),
        TEST(test_keeps_what_diverged),
        TEST(test_keeps_checkpoint),
        TEST(test_freezes),
        TEST(test_says_what_was_left_out),
        TEST(test_walks),
        TEST(test_walks_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
