// SPDX-License-Identifier: MIT
// token_build.c - see token_build.h.
//
// In rounds: the sources are cut into a few pieces for every thread, the threads encode them, each piece into a run of
// its own, and the runs are written in the order of the pieces. So neither the file nor the error, where there are
// several, depends on who was faster. Memory is bounded by a round.
#include "train/token_build.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <string.h>

enum {
    PIECES_A_THREAD = 8,
    PLACE_SIZE = 400 // bytes of a place in a message
};

typedef struct job {
    tdl_data_piece piece;
    tdl_token_run run;
    tdl_status status;
    tdl_error err;
} job;

typedef struct builder {
    const tdl_token_build_desc *desc;
    job *jobs; // [n_jobs_max]
    size_t n_jobs, n_jobs_max;
    atomic_size_t next; // job to take
} builder;

static tdl_status build(builder *b, tdl_data_cutter *cutter, tdl_pool *pool, tdl_token_writer *writer, tdl_error *err);
static tdl_status cut_round(builder *b, tdl_data_cutter *cutter, tdl_error *err);
static void encode_jobs(void *arg, int32_t index);
static tdl_status encode_text(const tdl_data_piece *piece, tdl_text separator, const tdl_data_style *style,
                              tdl_token_run *run, tdl_error *err);
static tdl_status encode_records(const tdl_data_piece *piece, const tdl_data_style *style, tdl_token_run *run,
                                 tdl_error *err);
static bool is_blank(tdl_text text);
static tdl_status check_enough(const builder *b, const tdl_token_writer *writer, tdl_error *err);

tdl_status tdl_token_build(const tdl_allocator *mem, const tdl_token_build_desc *desc, tdl_error *err) {
    tdl_data_cutter cutter;
    tdl_pool *pool = NULL;
    tdl_token_writer *writer = NULL;
    builder b = {.desc = desc};
    tdl_data_cutter_init(&cutter, mem, desc->sources, desc->n_sources, desc->separator, desc->style->cuts);
    tdl_status status = tdl_pool_create(mem, desc->n_threads, &pool, err);
    if (status != TDL_OK) goto cleanup;
    b.n_jobs_max = (size_t)desc->n_threads * PIECES_A_THREAD;
    b.jobs = tdl_alloc(mem, b.n_jobs_max, sizeof *b.jobs);
    if (!b.jobs) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory to encode with %d threads", desc->n_threads);
        goto cleanup;
    }
    for (size_t i = 0; i < b.n_jobs_max; i++) tdl_token_run_init(&b.jobs[i].run, mem);
    status = tdl_token_writer_open(mem, desc->path, desc->n_vocab, desc->key, &writer, err);
    if (status == TDL_OK) status = build(&b, &cutter, pool, writer, err);
    if (status == TDL_OK) status = check_enough(&b, writer, err);
    if (status == TDL_OK) {
        status = tdl_token_writer_commit(writer, err);
        writer = NULL;
    }
cleanup:
    tdl_token_writer_abort(writer);
    for (size_t i = 0; b.jobs && i < b.n_jobs_max; i++) tdl_token_run_deinit(&b.jobs[i].run);
    tdl_free(mem, b.jobs);
    tdl_pool_destroy(pool);
    tdl_data_cutter_deinit(&cutter);
    return status;
}

static tdl_status build(builder *b, tdl_data_cutter *cutter, tdl_pool *pool, tdl_token_writer *writer, tdl_error *err) {
    const tdl_token_build_desc *desc = b->desc;
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < desc->n_sources; i++) n_bytes += desc->sources[i].stat.size;
    for (;;) {
        tdl_status status = cut_round(b, cutter, err);
        if (status < 0) return status;
        if (b->n_jobs == 0) return TDL_OK;
        atomic_store(&b->next, 0);
        tdl_pool_run(pool, encode_jobs, b);
        for (size_t i = 0; i < b->n_jobs; i++) {
            const job *done = &b->jobs[i];
            if (done->status != TDL_OK) {
                if (err) *err = done->err;
                return done->status;
            }
            if ((status = tdl_token_writer_add(writer, &done->run, err)) != TDL_OK) return status;
        }
        tdl_data_cutter_release(cutter);
        double fraction = (double)cutter->n_bytes / (double)n_bytes;
        if (desc->progress && !desc->progress(desc->progress_user, fraction < 1.0 ? fraction : 1.0)) {
            return tdl_fail(err, TDL_ERROR_CANCELLED, "data: cancelled after %llu of %llu bytes",
                            (unsigned long long)cutter->n_bytes, (unsigned long long)n_bytes);
        }
    }
}

static tdl_status cut_round(builder *b, tdl_data_cutter *cutter, tdl_error *err) {
    tdl_status status = TDL_OK;
    b->n_jobs = 0;
    while (status == TDL_OK && b->n_jobs < b->n_jobs_max) {
        job *next = &b->jobs[b->n_jobs];
        status = tdl_data_cutter_next(cutter, &next->piece, err);
        if (status == TDL_OK) b->n_jobs++;
    }
    return status;
}

static void encode_jobs(void *arg, int32_t index) {
    builder *b = arg;
    (void)index;
    for (size_t i; (i = atomic_fetch_add(&b->next, 1)) < b->n_jobs;) {
        job *own = &b->jobs[i];
        tdl_token_run_clear(&own->run);
        own->err = (tdl_error){0};
        own->status = tdl_data_piece_encode(&own->piece, b->desc->separator, b->desc->style, &own->run, &own->err);
    }
}

tdl_status tdl_data_piece_encode(const tdl_data_piece *piece, tdl_text separator, const tdl_data_style *style,
                                 tdl_token_run *run, tdl_error *err) {
    if (piece->source->format == TDL_DATA_TEXT) return encode_text(piece, separator, style, run, err);
    return encode_records(piece, style, run, err);
}

// Documents of nothing but white space are left out.
static tdl_status encode_text(const tdl_data_piece *piece, tdl_text separator, const tdl_data_style *style,
                              tdl_token_run *run, tdl_error *err) {
    tdl_text text = piece->text;
    tdl_status status = TDL_OK;
    bool begins = piece->begins;
    for (size_t pos = 0; pos <= text.size && status == TDL_OK;) {
        size_t end = tdl_data_separator_find(text, pos, separator);
        bool ends = end < text.size || piece->ends, blank;
        tdl_text document = tdl_text_of(text.ptr + pos, end - pos);
        blank = begins && ends && is_blank(document);
        run->counts.n_records += begins && document.size > 0;
        run->counts.n_empty += blank && document.size > 0;
        if (!blank) {
            run->counts.n_bad_utf8 += !tdl_utf8_valid(document.ptr, document.size);
            if (begins) status = tdl_token_run_begin(run, style, err);
            if (status == TDL_OK) status = tdl_token_run_text(run, style, document, true, err);
            if (status == TDL_OK && ends) status = tdl_token_run_end(run, style, err);
        }
        begins = true;
        if (end == text.size) break;
        pos = end + separator.size;
    }
    return status;
}

// Where the next record in text begins and ends; records are lines, or elements of an array.
static tdl_text next_record(tdl_text text, bool array, size_t *pos, uint64_t *line) {
    while (array && *pos < text.size && is_blank(tdl_text_of(text.ptr + *pos, 1))) *line += text.ptr[(*pos)++] == '\n';
    size_t begin = *pos, end;
    if (array) {
        end = tdl_data_element_end(text, begin);
    } else {
        const char *p = memchr(text.ptr + begin, '\n', text.size - begin);
        end = p ? (size_t)(p - text.ptr) : text.size;
    }
    *pos = end + 1;
    return tdl_text_of(text.ptr + begin, end - begin);
}

static tdl_status encode_records(const tdl_data_piece *piece, const tdl_data_style *style, tdl_token_run *run,
                                 tdl_error *err) {
    tdl_text text = piece->text;
    bool array = piece->source->format == TDL_DATA_JSON;
    uint64_t line = piece->line;
    for (size_t pos = 0; pos < text.size;) {
        tdl_text record = next_record(text, array, &pos, &line);
        char what[PLACE_SIZE];
        snprintf(what, sizeof what, "%s:%llu", piece->source->path, (unsigned long long)line);
        for (size_t i = 0; i < record.size; i++) line += record.ptr[i] == '\n';
        line += !array;
        if (is_blank(record) && (!array || pos > text.size)) continue;
        if (record.size > TDL_DATA_RECORD_SIZE_MAX) {
            return tdl_fail(err, TDL_ERROR_LIMIT, "data: %s: the line has %zu bytes, at most %d", what, record.size,
                            TDL_DATA_RECORD_SIZE_MAX);
        }
        tdl_status status = tdl_data_record_encode(record, what, style, run, err);
        if (status != TDL_OK) return status;
    }
    return TDL_OK;
}

static bool is_blank(tdl_text text) {
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.ptr[i] > ' ') return false;
    }
    return true;
}

static tdl_status check_enough(const builder *b, const tdl_token_writer *writer, tdl_error *err) {
    if (tdl_token_writer_n_targets(writer) > 0) return TDL_OK;
    return tdl_fail(
        err, TDL_ERROR_FORMAT,
        "data: '%s'%s: nothing to learn from: %llu tokens, none of them counted after another of its document",
        b->desc->sources[0].path, b->desc->n_sources > 1 ? " and the other files" : "",
        (unsigned long long)tdl_token_writer_n_tokens(writer));
}
