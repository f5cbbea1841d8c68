// SPDX-License-Identifier: MIT
// trainer_resume.c - whether a checkpoint is of this run, and what of the run may change when it goes on.
//
// A checkpoint's moments, its place in the data and its adapters mean something only beside the weights, the data and the
// batches that they came from: those must be the same, or it is another run under the same name. Rates, lengths and intervals
// may change, and each change is noted. What the caller leaves at its default stays what it was.
#include "train/trainer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef enum setting_kind { INT, FLOAT, UINT64 } setting_kind;
typedef enum setting_rule {
    SAME, // or an error
    KEPT  // unless it is given
} setting_rule;

typedef struct setting {
    const char *name;
    setting_kind kind;
    setting_rule rule;
    bool has_default; // 0 in a desc stands for another value
    size_t offset;    // in tdl_trainer_desc
} setting;

#define SETTING(kind, rule, has_default, field) {#field, kind, rule, has_default, offsetof(tdl_trainer_desc, field)}
static const setting list[] = {
    SETTING(INT, SAME, true, n_batch),
    SETTING(INT, SAME, true, n_seq),
    SETTING(UINT64, SAME, false, seed),
    SETTING(INT, SAME, false, lora_rank),
    SETTING(FLOAT, SAME, true, lora_alpha),
    SETTING(FLOAT, SAME, true, val_split),
    SETTING(INT, SAME, false, schedule),
    SETTING(INT, SAME, false, precision),
    SETTING(INT, KEPT, true, n_steps),
    SETTING(INT, KEPT, true, n_micro_batch),
    SETTING(FLOAT, KEPT, true, lr),
    SETTING(FLOAT, KEPT, true, lr_min),
    SETTING(INT, KEPT, true, n_warmup_steps),
    SETTING(INT, KEPT, true, n_decay_steps),
    SETTING(FLOAT, KEPT, true, beta1),
    SETTING(FLOAT, KEPT, true, beta2),
    SETTING(FLOAT, KEPT, true, eps),
    SETTING(FLOAT, KEPT, true, weight_decay),
    SETTING(FLOAT, KEPT, true, clip_norm),
    SETTING(FLOAT, KEPT, true, dropout),
    SETTING(FLOAT, KEPT, true, attention_dropout),
    SETTING(INT, KEPT, true, n_val_every),
    SETTING(INT, KEPT, true, n_val_batches),
    SETTING(INT, KEPT, true, n_checkpoint_every),
    SETTING(INT, KEPT, true, n_patience),
};
enum { N_SETTINGS = sizeof list / sizeof *list };

static tdl_status check_base(const tdl_trainer *t, tdl_error *err);
static tdl_status check_trained(const tdl_trainer *t, tdl_error *err);

static double get(const tdl_trainer_desc *desc, const setting *s) {
    const char *at = (const char *)desc + s->offset;
    int32_t whole;
    float real;
    uint64_t seed;
    if (s->kind == FLOAT) return memcpy(&real, at, sizeof real), (double)real;
    if (s->kind == INT) return memcpy(&whole, at, sizeof whole), (double)whole;
    return memcpy(&seed, at, sizeof seed), (double)seed;
}

// value: as the run had it, so a zero becomes what stands for zero.
static void set(tdl_trainer_desc *desc, const setting *s, double value) {
    char *at = (char *)desc + s->offset;
    int32_t whole = (int32_t)value;
    float real = value != 0 ? (float)value : TDL_ZERO;
    if (whole == 0 && s->offset == offsetof(tdl_trainer_desc, n_warmup_steps)) whole = -1;
    if (s->kind == FLOAT) memcpy(at, &real, sizeof real);
    else memcpy(at, &whole, sizeof whole);
}

// What a setting depends on, where that is given: then it is not the checkpoint's that counts, but the default.
static bool follows(const setting *s, const tdl_trainer_desc *given, const tdl_trainer_desc *desc) {
    bool wsd = given->schedule == TDL_SCHEDULE_WSD;
    if (s->offset == offsetof(tdl_trainer_desc, lr_min)) return given->lr != 0;
    if (s->offset == offsetof(tdl_trainer_desc, n_micro_batch)) return given->n_batch != 0;
    if (s->offset == offsetof(tdl_trainer_desc, n_steps)) return given->n_epochs != 0;
    if (s->offset == offsetof(tdl_trainer_desc, n_decay_steps)) return !wsd;
    if (s->offset == offsetof(tdl_trainer_desc, lora_alpha)) return !given->lora_rank;
    if (s->offset == offsetof(tdl_trainer_desc, n_patience)) return !given->n_val_data && !(desc->val_split > 0);
    return false;
}

// Runs that began before there was such a thing held nothing out.
static tdl_status read_setting(const tdl_checkpoint *c, const setting *s, double *value, tdl_error *err) {
    *value = 0;
    if (s->offset == offsetof(tdl_trainer_desc, val_split) && !tdl_checkpoint_has(c, s->name)) return TDL_OK;
    return tdl_checkpoint_get_float(c, s->name, value, err);
}

tdl_status tdl_trainer_resume_begin(tdl_trainer *t, tdl_trainer_desc *desc, tdl_error *err) {
    const tdl_trainer_desc given = *desc;
    if (!tdl_trainer_checkpoint_exists(t)) return TDL_OK;
    tdl_status status = tdl_trainer_checkpoint_open(t, false, &t->resumed, err);
    for (size_t i = 0; i < N_SETTINGS && status == TDL_OK; i++) {
        const setting *s = &list[i];
        double value;
        if (!s->has_default || get(&given, s) != 0 || follows(s, &given, desc)) continue;
        status = read_setting(t->resumed, s, &value, err);
        if (status == TDL_OK) set(desc, s, value);
    }
    if (status == TDL_OK && desc->val_split > 0 && desc->n_val_data)
        return tdl_fail(
            err, TDL_ERROR_ARGUMENT,
            "trainer: the run measures the loss on records that it holds out (val_split %.3g): it goes on without "
            "val_data; a run in another directory can have them",
            (double)desc->val_split);
    return status;
}

tdl_status tdl_trainer_write_settings(const tdl_trainer *t, tdl_checkpoint_writer *w, tdl_error *err) {
    const char *arch = t->model->arch->name;
    const tdl_fingerprint *base = &t->base;
    tdl_status status = tdl_checkpoint_writer_text(w, "arch", (tdl_text){arch, strlen(arch)}, err);
    for (size_t i = 0; i < N_SETTINGS && status == TDL_OK; i++) {
        if (list[i].kind == UINT64)
            status = tdl_checkpoint_writer_bytes(w, list[i].name, &t->desc.seed, sizeof t->desc.seed, err);
        else status = tdl_checkpoint_writer_float(w, list[i].name, get(&t->desc, &list[i]), err);
    }
    if (status == TDL_OK) status = tdl_checkpoint_writer_int(w, "n_params", tdl_train_engine_n_params(t->engine), err);
    if (status == TDL_OK)
        status = tdl_checkpoint_writer_bytes(w, "base_tensors", &base->tensors, sizeof base->tensors, err);
    if (status == TDL_OK)
        status = tdl_checkpoint_writer_bytes(w, "base_settings", &base->settings, sizeof base->settings, err);
    return status;
}

// ---- the check

static tdl_status check_setting(tdl_trainer *t, const setting *s, tdl_error *err) {
    double was = 0, is = get(&t->desc, s);
    uint64_t seed = 0;
    tdl_status status;
    if (s->kind == UINT64) {
        status = tdl_checkpoint_get_bytes(t->resumed, s->name, &seed, sizeof seed, err);
        if (status != TDL_OK || seed == t->desc.seed) return status;
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: the checkpoint's %s is %llu, this run's is %llu", s->name,
                        (unsigned long long)seed, (unsigned long long)t->desc.seed);
    }
    status = read_setting(t->resumed, s, &was, err);
    if (status != TDL_OK || was == is) return status;
    if (s->rule == SAME)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: the checkpoint's %s is %.9g, this run's is %.9g", s->name,
                        was, is);
    tdl_str_format(&t->notes, "resume: %s is %.9g, the checkpoint's was %.9g\n", s->name, is, was);
    return t->notes.failed ? tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory for notes") : TDL_OK;
}

tdl_status tdl_trainer_resume_check(tdl_trainer *t, tdl_error *err) {
    const char *arch = t->model->arch->name;
    tdl_text text;
    tdl_status status = tdl_checkpoint_get_text(t->resumed, "arch", &text, err);
    if (status == TDL_OK && !tdl_text_is(text, arch))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: the checkpoint is of a %.*s model, this one is %s",
                        (int)(text.size < 64 ? text.size : 64), text.ptr, arch);
    for (size_t i = 0; i < N_SETTINGS && status == TDL_OK; i++) status = check_setting(t, &list[i], err);
    if (status == TDL_OK) status = check_base(t, err);
    return status == TDL_OK ? check_trained(t, err) : status;
}

static tdl_status check_base(const tdl_trainer *t, tdl_error *err) {
    tdl_fingerprint was = {0};
    const char *path = t->model_path ? t->model_path : "config.json";
    tdl_status status = tdl_checkpoint_get_bytes(t->resumed, "base_settings", &was.settings, sizeof was.settings, err);
    if (status == TDL_OK)
        status = tdl_checkpoint_get_bytes(t->resumed, "base_tensors", &was.tensors, sizeof was.tensors, err);
    if (status != TDL_OK) return status;
    if (was.settings != t->base.settings)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "trainer: '%.200s': the checkpoint's run began from a model with other settings (sizes, RoPE, "
                        "epsilon ...): what it learned fits that one alone",
                        path);
    if (was.tensors != t->base.tensors)
        return tdl_fail(
            err, TDL_ERROR_ARGUMENT,
            "trainer: '%.200s': the checkpoint's run began from other weights: what it learned fits those alone", path);
    return TDL_OK;
}

// Which tensors are trained follows from the patterns.
static tdl_status check_trained(const tdl_trainer *t, tdl_error *err) {
    int64_t was = 0;
    int32_t n = tdl_train_engine_n_params(t->engine);
    tdl_status status = tdl_checkpoint_get_int(t->resumed, "n_params", &was, err);
    const char *missing = NULL;
    for (int32_t i = 0; i < n && status == TDL_OK && !missing; i++) {
        const tdl_trained *p = tdl_train_engine_param(t->engine, i);
        tdl_tensor tensor;
        if (tdl_checkpoint_get_tensor(t->resumed, p->name, &p->tensor, &tensor, NULL) != TDL_OK) missing = p->name;
    }
    if (status != TDL_OK || (was == n && !missing)) return status;
    return tdl_fail(
        err, TDL_ERROR_ARGUMENT,
        "trainer: the checkpoint has %lld trained tensors, this run has %d%s%.100s%s: freeze and lora_targets "
        "have to be what they were",
        (long long)was, n, missing ? ", of which '" : "", missing ? missing : "", missing ? "' is not among them" : "");
}
