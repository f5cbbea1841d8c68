// SPDX-License-Identifier: MIT
// not_finite_where.c - logits that are not finite: at which position that began, and in which op.
//
// A position's keys and values are read by all that follow it, so once a position has made a NaN, so do the later ones: the first
// is found by bisection. Each look runs one position alone, over the timeline's cache, in a plan that keeps every value
// (graph/not_finite.h). The positions that were looked at count as not computed afterwards: another plan may round otherwise.
#include "graph/not_finite.h"

#include "base/thread.h"
#include "run/step_runner.h"

#include <string.h>

typedef struct look {
    tdl_step_runner *runner;
    float *logits; // [n_vocab]
    char text[200];
} look;

static tdl_status create_runner(const tdl_batch *b, tdl_step_runner **out);
static tdl_status look_at(look *l, tdl_timeline *t, int32_t position);

tdl_status tdl_batch_not_finite(tdl_batch *b, tdl_timeline *t, int32_t position, tdl_error *err) {
    const tdl_allocator *mem = b->model->mem;
    look l = {.logits = tdl_alloc(mem, (size_t)b->model->config.n_vocab, sizeof(float))};
    char found[sizeof l.text] = "";
    int32_t first = 0, last = position, lowest = position;
    tdl_status status = l.logits ? tdl_batch_wait(b, NULL) : TDL_ERROR_MEMORY;
    if (status == TDL_OK) status = create_runner(b, &l.runner);
    if (status == TDL_OK) status = look_at(&l, t, position);
    memcpy(found, l.text, sizeof found);
    while (status == TDL_OK && found[0] && first < last) {
        int32_t middle = first + (last - first) / 2;
        status = look_at(&l, t, middle);
        if (middle < lowest) lowest = middle;
        if (status != TDL_OK) break;
        if (l.text[0]) {
            last = middle;
            memcpy(found, l.text, sizeof found);
        } else {
            first = middle + 1;
        }
    }
    if (l.runner) tdl_batch_forget(b, t, lowest);
    tdl_step_runner_destroy(l.runner);
    tdl_free(mem, l.logits);
    if (status != TDL_OK || !found[0]) // without memory, or where that position alone does not repeat it
        return tdl_fail(err, TDL_ERROR_NOT_FINITE, "session: the logits after position %d are not finite", position);
    return tdl_fail(err, TDL_ERROR_NOT_FINITE,
                    "session: the logits after position %d are not finite: at position %d, token %d, %s", position,
                    last, *tdl_vec_at(&t->tokens, int32_t, last), found);
}

static tdl_status create_runner(const tdl_batch *b, tdl_step_runner **out) {
    tdl_model_limits limits = {.n_tokens = 1,
                               .n_seqs = 1,
                               .n_outputs = 1,
                               .n_pages = b->runner->limits.n_pages,
                               .n_seq_pages = b->runner->limits.n_seq_pages,
                               .keep_values = true};
    return tdl_step_runner_create(b->model, &limits, b->cache, out, NULL);
}

// Computes one position again, whose page and those before it are there; text is empty where all of it is finite.
static tdl_status look_at(look *l, tdl_timeline *t, int32_t position) {
    tdl_step_runner *r = l->runner;
    tdl_finite_search search = {
        .mem = r->model->mem, .plan = r->plan, .exec = r->exec, .masked = r->plan->output, .skips_states = true};
    tdl_step_runner_clear(r);
    tdl_step_runner_add(r, t, position, 1, true);
    tdl_status status = tdl_step_runner_begin(r, l->logits, NULL);
    if (status == TDL_OK) status = TDL_PENDING;
    while (status == TDL_PENDING) {
        while ((status = tdl_exec_poll(r->exec, NULL)) == TDL_PENDING) tdl_thread_yield();
        if (status == TDL_OK) status = tdl_finite_search_next(&search, l->text, sizeof l->text, NULL);
    }
    tdl_finite_search_end(&search);
    r->n_flights = 0;
    return status;
}
