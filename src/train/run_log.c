// SPDX-License-Identifier: MIT
// run_log.c - see run_log.h.
//
// The log's lines are also kept in memory (a few dozen bytes a step), since the page shows the whole run. Cutting after a
// resume rewrites the file under a temporary name: a crash in between leaves the old lines, which the next resume cuts.
#include "train/run_log.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "train/event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_EVERY_DEFAULT = 100 };

struct tdl_run_log {
    const tdl_allocator *mem;
    char *log_path, *page_path, *title, *run;
    int fd;
    int64_t page_every, n_since_page;
    tdl_vec lines; // tdl_run_line
    tdl_str text;
    tdl_event_file *events;
};

static tdl_status read_lines(tdl_run_log *log, int64_t resume_step, tdl_error *err);
static bool has_lines(const tdl_run_log *log, const uint8_t *at, const uint8_t *end);
static tdl_status read_line(const tdl_run_log *log, const char *text, size_t size, size_t number, tdl_run_line *line,
                            tdl_error *err);
static double read_number(const json_t *object, const char *key);
static tdl_status keep_lines(tdl_run_log *log, const uint8_t *bytes, size_t size, tdl_error *err);
static tdl_status write_file(const tdl_run_log *log, const char *path, const void *bytes, size_t size, tdl_error *err);
static tdl_status write_run(const tdl_run_log *log, const char *dir, tdl_error *err);
static tdl_status write_line(tdl_run_log *log, const tdl_run_line *line, tdl_error *err);
static tdl_status write_events(tdl_run_log *log, const tdl_run_line *line, tdl_error *err);
static tdl_status write_page(tdl_run_log *log, tdl_error *err);
static bool put_number(json_t *object, const char *key, double value);
static int append_text(const char *text, size_t size, void *str);

tdl_status tdl_run_log_open(const tdl_run_log_desc *desc, tdl_run_log **out, tdl_error *err) {
    tdl_run_log *log = tdl_alloc(desc->mem, 1, sizeof *log);
    if (!log) return tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory");
    *log = (tdl_run_log){.mem = desc->mem,
                         .fd = -1,
                         .page_every = desc->page_every ? desc->page_every : PAGE_EVERY_DEFAULT,
                         .lines = tdl_vec_make(desc->mem, sizeof(tdl_run_line)),
                         .text = tdl_str_make(desc->mem)};
    log->log_path = tdl_path_join(log->mem, desc->dir, "log.jsonl");
    log->page_path = tdl_path_join(log->mem, desc->dir, "loss.html");
    size_t title_size = strlen(desc->title);
    bool text = tdl_utf8_valid(desc->title, title_size);
    log->title = text ? tdl_strndup(log->mem, desc->title, title_size) : tdl_strndup(log->mem, "run", 3);
    tdl_status status = TDL_OK;
    if (desc->run) log->run = tdl_strndup(log->mem, desc->run, strlen(desc->run));
    if (!log->log_path || !log->page_path || !log->title || !log->run != !desc->run)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory");
    if (status == TDL_OK && tdl_path_exists(log->log_path)) status = read_lines(log, desc->resume_step, err);
    if (status == TDL_OK) {
        log->fd = open(log->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log->fd < 0) status = tdl_fail(err, TDL_ERROR_IO, "log: '%s': cannot open: %m", log->log_path);
    }
    if (status == TDL_OK && log->run) status = write_run(log, desc->dir, err);
    if (status == TDL_OK) status = tdl_event_file_open(log->mem, desc->dir, desc->resume_step + 1, &log->events, err);
    if (status == TDL_OK) {
        *out = log;
        return TDL_OK;
    }
    log->lines.n = 0; // no page
    (void)tdl_run_log_close(log, NULL);
    return status;
}

tdl_status tdl_run_log_close(tdl_run_log *log, tdl_error *err) {
    if (!log) return TDL_OK;
    tdl_status status = log->lines.n ? write_page(log, err) : TDL_OK;
    tdl_event_file_close(log->events);
    if (log->fd >= 0) close(log->fd);
    tdl_vec_deinit(&log->lines);
    tdl_str_deinit(&log->text);
    tdl_free(log->mem, log->log_path);
    tdl_free(log->mem, log->page_path);
    tdl_free(log->mem, log->title);
    tdl_free(log->mem, log->run);
    tdl_free(log->mem, log);
    return status;
}

tdl_status tdl_run_log_add(tdl_run_log *log, const tdl_run_line *line, tdl_error *err) {
    int64_t last = log->lines.n ? tdl_vec_at(&log->lines, tdl_run_line, log->lines.n - 1)->step : 0;
    if (line->step <= last)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "log: step %lld after step %lld", (long long)line->step,
                        (long long)last);
    tdl_status status = write_line(log, line, err);
    if (status != TDL_OK) return status;
    tdl_run_line kept = *line;
    kept.sample = NULL;
    if (!tdl_vec_push(&log->lines, &kept, 1)) return tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory for its lines");
    status = write_events(log, line, err);
    if (status != TDL_OK || ++log->n_since_page < log->page_every) return status;
    log->n_since_page = 0;
    return write_page(log, err);
}

void tdl_run_log_sync(tdl_run_log *log) { (void)fsync(log->fd); } // what cannot be synced cannot be written either

const tdl_run_line *tdl_run_log_lines(const tdl_run_log *log, size_t *n) {
    *n = log->lines.n;
    return log->lines.data;
}

// ---- the log of an earlier part of the run

static tdl_status read_lines(tdl_run_log *log, int64_t resume_step, tdl_error *err) {
    tdl_file_map map = {0};
    tdl_status status = TDL_OK;
    if (resume_step == 0) return keep_lines(log, NULL, 0, err); // a new run: nothing stays
    tdl_error why = {0};
    status = tdl_file_map_open(log->mem, log->log_path, &map, &why);
    if (status == TDL_ERROR_FORMAT) return TDL_OK; // an empty file
    if (status != TDL_OK) return tdl_fail(err, status, "log: %s", why.message);
    size_t kept = 0;
    for (size_t at = 0, number = 1; at < map.size; number++) {
        const uint8_t *end = memchr(map.data + at, '\n', map.size - at);
        if (!end) break; // the last line was not finished
        size_t size = (size_t)(end - map.data) - at;
        tdl_run_line line;
        status = read_line(log, (const char *)map.data + at, size, number, &line, &why);
        if (status == TDL_ERROR_FORMAT && log->lines.n && !has_lines(log, end + 1, map.data + map.size)) {
            status = TDL_OK; // a machine that stopped may leave anything at a file's end
            break;
        }
        if (status != TDL_OK) tdl_fail(err, status, "%s", why.message);
        if (status != TDL_OK || line.step > resume_step) break;
        if (!tdl_vec_push(&log->lines, &line, 1)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory for its lines");
            break;
        }
        kept = at += size + 1;
    }
    if (status == TDL_OK && kept < map.size) status = keep_lines(log, map.data, kept, err);
    tdl_file_map_close(&map);
    return status;
}

static bool has_lines(const tdl_run_log *log, const uint8_t *at, const uint8_t *end) {
    for (const uint8_t *next; at < end && (next = memchr(at, '\n', (size_t)(end - at))); at = next + 1) {
        tdl_run_line line;
        if (read_line(log, (const char *)at, (size_t)(next - at), 0, &line, NULL) == TDL_OK) return true;
    }
    return false;
}

static tdl_status read_line(const tdl_run_log *log, const char *text, size_t size, size_t number, tdl_run_line *line,
                            tdl_error *err) {
    json_t *object = NULL;
    tdl_status status = tdl_json_parse(text, size, "log.jsonl", &object, err);
    if (status == TDL_ERROR_MEMORY) return status;
    const json_t *step = json_object_get(object, "step");
    int64_t last = log->lines.n ? tdl_vec_at(&log->lines, tdl_run_line, log->lines.n - 1)->step : 0;
    if (status != TDL_OK || !json_is_integer(step) || json_integer_value(step) <= last) {
        status = tdl_fail(err, TDL_ERROR_FORMAT,
                          "log: '%s': line %zu is no line of a run: expected an object with a \"step\" above %lld",
                          log->log_path, number, (long long)last);
    } else {
        *line = (tdl_run_line){.step = json_integer_value(step),
                               .loss = read_number(object, "loss"),
                               .lr = read_number(object, "lr"),
                               .tokens_per_s = read_number(object, "tokens_per_s"),
                               .grad_norm = read_number(object, "grad_norm"),
                               .val_loss = read_number(object, "val_loss"),
                               .n_counted = json_integer_value(json_object_get(object, "n_counted")),
                               .has_n_counted = json_object_get(object, "n_counted") != NULL,
                               .has_grad_norm = json_object_get(object, "grad_norm") != NULL,
                               .has_val_loss = json_object_get(object, "val_loss") != NULL};
    }
    json_decref(object);
    return status;
}

static double read_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? tdl_json_number(value) : (double)NAN;
}

// The log becomes these bytes.
static tdl_status keep_lines(tdl_run_log *log, const uint8_t *bytes, size_t size, tdl_error *err) {
    return write_file(log, log->log_path, bytes, size, err);
}

static tdl_status write_file(const tdl_run_log *log, const char *path, const void *bytes, size_t size, tdl_error *err) {
    tdl_file_writer *file = NULL;
    tdl_status status = tdl_file_writer_open(log->mem, path, &file, err);
    if (status == TDL_OK) status = tdl_file_writer_write(file, bytes, size, err);
    if (status == TDL_OK) return tdl_file_writer_commit(file, err);
    tdl_file_writer_abort(file);
    return status;
}

static tdl_status write_run(const tdl_run_log *log, const char *dir, tdl_error *err) {
    char *path = tdl_path_join(log->mem, dir, "run.json");
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory");
    tdl_status status = write_file(log, path, log->run, strlen(log->run), err);
    tdl_free(log->mem, path);
    return status;
}

// ---- a step

static tdl_status write_line(tdl_run_log *log, const tdl_run_line *line, tdl_error *err) {
    json_t *object = json_object();
    bool ok = object && json_object_set_new(object, "step", json_integer(line->step)) == 0 &&
              put_number(object, "loss", line->loss) && put_number(object, "lr", line->lr) &&
              put_number(object, "tokens_per_s", line->tokens_per_s) &&
              (!line->has_grad_norm || put_number(object, "grad_norm", line->grad_norm)) &&
              (!line->has_n_counted || json_object_set_new(object, "n_counted", json_integer(line->n_counted)) == 0) &&
              (!line->has_val_loss || put_number(object, "val_loss", line->val_loss)) &&
              (!line->sample || json_object_set_new(object, "sample", json_string(line->sample)) == 0);
    tdl_str_clear(&log->text);
    ok = ok && json_dump_callback(object, append_text, &log->text, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 &&
         tdl_str_append(&log->text, "\n", 1);
    json_decref(object);
    if (!ok) {
        tdl_str_deinit(&log->text); // it may be marked as failed
        log->text = tdl_str_make(log->mem);
        return tdl_fail(err, TDL_ERROR_MEMORY, "log: no memory for a line");
    }
    for (size_t at = 0; at < log->text.size;) {
        ssize_t n = write(log->fd, log->text.ptr + at, log->text.size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return tdl_fail(err, TDL_ERROR_IO, "log: '%s': cannot write: %m", log->log_path);
        at += (size_t)n;
    }
    return TDL_OK;
}

static tdl_status write_events(tdl_run_log *log, const tdl_run_line *line, tdl_error *err) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    tdl_scalar scalars[5] = {{"train/lr", (float)line->lr}, {"train/tokens_per_s", (float)line->tokens_per_s}};
    size_t n = 2;
    if (isfinite(line->loss)) scalars[n++] = (tdl_scalar){"train/loss", (float)line->loss};
    if (line->has_grad_norm) scalars[n++] = (tdl_scalar){"train/grad_norm", (float)line->grad_norm};
    if (line->has_val_loss && isfinite(line->val_loss)) scalars[n++] = (tdl_scalar){"val/loss", (float)line->val_loss};
    return tdl_event_file_add(log->events,
                              &(tdl_event){.wall_time = (double)now.tv_sec + (double)now.tv_nsec * 1e-9,
                                           .step = line->step,
                                           .n = n,
                                           .scalars = scalars},
                              err);
}

static tdl_status write_page(tdl_run_log *log, tdl_error *err) {
    return tdl_loss_page_write(log->mem, log->page_path, log->title, log->run, log->lines.data, log->lines.n, err);
}

static bool put_number(json_t *object, const char *key, double value) {
    return json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null()) == 0;
}

static int append_text(const char *text, size_t size, void *str) { return tdl_str_append(str, text, size) ? 0 : -1; }
