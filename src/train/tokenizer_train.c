// SPDX-License-Identifier: MIT
// tokenizer_train.c - see tokenizer_train.h.
//
// Records are encoded by a tokenizer that knows bytes and special tokens only, and the ids are bytes again: so
// this file need not know what a record may look like.
#include "train/tokenizer_train.h"

#include "base/desc.h"
#include "base/error.h"
#include "base/limits.h"
#include "token/bpe_train.h"
#include "token/tokenizer_json.h"
#include "train/token_build.h"

#include <string.h>

enum { N_BYTES = 256, DEFAULT_VOCAB = 4096, DEFAULT_COUNT_MIN = 2 };
static const double count_share = 0.8; // of the progress; the rest are the merges

typedef struct builder {
    const tdl_allocator *mem;
    const tdl_tokenizer_train_desc *desc; // its defaults are filled in
    tdl_bpe_trainer *trainer;
    tdl_tokenizer *bytes; // what the trainer is before its first merge
    tdl_data_style style;
    tdl_data_source *sources; // [n_data]
    const char **specials;    // [n_specials], the end of text first
    tdl_token_run run;
    tdl_str text;
    tdl_error *err;
} builder;

static tdl_status check_desc(const tdl_tokenizer_train_desc *desc, tdl_tokenizer_train_desc *d, tdl_error *err);
static tdl_status set_up(builder *b);
static tdl_status find_cuts(builder *b, tdl_bpe_train_desc of);
static tdl_status make_tokenizer(builder *b, const tdl_bpe_trainer *trainer, tdl_tokenizer **out);
static tdl_status count_all(builder *b);
static tdl_status count_piece(builder *b, const tdl_data_piece *piece);
static tdl_status count_records(builder *b, const tdl_data_piece *piece);
static tdl_status count_run(builder *b);
static tdl_status check_text(builder *b, const tdl_data_source *source, const tdl_bpe_train_info *before);
static tdl_status merge_all(builder *b);
static tdl_status write_file(builder *b, const char *path);
static tdl_status report(const builder *b, double fraction);
static tdl_status no_memory(tdl_error *err);

tdl_status tdl_tokenizer_train(const tdl_tokenizer_train_desc *desc, const char *path, tdl_tokenizer_train_info *info,
                               tdl_error *err) {
    tdl_tokenizer_train_desc d;
    tdl_status status = check_desc(desc, &d, err);
    if (status != TDL_OK) return status;
    if (!path) return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: path is NULL");
    if (info) status = tdl_result_check("tokenizer training", info, sizeof *info, err);
    if (status != TDL_OK) return status;
    builder b = {.mem = tdl_allocator_or_default(d.allocator), .desc = &d, .err = err};
    b.text = tdl_str_make(b.mem);
    tdl_token_run_init(&b.run, b.mem);
    status = set_up(&b);
    if (status == TDL_OK) status = count_all(&b);
    if (status == TDL_OK) status = merge_all(&b);
    if (status == TDL_OK) status = write_file(&b, path);
    if (status == TDL_OK && info) {
        tdl_bpe_train_info own;
        tdl_bpe_trainer_get_info(b.trainer, &own);
        tdl_tokenizer_train_info all = {.n_vocab = own.n_vocab,
                                        .n_merges = own.n_merges,
                                        .n_bytes = own.n_bytes,
                                        .n_bytes_invalid = own.n_bytes_invalid,
                                        .n_pieces = own.n_pieces,
                                        .n_pieces_lost = own.n_pieces_lost,
                                        .n_distinct = own.n_distinct};
        status = tdl_result_copy("tokenizer training", info, &all, sizeof all, err);
    }
    tdl_token_run_deinit(&b.run);
    tdl_str_deinit(&b.text);
    tdl_tokenizer_destroy(b.bytes);
    tdl_bpe_trainer_destroy(b.trainer);
    tdl_free(b.mem, b.sources);
    tdl_free(b.mem, b.specials);
    return status;
}

static tdl_status check_desc(const tdl_tokenizer_train_desc *desc, tdl_tokenizer_train_desc *d, tdl_error *err) {
    tdl_status status = tdl_desc_copy("tokenizer training", desc, d, sizeof *d, err);
    if (status == TDL_OK) status = tdl_allocator_check("tokenizer training", d->allocator, err);
    if (status != TDL_OK) return status;
    if (!d->n_data) return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: no data");
    const struct {
        const char *name;
        const char *const *list;
        size_t n, n_max;
    } lists[] = {{"data", d->data, d->n_data, TDL_DATA_FILES_MAX},
                 {"specials", d->specials, d->n_specials, TDL_BPE_SPECIALS_MAX - 1}};
    for (size_t i = 0; i < 2; i++) {
        if (lists[i].n > lists[i].n_max)
            return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer training: %zu texts in %s, at most %zu", lists[i].n,
                            lists[i].name, lists[i].n_max);
        for (size_t j = 0; j < lists[i].n; j++)
            if (!lists[i].list || !lists[i].list[j])
                return tdl_fail(err, TDL_ERROR_ARGUMENT, "tokenizer training: %s is NULL at %zu, expected %zu texts",
                                lists[i].name, j, lists[i].n);
    }
    if (!d->n_vocab) d->n_vocab = DEFAULT_VOCAB;
    if (!d->count_min) d->count_min = DEFAULT_COUNT_MIN;
    if (!d->pre) d->pre = "gpt-2";
    return TDL_OK;
}

static tdl_status set_up(builder *b) {
    const tdl_tokenizer_train_desc *d = b->desc;
    b->specials = tdl_alloc(b->mem, d->n_specials + 1, sizeof *b->specials);
    b->sources = tdl_alloc(b->mem, d->n_data, sizeof *b->sources);
    if (!b->specials || !b->sources) return no_memory(b->err);
    b->specials[0] = TDL_END_OF_TEXT;
    for (size_t i = 0; i < d->n_specials; i++) b->specials[i + 1] = d->specials[i];
    for (size_t i = 0; i < d->n_data; i++) {
        tdl_status status = tdl_data_source_find(b->mem, d->data[i], TDL_DATA_AUTO, &b->sources[i], b->err);
        if (status != TDL_OK) return status;
        if (b->sources[i].format == TDL_DATA_TOKENS)
            return tdl_fail(b->err, TDL_ERROR_UNSUPPORTED,
                            "data: '%s': .bin names a file of tokens; a tokenizer is trained on text", d->data[i]);
    }
    tdl_bpe_train_desc of = {.mem = b->mem,
                             .pre = d->pre,
                             .n_vocab = d->n_vocab,
                             .count_min = d->count_min,
                             .specials = b->specials,
                             .n_specials = d->n_specials + 1};
    tdl_status status = tdl_bpe_trainer_create(&of, &b->trainer, b->err);
    if (status == TDL_OK) status = make_tokenizer(b, b->trainer, &b->bytes);
    if (status == TDL_OK) status = tdl_data_style_find(b->bytes, &b->style, b->err);
    return status == TDL_OK ? find_cuts(b, of) : status;
}

// Where a text may be cut follows from the ids on both sides (data_record.c), but a tokenizer of bytes has the same ids
// however it is cut. One that has learned everything in a few lines has a token for each of their pieces.
static tdl_status find_cuts(builder *b, tdl_bpe_train_desc of) {
    static const char lines[] =
        "One line\nand another\"Stop.\"\n\"Go\"1\n2One line\n\nand another\"Stop.\"\n\n\"Go\"1\n\n2";
    tdl_bpe_trainer *trainer = NULL;
    tdl_tokenizer *tokenizer = NULL;
    tdl_data_style style = {0};
    of.n_vocab = N_BYTES + (int32_t)of.n_specials + (int32_t)sizeof lines;
    of.count_min = 1;
    tdl_status status = tdl_bpe_trainer_create(&of, &trainer, b->err);
    if (status == TDL_OK) status = tdl_bpe_trainer_add(trainer, tdl_text_of(lines, sizeof lines - 1), b->err);
    while (status == TDL_OK || status == TDL_PENDING) status = tdl_bpe_trainer_merge(trainer, b->err);
    if (status == TDL_DONE) status = make_tokenizer(b, trainer, &tokenizer);
    if (status == TDL_OK) status = tdl_data_style_find(tokenizer, &style, b->err);
    b->style.cuts = style.cuts;
    tdl_tokenizer_destroy(tokenizer);
    tdl_bpe_trainer_destroy(trainer);
    return status;
}

static tdl_status make_tokenizer(builder *b, const tdl_bpe_trainer *trainer, tdl_tokenizer **out) {
    tdl_str_clear(&b->text);
    tdl_status status = tdl_bpe_trainer_write(trainer, &b->text, b->err);
    if (status != TDL_OK) return status;
    tdl_tokenizer_json_desc json = {.mem = b->mem, .json = tdl_text_of(b->text.ptr, b->text.size), .bos = -1, .eos = 0};
    return tdl_tokenizer_from_json(&json, out, b->err);
}

// ---- counting

static tdl_status count_all(builder *b) {
    tdl_data_cutter cutter;
    tdl_data_piece piece;
    tdl_bpe_train_info before = {0}, info;
    const tdl_data_source *source = b->sources;
    uint64_t n_bytes = 0;
    tdl_status status;
    for (size_t i = 0; i < b->desc->n_data; i++) n_bytes += b->sources[i].stat.size;
    tdl_data_cutter_init(&cutter, b->mem, b->sources, b->desc->n_data, tdl_text_of("", 1), b->style.cuts);
    while ((status = tdl_data_cutter_next(&cutter, &piece, b->err)) == TDL_OK) {
        if (piece.source != source) {
            status = check_text(b, source, &before);
            source = piece.source;
            tdl_bpe_trainer_get_info(b->trainer, &before);
        }
        if (status == TDL_OK) status = (source->format == TDL_DATA_TEXT ? count_piece : count_records)(b, &piece);
        tdl_data_cutter_release(&cutter);
        if (status == TDL_OK) status = report(b, count_share * (double)cutter.n_bytes / (double)n_bytes);
        if (status != TDL_OK) break;
    }
    tdl_data_cutter_deinit(&cutter);
    if (status < 0) return status;
    status = check_text(b, source, &before);
    tdl_bpe_trainer_get_info(b->trainer, &info);
    if (status == TDL_OK && info.n_distinct == 0)
        return tdl_fail(b->err, TDL_ERROR_FORMAT, "data: '%s'%s: no text to train a tokenizer on", b->sources[0].path,
                        b->desc->n_data > 1 ? " and the other files" : "");
    return status;
}

// A piece of a text file: its documents, between NUL bytes.
static tdl_status count_piece(builder *b, const tdl_data_piece *piece) {
    tdl_status status = TDL_OK;
    for (size_t pos = 0; pos < piece->text.size && status == TDL_OK;) {
        size_t end = tdl_data_separator_find(piece->text, pos, tdl_text_of("", 1));
        status = tdl_bpe_trainer_add(b->trainer, tdl_text_of(piece->text.ptr + pos, end - pos), b->err);
        pos = end + 1;
    }
    return status;
}

static tdl_status count_records(builder *b, const tdl_data_piece *piece) {
    tdl_token_run_clear(&b->run);
    tdl_status status = tdl_data_piece_encode(piece, tdl_text_of("", 1), &b->style, &b->run, b->err);
    return status == TDL_OK ? count_run(b) : status;
}

// The texts of records: what lies between special tokens, and between what is learned and what is not.
static tdl_status count_run(builder *b) {
    const int32_t *ids = b->run.ids.data;
    const uint8_t *counted = b->run.counted.data;
    tdl_status status = TDL_OK;
    tdl_str_clear(&b->text);
    for (size_t i = 0; i <= b->run.ids.n && status == TDL_OK; i++) {
        bool special = i < b->run.ids.n && ids[i] <= (int32_t)b->desc->n_specials;
        if (i == b->run.ids.n || special || (i && counted[i] != counted[i - 1])) {
            status = tdl_bpe_trainer_add(b->trainer, tdl_text_of(b->text.ptr, b->text.size), b->err);
            tdl_str_clear(&b->text);
        }
        if (i == b->run.ids.n || special) continue;
        tdl_text byte = tdl_bpe_trainer_token(b->trainer, ids[i]);
        if (!tdl_str_append(&b->text, byte.ptr, byte.size)) status = no_memory(b->err);
    }
    return status;
}

// A few bytes that are not UTF-8 are left out; a file full of them is no text.
static tdl_status check_text(builder *b, const tdl_data_source *source, const tdl_bpe_train_info *before) {
    tdl_bpe_train_info now;
    tdl_bpe_trainer_get_info(b->trainer, &now);
    uint64_t n = now.n_bytes - before->n_bytes, n_invalid = now.n_bytes_invalid - before->n_bytes_invalid;
    if (n_invalid <= n / 10) return TDL_OK;
    return tdl_fail(b->err, TDL_ERROR_FORMAT,
                    "data: '%s': not text: %llu of its %llu bytes are not valid UTF-8, expected at most a tenth",
                    source->path, (unsigned long long)n_invalid, (unsigned long long)n);
}

// ---- merging

static tdl_status merge_all(builder *b) {
    tdl_status status;
    tdl_bpe_train_info info;
    while ((status = tdl_bpe_trainer_merge(b->trainer, b->err)) == TDL_PENDING) {
        tdl_bpe_trainer_get_info(b->trainer, &info);
        status = report(b, count_share + (1 - count_share) * info.n_vocab / b->desc->n_vocab);
        if (status != TDL_OK) return status;
    }
    return status == TDL_DONE ? TDL_OK : status;
}

static tdl_status write_file(builder *b, const char *path) {
    tdl_file_writer *writer = NULL;
    tdl_str_clear(&b->text);
    tdl_status status = tdl_bpe_trainer_write(b->trainer, &b->text, b->err);
    if (status == TDL_OK) status = tdl_file_writer_open(b->mem, path, &writer, b->err);
    if (status == TDL_OK) status = tdl_file_writer_write(writer, b->text.ptr, b->text.size, b->err);
    if (status == TDL_OK) return tdl_file_writer_commit(writer, b->err);
    tdl_file_writer_abort(writer);
    return status;
}

static tdl_status report(const builder *b, double fraction) {
    if (!b->desc->progress || b->desc->progress(b->desc->progress_user, fraction < 1 ? fraction : 1)) return TDL_OK;
    return tdl_fail(b->err, TDL_ERROR_CANCELLED, "tokenizer training: cancelled");
}

static tdl_status no_memory(tdl_error *err) { return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer training: no memory"); }
