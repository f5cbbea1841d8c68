// SPDX-License-Identifier: MIT
// trainer_notes.c - what a person should know of a run: what became of the data, and its settings. See trainer.h.
#include "base/json.h"
#include "train/trainer.h"

#include <math.h>

// Of records that were held out: what was left out of the file is told of the data.
static tdl_train_data_info held_out_info(const tdl_trainer *t, const tdl_packed_counts *packed) {
    const tdl_token_file *file = tdl_dataset_tokens(t->data);
    const tdl_held_out side = tdl_held_out_make(file->n_documents, t->n_held_out, t->desc.seed, true);
    tdl_train_data_info info = {.n_records = t->n_held_out,
                                .n_dropped = packed->n_dropped,
                                .n_cut = packed->n_cut,
                                .n_tokens_cut = packed->n_tokens_cut,
                                .n_split = packed->n_split,
                                .n_longest = packed->n_longest,
                                .n_windows = tdl_data_reader_n_windows(t->val_reader)};
    for (uint64_t i = 0; i < file->n_documents; i++)
        if (tdl_held_out_has(&side, i)) info.n_tokens += file->documents[i + 1] - file->documents[i];
    return info;
}

tdl_train_data_info tdl_trainer_data_info(const tdl_trainer *t, bool val) {
    const tdl_dataset *data = val ? tdl_trainer_val_data(t) : t->data;
    const tdl_data_reader *reader = val ? t->val_reader : t->reader;
    if (!reader) return (tdl_train_data_info){0};
    const tdl_token_file *file = tdl_dataset_tokens(data);
    tdl_packed_counts packed = tdl_data_reader_packed(reader);
    if (val && !t->val_data) return held_out_info(t, &packed);
    return (tdl_train_data_info){.n_tokens = file->n_tokens,
                                 .n_records = file->counts.n_records,
                                 .n_empty = file->counts.n_empty,
                                 .n_masked = file->counts.n_masked,
                                 .n_dropped = packed.n_dropped,
                                 .n_cut = packed.n_cut,
                                 .n_tokens_cut = packed.n_tokens_cut,
                                 .n_split = packed.n_split,
                                 .n_empty_answers = file->counts.n_empty_answers,
                                 .n_bad_utf8 = file->counts.n_bad_utf8,
                                 .n_longest = packed.n_longest,
                                 .n_windows = tdl_data_reader_n_windows(reader)};
}

static void note(tdl_str *notes, const char *data, uint64_t n, uint64_t n_records, const char *what) {
    if (n)
        tdl_str_format(notes, "%s: %llu of %llu records %s\n", data, (unsigned long long)n,
                       (unsigned long long)n_records, what);
}

static void note_part(tdl_trainer *t, bool val) {
    const tdl_train_data_info i = tdl_trainer_data_info(t, val);
    const char *data = val ? "validation data" : "data", *first;
    char text[200];
    size_t n_like_json = tdl_dataset_n_like_json(val ? tdl_trainer_val_data(t) : t->data, &first);
    if (n_like_json && !(val && !t->val_data))
        tdl_str_format(&t->notes,
                       "%s: '%s'%s read as text, but it begins as records do: those are in .jsonl or .json files\n",
                       data, first, n_like_json > 1 ? " and others are" : " is");
    note(&t->notes, data, i.n_empty, i.n_records, "are empty: left out");
    note(&t->notes, data, i.n_masked, i.n_records,
         "have nothing that is learned (no answer, or of weight 0): left out");
    note(&t->notes, data, i.n_empty_answers, i.n_records, "have an empty answer: it is learned, as an end at once");
    note(&t->notes, data, i.n_bad_utf8, i.n_records, "have bytes that are no UTF-8: kept as they are");
    snprintf(text, sizeof text,
             "have no answer in a window of %d tokens: left out (the longest record has %llu tokens)", t->desc.n_seq,
             (unsigned long long)i.n_longest);
    note(&t->notes, data, i.n_dropped, i.n_records, text);
    snprintf(text, sizeof text,
             "do not fit a window of %d tokens: their ends, %llu tokens, are left out (the longest record has %llu)",
             t->desc.n_seq, (unsigned long long)i.n_tokens_cut, (unsigned long long)i.n_longest);
    note(&t->notes, data, i.n_cut, i.n_records, text);
    snprintf(text, sizeof text, "are texts that do not fit a window of %d tokens: split into several", t->desc.n_seq);
    note(&t->notes, data, i.n_split, i.n_records, text);
}

static void note_validation(tdl_trainer *t) {
    const tdl_token_file *file = tdl_dataset_tokens(t->data);
    if (t->n_held_out)
        tdl_str_format(
            &t->notes,
            "validation: %llu of %llu records, held out and not learned (val_split %.3g); the weights in the "
            "end are %s\n",
            (unsigned long long)t->n_held_out, (unsigned long long)file->n_documents, (double)t->desc.val_split,
            t->keeps_best ? "those of the lowest loss on them" : "the last ones");
    else if (!t->val_reader && t->desc.model_path && !file->has_records)
        tdl_str_format(&t->notes, "validation: none: of text nothing is held out, it takes data of its own\n");
    else if (!t->val_reader && t->desc.model_path && file->n_documents < TDL_SPLIT_RECORDS)
        tdl_str_format(&t->notes, "validation: none: of fewer than %d records none is held out\n", TDL_SPLIT_RECORDS);
    else if (!t->val_reader && t->desc.model_path && !t->desc.n_val_data)
        tdl_str_format(&t->notes,
                       "validation: none: nothing is held out of records beside text, nor of records that do not fit a "
                       "window\n");
}

tdl_status tdl_trainer_note_data(tdl_trainer *t, tdl_error *err) {
    note_part(t, false);
    if (t->val_reader) note_part(t, true);
    note_validation(t);
    return t->notes.failed ? tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory for notes") : TDL_OK;
}

// ---- the run as JSON

static int append(const char *text, size_t size, void *str) { return tdl_str_append(str, text, size) ? 0 : -1; }

// NaN is no JSON; texts that are no UTF-8 become "".
static json_t *number(float value) { return isfinite(value) ? json_real((double)value) : json_null(); }

static json_t *text_of(const char *text) {
    json_t *made = json_string(text ? text : "");
    return made ? made : json_string("");
}

static json_t *list_of(const char *const *items, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        if (json_array_append_new(list, text_of(items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *data_of(const tdl_trainer *t, bool val) {
    const tdl_train_data_info i = tdl_trainer_data_info(t, val);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "tokens", (json_int_t)i.n_tokens,
                     "records", (json_int_t)i.n_records, "empty", (json_int_t)i.n_empty, "masked",
                     (json_int_t)i.n_masked, "dropped", (json_int_t)i.n_dropped, "cut", (json_int_t)i.n_cut,
                     "tokens_cut", (json_int_t)i.n_tokens_cut, "split", (json_int_t)i.n_split, "empty_answers",
                     (json_int_t)i.n_empty_answers, "longest", (json_int_t)i.n_longest, "windows",
                     (json_int_t)i.n_windows);
}

tdl_status tdl_trainer_describe(const tdl_trainer *t, tdl_str *json, tdl_error *err) {
    static const char *const schedules[] = {"cosine", "constant", "linear", "wsd"};
    const tdl_trainer_desc *d = &t->desc;
    json_t *root =
        json_pack("{s:o, s:s, s:o, s:s, s:i, s:i, s:i, s:i, s:I, s:o, s:o, s:s, s:i}", "model",
                  text_of(t->model_path ? t->model_path : d->config_path), "arch", t->model->arch->name, "device",
                  text_of(tdl_device_summary(t->device)), "precision",
                  d->precision == TDL_PRECISION_F32 ? "f32" : "auto", "steps", d->n_steps, "batch", d->n_batch, "seq",
                  d->n_seq, "micro_batch", d->n_micro_batch, "seed", (json_int_t)d->seed, "lr", number(d->lr), "lr_min",
                  number(d->lr_min), "schedule", schedules[d->schedule], "warmup", d->n_warmup_steps);
    json_t *more = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "beta1", number(d->beta1),
                             "beta2", number(d->beta2), "eps", number(d->eps), "weight_decay", number(d->weight_decay),
                             "clip", number(d->clip_norm), "dropout", number(d->dropout), "attention_dropout",
                             number(d->attention_dropout), "rank", d->lora_rank, "alpha",
                             d->lora_rank ? number(d->lora_alpha) : json_null(), "freeze",
                             list_of(d->freeze, d->n_freeze), "targets", list_of(d->lora_targets, d->n_lora_targets));
    bool ok = root && more && json_object_update(root, more) == 0;
    double n_seen = (double)d->n_steps * d->n_batch;
    ok = ok &&
         json_object_set_new(root, "epochs", json_real(n_seen / (double)tdl_data_reader_n_windows(t->reader))) == 0;
    ok = ok && json_object_set_new(root, "data_files", list_of(d->data, d->n_data)) == 0;
    ok = ok && json_object_set_new(root, "data", data_of(t, false)) == 0;
    if (ok && t->val_reader)
        ok = json_object_set_new(root, "val_split", number(d->val_split)) == 0 &&
             json_object_set_new(root, "val_files", list_of(d->val_data, d->n_val_data)) == 0 &&
             json_object_set_new(root, "val_data", data_of(t, true)) == 0;
    ok = ok && json_object_set_new(root, "notes", text_of(t->notes.ptr)) == 0;
    ok = ok && json_dump_callback(root, append, json, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    json_decref(more);
    json_decref(root);
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory for the run's settings");
}
