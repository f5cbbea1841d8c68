// batch.c - the scheduler: fills steps from the sessions that have something to compute. See batch.h.
#include "run/batch.h"

#include "base/checked.h"
#include "base/thread.h"
#include "run/step_runner.h"

enum { DEFAULT_STEP_TOKENS = 512, EVAL_TOKENS = 64 };

static tdl_status check_desc(const tdl_model *model, const tdl_batch_desc *desc, tdl_batch_desc *full, tdl_error *err);
static bool fill_step(tdl_batch *batch);
static bool take_pages(tdl_batch *batch, tdl_timeline *t, int32_t *n_tokens);
static tdl_status begin_step(tdl_batch *batch, tdl_error *err);
static void finish_step(tdl_batch *batch);
static tdl_step_part *part_under_way(const tdl_batch *batch, const tdl_timeline *t);

tdl_status tdl_batch_create(tdl_model *model, const tdl_batch_desc *desc, tdl_batch **out, tdl_error *err) {
    if (!model || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: model and out must not be NULL");
    tdl_batch_desc full;
    tdl_status status = check_desc(model, desc, &full, err);
    return status == TDL_OK ? tdl_batch_make(model, &full, model->config.n_ctx, out, err) : status;
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
    b->n_seq_pages = (int32_t)tdl_min_i64(tdl_div_up(n_ctx_max, TDL_KV_PAGE), n_pages);
    b->timelines = tdl_alloc(model->mem, (size_t)desc->n_sessions_max, sizeof(tdl_timeline *));
    tdl_kv_desc kv = tdl_model_kv_desc(model, (int32_t)n_pages);
    tdl_model_limits limits = {.n_tokens = desc->n_tokens_max,
                               .n_seqs = (int32_t)tdl_min_i64(desc->n_sessions_max, desc->n_tokens_max),
                               .n_outputs = (int32_t)tdl_min_i64(desc->n_sessions_max, desc->n_tokens_max),
                               .n_pages = kv.n_pages,
                               .n_seq_pages = b->n_seq_pages};
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
    b->timelines[b->n_timelines++] = t;
    return TDL_OK;
}

void tdl_batch_leave(tdl_batch *b, tdl_timeline *t) {
    tdl_step_part *part = part_under_way(b, t);
    if (part) {
        part->timeline = NULL;
        part->orphan = t->logits;
        t->logits = NULL;
    }
    tdl_batch_trim(b, t, 0);
    for (int32_t i = 0; i < b->n_timelines; i++)
        if (b->timelines[i] == t) {
            b->timelines[i] = b->timelines[--b->n_timelines];
            return;
        }
}

void tdl_batch_forget(tdl_batch *b, const tdl_timeline *t) {
    tdl_step_part *part = part_under_way(b, t);
    if (part) part->n_tokens = part->output = -1;
}

void tdl_batch_trim(tdl_batch *b, tdl_timeline *t, int32_t n_tokens) {
    while (t->n_pages > tdl_div_up(n_tokens, TDL_KV_PAGE)) tdl_kv_cache_give(b->cache, t->pages[--t->n_pages]);
}

tdl_status tdl_batch_step(tdl_batch *b, tdl_error *err) {
    if (!b) return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: batch must not be NULL");
    if (!b->in_flight) {
        if (!fill_step(b)) return TDL_DONE;
        tdl_status status = begin_step(b, err);
        if (status != TDL_OK) return status;
        b->in_flight = true;
    }
    tdl_status status = tdl_step_runner_poll(b->runner, err);
    if (status == TDL_PENDING) return status;
    b->in_flight = false;
    if (status == TDL_OK) finish_step(b);
    return status;
}

tdl_status tdl_batch_eval(tdl_batch *b, tdl_timeline *t, float *logits, tdl_error *err) {
    tdl_status status = TDL_OK;
    if (!b->eval_runner) {
        tdl_model_limits limits = b->runner->limits;
        limits.n_tokens = limits.n_outputs = (int32_t)tdl_min_i64(EVAL_TOKENS, t->n_ctx);
        status = tdl_step_runner_create(b->model, &limits, b->cache, &b->eval_runner, err);
    }
    while (status == TDL_OK && t->n_computed < (int32_t)t->tokens.n) {
        tdl_step_runner *r = b->eval_runner;
        int32_t n = (int32_t)tdl_min_i64((int64_t)t->tokens.n - t->n_computed, r->limits.n_tokens);
        if (!take_pages(b, t, &n))
            return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "batch: the cache has no free page for position %d",
                            t->n_computed);
        tdl_step_runner_clear(r);
        tdl_step_runner_add(r, t, n, true);
        status = tdl_step_runner_submit(r, err);
        if (status == TDL_OK) status = tdl_step_runner_logits(r, 0, n, logits, err);
        if (status == TDL_OK)
            while ((status = tdl_step_runner_poll(r, err)) == TDL_PENDING) tdl_thread_yield();
        if (status != TDL_OK) return status;
        tdl_model_release(b->model);
        t->n_computed += n;
        logits += (size_t)n * (size_t)b->model->config.n_vocab;
    }
    return status;
}

static tdl_status check_desc(const tdl_model *model, const tdl_batch_desc *desc, tdl_batch_desc *full, tdl_error *err) {
    *full = desc ? *desc : (tdl_batch_desc){.size = sizeof *full};
    if (full->size != sizeof *full)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: desc size is %zu, expected %zu", full->size, sizeof *full);
    if (full->n_sessions_max < 0 || full->n_sessions_max > TDL_SESSIONS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_sessions_max is %d, expected 0 to %d", full->n_sessions_max,
                        TDL_SESSIONS_MAX);
    if (full->n_tokens_max < 0 || full->n_tokens_max > TDL_STEP_TOKENS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_tokens_max is %d, expected 0 to %d", full->n_tokens_max,
                        TDL_STEP_TOKENS_MAX);
    if (full->n_cache_tokens < 0 || full->n_cache_tokens > (int64_t)TDL_SESSIONS_MAX * TDL_CTX_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "batch: n_cache_tokens is %lld, out of range",
                        (long long)full->n_cache_tokens);
    if (!full->n_sessions_max) full->n_sessions_max = 1;
    if (!full->n_tokens_max) full->n_tokens_max = DEFAULT_STEP_TOKENS;
    if (!full->n_cache_tokens) full->n_cache_tokens = (int64_t)full->n_sessions_max * model->config.n_ctx;
    return TDL_OK;
}

// Chooses the step's tokens: whoever waits for one token first, then prompts in turn. False where nobody has work.
static bool fill_step(tdl_batch *b) {
    tdl_step_runner *r = b->runner;
    tdl_step_runner_clear(r);
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < b->n_timelines; i++) {
            int32_t turn = (b->next_prompt + i) % b->n_timelines;
            tdl_timeline *t = b->timelines[turn];
            int32_t pending = (int32_t)t->tokens.n - t->n_computed,
                    room = r->limits.n_tokens - r->counts.n[TDL_ROWS_TOKENS];
            if (pending == 0 || (pending == 1) != (pass == 0) || room == 0 ||
                r->counts.n[TDL_ROWS_SEQS] == r->limits.n_seqs)
                continue;
            int32_t n = (int32_t)tdl_min_i64(pending, room);
            t->cache_full = !take_pages(b, t, &n);
            if (t->cache_full) continue;
            tdl_step_runner_add(r, t, n, false);
            if (n < pending) b->next_prompt = turn + 1; // the next prompt begins the next step
        }
    return r->counts.n[TDL_ROWS_TOKENS] > 0;
}

// Gives the timeline pages for its next *n_tokens positions, or for fewer where the pool runs out; false: for none.
static bool take_pages(tdl_batch *b, tdl_timeline *t, int32_t *n_tokens) {
    int32_t needed = (int32_t)tdl_div_up(t->n_computed + *n_tokens, TDL_KV_PAGE);
    while (t->n_pages < needed) {
        int32_t page = tdl_kv_cache_take(b->cache);
        if (page < 0) break;
        t->pages[t->n_pages++] = page;
    }
    *n_tokens = (int32_t)tdl_min_i64(*n_tokens, (int64_t)t->n_pages * TDL_KV_PAGE - t->n_computed);
    return *n_tokens > 0;
}

// Submits the step, and asks for the logits of whoever has come to its last token.
static tdl_status begin_step(tdl_batch *b, tdl_error *err) {
    tdl_step_runner *r = b->runner;
    tdl_status status = tdl_step_runner_submit(r, err);
    for (int32_t i = 0; i < r->counts.n[TDL_ROWS_SEQS] && status == TDL_OK; i++) {
        const tdl_step_part *part = &r->parts[i];
        if (part->output >= 0) status = tdl_step_runner_logits(r, part->output, 1, part->timeline->logits, err);
    }
    return status;
}

static void finish_step(tdl_batch *b) {
    const tdl_step_runner *r = b->runner;
    for (int32_t i = 0; i < r->counts.n[TDL_ROWS_SEQS]; i++) {
        const tdl_step_part *part = &r->parts[i];
        tdl_timeline *t = part->timeline;
        if (!t || part->n_tokens < 0) continue; // it has left, or gone elsewhere
        t->n_computed += part->n_tokens;
        if (part->output < 0) continue;
        t->had_logits = true;
        t->has_logits = t->n_computed == (int32_t)t->tokens.n; // not where more was pushed since
    }
    tdl_model_release(b->model);
}

static tdl_step_part *part_under_way(const tdl_batch *b, const tdl_timeline *t) {
    for (int32_t i = 0; b->in_flight && i < b->runner->counts.n[TDL_ROWS_SEQS]; i++)
        if (b->runner->parts[i].timeline == t) return &b->runner->parts[i];
    return NULL;
}
