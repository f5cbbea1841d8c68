// SPDX-License-Identifier: MIT
// trainer_checkpoint.c - a run into a checkpoint and back.
//
// Two files in the run's directory: checkpoint.tdl, with all that it takes to go on, and best.tdl, the weights with the best
// validation loss so far. States come from the device one by one, so that no second copy of all of them is in memory.
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char last_name[] = "checkpoint.tdl", best_name[] = "best.tdl";
static const tdl_train_state kinds[] = {TDL_TRAIN_WEIGHT, TDL_TRAIN_M, TDL_TRAIN_V};
enum { N_KINDS = sizeof kinds / sizeof *kinds, NAME_SIZE = 192 };

static tdl_status write_counts(tdl_trainer *t, tdl_error *err);
static tdl_status begin_state(tdl_trainer *t, tdl_error *err);
static tdl_status check_finite(const char *name, const tdl_tensor *state, tdl_error *err);

// State i of a checkpoint: a parameter's weights, or one of its moments.
static const tdl_trained *state_at(const tdl_trainer *t, int32_t i, tdl_train_state *kind, int32_t *param, char *name) {
    static const char *const prefixes[TDL_TRAIN_STATES] = {
        [TDL_TRAIN_WEIGHT] = "", [TDL_TRAIN_M] = "m.", [TDL_TRAIN_V] = "v."};
    int32_t n = tdl_train_engine_n_params(t->engine);
    *kind = kinds[i / n];
    *param = i % n;
    const tdl_trained *p = tdl_train_engine_param(t->engine, *param);
    snprintf(name, NAME_SIZE, "%s%s", prefixes[*kind], p->name);
    return p;
}

tdl_status tdl_trainer_checkpoint_begin(tdl_trainer *t, bool best, tdl_error *err) {
    tdl_checkpoint_writer_destroy(t->writer);
    t->writer = NULL;
    t->n_written = 0;
    t->n_to_write = tdl_train_engine_n_params(t->engine) * (best ? 1 : N_KINDS);
    tdl_run_log_sync(t->log); // its lines are on the disk before the step that they lead to
    char *path = tdl_path_join(t->mem, t->dir, best ? best_name : last_name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    tdl_status status = tdl_checkpoint_writer_create(t->mem, path, &t->writer, err);
    if (status == TDL_OK) status = write_counts(t, err);
    if (status == TDL_OK) status = begin_state(t, err);
    tdl_free(t->mem, path);
    return status;
}

tdl_status tdl_trainer_checkpoint_advance(tdl_trainer *t, tdl_error *err) {
    tdl_train_state kind;
    int32_t param;
    char name[NAME_SIZE];
    const tdl_trained *p = state_at(t, t->n_written, &kind, &param, name);
    tdl_tensor tensor = p->tensor;
    tensor.data = t->staging;
    tdl_status status = check_finite(name, &tensor, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_tensor(t->writer, name, &tensor, err);
    tdl_free(t->mem, t->staging);
    t->staging = NULL;
    if (status != TDL_OK) return status;
    if (++t->n_written < t->n_to_write) {
        status = begin_state(t, err);
        return status == TDL_OK ? TDL_PENDING : status;
    }
    status = tdl_checkpoint_writer_commit(t->writer, err);
    tdl_checkpoint_writer_destroy(t->writer);
    t->writer = NULL;
    return status;
}

// A run whose weights are lost keeps the checkpoint before.
static tdl_status check_finite(const char *name, const tdl_tensor *state, tdl_error *err) {
    const float *values = (const float *)state->data;
    int64_t n = tdl_tensor_n_elements(state);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return tdl_fail(err, TDL_ERROR_NOT_FINITE,
                            "trainer: '%s': element %lld is %g: no checkpoint is written, the one before stays", name,
                            (long long)i, (double)values[i]);
    return TDL_OK;
}

static tdl_status begin_state(tdl_trainer *t, tdl_error *err) {
    tdl_train_state kind;
    int32_t param;
    char name[NAME_SIZE];
    const tdl_trained *p = state_at(t, t->n_written, &kind, &param, name);
    size_t size = tdl_tensor_size(&p->tensor);
    tdl_free(t->mem, t->staging);
    t->staging = tdl_alloc(t->mem, size, 1);
    if (!t->staging) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory for %zu bytes", name, size);
    return tdl_train_engine_read(t->engine, kind, param, 0, t->staging, size, err);
}

static tdl_status write_counts(tdl_trainer *t, tdl_error *err) {
    tdl_checkpoint_writer *w = t->writer;
    const tdl_train_counts *c = &t->counts;
    tdl_data_state data = tdl_data_reader_state(t->reader);
    tdl_status status = tdl_trainer_write_settings(t, w, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_int(w, "step", c->step, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_int(w, "n_bad_vals", c->n_bad_vals, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_int(w, "best_step", c->best_step, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_float(w, "best_loss", (double)c->best_loss, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_float(w, "loss_scale", (double)c->scale, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_bytes(w, "data", &data, sizeof data, err);
    return status;
}

// ---- back ------------------------------------------------------------------------------------------------------------

bool tdl_trainer_checkpoint_exists(const tdl_trainer *t) {
    char *path = tdl_path_join(t->mem, t->dir, last_name);
    bool exists = path && tdl_path_exists(path);
    tdl_free(t->mem, path);
    return exists;
}

tdl_status tdl_trainer_checkpoint_open(const tdl_trainer *t, bool best, tdl_checkpoint **out, tdl_error *err) {
    char *path = tdl_path_join(t->mem, t->dir, best ? best_name : last_name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    tdl_status status = tdl_checkpoint_open(t->mem, path, out, err);
    tdl_free(t->mem, path);
    return status;
}

static tdl_status restore_states(tdl_trainer *t, const tdl_checkpoint *c, int32_t n_kinds, tdl_error *err) {
    tdl_status status = TDL_OK;
    int32_t n = n_kinds * tdl_train_engine_n_params(t->engine);
    for (int32_t i = 0; i < n && status == TDL_OK; i++) {
        tdl_train_state kind;
        int32_t param;
        char name[NAME_SIZE];
        const tdl_trained *p = state_at(t, i, &kind, &param, name);
        tdl_tensor tensor;
        status = tdl_checkpoint_get_tensor(c, name, &p->tensor, &tensor, err);
        if (status == TDL_OK)
            status = tdl_train_engine_write(t->engine, kind, param, 0, tensor.data, tdl_tensor_size(&tensor), err);
    }
    return status;
}

tdl_status tdl_trainer_restore(tdl_trainer *t, tdl_error *err) {
    const tdl_checkpoint *c = t->resumed;
    tdl_data_state data = {0};
    int64_t step = 0, n_bad_vals = 0, best_step = 0;
    double best_loss = 0, scale = 0;
    tdl_status status = tdl_trainer_resume_check(t, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_int(c, "step", &step, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_int(c, "n_bad_vals", &n_bad_vals, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_int(c, "best_step", &best_step, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_float(c, "best_loss", &best_loss, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_float(c, "loss_scale", &scale, err);
    if (status == TDL_OK) status = tdl_checkpoint_get_bytes(c, "data", &data, sizeof data, err);
    if (status == TDL_OK) status = tdl_data_reader_restore(t->reader, &data, err);
    if (status == TDL_OK && (step < 0 || step > INT32_MAX))
        status = tdl_fail(err, TDL_ERROR_FORMAT, "trainer: the checkpoint's step is %lld", (long long)step);
    if (status == TDL_OK) status = restore_states(t, c, N_KINDS, err);
    if (status == TDL_OK)
        t->counts = (tdl_train_counts){.step = (int32_t)step,
                                       .n_bad_vals = (int32_t)n_bad_vals,
                                       .best_step = (int32_t)best_step,
                                       .best_loss = (float)best_loss,
                                       .scale = (float)scale};
    return status;
}

tdl_status tdl_trainer_restore_best(tdl_trainer *t, tdl_error *err) {
    tdl_checkpoint *c = NULL;
    tdl_status status = tdl_trainer_checkpoint_open(t, true, &c, err);
    if (status == TDL_OK) status = restore_states(t, c, 1, err);
    tdl_checkpoint_close(c);
    return status;
}

tdl_status tdl_trainer_checkpoint(tdl_trainer *t, tdl_error *err) {
    bool begins;
    if (!t) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: trainer must not be NULL");
    tdl_status status = tdl_trainer_enter(t, TDL_PHASE_ASKED_CHECKPOINT, &begins, err);
    if (begins && status != TDL_OK) return status;
    if (status == TDL_OK && begins) {
        status = tdl_trainer_checkpoint_begin(t, false, err);
        if (status == TDL_OK) status = TDL_PENDING;
    } else if (status == TDL_OK) {
        status = tdl_trainer_checkpoint_advance(t, err);
    }
    return tdl_trainer_leave(t, status);
}
