// SPDX-License-Identifier: MIT
// step_runner.c - fills a step's inputs from timelines and runs it. See step_runner.h.
#include "run/step_runner.h"

#include <assert.h>
#include <string.h>

enum { FEW_TOKENS = 8 };

static tdl_status make_few(tdl_step_runner *r, const tdl_kv_cache *cache, tdl_error *err);
static tdl_status allocate(tdl_step_runner *r, tdl_error *err);
static size_t input_size(const tdl_model_limits *limits, tdl_step_input input);
static size_t picked_size(const tdl_step_runner *r);
static void free_orphans(tdl_step_runner *r, tdl_step_flight *flight);
static int32_t token_at(const tdl_timeline *t, int32_t position);
static void add_pick(tdl_step_runner *r, const tdl_timeline *t, int32_t output);
static tdl_status read_logits(const tdl_step_runner *r, const tdl_step_flight *flight, int32_t first, int32_t count,
                              float *logits, tdl_error *err);

tdl_status tdl_step_runner_create(tdl_model *model, const tdl_model_limits *limits, const tdl_kv_cache *cache,
                                  tdl_step_runner **out, tdl_error *err) {
    tdl_step_runner *r = tdl_alloc(model->mem, 1, sizeof *r);
    if (!r) return tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory");
    r->model = model;
    r->limits = *limits;
    tdl_status status = allocate(r, err);
    if (status == TDL_OK && limits->n_slots)
        status = model->device->backend->buffer_create(model->device, picked_size(r), &r->picked, err);
    if (status == TDL_OK) status = tdl_model_plan(model, limits, &r->plan, err);
    if (status == TDL_OK) {
        r->limits.n_tokens = r->plan->max.n[TDL_ROWS_TOKENS]; // where the device takes fewer at once
        r->limits.n_seqs = r->plan->max.n[TDL_ROWS_SEQS];
        r->limits.n_outputs = r->plan->max.n[TDL_ROWS_OUTPUTS];
        status = tdl_model_exec(model, r->plan, cache, r->picked, &r->exec, err);
    }
    if (status == TDL_OK && r->limits.n_tokens > FEW_TOKENS) status = make_few(r, cache, err);
    if (status != TDL_OK) {
        tdl_step_runner_destroy(r);
        return status;
    }
    *out = r;
    return TDL_OK;
}

void tdl_step_runner_destroy(tdl_step_runner *r) {
    if (!r) return;
    tdl_exec_destroy(r->few_exec);
    tdl_exec_destroy(r->exec);
    r->model->device->backend->buffer_destroy(r->picked);
    for (int i = 0; i <= TDL_AHEAD_MAX; i++) { // after them: nothing is read into orphans and slots any more
        tdl_step_flight *flight = &r->flights[i];
        free_orphans(r, flight);
        tdl_free(r->model->mem, flight->parts);
        tdl_free(r->model->mem, flight->picked);
    }
    tdl_plan_destroy(r->few_plan);
    tdl_plan_destroy(r->plan);
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) tdl_free(r->model->mem, r->inputs[i]);
    tdl_free(r->model->mem, r);
}

static tdl_status allocate(tdl_step_runner *r, tdl_error *err) {
    const tdl_allocator *mem = r->model->mem;
    bool ok = true;
    for (int i = 0; i < TDL_STEP_INPUT_COUNT && ok; i++) {
        r->inputs[i] = tdl_alloc(mem, input_size(&r->limits, (tdl_step_input)i), sizeof(int32_t));
        ok = r->inputs[i] != NULL;
    }
    for (int i = 0; i <= TDL_AHEAD_MAX && ok; i++) {
        tdl_step_flight *flight = &r->flights[i];
        flight->parts = tdl_alloc(mem, (size_t)r->limits.n_seqs, sizeof *flight->parts);
        if (r->limits.n_slots) flight->picked = tdl_alloc(mem, picked_size(r), 1);
        ok = flight->parts && (flight->picked || !r->limits.n_slots);
    }
    return ok ? TDL_OK
              : tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory for the inputs of %d tokens", r->limits.n_tokens);
}

static size_t picked_size(const tdl_step_runner *r) { return (size_t)r->limits.n_slots * sizeof(int32_t); }

static void free_orphans(tdl_step_runner *r, tdl_step_flight *flight) {
    for (int32_t i = 0; i < flight->n_parts; i++) {
        tdl_free(r->model->mem, flight->parts[i].orphan);
        flight->parts[i].orphan = NULL;
    }
}

void tdl_step_runner_clear(tdl_step_runner *r) {
    tdl_step_flight *flight = tdl_step_runner_flight(r, r->n_flights);
    free_orphans(r, flight);
    flight->n_parts = 0;
    flight->reads_logits = flight->picks = false;
    r->counts = (tdl_step_counts){0};
}

void tdl_step_runner_add(tdl_step_runner *r, tdl_timeline *t, int32_t first, int32_t n_tokens, bool all_outputs) {
    tdl_step_flight *flight = tdl_step_runner_flight(r, r->n_flights);
    int32_t seq = r->counts.n[TDL_ROWS_SEQS]++, *n = &r->counts.n[TDL_ROWS_TOKENS],
            *n_outputs = &r->counts.n[TDL_ROWS_OUTPUTS], end = first + n_tokens;
    assert(*n + n_tokens <= r->limits.n_tokens && end <= t->n_pages * TDL_KV_PAGE);
    tdl_step_part *part = &flight->parts[flight->n_parts++];
    *part = (tdl_step_part){.timeline = t, .first = first, .n_tokens = n_tokens, .output = -1};
    r->inputs[TDL_STEP_SEQ_START][seq] = *n;
    memcpy(r->inputs[TDL_STEP_PAGES] + (size_t)seq * (size_t)r->limits.n_seq_pages, t->pages,
           (size_t)t->n_pages * sizeof *t->pages);
    for (int32_t position = first; position < end; position++, ++*n) {
        r->inputs[TDL_STEP_IDS][*n] = token_at(t, position);
        r->inputs[TDL_STEP_POSITIONS][*n] = position;
        r->inputs[TDL_STEP_SEQS][*n] = seq;
        bool last = position + 1 == end && end >= (int32_t)t->tokens.n;
        if (!last && !all_outputs) continue;
        if (last) part->output = *n_outputs;
        if (r->limits.n_slots) // left out, unless it is a pick
            memset(r->inputs[TDL_STEP_PICKS] + *n_outputs * TDL_SAMPLE_WORDS, 0, TDL_SAMPLE_WORDS * sizeof(int32_t));
        r->inputs[TDL_STEP_OUTPUTS][(*n_outputs)++] = *n;
    }
    r->inputs[TDL_STEP_SEQ_START][seq + 1] = *n;
    int32_t n_pages = (end + TDL_KV_PAGE - 1) / TDL_KV_PAGE;
    if (n_pages > r->counts.n_seq_pages) r->counts.n_seq_pages = n_pages;
    part->pick = part->output >= 0 && t->sampler && !all_outputs;
    if (part->pick) add_pick(r, t, part->output);
    flight->picks |= part->pick;
    flight->reads_logits |= part->output >= 0 && !part->pick;
}

// One that the device has picked and the host not seen: by its slot.
static int32_t token_at(const tdl_timeline *t, int32_t position) {
    int32_t n_tokens = (int32_t)t->tokens.n;
    if (position < n_tokens) return *tdl_vec_at(&t->tokens, int32_t, position);
    return position - n_tokens < t->n_picks ? t->picks[position - n_tokens] : -1 - t->slot;
}

static void add_pick(tdl_step_runner *r, const tdl_timeline *t, int32_t output) {
    uint32_t words[TDL_SAMPLE_WORDS];
    tdl_sampler_settings(t->sampler, t->n_picks + t->n_flying, words);
    words[TDL_SAMPLE_SLOT] = (uint32_t)t->slot;
    memcpy(r->inputs[TDL_STEP_PICKS] + output * TDL_SAMPLE_WORDS, words, sizeof words);
}

tdl_status tdl_step_runner_begin(tdl_step_runner *r, float *all_logits, tdl_error *err) {
    tdl_step step = {.counts = r->counts};
    tdl_step_flight *flight = tdl_step_runner_flight(r, r->n_flights);
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) step.inputs[i] = r->inputs[i];
    const int32_t *n = r->counts.n, *n_few = r->few_plan ? r->few_plan->max.n : NULL;
    bool few = n_few && n[TDL_ROWS_TOKENS] <= n_few[TDL_ROWS_TOKENS] && n[TDL_ROWS_SEQS] <= n_few[TDL_ROWS_SEQS] &&
               n[TDL_ROWS_OUTPUTS] <= n_few[TDL_ROWS_OUTPUTS];
    flight->exec = few ? r->few_exec : r->exec;
    tdl_status status = tdl_exec_step(flight->exec, &step, err);
    // First the picks, into memory that stays, so that no logits are under way where asking for them fails.
    if (status == TDL_OK && flight->picks)
        status = r->model->device->backend->read(r->picked, 0, flight->picked, picked_size(r), err);
    if (status == TDL_OK && all_logits) status = read_logits(r, flight, 0, n[TDL_ROWS_OUTPUTS], all_logits, err);
    for (int32_t i = 0; i < flight->n_parts && status == TDL_OK && !all_logits; i++) {
        const tdl_step_part *part = &flight->parts[i];
        if (part->output >= 0 && !part->pick)
            status = read_logits(r, flight, part->output, 1, part->timeline->logits, err);
    }
    if (status != TDL_OK) return status;
    flight->step = tdl_exec_last(flight->exec);
    r->n_flights++;
    return TDL_OK;
}

tdl_status tdl_step_runner_poll(tdl_step_runner *r, tdl_error *err) {
    const tdl_step_flight *flight = tdl_step_runner_flight(r, 0);
    return tdl_exec_poll_step(flight->exec, flight->step, err);
}

void tdl_step_runner_end(tdl_step_runner *r) {
    r->oldest = (r->oldest + 1) % (TDL_AHEAD_MAX + 1);
    r->n_flights--;
}

// Output rows [first, first + count) as F32: logits [count, n_vocab] (out), there when the step has ended.
static tdl_status read_logits(const tdl_step_runner *r, const tdl_step_flight *flight, int32_t first, int32_t count,
                              float *logits, tdl_error *err) {
    size_t row = (size_t)r->model->config.n_vocab * sizeof(float);
    const tdl_plan *plan = flight->exec == r->exec ? r->plan : r->few_plan;
    return tdl_exec_read(flight->exec, plan->output, (size_t)first * row, (size_t)count * row, logits, err);
}

// The plan for few tokens, where it has fewer ops.
static tdl_status make_few(tdl_step_runner *r, const tdl_kv_cache *cache, tdl_error *err) {
    tdl_model_limits few = r->limits;
    few.n_tokens = FEW_TOKENS;
    few.n_seqs = few.n_seqs < FEW_TOKENS ? few.n_seqs : FEW_TOKENS;
    few.n_outputs = few.n_outputs < FEW_TOKENS ? few.n_outputs : FEW_TOKENS;
    tdl_status status = tdl_model_plan(r->model, &few, &r->few_plan, err);
    if (status == TDL_OK && r->few_plan->n_ops < r->plan->n_ops)
        return tdl_model_exec(r->model, r->few_plan, cache, r->picked, &r->few_exec, err);
    if (status == TDL_OK) tdl_plan_destroy(r->few_plan);
    r->few_plan = NULL;
    return status;
}

// Elements of a step input at the maximum.
static size_t input_size(const tdl_model_limits *limits, tdl_step_input input) {
    switch (input) {
    case TDL_STEP_SEQ_START: return (size_t)limits->n_seqs + 1;
    case TDL_STEP_PAGES: return (size_t)limits->n_seqs * (size_t)limits->n_seq_pages;
    case TDL_STEP_OUTPUTS: return (size_t)limits->n_outputs;
    case TDL_STEP_PICKS: return (size_t)limits->n_outputs * TDL_SAMPLE_WORDS;
    default: return (size_t)limits->n_tokens;
    }
}
