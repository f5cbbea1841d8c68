// SPDX-License-Identifier: MIT
// trainer_data.c - a run's data: opened, then cut into windows whose length, like the steps, follows from what it holds. See
// trainer.h.
#include "train/trainer.h"

#include "base/checked.h"

enum {
    WINDOW_STEP = 16,     // windows that are sized to the records have a multiple of it
    HELD_OUT_DECIDE = 32, // records that were held out: the loss on fewer is noise, by which no weights are chosen
};

static tdl_status open_dataset(tdl_trainer *t, const tdl_trainer_desc *desc, bool val, tdl_error *err);
static uint64_t window_of(const tdl_dataset *data);
static tdl_status open_val_reader(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_run_facts *facts, tdl_error *err);
static tdl_status open_reader(tdl_trainer *t, bool val, tdl_error *err);

tdl_status tdl_trainer_open_data(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_error *err) {
    tdl_run_facts facts = {.opened = true, .n_ctx = t->model->config.n_ctx, .n_embd = t->model->config.n_embd};
    tdl_status status = open_dataset(t, desc, false, err);
    if (status == TDL_OK && desc->n_val_data) status = open_dataset(t, desc, true, err);
    if (status != TDL_OK) return status;
    facts.n_fit = window_of(t->data);
    if (t->val_data && facts.n_fit)
        facts.n_fit = (uint64_t)tdl_max_i64((int64_t)facts.n_fit, (int64_t)window_of(t->val_data));
    if (facts.n_fit && !tdl_dataset_has_texts(t->data)) facts.n_records = tdl_dataset_tokens(t->data)->n_documents;
    status = tdl_trainer_settings(desc, &facts, &t->desc, err);
    if (status == TDL_OK) status = open_val_reader(t, desc, &facts, err);
    if (status == TDL_OK) status = open_reader(t, false, err);
    if (status != TDL_OK) return status;
    facts.n_windows = tdl_data_reader_n_windows(t->reader);
    status = tdl_trainer_settings(desc, &facts, &t->desc, err);
    if (status == TDL_OK) status = tdl_data_reader_set_batch(t->reader, t->desc.n_micro_batch, err);
    if (status != TDL_OK || !t->val_reader) return status;
    status = tdl_data_reader_set_batch(t->val_reader, t->desc.n_micro_batch, err);
    t->val_start = tdl_data_reader_state(t->val_reader);
    t->keeps_best = t->val_data || t->desc.n_patience || t->n_held_out >= HELD_OUT_DECIDE;
    return status;
}

// Where it would be records that happen to have nothing that counts in a window, none are held out, unless it was asked for.
static tdl_status open_val_reader(tdl_trainer *t, const tdl_trainer_desc *desc, tdl_run_facts *facts, tdl_error *err) {
    tdl_error why = {0};
    if (t->desc.val_split > 0)
        t->n_held_out = (uint64_t)tdl_max_i64(1, (int64_t)((double)t->desc.val_split * (double)facts->n_records));
    if (!tdl_trainer_val_data(t)) return TDL_OK;
    tdl_status status = open_reader(t, true, &why);
    if (status == TDL_ERROR_ARGUMENT && t->n_held_out && desc->val_split == 0) {
        t->n_held_out = facts->n_records = 0;
        return TDL_OK;
    }
    if (status != TDL_OK && err) *err = why;
    return status;
}

static tdl_status open_dataset(tdl_trainer *t, const tdl_trainer_desc *desc, bool val, tdl_error *err) {
    const tdl_dataset_desc of = {.paths = val ? desc->val_data : desc->data,
                                 .n_paths = val ? desc->n_val_data : desc->n_data,
                                 .tokenizer = t->model->tokenizer,
                                 .n_vocab = t->model->config.n_vocab,
                                 .cache_dir = t->dir,
                                 .progress = desc->progress,
                                 .progress_user = desc->progress_user};
    return tdl_dataset_open(t->mem, &of, val ? &t->val_data : &t->data, err);
}

// Tokens of the window that each record fits, rounded up; 0: there are none, the data is text.
static uint64_t window_of(const tdl_dataset *data) {
    const tdl_token_file *tokens = tdl_dataset_tokens(data);
    if (!tokens->has_records) return 0;
    return (tdl_packed_window(tokens) + WINDOW_STEP - 1) / WINDOW_STEP * WINDOW_STEP;
}

// Its batches have one window until all settings are known.
static tdl_status open_reader(tdl_trainer *t, bool val, tdl_error *err) {
    const tdl_token_file *tokens = tdl_dataset_tokens(val ? tdl_trainer_val_data(t) : t->data);
    const tdl_data_reader_desc windows = {.tokens = tokens,
                                          .n_held_out = val && t->val_data ? 0 : t->n_held_out,
                                          .held_out = val,
                                          .batch = 1,
                                          .seq = t->desc.n_seq,
                                          .packing = tokens->has_records ? TDL_PACKING_WHOLE : TDL_PACKING_STREAM,
                                          .in_order = val,
                                          .seed = t->desc.seed};
    tdl_status status = tdl_data_reader_create(t->mem, &windows, val ? &t->val_reader : &t->reader, err);
    return status < 0 && val ? tdl_fail_at(err, status, "validation data") : status;
}
