// SPDX-License-Identifier: MIT
// session.c - one sequence: a timeline in a batch, a sampler, and the text that comes out.
//
// Sampled text passes a detokenizer (whole characters), then the stop strings: what may still become one is held back.
//
// A call that fails changes nothing: what may fail comes first. A token's text is made before the token is appended, and where
// there is no memory for the text, the sampler gets its random number back.
#include "base/checked.h"
#include "base/desc.h"
#include "base/thread.h"
#include "run/batch.h"
#include "run/sampler.h"
#include "token/tokenizer.h"

#include <string.h>

enum { DEFAULT_BATCH = 512, ENCODE_GUESS_EXTRA = 16 };

struct tdl_session {
    tdl_timeline timeline; // first: the batch knows it
    tdl_model *model;
    tdl_batch *batch;
    bool owns_batch;
    tdl_sampler *sampler;
    tdl_detokenizer detokenizer;
    tdl_str text;    // n_lent bytes that take_text lent out last, certain characters, and what may become a stop string
    size_t n_lent;   // dropped by the next call that touches the text
    tdl_text *stops; // [n_stops], owned
    size_t n_stops;
    int32_t n_predict, n_new; // new tokens since the last push
    bool ignore_eos, ended;
    tdl_error failure;     // NOT_FINITE: what next says until the timeline changes
    tdl_finish finish;     // where ended
    tdl_session_desc desc; // as given, for tdl_session_move; its pointers are not kept
};

static tdl_status check_desc(const tdl_model *model, const tdl_session_desc *desc, tdl_error *err);
static tdl_status set_up(tdl_session *s, const tdl_session_desc *desc, tdl_error *err);
static tdl_status set_up_batch(tdl_session *s, const tdl_session_desc *desc, tdl_error *err);
static tdl_status copy_stops(tdl_session *s, const tdl_session_desc *desc, tdl_error *err);
static tdl_status check_ids(const tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err);
static tdl_status append(tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err);
static void take_back(tdl_session *s, size_t n_tokens);
static tdl_status fail_not_finite(tdl_session *s, tdl_error *err);
static void drop_pick(tdl_session *s);
static void drop_lent(tdl_session *s);
static tdl_status accept_token(tdl_session *s, int32_t id, tdl_error *err);
static bool cut_at_stop(tdl_session *s);
static size_t held_back(const tdl_session *s);
static void resume(tdl_session *s);

static int32_t n_tokens_of(const tdl_session *s) { return (int32_t)s->timeline.tokens.n; }

static int32_t n_wanted_of(const tdl_session *s) { return s->n_predict ? s->n_predict - s->n_new : INT32_MAX; }

tdl_status tdl_session_create(tdl_model *model, const tdl_session_desc *desc, tdl_session **out, tdl_error *err) {
    tdl_session_desc d;
    if (!model || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: model and out must not be NULL");
    tdl_status status = tdl_desc_copy("session", desc, &d, sizeof d, err);
    if (status == TDL_OK) status = check_desc(model, &d, err);
    if (status != TDL_OK) return status;
    tdl_session *s = tdl_alloc(model->mem, 1, sizeof *s);
    if (!s) return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory");
    s->model = model;
    s->timeline.tokens = tdl_vec_make(model->mem, sizeof(int32_t));
    s->text = tdl_str_make(model->mem);
    tdl_detokenizer_init(&s->detokenizer, model->tokenizer, model->mem, true);
    status = set_up(s, &d, err);
    if (status != TDL_OK) {
        tdl_session_destroy(s);
        return status;
    }
    *out = s;
    return TDL_OK;
}

void tdl_session_destroy(tdl_session *s) {
    if (!s) return;
    const tdl_allocator *mem = s->model->mem;
    if (s->batch) tdl_batch_leave(s->batch, &s->timeline);
    if (s->owns_batch) tdl_batch_destroy(s->batch);
    tdl_sampler_destroy(s->sampler);
    tdl_detokenizer_deinit(&s->detokenizer);
    tdl_str_deinit(&s->text);
    for (size_t i = 0; i < s->n_stops; i++) tdl_free(mem, (void *)(uintptr_t)s->stops[i].ptr);
    tdl_free(mem, s->stops);
    tdl_vec_deinit(&s->timeline.tokens);
    tdl_free(mem, s->timeline.pages);
    tdl_free(mem, s->timeline.logits);
    tdl_free(mem, s);
}

tdl_status tdl_session_push(tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err) {
    tdl_status status = append(s, ids, n_ids, err);
    if (status == TDL_OK && n_ids) resume(s);
    return status;
}

tdl_status tdl_session_push_text(tdl_session *s, const char *text, size_t text_size, const tdl_encode_desc *desc,
                                 tdl_error *err) {
    if (!s || (!text && text_size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session and text must not be NULL");
    if (!s->model->tokenizer)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "session: the model has no tokenizer; push token ids");
    if (text_size > TDL_TEXT_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "session: text of %zu bytes, at most %d", text_size, TDL_TEXT_SIZE_MAX);
    tdl_encode_desc how;
    tdl_status status = tdl_desc_copy("session", desc, &how, sizeof how, err);
    if (status != TDL_OK) return status;
    bool known = (int)how.bos >= 0 && how.bos <= TDL_BOS_ALWAYS; // else encode says so
    if (s->timeline.tokens.n && known) how.bos = TDL_BOS_NEVER;
    size_t n_max = text_size + ENCODE_GUESS_EXTRA, n_ids = 0;
    const tdl_allocator *mem = s->model->mem;
    int32_t *ids = tdl_alloc(mem, n_max, sizeof *ids); // a token has at least one byte, almost always
    status = ids ? tdl_tokenizer_encode(s->model->tokenizer, text, text_size, &how, ids, n_max, &n_ids, err)
                 : TDL_ERROR_MEMORY;
    if (ids && status == TDL_ERROR_LIMIT && n_ids > n_max) {
        tdl_free(mem, ids);
        n_max = n_ids;
        ids = tdl_alloc(mem, n_max, sizeof *ids);
        if (ids) status = tdl_tokenizer_encode(s->model->tokenizer, text, text_size, &how, ids, n_max, &n_ids, err);
    }
    if (!ids)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for the ids of %zu bytes of text", text_size);
    if (status == TDL_OK) status = tdl_session_push(s, ids, n_ids, err);
    tdl_free(mem, ids);
    return status;
}

tdl_status tdl_session_sync(tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err) {
    tdl_status status = check_ids(s, ids, n_ids, err); // all checks before anything changes
    if (status != TDL_OK) return status;
    tdl_timeline *t = &s->timeline;
    if (n_ids > (size_t)t->n_ctx)
        return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "session: %zu tokens do not fit the context of %d", n_ids,
                        t->n_ctx);
    if (!tdl_vec_reserve(&t->tokens, n_ids))
        return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu tokens", n_ids);
    size_t common = 0;
    while (common < n_ids && common < t->tokens.n && *tdl_vec_at(&t->tokens, int32_t, common) == ids[common]) common++;
    status = tdl_session_rewind(s, common, err);
    if (status != TDL_OK || common == n_ids) return status;
    return tdl_session_push(s, ids + common, n_ids - common, err);
}

tdl_status tdl_session_rewind(tdl_session *s, size_t n_tokens, tdl_error *err) {
    if (!s) return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session must not be NULL");
    tdl_timeline *t = &s->timeline;
    if (n_tokens > t->tokens.n)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: rewind to %zu tokens, there are %zu", n_tokens, t->tokens.n);
    // The last token is computed again, so that its logits follow.
    tdl_batch_forget(s->batch, t, (int32_t)tdl_max_i64((int64_t)n_tokens - 1, 0));
    t->tokens.n = n_tokens;
    t->n_logits = 0;
    resume(s);
    return TDL_OK;
}

tdl_status tdl_session_next(tdl_session *s, int32_t *token, tdl_error *err) {
    if (!s || !token) return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session and token must not be NULL");
    tdl_timeline *t = &s->timeline;
    if (s->ended || (s->n_predict && s->n_new >= s->n_predict)) {
        drop_lent(s);
        tdl_status status =
            s->ended || !s->model->tokenizer ? TDL_OK : tdl_detokenizer_flush(&s->detokenizer, &s->text, err);
        if (status != TDL_OK) return status;
        s->finish = tdl_session_finish(s);
        s->ended = true;
        return TDL_DONE;
    }
    if (t->tokens.n == 0) return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: nothing was pushed");
    if (s->failure.code) return tdl_fail(err, s->failure.code, "%s", s->failure.message);
    t->n_wanted = n_wanted_of(s);
    if (!t->has_logits && !t->n_picks) {
        tdl_status status = s->owns_batch ? tdl_batch_step(s->batch, err) : TDL_PENDING;
        if (status < 0) return status;
        if (tdl_batch_waits(s->batch, t)) return TDL_WAITING;
        if (status == TDL_PENDING || (!t->has_logits && !t->n_picks)) return TDL_PENDING;
    }
    if (n_tokens_of(s) == t->n_ctx)
        return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "session: the context is full: %d tokens of %d", n_tokens_of(s),
                        t->n_ctx);
    if (!tdl_vec_reserve(&t->tokens, t->tokens.n + 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu tokens", t->tokens.n + 1);
    bool picked = t->n_picks > 0;
    tdl_rng rng = tdl_sampler_rng(s->sampler);
    int32_t id = picked ? t->picks[0] : tdl_sampler_sample(s->sampler, t->logits, t->tokens.data, t->tokens.n);
    if (id == TDL_SAMPLE_NOT_FINITE) return fail_not_finite(s, err);
    tdl_status status = accept_token(s, id, err);
    if (status < 0) {
        tdl_sampler_set_rng(s->sampler, rng);
        return status;
    }
    if (picked) drop_pick(s);
    t->n_wanted = n_wanted_of(s);
    if (s->ended) tdl_batch_forget(s->batch, t, n_tokens_of(s) - 1); // what follows it is not wanted
    if (status == TDL_OK) *token = id;
    return status;
}

tdl_finish tdl_session_finish(const tdl_session *s) {
    if (!s) return TDL_FINISH_NONE;
    if (s->ended) return s->finish;
    return s->n_predict && s->n_new >= s->n_predict ? TDL_FINISH_LENGTH : TDL_FINISH_NONE;
}

const char *tdl_finish_name(tdl_finish finish) {
    switch (finish) {
    case TDL_FINISH_END: return "end";
    case TDL_FINISH_STOP: return "stop";
    case TDL_FINISH_LENGTH: return "length";
    default: return "none";
    }
}

tdl_text tdl_session_take_text(tdl_session *s) {
    if (!s) return tdl_text_of("", 0);
    drop_lent(s);
    s->n_lent = s->text.size - (s->ended ? 0 : held_back(s));
    return s->n_lent ? tdl_text_of(s->text.ptr, s->n_lent) : tdl_text_of("", 0);
}

const int32_t *tdl_session_tokens(const tdl_session *s, size_t *n_tokens) {
    if (n_tokens) *n_tokens = s ? s->timeline.tokens.n : 0;
    return s ? s->timeline.tokens.data : NULL;
}

int32_t tdl_session_n_computed(const tdl_session *s) {
    if (!s) return 0;
    return (int32_t)tdl_min_i64(s->timeline.n_computed,
                                n_tokens_of(s)); // tokens that are picked but not taken are none yet
}

int32_t tdl_session_n_ctx(const tdl_session *s) { return s ? s->timeline.n_ctx : 0; }

// Who asks once will ask again: from then on the host samples, from logits that are there.
const float *tdl_session_logits(const tdl_session *session) {
    tdl_session *s = (tdl_session *)(uintptr_t)session; // what may change is no part of what others see
    if (!s) return NULL;
    tdl_timeline *t = &s->timeline;
    t->sampler = NULL;
    if (t->n_logits == 0) return NULL;
    if (!t->logits_here) {
        bool last = t->n_logits == n_tokens_of(s);
        tdl_batch_forget(s->batch, t, n_tokens_of(s) - 1);
        if (tdl_batch_logits(s->batch, t, NULL) != TDL_OK) return NULL;
        t->logits_here = true;
        t->has_logits = last;
        if (last) t->n_submitted = t->n_computed = t->n_logits;
    }
    return tdl_logits_finite(t->logits, s->model->config.n_vocab, NULL) ? t->logits : NULL;
}

tdl_status tdl_session_eval(tdl_session *s, const int32_t *ids, size_t n_ids, float *logits, tdl_error *err) {
    if (!s || (!logits && n_ids))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session and logits must not be NULL");
    tdl_timeline *t = &s->timeline;
    if (!s->owns_batch)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: eval needs a session with a batch of its own");
    tdl_status status = check_ids(s, ids, n_ids, err);
    while (status >= 0 && t->n_computed < n_tokens_of(s)) { // what was pushed before
        status = tdl_batch_step(s->batch, err);
        if (status == TDL_PENDING) tdl_thread_yield();
    }
    if (status < 0 || n_ids == 0) return status < 0 ? status : TDL_OK;
    size_t n_before = t->tokens.n, n_vocab = (size_t)s->model->config.n_vocab;
    status = append(s, ids, n_ids, err);
    if (status != TDL_OK) return status;
    status = tdl_batch_eval(s->batch, t, logits, err);
    for (size_t i = 0; i < n_ids && status == TDL_OK; i++)
        if (!tdl_logits_finite(logits + i * n_vocab, (int64_t)n_vocab, NULL))
            status = tdl_batch_not_finite(s->batch, t, (int32_t)(n_before + i), err);
    if (status != TDL_OK) {
        take_back(s, n_before);
        return status;
    }
    memcpy(t->logits, logits + (n_ids - 1) * n_vocab, n_vocab * sizeof *logits);
    resume(s);
    t->has_logits = t->logits_here = true;
    t->n_logits = n_tokens_of(s);
    return TDL_OK;
}

tdl_status tdl_session_move(const tdl_session *from, tdl_model *model, tdl_batch *batch, tdl_session **out,
                            tdl_error *err) {
    if (!from || !model || !out)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session, model and out must not be NULL");
    if (model->config.n_vocab != from->model->config.n_vocab)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: the model has %d tokens, expected the %d of the session's",
                        model->config.n_vocab, from->model->config.n_vocab);
    const char *stops[TDL_STOPS_MAX];
    for (size_t i = 0; i < from->n_stops; i++) stops[i] = from->stops[i].ptr; // they end in NUL
    tdl_session_desc desc = from->desc;
    desc.batch = batch;
    desc.n_ctx = from->timeline.n_ctx;
    desc.stops = stops;
    tdl_session *s = NULL;
    tdl_status status = tdl_session_create(model, &desc, &s, err);
    if (status != TDL_OK) return status;
    const tdl_vec *tokens = &from->timeline.tokens;
    bool ok = tdl_vec_push(&s->timeline.tokens, tokens->data, tokens->n) &&
              (from->text.size == from->n_lent ||
               tdl_str_append(&s->text, from->text.ptr + from->n_lent, from->text.size - from->n_lent)) &&
              tdl_str_append(&s->detokenizer.pending, from->detokenizer.pending.ptr, from->detokenizer.pending.size);
    if (!ok) {
        tdl_session_destroy(s);
        return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu tokens", tokens->n);
    }
    s->detokenizer.first = from->detokenizer.first;
    s->n_new = from->n_new;
    s->ended = from->ended;
    s->finish = from->finish;
    tdl_sampler_set_rng(s->sampler, tdl_sampler_rng(from->sampler)); // a step that failed has drawn nothing
    *out = s;
    return TDL_OK;
}

static tdl_status check_desc(const tdl_model *model, const tdl_session_desc *desc, tdl_error *err) {
    bool learned = model->arch->position == TDL_POSITION_LEARNED; // there is no position past the table
    int32_t n_ctx_max = learned ? model->config.n_ctx : TDL_CTX_MAX;
    if (desc->batch) n_ctx_max = (int32_t)tdl_min_i64(n_ctx_max, (int64_t)desc->batch->n_seq_pages * TDL_KV_PAGE);
    if (desc->n_ctx < 0 || desc->n_ctx > n_ctx_max)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: n_ctx is %d, expected 0 to %d", desc->n_ctx, n_ctx_max);
    if (desc->n_batch < 0 || desc->n_batch > TDL_STEP_TOKENS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: n_batch is %d, expected 0 to %d", desc->n_batch,
                        TDL_STEP_TOKENS_MAX);
    if (desc->n_predict < 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: n_predict is %d, expected 0 or more", desc->n_predict);
    if (desc->n_stops > TDL_STOPS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "session: %zu stop strings, at most %d", desc->n_stops, TDL_STOPS_MAX);
    for (size_t i = 0; i < desc->n_stops; i++) {
        size_t size = desc->stops && desc->stops[i] ? strlen(desc->stops[i]) : 0;
        if (size == 0 || size > TDL_STOP_SIZE_MAX)
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: stop string %zu has %zu bytes, expected 1 to %d", i,
                            size, TDL_STOP_SIZE_MAX);
    }
    return TDL_OK;
}

static tdl_status set_up(tdl_session *s, const tdl_session_desc *desc, tdl_error *err) {
    tdl_timeline *t = &s->timeline;
    s->desc = *desc;
    s->desc.batch = NULL;
    s->desc.stops = NULL;
    s->n_predict = desc->n_predict;
    s->ignore_eos = desc->ignore_eos;
    t->n_ctx = desc->n_ctx ? desc->n_ctx : s->model->config.n_ctx;
    if (desc->batch) t->n_ctx = (int32_t)tdl_min_i64(t->n_ctx, (int64_t)desc->batch->n_seq_pages * TDL_KV_PAGE);
    t->logits = tdl_alloc(s->model->mem, (size_t)s->model->config.n_vocab, sizeof *t->logits);
    t->pages = tdl_alloc(s->model->mem, (size_t)tdl_div_up(t->n_ctx, TDL_KV_PAGE), sizeof *t->pages);
    if (!t->logits || !t->pages)
        return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for a context of %d", t->n_ctx);
    tdl_status status = tdl_sampler_create(s->model->mem, &desc->sampler, s->model->config.n_vocab, &s->sampler, err);
    if (status == TDL_OK && s->model->device->backend->steps_max > 1 && tdl_sampler_fits_device(s->sampler))
        t->sampler = s->sampler;
    if (status == TDL_OK) status = copy_stops(s, desc, err);
    if (status == TDL_OK) status = set_up_batch(s, desc, err);
    return status;
}

static tdl_status set_up_batch(tdl_session *s, const tdl_session_desc *desc, tdl_error *err) {
    tdl_batch *batch = desc->batch;
    tdl_status status = TDL_OK;
    if (!batch) {
        int32_t n_batch = desc->n_batch ? desc->n_batch : DEFAULT_BATCH;
        tdl_batch_desc own = {.size = sizeof own,
                              .n_sessions_max = 1,
                              .n_tokens_max = (int32_t)tdl_min_i64(n_batch, s->timeline.n_ctx),
                              .n_cache_tokens = s->timeline.n_ctx};
        status = tdl_batch_make(s->model, &own, s->timeline.n_ctx, &batch, err);
    }
    if (status == TDL_OK) status = tdl_batch_join(batch, &s->timeline, err);
    if (status == TDL_OK || !desc->batch) s->batch = batch;
    s->owns_batch = s->batch && !desc->batch;
    return status;
}

static tdl_status copy_stops(tdl_session *s, const tdl_session_desc *desc, tdl_error *err) {
    if (desc->n_stops == 0) return TDL_OK;
    s->stops = tdl_alloc(s->model->mem, desc->n_stops, sizeof *s->stops);
    if (!s->stops) return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu stop strings", desc->n_stops);
    for (; s->n_stops < desc->n_stops; s->n_stops++) {
        tdl_text stop = tdl_text_cstr(desc->stops[s->n_stops]);
        stop.ptr = tdl_strndup(s->model->mem, stop.ptr, stop.size);
        if (!stop.ptr) return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu stop strings", desc->n_stops);
        s->stops[s->n_stops] = stop;
    }
    return TDL_OK;
}

// ---- steps of the above ----------------------------------------------------------------------------------------------

static tdl_status check_ids(const tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err) {
    if (!s || (!ids && n_ids)) return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: session and ids must not be NULL");
    if (n_ids > TDL_CTX_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: %zu tokens, at most %d", n_ids, TDL_CTX_MAX);
    for (size_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || ids[i] >= s->model->config.n_vocab)
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "session: token %zu is id %d, expected 0 to %d", i, ids[i],
                            s->model->config.n_vocab - 1);
    return TDL_OK;
}

// Appends tokens from outside; the caller resumes.
static tdl_status append(tdl_session *s, const int32_t *ids, size_t n_ids, tdl_error *err) {
    tdl_status status = check_ids(s, ids, n_ids, err);
    if (status != TDL_OK || n_ids == 0) return status;
    tdl_timeline *t = &s->timeline;
    if (n_ids > (size_t)t->n_ctx - t->tokens.n)
        return tdl_fail(err, TDL_ERROR_CONTEXT_FULL, "session: %zu tokens after %zu do not fit the context of %d",
                        n_ids, t->tokens.n, t->n_ctx);
    if (!tdl_vec_reserve(&t->tokens, t->tokens.n + n_ids))
        return tdl_fail(err, TDL_ERROR_MEMORY, "session: no memory for %zu tokens", t->tokens.n + n_ids);
    tdl_batch_forget(s->batch, t, n_tokens_of(s)); // tokens that were picked would have stood there
    tdl_vec_push(&t->tokens, ids, n_ids);          // there is room
    return TDL_OK;
}

// Undoes an append. Where the last token's successor was picked on the device, it has to be picked again.
static void take_back(tdl_session *s, size_t n_tokens) {
    tdl_timeline *t = &s->timeline;
    int64_t n_computed = (int64_t)n_tokens - (t->has_logits ? 0 : 1);
    tdl_batch_forget(s->batch, t, (int32_t)tdl_max_i64(n_computed, 0));
    t->tokens.n = n_tokens;
}

// The next token's logits are not finite: the call and all that follow it say so, until the timeline changes.
static tdl_status fail_not_finite(tdl_session *s, tdl_error *err) {
    tdl_batch_not_finite(s->batch, &s->timeline, n_tokens_of(s) - 1, &s->failure);
    s->timeline.n_logits = 0;
    return tdl_fail(err, s->failure.code, "%s", s->failure.message);
}

// The first of the tokens that the device has picked was appended.
static void drop_pick(tdl_session *s) {
    tdl_timeline *t = &s->timeline;
    memmove(t->picks, t->picks + 1, (size_t)--t->n_picks * sizeof *t->picks);
    tdl_sampler_skip(s->sampler);
    t->n_logits = n_tokens_of(s) - 1;
    t->logits_here = false;
}

static void drop_lent(tdl_session *s) {
    if (!s->n_lent) return;
    s->text.size -= s->n_lent;
    memmove(s->text.ptr, s->text.ptr + s->n_lent, s->text.size + 1);
    s->n_lent = 0;
}

// Appends a sampled token, for which there is room; DONE where it ends the sequence. Errors: MEMORY, and nothing is changed.
static tdl_status accept_token(tdl_session *s, int32_t id, tdl_error *err) {
    tdl_timeline *t = &s->timeline;
    const tdl_tokenizer *tokenizer = s->model->tokenizer;
    bool has_text = tokenizer && id < tdl_tokenizer_n_vocab(tokenizer); // rows that pad the vocabulary have none
    bool is_end = has_text && !s->ignore_eos && tdl_tokenizer_is_end(tokenizer, id);
    tdl_status status = TDL_OK;
    drop_lent(s);
    if (is_end) status = tdl_detokenizer_flush(&s->detokenizer, &s->text, err);
    else if (has_text) status = tdl_detokenizer_put(&s->detokenizer, id, &s->text, err);
    if (status != TDL_OK) return status;
    tdl_vec_push(&t->tokens, &id, 1);
    t->has_logits = false;
    s->n_new++;
    s->ended = is_end || cut_at_stop(s); // after a stop string the token is the last, and the next call says DONE
    s->finish = is_end ? TDL_FINISH_END : s->ended ? TDL_FINISH_STOP : TDL_FINISH_NONE;
    return is_end ? TDL_DONE : TDL_OK;
}

// Cuts the text at the first stop string in it.
static bool cut_at_stop(tdl_session *s) {
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < s->n_stops && s->text.size; i++) {
        const char *at = memmem(s->text.ptr, s->text.size, s->stops[i].ptr, s->stops[i].size);
        if (at && (size_t)(at - s->text.ptr) < first) first = (size_t)(at - s->text.ptr);
    }
    if (first == SIZE_MAX) return false;
    s->text.size = first;
    s->text.ptr[first] = 0;
    return true;
}

// Bytes at the end of the text that are the beginning of a stop string.
static size_t held_back(const tdl_session *s) {
    size_t longest = 0;
    for (size_t i = 0; i < s->n_stops; i++) {
        tdl_text stop = s->stops[i];
        for (size_t n = (size_t)tdl_min_i64((int64_t)stop.size - 1, (int64_t)s->text.size); n > longest; n--)
            if (memcmp(s->text.ptr + s->text.size - n, stop.ptr, n) == 0) longest = n;
    }
    return longest;
}

// The timeline changed from outside: what was sampled before is over.
static void resume(tdl_session *s) {
    const tdl_timeline *t = &s->timeline;
    bool only_bos =
        t->tokens.n == 1 && s->model->tokenizer && *(int32_t *)t->tokens.data == tdl_tokenizer_bos(s->model->tokenizer);
    s->timeline.has_logits = false;
    s->timeline.lacks_page = false;
    s->timeline.n_wanted = 0;
    s->ended = false;
    s->n_new = 0;
    s->failure = (tdl_error){0};
    if (s->model->tokenizer) tdl_detokenizer_reset(&s->detokenizer, t->tokens.n == 0 || only_bos);
}
