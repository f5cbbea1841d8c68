// SPDX-License-Identifier: MIT
// data_walk.c - a data file's documents one by one, without a token file: tdl_data of treadle.h.
//
// The pieces that a trainer's threads would encode are encoded here one after another into one run. A document of a text file may
// go on in the next piece, so the last one of a run is handed out when another begins or the file ends.
#include "base/desc.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "train/token_build.h"

#include <string.h>

struct tdl_data {
    const tdl_allocator *mem;
    char *path;
    tdl_data_source source;
    tdl_data_style style;
    tdl_data_cutter cutter;
    tdl_token_run run;
    size_t n_out; // documents of the run that were handed out
    bool ended;   // the last document of the run is whole
    tdl_train_data_info info;
};

static bool next_document(tdl_data *d, tdl_data_document *out);
static tdl_status read_piece(tdl_data *d, tdl_error *err);
static void drop_first(tdl_token_run *run, size_t n_documents);

tdl_status tdl_data_open(const tdl_data_desc *from, tdl_data **out, tdl_error *err) {
    if (!from || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: desc and out must not be NULL");
    tdl_data_desc given, *desc = &given;
    tdl_status status = tdl_desc_copy("data", from, desc, sizeof *desc, err);
    if (status == TDL_OK) status = tdl_allocator_check("data", desc->allocator, err);
    if (status != TDL_OK) return status;
    if (!desc->tokenizer || !desc->path == !desc->bytes)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: a tokenizer and one of path and bytes must be given");
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    const char *name = desc->path ? desc->path : "records";
    tdl_data *d = tdl_alloc(mem, 1, sizeof *d);
    if (!d) return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory");
    d->mem = mem;
    tdl_token_run_init(&d->run, mem);
    d->path = tdl_strndup(mem, name, strlen(name));
    if (!d->path) status = tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory");
    else if (desc->path) status = tdl_data_source_find(mem, d->path, TDL_DATA_AUTO, &d->source, err);
    else status = tdl_data_source_of_bytes(desc->bytes, desc->bytes_size, d->path, &d->source, err);
    if (status == TDL_OK && d->source.format == TDL_DATA_TOKENS)
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "data: '%s': a token file, expected text or records", name);
    if (status == TDL_OK) status = tdl_data_style_find(desc->tokenizer, &d->style, err);
    tdl_data_cutter_init(&d->cutter, mem, &d->source, 1, tdl_text_of("", 1), d->style.cuts);
    if (status == TDL_OK) *out = d;
    else tdl_data_close(d);
    return status;
}

void tdl_data_close(tdl_data *d) {
    if (!d) return;
    tdl_data_cutter_deinit(&d->cutter);
    tdl_token_run_deinit(&d->run);
    tdl_free(d->mem, d->path);
    tdl_free(d->mem, d);
}

void tdl_data_get_info(const tdl_data *d, tdl_train_data_info *info) {
    if (!d || !info) return;
    *info = d->info;
    info->n_records = d->run.counts.n_records;
    info->n_empty = d->run.counts.n_empty;
    info->n_masked = d->run.counts.n_masked;
    info->n_empty_answers = d->run.counts.n_empty_answers;
    info->n_bad_utf8 = d->run.counts.n_bad_utf8;
}

tdl_status tdl_data_next(tdl_data *d, tdl_data_document *out, tdl_error *err) {
    if (!d) return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: data must not be NULL");
    if (tdl_result_check("data", out, sizeof *out, err) != TDL_OK) return TDL_ERROR_ARGUMENT;
    tdl_data_document document;
    while (!next_document(d, &document)) {
        drop_first(&d->run, d->n_out);
        d->n_out = 0;
        tdl_status status = read_piece(d, err);
        if (status != TDL_OK) return status;
    }
    d->info.n_tokens += document.n_ids;
    if (document.is_record && document.n_ids > d->info.n_longest) d->info.n_longest = document.n_ids;
    return tdl_result_copy("data", out, &document, sizeof document, err);
}

static bool next_document(tdl_data *d, tdl_data_document *out) {
    const tdl_token_run *run = &d->run;
    size_t n_whole = run->starts.n - (run->starts.n && !d->ended ? 1 : 0);
    while (d->n_out < n_whole) {
        size_t begin = *tdl_vec_at(&run->starts, size_t, d->n_out++), end = run->ids.n;
        if (d->n_out < run->starts.n) end = *tdl_vec_at(&run->starts, size_t, d->n_out);
        const uint8_t *counted = tdl_vec_at(&run->counted, uint8_t, begin);
        if (end - begin < 2 || !memchr(counted + 1, 1, end - begin - 1)) continue;
        *out = (tdl_data_document){.size = sizeof *out,
                                   .ids = tdl_vec_at(&run->ids, int32_t, begin),
                                   .counted = counted,
                                   .n_ids = end - begin,
                                   .is_record = d->source.format != TDL_DATA_TEXT};
        return true;
    }
    return false;
}

static tdl_status read_piece(tdl_data *d, tdl_error *err) {
    tdl_data_piece piece;
    tdl_status status = tdl_data_cutter_next(&d->cutter, &piece, err);
    if (status != TDL_OK) return status;
    status = tdl_data_piece_encode(&piece, d->cutter.separator, &d->style, &d->run, err);
    if (status == TDL_OK) tdl_data_cutter_release(&d->cutter);
    d->ended = piece.ends;
    return status;
}

static void drop_first(tdl_token_run *run, size_t n_documents) {
    size_t n = n_documents < run->starts.n ? *tdl_vec_at(&run->starts, size_t, n_documents) : run->ids.n;
    if (n_documents == 0) return;
    memmove(run->ids.data, tdl_vec_at(&run->ids, int32_t, n), (run->ids.n - n) * sizeof(int32_t));
    memmove(run->counted.data, tdl_vec_at(&run->counted, uint8_t, n), run->counted.n - n);
    run->ids.n -= n;
    run->counted.n -= n;
    run->starts.n -= n_documents;
    for (size_t i = 0; i < run->starts.n; i++)
        *tdl_vec_at(&run->starts, size_t, i) = *tdl_vec_at(&run->starts, size_t, i + n_documents) - n;
}
