// SPDX-License-Identifier: MIT
// trainer.c - a training run: made from its settings, then advanced phase by phase. See trainer.h.
#include "train/trainer.h"

#include "base/checked.h"
#include "base/desc.h"
#include "base/hash.h"
#include "base/thread.h"
#include "train/fresh.h"
#include "train/fresh_shape.h"

#include <math.h>
#include <string.h>

static tdl_status make_files(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err);
static tdl_status open_model(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err);
static tdl_status open_dir(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err);
static tdl_status create_engine(tdl_trainer *t, tdl_error *err);
static tdl_status open_log(tdl_trainer *t, tdl_error *err);
static tdl_status begin_step(tdl_trainer *t, tdl_error *err);
static tdl_status after_gradients(tdl_trainer *t, tdl_error *err);
static tdl_status after_update(tdl_trainer *t, tdl_error *err);
static tdl_status after_validation(tdl_trainer *t, tdl_error *err);
static tdl_status measured(tdl_trainer *t, tdl_error *err);
static tdl_status after_sample(tdl_trainer *t, tdl_error *err);
static tdl_status after_checkpoint(tdl_trainer *t, tdl_error *err);
static tdl_status after_diagnosis(tdl_trainer *t, tdl_error *err);
static tdl_status after_clearing(tdl_trainer *t, tdl_error *err);
static tdl_status end_step(tdl_trainer *t, tdl_error *err);
static tdl_status log_step(tdl_trainer *t, tdl_error *err);

tdl_status tdl_trainer_create(const tdl_trainer_desc *from, tdl_trainer **out, tdl_error *err) {
    if (!from || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: desc and out must not be NULL");
    tdl_trainer_desc given, first; // what is wrong without looking at a model is said before one is opened
    const tdl_trainer_desc *desc = &given;
    tdl_status status = tdl_desc_copy("trainer", from, &given, sizeof given, err);
    if (status == TDL_OK) status = tdl_allocator_check("trainer", given.allocator, err);
    if (status == TDL_OK && !desc->resume) status = tdl_trainer_settings(desc, &(tdl_run_facts){0}, &first, err);
    if (status != TDL_OK) return status;
    if (!desc->dir) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: dir is missing");
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    tdl_trainer *t = tdl_alloc(mem, 1, sizeof *t);
    if (!t) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    t->mem = mem;
    t->notes = tdl_str_make(mem);
    first = *desc; // without defaults
    status = tdl_run_start_note(mem, desc->dir, &t->start, err);
    if (status == TDL_OK) status = open_dir(t, desc, err);
    if (status == TDL_OK && desc->resume) status = tdl_trainer_resume_begin(t, &first, err);
    if (status == TDL_OK && desc->shape) status = make_files(t, desc, err);
    if (status == TDL_OK) status = open_model(t, &first, err);
    if (status == TDL_OK) status = tdl_trainer_open_data(t, &first, err);
    if (status == TDL_OK) status = tdl_trainer_sample_open(t, err);
    if (status == TDL_OK) status = create_engine(t, err);
    if (status == TDL_OK && t->resumed) status = tdl_trainer_restore(t, err);
    if (status == TDL_OK) status = tdl_trainer_note_data(t, err);
    if (status == TDL_OK) status = open_log(t, err);
    tdl_checkpoint_close(t->resumed);
    t->resumed = NULL;
    if (status != TDL_OK) {
        tdl_trainer_destroy(t);
        return status;
    }
    *out = t;
    return TDL_OK;
}

void tdl_trainer_destroy(tdl_trainer *t) {
    if (!t) return;
    tdl_run_log_close(t->log, NULL);
    tdl_train_engine_destroy(t->engine);
    tdl_checkpoint_writer_destroy(t->writer);
    tdl_free(t->mem, t->staging);
    tdl_trainer_end_save(t);
    tdl_trainer_sample_close(t);
    tdl_data_reader_destroy(t->val_reader);
    tdl_data_reader_destroy(t->reader);
    tdl_dataset_close(t->val_data);
    tdl_dataset_close(t->data);
    tdl_model_close(t->model);
    if (t->owns_device) tdl_device_close(t->device);
    tdl_run_start_end(t->start, t->used, t->lock != NULL);
    tdl_run_lock_give(t->lock);
    tdl_str_deinit(&t->notes);
    tdl_free(t->mem, t->model_path);
    tdl_free(t->mem, t->dir);
    tdl_free(t->mem, t);
}

static tdl_status open_dir(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err) {
    t->dir = tdl_strndup(t->mem, desc->dir, strlen(desc->dir));
    if (!t->dir) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    tdl_status status = tdl_run_lock_take(t->mem, t->dir, &t->lock, err);
    if (status == TDL_OK && !desc->resume && tdl_trainer_checkpoint_exists(t))
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "trainer: '%.200s' holds a run already: go on with it (--resume), or take another directory",
                        t->dir);
    return status;
}

// config.json and tokenizer.json for a run that has nothing but data.
static tdl_status make_files(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err) {
    tdl_trainer_desc checked; // who resumes has not been asked yet
    tdl_status status = tdl_trainer_settings(desc, &(tdl_run_facts){0}, &checked, err);
    if (status != TDL_OK) return status;
    return tdl_fresh_files(&(tdl_fresh_files_desc){.mem = t->mem,
                                                   .shape = tdl_fresh_shape_find(desc->shape),
                                                   .dir = t->dir,
                                                   .tokenizer = desc->tokenizer_path,
                                                   .data = desc->data,
                                                   .n_data = desc->n_data,
                                                   .n_vocab = desc->n_vocab,
                                                   .progress = desc->progress,
                                                   .progress_user = desc->progress_user},
                           err);
}

static tdl_status open_model(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err) {
    tdl_weights *weights = NULL;
    tdl_status status;
    t->device = desc->device;
    if (!t->device) {
        status = tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .allocator = desc->allocator},
                                 &t->device, err);
        if (status != TDL_OK) return status;
        t->owns_device = true;
    }
    if (!desc->model_path) { // a shape's config.json is in the run's directory, and so may its tokenizer.json be
        tdl_fresh_desc fresh = {.mem = t->mem,
                                .config = desc->shape ? t->dir : desc->config_path,
                                .tokenizer = desc->tokenizer_path,
                                .seed = desc->seed};
        status = tdl_fresh_weights(&fresh, &weights, err);
    } else {
        t->model_path = tdl_strndup(t->mem, desc->model_path, strlen(desc->model_path));
        if (!t->model_path) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
        status = tdl_weights_open(&(tdl_weights_desc){.mem = t->mem, .path = desc->model_path}, &weights, err);
    }
    if (status == TDL_OK) status = tdl_fingerprint_of(weights, t->mem, &t->base, err);
    if (status != TDL_OK) {
        tdl_weights_close(weights);
        return status;
    }
    tdl_model_desc model = {
        .size = sizeof model, .device = t->device, .allocator = desc->allocator, .precision = desc->precision};
    status = tdl_model_open_weights(weights, &model, &t->model, err);
    if (status == TDL_OK && !t->model->tokenizer)
        return tdl_fail(err, TDL_ERROR_FORMAT, "trainer: the model carries no tokenizer");
    // Whether what is trained can be written is known now, not after the last step.
    return status == TDL_OK ? tdl_export_check(&(tdl_export_desc){.model = t->model}, err) : status;
}

static tdl_status open_log(tdl_trainer *t, tdl_error *err) {
    tdl_str run = tdl_str_make(t->mem);
    tdl_status status = tdl_trainer_describe(t, &run, err);
    const tdl_run_log_desc desc = {
        .mem = t->mem, .dir = t->dir, .title = t->dir, .run = run.ptr, .resume_step = t->counts.step};
    if (status == TDL_OK) status = tdl_run_log_open(&desc, &t->log, err);
    tdl_str_deinit(&run);
    return status;
}

static tdl_status create_engine(tdl_trainer *t, tdl_error *err) {
    const tdl_trainer_desc *d = &t->desc;
    t->schedule = (tdl_schedule_desc){.kind = d->schedule,
                                      .n_steps = d->n_steps,
                                      .n_warmup_steps = d->n_warmup_steps,
                                      .n_decay_steps = d->n_decay_steps,
                                      .lr = d->lr,
                                      .lr_min = d->lr_min};
    tdl_train_engine_desc of = {.model = t->model,
                                .n_tokens = d->n_micro_batch * d->n_seq,
                                .freeze = d->freeze,
                                .n_freeze = d->n_freeze,
                                .lora_rank = d->lora_rank,
                                .lora_alpha = d->lora_alpha,
                                .lora_targets = d->lora_targets,
                                .n_lora_targets = d->n_lora_targets,
                                .dropout = d->dropout,
                                .attention_dropout = d->attention_dropout,
                                .recompute = d->recompute,
                                .precision = d->precision,
                                .beta1 = d->beta1,
                                .beta2 = d->beta2,
                                .eps = d->eps,
                                .weight_decay = d->weight_decay,
                                .seed = d->seed};
    return tdl_train_engine_create(&of, &t->engine, err);
}

// ---- phases ----------------------------------------------------------------------------------------------------------

tdl_status tdl_trainer_step(tdl_trainer *t, tdl_train_step *out, tdl_error *err) {
    if (!t) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: trainer must not be NULL");
    if (out && tdl_result_check("trainer", out, sizeof *out, err) != TDL_OK) return TDL_ERROR_ARGUMENT;
    if (t->phase == TDL_PHASE_END) return TDL_DONE;
    if (t->phase > TDL_PHASE_END)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: a checkpoint or a save that was asked for is under way");
    if (t->phase == TDL_PHASE_NEXT) {
        t->used = true;
        tdl_status begun = begin_step(t, err);
        return begun == TDL_OK ? TDL_PENDING : begun;
    }
    tdl_status status = tdl_train_engine_poll(t->engine, err);
    if (status == TDL_OK) switch (t->phase) {
        case TDL_PHASE_GRADIENTS: status = after_gradients(t, err); break;
        case TDL_PHASE_UPDATE: status = after_update(t, err); break;
        case TDL_PHASE_VALIDATE: status = after_validation(t, err); break;
        case TDL_PHASE_SAMPLE: status = after_sample(t, err); break;
        case TDL_PHASE_CHECKPOINT: status = after_checkpoint(t, err); break;
        case TDL_PHASE_DIAGNOSE: status = after_diagnosis(t, err); break;
        case TDL_PHASE_CLEAR: status = after_clearing(t, err); break;
        default: break; // those that do not get here
        }
    if (status < 0) { // the step is over; where it changed no weight, its windows come again
        if (t->counts.step < t->result.step) (void)tdl_data_reader_restore(t->reader, &t->step_start, NULL);
        t->phase = TDL_PHASE_NEXT;
    }
    if (status == TDL_OK && out) status = tdl_result_copy("trainer", out, &t->result, sizeof t->result, err);
    return status;
}

// The step's dropout: the same masks whenever this micro-batch of this step is computed.
static tdl_micro_batch micro_batch(const tdl_trainer *t) {
    const uint64_t of[3] = {t->desc.seed, (uint64_t)t->counts.step, (uint64_t)t->n_micro};
    uint64_t seed = tdl_hash_bytes(of, sizeof of, 0);
    const tdl_data_batch *b = &t->batch;
    return (tdl_micro_batch){.ids = b->ids,
                             .targets = b->targets,
                             .positions = b->positions,
                             .id_order = b->ids_order,
                             .position_order = b->positions_order,
                             .seed = {(int32_t)(uint32_t)seed, (int32_t)(uint32_t)(seed >> 32)}};
}

static tdl_status begin_micro(tdl_trainer *t, tdl_error *err) {
    tdl_status status = tdl_dataset_check(t->data, err);
    if (status != TDL_OK) return status;
    tdl_data_reader_next(t->reader, &t->batch); // shuffled: never at its end
    tdl_micro_batch micro = micro_batch(t);
    return tdl_train_engine_gradients(t->engine, &micro, &t->hypers, err);
}

static tdl_status begin_step(tdl_trainer *t, tdl_error *err) {
    if (t->counts.step >= t->desc.n_steps || (t->desc.n_patience && t->counts.n_bad_vals >= t->desc.n_patience)) {
        t->phase = TDL_PHASE_END;
        bool kept = t->counts.best_step && t->counts.best_step < t->counts.step;
        tdl_status status = kept ? tdl_trainer_restore_best(t, err) : TDL_OK;
        return status == TDL_OK ? TDL_DONE : status;
    }
    t->begun_ns = tdl_now_ns();
    t->n_micro = 0;
    t->loss_sum = 0;
    t->logged = false;
    t->step_start = tdl_data_reader_state(t->reader);
    int32_t n_micro = t->desc.n_batch / t->desc.n_micro_batch;
    tdl_status status = tdl_dataset_check(t->data, err);
    if (status != TDL_OK) return status;
    t->n_counted = tdl_data_reader_n_targets(t->reader, n_micro);
    float n_counted = (float)tdl_max_i64(1, t->n_counted);
    // F16 has fewer exponents than gradients need; a CPU's BF16 has F32's.
    bool rounds = t->desc.precision == TDL_PRECISION_AUTO && t->device->backend->id != TDL_BACKEND_CPU;
    if (rounds && !t->counts.scale) t->counts.scale = exp2f(floorf(log2f(n_counted)));
    if (!t->counts.scale) t->counts.scale = 1;
    int32_t step = t->counts.step + 1;
    float *h = t->hypers.values;
    h[TDL_HYPER_LOSS_SCALE] = t->counts.scale / n_counted;
    h[TDL_HYPER_UNSCALE] = 1 / t->counts.scale;
    h[TDL_HYPER_CLIP] = t->desc.clip_norm;
    h[TDL_HYPER_LR] = tdl_schedule_lr(&t->schedule, step);
    h[TDL_HYPER_M_FACTOR] = (float)(1 / (1 - pow((double)t->desc.beta1, step)));
    h[TDL_HYPER_V_FACTOR] = (float)(1 / (1 - pow((double)t->desc.beta2, step)));
    t->result = (tdl_train_step){.size = sizeof t->result,
                                 .step = step,
                                 .lr = h[TDL_HYPER_LR],
                                 .val_loss = NAN,
                                 .n_tokens = t->desc.n_batch * t->desc.n_seq,
                                 .n_counted = t->n_counted,
                                 .n_val_counted = -1};
    status = begin_micro(t, err);
    if (status == TDL_OK) t->phase = TDL_PHASE_GRADIENTS;
    return status;
}

// A value that is not finite: finds out where it came from, then the step fails.
static tdl_status diverged(tdl_trainer *t, const char *what, tdl_error *err) {
    tdl_micro_batch micro = micro_batch(t);
    t->phase = TDL_PHASE_DIAGNOSE;
    t->diverged = what;
    tdl_status status = tdl_train_engine_diagnose(t->engine, &micro, &t->hypers, err);
    return status == TDL_OK ? TDL_PENDING : status;
}

static tdl_status after_diagnosis(tdl_trainer *t, tdl_error *err) {
    tdl_status status = tdl_train_engine_diagnosis(t->engine, t->where, sizeof t->where, err);
    if (status != TDL_OK) return status;
    t->phase = TDL_PHASE_CLEAR;
    status = tdl_train_engine_update(t->engine, &t->hypers, err); // changes nothing, clears gradients
    return status == TDL_OK ? TDL_PENDING : status;
}

static tdl_status after_clearing(tdl_trainer *t, tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_NOT_FINITE, "trainer: step %d: %s is not finite%s%s", t->result.step, t->diverged,
                    t->where[0] ? ": " : "", t->where);
}

// Adds the losses of the batch that was under way; false where one is not finite.
static bool add_losses(tdl_trainer *t) {
    const float *losses = tdl_train_engine_losses(t->engine);
    double sum = 0;
    for (int64_t i = 0; i < t->batch.n_rows; i++)
        if (t->batch.targets[i] >= 0) sum += (double)losses[i];
    t->loss_sum += sum;
    return isfinite(sum);
}

static tdl_status after_gradients(tdl_trainer *t, tdl_error *err) {
    if (!add_losses(t)) return diverged(t, "the loss", err);
    tdl_status status;
    if (++t->n_micro < t->desc.n_batch / t->desc.n_micro_batch) {
        status = begin_micro(t, err);
    } else {
        t->phase = TDL_PHASE_UPDATE;
        status = tdl_train_engine_update(t->engine, &t->hypers, err);
    }
    return status == TDL_OK ? TDL_PENDING : status;
}

static tdl_status begin_validation(tdl_trainer *t, tdl_error *err) {
    tdl_micro_batch micro = micro_batch(t);
    return tdl_train_engine_loss(t->engine, &micro, err);
}

static tdl_status after_update(tdl_trainer *t, tdl_error *err) {
    bool finite;
    t->result.grad_norm = tdl_train_engine_grad_norm(t->engine, &finite);
    t->result.loss = t->n_counted ? (float)(t->loss_sum / (double)t->n_counted) : NAN;
    t->result.tokens_per_s =
        (float)((double)t->result.n_tokens / (1e-9 * fmax(1, (double)(tdl_now_ns() - t->begun_ns))));
    if (!finite && t->counts.scale > 1) {
        t->counts.scale = fmaxf(1, t->counts.scale / 16); // too large for F16: this step's update was left out
    } else if (!finite) {
        t->n_micro--; // the last micro-batch again
        return diverged(t, "the gradient", err);
    }
    t->counts.step = t->result.step;
    bool last = t->counts.step == t->desc.n_steps;
    t->writes_last = last || t->counts.step % t->desc.n_checkpoint_every == 0;
    t->writes_best = false;
    if (!last && t->counts.step % t->desc.n_val_every != 0) return end_step(t, err);
    if (!t->val_reader) return measured(t, err);
    t->n_micro = 0;
    t->loss_sum = 0;
    t->n_counted = 0;
    t->phase = TDL_PHASE_VALIDATE;
    tdl_status status = tdl_data_reader_restore(t->val_reader, &t->val_start, err);
    if (status == TDL_OK) status = tdl_dataset_check(tdl_trainer_val_data(t), err);
    if (status == TDL_OK) status = tdl_data_reader_next(t->val_reader, &t->batch);
    if (status == TDL_OK) status = begin_validation(t, err);
    return status == TDL_OK ? TDL_PENDING : status;
}

static tdl_status after_validation(tdl_trainer *t, tdl_error *err) {
    bool finite = add_losses(t);
    t->n_counted += t->batch.n_targets;
    t->n_micro++;
    bool more = finite && (!t->desc.n_val_batches || t->n_micro < t->desc.n_val_batches);
    tdl_status status = more ? tdl_dataset_check(tdl_trainer_val_data(t), err) : TDL_OK;
    if (status != TDL_OK) return status;
    if (more && tdl_data_reader_next(t->val_reader, &t->batch) == TDL_OK) {
        status = begin_validation(t, err);
        return status == TDL_OK ? TDL_PENDING : status;
    }
    t->result.n_val_counted = t->n_counted;
    if (!t->n_counted) return measured(t, err); // nothing was measured: neither better nor worse
    t->result.val_loss = (float)(t->loss_sum / (double)t->n_counted);
    if (!t->keeps_best) return measured(t, err); // too few to choose by
    t->writes_best = !t->counts.best_step || t->result.val_loss < t->counts.best_loss;
    if (t->writes_best) {
        t->counts.best_step = t->counts.step;
        t->counts.best_loss = t->result.val_loss;
        t->counts.n_bad_vals = 0;
    } else {
        t->counts.n_bad_vals++;
    }
    return measured(t, err);
}

// Where steps are measured there may be a sample too.
static tdl_status measured(tdl_trainer *t, tdl_error *err) {
    if (!t->sample.prompt) return end_step(t, err);
    t->phase = TDL_PHASE_SAMPLE;
    tdl_status status = tdl_trainer_sample_begin(t, err);
    return status == TDL_OK ? TDL_PENDING : status;
}

static tdl_status after_sample(tdl_trainer *t, tdl_error *err) {
    tdl_status status = tdl_trainer_sample_advance(t, err);
    if (status != TDL_OK) return status;
    t->result.sample = t->sample.text.ptr;
    return end_step(t, err);
}

static tdl_status after_checkpoint(tdl_trainer *t, tdl_error *err) {
    tdl_status status = tdl_trainer_checkpoint_advance(t, err);
    return status == TDL_OK ? end_step(t, err) : status;
}

// Writes the log's line, then checkpoints, then the step is done. Were the checkpoint first, a run that is killed between the two
// would go on behind a step without a line; the other way round the line is cut when the run goes on, and comes again.
static tdl_status end_step(tdl_trainer *t, tdl_error *err) {
    if (!t->logged) t->log_status = log_step(t, &t->log_err);
    t->logged = true;
    bool best = t->writes_best;
    if (best || t->writes_last) {
        *(best ? &t->writes_best : &t->writes_last) = false;
        tdl_status status = tdl_trainer_checkpoint_begin(t, best, err);
        t->phase = TDL_PHASE_CHECKPOINT;
        return status == TDL_OK ? TDL_PENDING : status;
    }
    t->phase = TDL_PHASE_NEXT;
    if (t->log_status != TDL_OK && err) *err = t->log_err;
    return t->log_status;
}

static tdl_status log_step(tdl_trainer *t, tdl_error *err) {
    const tdl_train_step *r = &t->result;
    return tdl_run_log_add(t->log,
                           &(tdl_run_line){.step = r->step,
                                           .loss = (double)r->loss,
                                           .lr = (double)r->lr,
                                           .tokens_per_s = (double)r->tokens_per_s,
                                           .grad_norm = (double)r->grad_norm,
                                           .has_grad_norm = true,
                                           .n_counted = r->n_counted,
                                           .has_n_counted = true,
                                           .val_loss = (double)r->val_loss,
                                           .sample = r->sample,
                                           .has_val_loss = r->n_val_counted >= 0},
                           err);
}

tdl_status tdl_trainer_enter(tdl_trainer *t, tdl_train_phase phase, bool *begins, tdl_error *err) {
    *begins = t->phase != phase;
    if (!*begins) return tdl_train_engine_poll(t->engine, err);
    if (t->phase != TDL_PHASE_NEXT && t->phase != TDL_PHASE_END)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: %s is under way",
                        t->phase > TDL_PHASE_END ? "a checkpoint or a save" : "a step");
    t->used = true;
    t->before = t->phase;
    t->phase = phase;
    return TDL_OK;
}

tdl_status tdl_trainer_leave(tdl_trainer *t, tdl_status status) {
    if (status != TDL_PENDING) t->phase = t->before;
    return status;
}

// ---- what it is ------------------------------------------------------------------------------------------------------

void tdl_trainer_get_info(const tdl_trainer *t, tdl_trainer_info *info) {
    if (!t) return;
    tdl_train_sizes sizes = tdl_train_engine_sizes(t->engine);
    tdl_trainer_info all = {.arch = t->model->arch->name,
                            .device = tdl_device_summary(t->device),
                            .n_params = t->model->n_params,
                            .n_trained = (uint64_t)tdl_train_engine_n_elements(t->engine),
                            .n_data_tokens = tdl_dataset_tokens(t->data)->n_tokens,
                            .n_steps = t->desc.n_steps,
                            .n_done = t->counts.step,
                            .n_batch = t->desc.n_batch,
                            .n_seq = t->desc.n_seq,
                            .n_micro_batch = t->desc.n_micro_batch,
                            .best_step = t->counts.best_step,
                            .best_val_loss = t->counts.best_loss,
                            .weights_size = sizes.weights,
                            .gradients_size = sizes.gradients,
                            .moments_size = sizes.moments,
                            .activations_size = sizes.activations,
                            .data = tdl_trainer_data_info(t, false),
                            .val_data = tdl_trainer_data_info(t, true),
                            .notes = t->notes.ptr ? t->notes.ptr : ""};
    tdl_result_copy("trainer", info, &all, sizeof all, NULL);
}

tdl_status tdl_trainer_plan_text(tdl_trainer *t, char **text, tdl_error *err) {
    if (!t || !text) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: trainer and text must not be NULL");
    tdl_str printed = tdl_str_make(t->mem);
    tdl_status status = tdl_train_engine_print(t->engine, &printed, err);
    if (status == TDL_OK) *text = tdl_strndup(t->mem, printed.ptr, printed.size);
    if (status == TDL_OK && !*text) status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory for a plan's text");
    tdl_str_deinit(&printed);
    return status;
}

void tdl_trainer_text_free(tdl_trainer *t, char *text) {
    if (t) tdl_free(t->mem, text);
}
