// SPDX-License-Identifier: MIT
// batch.c - the scheduler: fills steps from the sessions that have something to compute. See batch.h.
#include "run/batch.h"

#include "base/checked.h"
#include "base/desc.h"
#include "base/thread.h"
#include "run/step_runner.h"

#include <assert.h>

enum { DEFAULT_STEP_TOKENS = 512, EVAL_TOKENS = 64 };

static tdl_status check_desc(const tdl_model *model, const tdl_batch_desc *desc, tdl_batch_desc *full, tdl_error *err);
static bool has_work(const tdl_batch *batch);
static bool may_begin(const tdl_batch *batch);
static bool fill_step(tdl_batch *batch);
static void add_to_step(tdl_batch *batch, tdl_timeline *t, int32_t n_tokens);
static bool goes_ahead(const tdl_batch *batch, const tdl_timeline *t);
static bool take_pages(tdl_batch *batch, tdl_timeline *t, int32_t first, int32_t *n_tokens);
static tdl_status finish_step(tdl_batch *batch, tdl_error *err);
static tdl_status finish_part(tdl_batch *batch, const tdl_step_part *part, const int32_t *picked, tdl_error *err);
static void drop_steps(tdl_batch *batch);
static tdl_status settle(tdl_batch *batch, tdl_error *err);
static tdl_status run_alone(tdl_batch *batch, tdl_step_runner *runner, float *logits, tdl_error *err);

tdl_status tdl_batch_create(tdl_model *model, const tdl_batch_desc *desc, tdl_batch **out, tdl_error *err) {
    if (!model || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: model and out must not be NULL");
    tdl_batch_desc full;
    tdl_status status = check_desc(model, desc, &full, err);
    return status == TDL_OK ? tdl_batch_make(model, &full, full.n_ctx_max, out, err) : status;
}

tdl_status tdl_batch_make(tdl_model *model, const tdl_batch_desc *desc, int32_t n_ctx_max, tdl_batch **out,
                          tdl_error *err) {
    // A sequence ends within a page: one page more for each.
    int64_t n_pages = tdl_div_up(desc->n_cache_tokens, TDL_KV_PAGE) + desc->n_sessions_max - 1;
    if (n_pages > INT32_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "batch: %lld pages of cache, at most %d", (long long)n_pages, INT32_MAX);
    tdl_batch *b = tdl_alloc(model->mem, 1, sizeof *b);
    if (!b) return tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory");
    b->model = model;
    b->desc = *desc;
    b->n_steps_max = model->device->backend->steps_max;
    assert(b->n_steps_max >= 1 && b->n_steps_max <= TDL_AHEAD_MAX);
    b->n_seq_pages = (int32_t)tdl_min_i64(tdl_div_up(n_ctx_max, TDL_KV_PAGE), n_pages);
    b->timelines = tdl_alloc(model->mem, (size_t)desc->n_sessions_max, sizeof(tdl_timeline *));
    tdl_kv_desc kv = tdl_model_kv_desc(model, (int32_t)n_pages);
    tdl_model_limits limits = {.n_tokens = desc->n_tokens_max,
                               .n_seqs = (int32_t)tdl_min_i64(desc->n_sessions_max, desc->n_tokens_max),
                               .n_outputs = (int32_t)tdl_min_i64(desc->n_sessions_max, desc->n_tokens_max),
                               .n_pages = kv.n_pages,
                               .n_seq_pages = b->n_seq_pages,
                               .n_slots = b->n_steps_max > 1 ? desc->n_sessions_max : 0};
    tdl_status status = b->timelines
                            ? TDL_OK
                            : tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory for %d sessions", desc->n_sessions_max);
    if (status == TDL_OK) status = tdl_kv_cache_create(model->device, &kv, &b->cache, err);
    if (status == TDL_OK) status = tdl_step_runner_create(model, &limits, b->cache, &b->runner, err);
    if (status != TDL_OK) {
        tdl_batch_destroy(b);
        return status;
    }
    *out = b;
    return TDL_OK;
}

void tdl_batch_destroy(tdl_batch *b) {
    if (!b) return;
    tdl_step_runner_destroy(b->runner);
    tdl_step_runner_destroy(b->eval_runner);
    tdl_kv_cache_destroy(b->cache);
    tdl_free(b->model->mem, b->timelines);
    tdl_free(b->model->mem, b);
}

tdl_status tdl_batch_join(tdl_batch *b, tdl_timeline *t, tdl_error *err) {
    if (b->n_timelines == b->desc.n_sessions_max)
        return tdl_fail(err, TDL_ERROR_LIMIT, "batch: it has %d sessions, at most n_sessions_max %d", b->n_timelines,
                        b->desc.n_sessions_max);
    t->slot = 0;
    for (int32_t i = 0; i < b->n_timelines; i++)
        if (b->timelines[i]->slot == t->slot) { // taken: begin again with the next
            t->slot++;
            i = -1;
        }
    b->timelines[b->n_timelines++] = t;
    return TDL_OK;
}

void tdl_batch_leave(tdl_batch *b, tdl_timeline *t) {
    for (int32_t i = b->runner->n_flights; i-- > 0;) {
        const tdl_step_flight *flight = tdl_step_runner_flight(b->runner, i);
        for (int32_t j = 0; j < flight->n_parts; j++) {
            tdl_step_part *part = &flight->parts[j];
            if (part->timeline != t) continue;
            part->timeline = NULL;
            part->orphan = t->logits; // the last step's: no other follows one that reads logits
            t->logits = NULL;
        }
    }
    tdl_batch_trim(b, t, 0);
    for (int32_t i = 0; i < b->n_timelines; i++)
        if (b->timelines[i] == t) {
            b->timelines[i] = b->timelines[--b->n_timelines];
            return;
        }
}

void tdl_batch_forget(tdl_batch *b, tdl_timeline *t, int32_t n_tokens) {
    for (int32_t i = 0; i < b->runner->n_flights; i++) {
        const tdl_step_flight *flight = tdl_step_runner_flight(b->runner, i);
        for (int32_t j = 0; j < flight->n_parts; j++) {
            tdl_step_part *part = &flight->parts[j];
            if (part->timeline != t || (!part->pick && part->first + part->n_tokens <= n_tokens)) continue;
            int32_t n_kept = (int32_t)tdl_min_i64(part->n_tokens, n_tokens - part->first);
            part->n_tokens = n_kept > 0 ? n_kept : -1;
            part->output = -1;
        }
    }
    t->n_picks = t->n_flying = 0;
    t->n_computed = (int32_t)tdl_min_i64(t->n_computed, n_tokens);
    t->n_submitted = (int32_t)tdl_min_i64(t->n_submitted, n_tokens);
    tdl_batch_trim(b, t, t->n_submitted);
}

void tdl_batch_trim(tdl_batch *b, tdl_timeline *t, int32_t n_tokens) {
    while (t->n_pages > tdl_div_up(n_tokens, TDL_KV_PAGE)) tdl_kv_cache_give(b->cache, t->pages[--t->n_pages]);
}

tdl_status tdl_batch_step(tdl_batch *b, tdl_error *err) {
    if (!b) return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: batch must not be NULL");
    tdl_step_runner *r = b->runner;
    tdl_status status = settle(b, err);
    while (status == TDL_OK && may_begin(b) && fill_step(b)) status = tdl_step_runner_begin(r, NULL, err);
    if (status == TDL_OK && r->n_flights == 0) return has_work(b) ? TDL_WAITING : TDL_DONE; // for pages
    if (status == TDL_OK) status = tdl_step_runner_poll(r, err);
    if (status == TDL_OK) status = finish_step(b, err);
    if (status < 0) drop_steps(b);
    return status;
}

bool tdl_batch_waits(const tdl_batch *b, const tdl_timeline *t) {
    // What it holds and what it needs is at most the whole pool: its context was made to fit (session.c).
    return t->lacks_page && t->n_submitted < (int32_t)t->tokens.n && tdl_kv_cache_n_free(b->cache) == 0;
}

tdl_status tdl_batch_eval(tdl_batch *b, tdl_timeline *t, float *logits, tdl_error *err) {
    tdl_status status = tdl_batch_wait(b, err);
    if (status == TDL_OK && !b->eval_runner) {
        tdl_model_limits limits = b->runner->limits;
        limits.n_tokens = limits.n_outputs = (int32_t)tdl_min_i64(EVAL_TOKENS, t->n_ctx);
        limits.n_slots = 0;
        status = tdl_step_runner_create(b->model, &limits, b->cache, &b->eval_runner, err);
    }
    while (status == TDL_OK && t->n_computed < (int32_t)t->tokens.n) {
        tdl_step_runner *r = b->eval_runner;
        int32_t n = (int32_t)tdl_min_i64((int64_t)t->tokens.n - t->n_computed, r->limits.n_tokens);
        if (!take_pages(b, t, t->n_computed, &n))
            return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "batch: the cache has no free page for position %d",
                            t->n_computed);
        tdl_step_runner_clear(r);
        tdl_step_runner_add(r, t, t->n_computed, n, true);
        status = run_alone(b, r, logits, err);
        if (status != TDL_OK) return status;
        t->n_submitted = t->n_computed += n;
        logits += (size_t)n * (size_t)b->model->config.n_vocab;
    }
    return status;
}

tdl_status tdl_batch_logits(tdl_batch *b, tdl_timeline *t, tdl_error *err) {
    tdl_status status = tdl_batch_wait(b, err);
    int32_t n = 1, first = t->n_logits - 1;
    if (status != TDL_OK) return status;
    if (!take_pages(b, t, first, &n))
        return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "batch: the cache has no free page for position %d", first);
    tdl_step_runner_clear(b->runner);
    tdl_step_runner_add(b->runner, t, first, 1, true);
    return run_alone(b, b->runner, t->logits, err);
}

static tdl_status check_desc(const tdl_model *model, const tdl_batch_desc *desc, tdl_batch_desc *full, tdl_error *err) {
    tdl_status status = tdl_desc_copy("batch", desc, full, sizeof *full, err);
    if (status != TDL_OK) return status;
    if (full->n_sessions_max < 0 || full->n_sessions_max > TDL_SESSIONS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_sessions_max is %d, expected 0 to %d", full->n_sessions_max,
                        TDL_SESSIONS_MAX);
    if (full->n_tokens_max < 0 || full->n_tokens_max > TDL_STEP_TOKENS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_tokens_max is %d, expected 0 to %d", full->n_tokens_max,
                        TDL_STEP_TOKENS_MAX);
    if (full->n_cache_tokens < 0 || full->n_cache_tokens > (int64_t)TDL_SESSIONS_MAX * TDL_CTX_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_cache_tokens is %lld, out of range",
                        (long long)full->n_cache_tokens);
    if (full->n_ctx_max < 0 || full->n_ctx_max > TDL_CTX_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_ctx_max is %d, expected 0 to %d", full->n_ctx_max,
                        TDL_CTX_MAX);
    if (!full->n_ctx_max) full->n_ctx_max = model->config.n_ctx;
    if (!full->n_sessions_max) full->n_sessions_max = 1;
    if (!full->n_tokens_max) full->n_tokens_max = DEFAULT_STEP_TOKENS;
    if (!full->n_cache_tokens) full->n_cache_tokens = (int64_t)full->n_sessions_max * model->config.n_ctx;
    return TDL_OK;
}

static bool has_work(const tdl_batch *b) {
    for (int32_t i = 0; i < b->n_timelines; i++)
        if (b->timelines[i]->n_submitted < (int32_t)b->timelines[i]->tokens.n) return true;
    return false;
}

// One more step, beside those under way. None follows one whose logits the host waits for; a trace takes them one by one.
static bool may_begin(const tdl_batch *b) {
    tdl_step_runner *r = b->runner;
    int32_t n_max = tdl_tracing(b->model->device->trace) ? 1 : b->n_steps_max;
    for (int32_t i = 0; i < r->n_flights; i++)
        if (tdl_step_runner_flight(r, i)->reads_logits) return false;
    return r->n_flights < n_max;
}

// Chooses the step's tokens: whoever waits for one token first, then prompts in turn, then tokens that are yet to be picked.
// False where nobody has work.
static bool fill_step(tdl_batch *b) {
    tdl_step_runner *r = b->runner;
    const int32_t start = b->next_prompt; // of every pass: each timeline is visited once in it
    tdl_step_runner_clear(r);
    for (int pass = 0; pass < 3; pass++)
        for (int32_t i = 0; i < b->n_timelines; i++) {
            int32_t turn = (start + i) % b->n_timelines;
            tdl_timeline *t = b->timelines[turn];
            int32_t pending = (int32_t)t->tokens.n - t->n_submitted,
                    room = r->limits.n_tokens - r->counts.n[TDL_ROWS_TOKENS];
            if (room == 0 || r->counts.n[TDL_ROWS_SEQS] == r->limits.n_seqs) continue;
            int32_t n = pass < 2 ? (int32_t)tdl_min_i64(pending, room) : 1;
            if (pass == 2 ? !goes_ahead(b, t) : pending <= 0 || (pending == 1) != (pass == 0)) continue;
            bool full = !take_pages(b, t, t->n_submitted, &n);
            if (pass < 2) t->lacks_page = full;
            if (full) continue;
            if (n < pending) b->next_prompt = turn + 1; // the next prompt begins the next step
            add_to_step(b, t, n);
        }
    return r->counts.n[TDL_ROWS_TOKENS] > 0;
}

static void add_to_step(tdl_batch *b, tdl_timeline *t, int32_t n_tokens) {
    tdl_step_runner *r = b->runner;
    tdl_step_runner_add(r, t, t->n_submitted, n_tokens, false);
    const tdl_step_flight *flight = tdl_step_runner_flight(r, r->n_flights);
    t->n_submitted += n_tokens;
    t->n_flying += flight->parts[flight->n_parts - 1].pick;
}

// Whether the token that follows the timeline's last, picked or about to be, is computed already: where another will be wanted
// after it and has a position, and a page of the cache that it may begin leaves one for each of the others.
static bool goes_ahead(const tdl_batch *b, const tdl_timeline *t) {
    int32_t n_ahead = t->n_picks + t->n_flying, n_all = (int32_t)t->tokens.n + n_ahead;
    bool page = t->n_submitted < t->n_pages * TDL_KV_PAGE || tdl_kv_cache_n_free(b->cache) >= b->n_timelines;
    const tdl_step_flight *flight = tdl_step_runner_flight(b->runner, b->runner->n_flights);
    for (int32_t i = 0; i < flight->n_parts; i++)
        if (flight->parts[i].timeline == t) return false; // this very step picks that token
    return t->sampler && n_ahead > 0 && n_ahead < b->n_steps_max && n_ahead < t->n_wanted &&
           t->n_submitted == n_all - 1 && n_all < t->n_ctx && page;
}

// Gives the timeline pages for *n_tokens positions from `first` on, or for fewer where the pool runs out; false: for none.
static bool take_pages(tdl_batch *b, tdl_timeline *t, int32_t first, int32_t *n_tokens) {
    int32_t needed = (int32_t)tdl_div_up(first + *n_tokens, TDL_KV_PAGE);
    while (t->n_pages < needed) {
        int32_t page = tdl_kv_cache_take(b->cache);
        if (page < 0) break;
        t->pages[t->n_pages++] = page;
    }
    *n_tokens = (int32_t)tdl_min_i64(*n_tokens, (int64_t)t->n_pages * TDL_KV_PAGE - first);
    return *n_tokens > 0;
}

// Hands over what the oldest step has computed.
static tdl_status finish_step(tdl_batch *b, tdl_error *err) {
    const tdl_step_flight *flight = tdl_step_runner_flight(b->runner, 0);
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < flight->n_parts && status == TDL_OK; i++) {
        const tdl_step_part *part = &flight->parts[i];
        if (part->timeline && part->n_tokens >= 0) status = finish_part(b, part, flight->picked, err);
    }
    if (status != TDL_OK) return status;
    tdl_step_runner_end(b->runner);
    return TDL_OK;
}

static tdl_status finish_part(tdl_batch *b, const tdl_step_part *part, const int32_t *picked, tdl_error *err) {
    tdl_timeline *t = part->timeline;
    int32_t end = part->first + part->n_tokens;
    bool last = end == (int32_t)t->tokens.n; // not where more was pushed since, or it is ahead
    if (part->output >= 0 && part->pick) {
        int32_t id = picked[t->slot];
        if ((id < 0 && id != TDL_SAMPLE_NOT_FINITE) || id >= b->model->config.n_vocab)
            return tdl_fail(err, TDL_ERROR_DEVICE, "batch: the device picked token %d, expected 0 to %d", id,
                            b->model->config.n_vocab - 1);
        t->picks[t->n_picks++] = id;
        t->n_flying--;
    }
    t->n_computed = end;
    if (part->output < 0) return TDL_OK;
    if (!part->pick) t->has_logits = last;
    if (!part->pick || last) {
        t->n_logits = end;
        t->logits_here = !part->pick;
    }
    return TDL_OK;
}

// After a failure: nothing of what is under way counts. It is computed again from what the host knows.
static void drop_steps(tdl_batch *b) {
    b->runner->n_flights = 0;
    b->unsettled = true;
    for (int32_t i = 0; i < b->n_timelines; i++) {
        b->timelines[i]->n_flying = 0;
        b->timelines[i]->n_submitted = b->timelines[i]->n_computed;
    }
}

// OK: nothing that was dropped is still under way.
static tdl_status settle(tdl_batch *b, tdl_error *err) {
    if (!b->unsettled) return TDL_OK;
    tdl_status status = b->model->device->backend->poll(b->model->device, NULL, 0, err);
    if (status == TDL_OK) b->unsettled = false;
    return status;
}

tdl_status tdl_batch_wait(tdl_batch *b, tdl_error *err) {
    tdl_status status;
    while ((status = settle(b, err)) == TDL_PENDING) tdl_thread_yield();
    while (status == TDL_OK && b->runner->n_flights > 0) {
        while ((status = tdl_step_runner_poll(b->runner, err)) == TDL_PENDING) tdl_thread_yield();
        if (status == TDL_OK) status = finish_step(b, err);
    }
    if (status != TDL_OK) drop_steps(b);
    return status;
}

// The step that was filled in, all of whose logits are wanted; nothing else is under way. Returns when done.
static tdl_status run_alone(tdl_batch *b, tdl_step_runner *r, float *logits, tdl_error *err) {
    tdl_status status = tdl_step_runner_begin(r, logits, err);
    if (status == TDL_OK)
        while ((status = tdl_step_runner_poll(r, err)) == TDL_PENDING) tdl_thread_yield();
    r->n_flights = 0;
    if (status != TDL_OK) drop_steps(b);
    return status;
}
