// SPDX-License-Identifier: MIT
// trainer_desc.c - a run's settings: defaults, and what they must be to one another. See trainer.h.
#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "train/fresh_shape.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum {
    TRAIN_TOKENS_MAX = 1 << 22, // of a micro-batch
    STEPS = 1000,
    BATCH = 8,
    SEQ = 512,
    // Of a model that is trained further. Measured on SmolLM2-135M-Instruct with thirty short conversations, one by one: 3 epochs
    // teach what is said in several ways, but 4 only 19 of thirty facts that are said once; 7 teach thirty of thirty.
    TUNE_EPOCHS = 3,
    TUNE_EPOCHS_MAX = 20,
    TUNE_STEPS = 72,       // at least, and
    TUNE_WINDOWS = 200,    // windows in all at least, for which few are seen more often
    TUNE_EPOCH_STEPS = 24, // at least, for which a batch has fewer windows
    LORA_WIDTH = 576,      // n_embd up to which adapters learn at 1e-3; measured there
};

#define FAIL(...) tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: " __VA_ARGS__)

static tdl_status check_sources(const tdl_trainer_desc *d, tdl_error *err) {
    if ((d->model_path != NULL) + (d->config_path != NULL) + (d->shape != NULL) != 1)
        return FAIL("one of model_path, config_path and shape must be given");
    if (d->shape && !tdl_fresh_shape_find(d->shape))
        return FAIL("shape is '%.40s', expected 'tiny' or 'small'", d->shape);
    if (d->config_path && !d->tokenizer_path) return FAIL("config_path is given, tokenizer_path is missing");
    if (!d->model_path && d->lora_rank) return FAIL("adapters are for a model, these are random weights");
    if (d->n_vocab && (!d->shape || d->tokenizer_path))
        return FAIL("n_vocab is for the tokenizer that is trained where shape is given and tokenizer_path is not");
    const struct {
        const char *name;
        const char *const *list;
        size_t n;
    } lists[] = {{"data", d->data, d->n_data},
                 {"val_data", d->val_data, d->n_val_data},
                 {"freeze", d->freeze, d->n_freeze},
                 {"lora_targets", d->lora_targets, d->n_lora_targets}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i].n > TDL_DATA_FILES_MAX)
            return FAIL("%zu texts in %s, at most %d", lists[i].n, lists[i].name, TDL_DATA_FILES_MAX);
        for (size_t j = 0; j < lists[i].n; j++)
            if (!lists[i].list || !lists[i].list[j])
                return FAIL("%s is NULL at %zu, expected %zu texts", lists[i].name, j, lists[i].n);
    }
    if (!d->lora_rank && (d->n_lora_targets || d->lora_alpha != 0))
        return FAIL("lora_alpha and lora_targets are for adapters, lora_rank is 0");
    if (d->n_decay_steps && d->schedule != TDL_SCHEDULE_WSD) return FAIL("n_decay_steps is for the schedule wsd alone");
    if (d->val_split > 0 && d->n_val_data) return FAIL("val_split and val_data: only one of them can be measured");
    if (!d->n_data) return FAIL("no data");
    if (!d->dir) return FAIL("dir is missing");
    return TDL_OK;
}

typedef struct count_range {
    const char *name;
    int64_t value, min, max;
} count_range;

static tdl_status check_ranges(const count_range *counts, size_t n, tdl_error *err) {
    for (size_t i = 0; i < n; i++)
        if (counts[i].value < counts[i].min || counts[i].value > counts[i].max)
            return FAIL("%s is %lld, expected %lld to %lld", counts[i].name, (long long)counts[i].value,
                        (long long)counts[i].min, (long long)counts[i].max);
    return TDL_OK;
}

// What steps are made of.
static tdl_status check_lengths(const tdl_trainer_desc *d, tdl_error *err) {
    const count_range counts[] = {
        {"n_epochs", d->n_epochs, 0, INT32_MAX},
        {"n_batch", d->n_batch, 1, INT32_MAX},
        {"n_seq", d->n_seq, 2, TRAIN_TOKENS_MAX},
        {"n_micro_batch", d->n_micro_batch, 1, d->n_batch},
        {"n_micro_batch times n_seq", (int64_t)d->n_micro_batch * d->n_seq, 2, TRAIN_TOKENS_MAX},
    };
    tdl_status status = check_ranges(counts, sizeof counts / sizeof *counts, err);
    if (status == TDL_OK && d->n_batch % d->n_micro_batch)
        return FAIL("n_batch %d is no multiple of n_micro_batch %d", d->n_batch, d->n_micro_batch);
    return status;
}

static tdl_status check_counts(const tdl_trainer_desc *d, tdl_error *err) {
    const count_range counts[] = {
        {"n_steps", d->n_steps, 1, INT32_MAX},
        {"n_warmup_steps", d->n_warmup_steps, 0, INT32_MAX},
        {"n_decay_steps", d->n_decay_steps, 0, INT32_MAX},
        {"lora_rank", d->lora_rank, 0, 4096},
        {"n_val_every", d->n_val_every, 1, INT32_MAX},
        {"n_val_batches", d->n_val_batches, 0, INT32_MAX},
        {"n_checkpoint_every", d->n_checkpoint_every, 1, INT32_MAX},
        {"n_patience", d->n_patience, 0, INT32_MAX},
    };
    return check_ranges(counts, sizeof counts / sizeof *counts, err);
}

static tdl_status check_numbers(const tdl_trainer_desc *d, tdl_error *err) {
    const struct {
        const char *name;
        float value, min, max;
    } numbers[] = {
        {"lr", d->lr, 0, 100},
        {"lr_min", d->lr_min, 0, d->lr},
        {"beta1", d->beta1, 0, 0.999999f},
        {"beta2", d->beta2, 0, 0.999999f},
        {"eps", d->eps, 0, 1},
        {"weight_decay", d->weight_decay, 0, 100},
        {"val_split", d->val_split, 0, 0.5f},
        {"clip_norm", d->clip_norm, 0, INFINITY},
        {"dropout", d->dropout, 0, 0.99f},
        {"attention_dropout", d->attention_dropout, 0, 0.99f},
        {"lora_alpha", d->lora_alpha, 0, 1e6f},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i].value >= numbers[i].min && numbers[i].value <= numbers[i].max))
            return FAIL("%s is %g, expected %g to %g", numbers[i].name, (double)numbers[i].value,
                        (double)numbers[i].min, (double)numbers[i].max);
    if (d->schedule < TDL_SCHEDULE_COSINE || d->schedule > TDL_SCHEDULE_WSD)
        return FAIL("schedule is %d, expected 0 to %d", (int)d->schedule, TDL_SCHEDULE_WSD);
    if (d->precision != TDL_PRECISION_AUTO && d->precision != TDL_PRECISION_F32)
        return FAIL("precision is %d, expected 0 (auto) or 1 (f32)", (int)d->precision);
    return TDL_OK;
}

static void set_i32(int32_t *field, int32_t value) {
    if (!*field) *field = value;
}

// Other negative values stay, for check_numbers to refuse.
static void set_f32(float *field, float value) {
    if (*field == 0) *field = value;
    else if (*field == TDL_ZERO) *field = 0;
}

// How long a run is that says nothing, or how many epochs.
static tdl_status set_steps(tdl_trainer_desc *d, const tdl_run_facts *facts, tdl_error *err) {
    int64_t n_windows = facts->n_windows > INT32_MAX ? INT32_MAX : (int64_t)facts->n_windows;
    bool given = d->n_epochs != 0, tunes = d->model_path != NULL;
    if (given && d->n_steps)
        return FAIL("n_steps is %d and n_epochs %d: only one of them can say how long it takes", d->n_steps,
                    d->n_epochs);
    if (n_windows && !d->n_steps && (given || tunes)) {
        int64_t n_epochs = d->n_epochs;
        if (!given) n_epochs = tdl_div_up(tdl_max_i64(TUNE_STEPS * d->n_batch, TUNE_WINDOWS), n_windows);
        if (!given) n_epochs = tdl_max_i64(n_epochs, TUNE_EPOCHS);
        if (!given) n_epochs = tdl_min_i64(n_epochs, TUNE_EPOCHS_MAX);
        int64_t n = tdl_div_up(n_epochs * n_windows, d->n_batch);
        if (given && n > INT32_MAX)
            return FAIL("n_epochs is %d: %lld steps, at most %d", d->n_epochs, (long long)n, INT32_MAX);
        if (given || n < STEPS) d->n_steps = (int32_t)n;
    }
    set_i32(&d->n_steps, STEPS);
    return TDL_OK;
}

// What is held out of the data.
static tdl_status set_split(tdl_trainer_desc *d, const tdl_run_facts *facts, tdl_error *err) {
    bool holds = d->model_path && !d->n_val_data && facts->n_records >= TDL_SPLIT_RECORDS;
    set_f32(&d->val_split, holds ? 0.05f : 0);
    if (facts->opened && d->val_split > 0 && !facts->n_records)
        return FAIL(
            "val_split is %g, but there is text among the data: give val_data, which records alone are held out of",
            (double)d->val_split);
    // Whether there are records is known when they are read.
    if (d->n_patience && !d->n_val_data && d->val_split == 0 && (facts->opened || !d->model_path))
        return FAIL("n_patience needs val_data or val_split: nothing else gets better or worse");
    return TDL_OK;
}

// Few windows are seen a few at a time, so that an epoch has steps enough to learn from.
static int32_t batch_of(const tdl_trainer_desc *d, uint64_t n_windows) {
    int32_t n = BATCH;
    if (!d->model_path || !n_windows) return n;
    while (n > 1 && n > d->n_micro_batch && n_windows < (uint64_t)n * TUNE_EPOCH_STEPS) n /= 2;
    return n;
}

// Wide models want lower rates: about n_embd^-0.75 in "LoRA Without Regret" (Schulman et al. 2025).
static float adapters_lr(int32_t n_embd) {
    float ratio = n_embd > LORA_WIDTH ? (float)LORA_WIDTH / (float)n_embd : 1;
    return 1e-3f * sqrtf(ratio * sqrtf(ratio));
}

tdl_status tdl_trainer_settings(const tdl_trainer_desc *desc, const tdl_run_facts *facts, tdl_trainer_desc *out,
                                tdl_error *err) {
    *out = *desc;
    tdl_status status = check_sources(out, err);
    if (status != TDL_OK) return status;
    const tdl_fresh_shape *shape = desc->shape ? tdl_fresh_shape_find(desc->shape) : NULL;
    bool tunes = desc->model_path != NULL;
    int32_t n_ctx = facts->n_ctx, n_seq = n_ctx && n_ctx < SEQ ? n_ctx : SEQ;
    if (shape) {
        if (!out->n_epochs) set_i32(&out->n_steps, shape->n_steps);
        set_i32(&out->n_batch, shape->n_batch);
        set_i32(&out->n_seq, shape->n_seq);
    }
    set_i32(&out->n_batch, batch_of(out, facts->n_windows));
    set_i32(&out->n_seq, facts->n_fit && facts->n_fit < (uint64_t)n_seq ? (int32_t)facts->n_fit : n_seq);
    set_i32(&out->n_micro_batch, out->n_batch);
    status = check_lengths(out, err);
    if (status == TDL_OK) status = set_steps(out, facts, err);
    if (status == TDL_OK) status = set_split(out, facts, err);
    if (status != TDL_OK) return status;
    int32_t n_steps = out->n_steps, n_warm = n_steps / 50;
    if (tunes) n_warm = (int32_t)tdl_max_i64(n_warm, tdl_min_i64(n_steps / 10, 10));
    set_i32(&out->n_warmup_steps, n_warm);
    if (out->n_warmup_steps == -1) out->n_warmup_steps = 0;
    set_i32(&out->n_decay_steps, n_steps / 5);
    int64_t n_epoch = tdl_div_up((int64_t)facts->n_windows, out->n_batch);
    set_i32(&out->n_val_every, tunes && n_epoch && n_epoch < 100 ? (int32_t)n_epoch : 100);
    set_i32(&out->n_checkpoint_every, 500);
    set_f32(&out->lr, out->lora_rank ? adapters_lr(facts->n_embd) : tunes ? 1e-4f : shape ? shape->lr : 1e-3f);
    set_f32(&out->lr_min, out->lr / 10);
    set_f32(&out->beta1, 0.9f);
    set_f32(&out->beta2, 0.95f);
    set_f32(&out->eps, 1e-8f);
    set_f32(&out->weight_decay, 0.1f);
    set_f32(&out->clip_norm, 1);
    set_f32(&out->dropout, 0);
    set_f32(&out->attention_dropout, 0);
    set_f32(&out->lora_alpha, 2 * (float)out->lora_rank);
    status = check_counts(out, err);
    if (status == TDL_OK) status = check_numbers(out, err);
    if (status == TDL_OK && n_ctx && out->n_seq > n_ctx)
        return FAIL("n_seq is %d, the model's context is %d", out->n_seq, n_ctx);
    return status;
}
