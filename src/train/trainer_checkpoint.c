// trainer_checkpoint.c - a run into a checkpoint and back.
//
// Two files in the run's directory: checkpoint.tdl, with all that it takes to go on, and best.tdl, the weights with the best
// validation loss so far. States come from the device one by one, so that no second copy of all of them is in memory.
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

static const char last_name[] = "checkpoint.tdl", best_name[] = "best.tdl";
static const tdl_train_state kinds[] = {TDL_TRAIN_WEIGHT, TDL_TRAIN_M, TDL_TRAIN_V};
enum { N_KINDS = sizeof kinds / sizeof *kinds, NAME_SIZE = 192 };

static tdl_status write_counts(tdl_trainer *t, tdl_error *err);
static tdl_status begin_state(tdl_trainer *t, tdl_error *err);

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
    tdl_status status = tdl_checkpoint_writer_tensor(t->writer, name, &tensor, err);
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

// What must be the same for a run to go on as if it had never stopped.
static size_t settings(const tdl_trainer *t, const char **names, int64_t *values) {
    const tdl_trainer_desc *d = &t->desc;
    const struct {
        const char *name;
        int64_t value;
    } list[] = {{"n_batch", d->n_batch},
                {"n_seq", d->n_seq},
                {"seed", (int64_t)d->seed},
                {"lora_rank", d->lora_rank},
                {"n_params", tdl_train_engine_n_params(t->engine)}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) names[i] = list[i].name, values[i] = list[i].value;
    return sizeof list / sizeof *list;
}
enum { SETTINGS_MAX = 8 };

static tdl_status write_counts(tdl_trainer *t, tdl_error *err) {
    tdl_checkpoint_writer *w = t->writer;
    const tdl_train_counts *c = &t->counts;
    const char *names[SETTINGS_MAX], *arch = t->model->arch->name;
    int64_t values[SETTINGS_MAX];
    size_t n = settings(t, names, values);
    tdl_data_state data = tdl_data_reader_state(t->reader);
    tdl_status status = tdl_checkpoint_writer_text(w, "arch", (tdl_text){arch, strlen(arch)}, err);
    for (size_t i = 0; i < n && status == TDL_OK; i++) status = tdl_checkpoint_writer_int(w, names[i], values[i], err);
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

static tdl_status open_checkpoint(const tdl_trainer *t, const char *name, tdl_checkpoint **out, tdl_error *err) {
    char *path = tdl_path_join(t->mem, t->dir, name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory");
    tdl_status status = tdl_checkpoint_open(t->mem, path, out, err);
    tdl_free(t->mem, path);
    return status;
}

static tdl_status check_settings(const tdl_trainer *t, const tdl_checkpoint *c, tdl_error *err) {
    const char *names[SETTINGS_MAX], *arch = t->model->arch->name;
    int64_t values[SETTINGS_MAX], value;
    size_t n = settings(t, names, values);
    tdl_text text;
    tdl_status status = tdl_checkpoint_get_text(c, "arch", &text, err);
    if (status == TDL_OK && !tdl_text_is(text, arch))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: the checkpoint is of a %.*s model, this one is %s",
                        (int)(text.size < 64 ? text.size : 64), text.ptr, arch);
    for (size_t i = 0; i < n && status == TDL_OK; i++) {
        status = tdl_checkpoint_get_int(c, names[i], &value, err);
        if (status == TDL_OK && value != values[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: the checkpoint's %s is %lld, this run's is %lld",
                            names[i], (long long)value, (long long)values[i]);
    }
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
    tdl_checkpoint *c = NULL;
    tdl_data_state data = {0};
    int64_t step = 0, n_bad_vals = 0, best_step = 0;
    double best_loss = 0, scale = 0;
    tdl_status status = open_checkpoint(t, last_name, &c, err);
    if (status == TDL_OK) status = check_settings(t, c, err);
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
    tdl_checkpoint_close(c);
    return status;
}

tdl_status tdl_trainer_restore_best(tdl_trainer *t, tdl_error *err) {
    tdl_checkpoint *c = NULL;
    tdl_status status = open_checkpoint(t, best_name, &c, err);
    if (status == TDL_OK) status = restore_states(t, c, 1, err);
    tdl_checkpoint_close(c);
    return status;
}

tdl_status tdl_trainer_checkpoint(tdl_trainer *t, tdl_error *err) {
    bool begins;
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
