// step_runner.c - fills a step's inputs from timelines and runs it. See step_runner.h.
#include "run/step_runner.h"

#include <assert.h>
#include <string.h>

enum { FEW_TOKENS = 8 };

static tdl_status make_few(tdl_step_runner *r, const tdl_kv_cache *cache, tdl_error *err);
static size_t input_size(const tdl_model_limits *limits, tdl_step_input input);

tdl_status tdl_step_runner_create(tdl_model *model, const tdl_model_limits *limits, const tdl_kv_cache *cache,
                                  tdl_step_runner **out, tdl_error *err) {
    tdl_step_runner *r = tdl_alloc(model->mem, 1, sizeof *r);
    if (!r) return tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory");
    r->model = model;
    r->limits = *limits;
    tdl_status status = TDL_OK;
    r->parts = tdl_alloc(model->mem, (size_t)limits->n_seqs, sizeof *r->parts);
    bool ok = r->parts != NULL;
    for (int i = 0; i < TDL_STEP_INPUT_COUNT && ok; i++) {
        r->inputs[i] = tdl_alloc(model->mem, input_size(limits, (tdl_step_input)i), sizeof(int32_t));
        ok = r->inputs[i] != NULL;
    }
    if (!ok) status = tdl_fail(err, TDL_ERROR_MEMORY, "batch: no memory for the inputs of %d tokens", limits->n_tokens);
    if (status == TDL_OK) status = tdl_model_plan(model, limits, &r->plan, err);
    if (status == TDL_OK) {
        r->limits.n_tokens = r->plan->max.n[TDL_ROWS_TOKENS]; // where the device takes fewer at once
        r->limits.n_seqs = r->plan->max.n[TDL_ROWS_SEQS];
        r->limits.n_outputs = r->plan->max.n[TDL_ROWS_OUTPUTS];
        status = tdl_model_exec(model, r->plan, cache, &r->exec, err);
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
    tdl_step_runner_clear(r); // after it: nothing is read into orphans any more
    tdl_plan_destroy(r->few_plan);
    tdl_plan_destroy(r->plan);
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) tdl_free(r->model->mem, r->inputs[i]);
    tdl_free(r->model->mem, r->parts);
    tdl_free(r->model->mem, r);
}

void tdl_step_runner_clear(tdl_step_runner *r) {
    for (int32_t i = 0; i < r->counts.n[TDL_ROWS_SEQS]; i++) tdl_free(r->model->mem, r->parts[i].orphan);
    r->counts = (tdl_step_counts){0};
}

void tdl_step_runner_add(tdl_step_runner *r, tdl_timeline *t, int32_t n_tokens, bool all_outputs) {
    int32_t seq = r->counts.n[TDL_ROWS_SEQS]++, *n = &r->counts.n[TDL_ROWS_TOKENS],
            *n_outputs = &r->counts.n[TDL_ROWS_OUTPUTS];
    assert(*n + n_tokens <= r->limits.n_tokens && t->n_computed + n_tokens <= t->n_pages * TDL_KV_PAGE);
    r->parts[seq] = (tdl_step_part){.timeline = t, .n_tokens = n_tokens, .output = -1};
    r->inputs[TDL_STEP_SEQ_START][seq] = *n;
    memcpy(r->inputs[TDL_STEP_PAGES] + (size_t)seq * (size_t)r->limits.n_seq_pages, t->pages,
           (size_t)t->n_pages * sizeof *t->pages);
    for (int32_t i = 0; i < n_tokens; i++, ++*n) {
        int32_t position = t->n_computed + i;
        r->inputs[TDL_STEP_IDS][*n] = *tdl_vec_at(&t->tokens, int32_t, position);
        r->inputs[TDL_STEP_POSITIONS][*n] = position;
        r->inputs[TDL_STEP_SEQS][*n] = seq;
        bool last = position + 1 == (int32_t)t->tokens.n;
        if (!last && !all_outputs) continue;
        if (last) r->parts[seq].output = *n_outputs;
        r->inputs[TDL_STEP_OUTPUTS][(*n_outputs)++] = *n;
    }
    r->inputs[TDL_STEP_SEQ_START][seq + 1] = *n;
    int32_t n_pages = (t->n_computed + n_tokens + TDL_KV_PAGE - 1) / TDL_KV_PAGE;
    if (n_pages > r->counts.n_seq_pages) r->counts.n_seq_pages = n_pages;
}

tdl_status tdl_step_runner_submit(tdl_step_runner *r, tdl_error *err) {
    tdl_step step = {.counts = r->counts};
    for (int i = 0; i < TDL_STEP_INPUT_COUNT; i++) step.inputs[i] = r->inputs[i];
    const int32_t *n = r->counts.n, *n_few = r->few_plan ? r->few_plan->max.n : NULL;
    bool few = n_few && n[TDL_ROWS_TOKENS] <= n_few[TDL_ROWS_TOKENS] && n[TDL_ROWS_SEQS] <= n_few[TDL_ROWS_SEQS] &&
               n[TDL_ROWS_OUTPUTS] <= n_few[TDL_ROWS_OUTPUTS];
    r->current = few ? r->few_exec : r->exec;
    return tdl_exec_step(r->current, &step, err);
}

tdl_status tdl_step_runner_poll(tdl_step_runner *r, tdl_error *err) { return tdl_exec_poll(r->current, err); }

tdl_status tdl_step_runner_logits(tdl_step_runner *r, int32_t first, int32_t count, float *logits, tdl_error *err) {
    size_t row = (size_t)r->model->config.n_vocab * sizeof(float);
    const tdl_plan *plan = r->current == r->exec ? r->plan : r->few_plan;
    return tdl_exec_read(r->current, plan->output, (size_t)first * row, (size_t)count * row, logits, err);
}

// The plan for few tokens, where it has fewer ops.
static tdl_status make_few(tdl_step_runner *r, const tdl_kv_cache *cache, tdl_error *err) {
    tdl_model_limits few = r->limits;
    few.n_tokens = FEW_TOKENS;
    few.n_seqs = few.n_seqs < FEW_TOKENS ? few.n_seqs : FEW_TOKENS;
    few.n_outputs = few.n_outputs < FEW_TOKENS ? few.n_outputs : FEW_TOKENS;
    tdl_status status = tdl_model_plan(r->model, &few, &r->few_plan, err);
    if (status == TDL_OK && r->few_plan->n_ops < r->plan->n_ops)
        return tdl_model_exec(r->model, r->few_plan, cache, &r->few_exec, err);
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
    default: return (size_t)limits->n_tokens;
    }
}
