// SPDX-License-Identifier: MIT
// train_engine.c - the states' buffers, the plans bound to them, one piece of work at a time. See train_engine.h.
#include "train/train_engine.h"

#include "base/checked.h"
#include "base/rng.h"
#include "graph/not_finite.h"
#include "graph/parts.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

typedef enum work { WORK_GRADIENTS, WORK_LOSS, WORK_UPDATE, WORK_LOGITS, WORK_COUNT } work;

typedef struct runner {
    tdl_plan *plan; // NULL: not made yet
    tdl_exec *exec;
} runner;

struct tdl_train_engine {
    const tdl_allocator *mem;
    tdl_model *model;
    tdl_arena arena; // names of adapters
    bool *trained;   // [model's params.n]
    int32_t *adapter;
    int32_t *param_of;              // [params.n + 2 adapters]: the parameter that weight is; -1: not trained
    tdl_model_train train, sampled; // sampled: of a plan for samples
    tdl_trained *params;            // [n_params]
    int32_t n_params;
    tdl_train_plan_desc plan_desc;
    tdl_parts **states; // [tdl_train_n_states]
    runner runners[WORK_COUNT];
    tdl_exec *working; // NULL: nothing is under way
    struct {
        runner runner; // keeps every value; plan NULL: no diagnosis is under way
        tdl_finite_search search;
    } diagnosis;
    float *losses; // [n_tokens]
    float stats[4];
};

static tdl_status choose_params(tdl_train_engine *e, const tdl_train_engine_desc *desc, tdl_error *err);
static tdl_status create_states(tdl_train_engine *e, uint64_t seed, tdl_error *err);
static tdl_status make_runner(tdl_train_engine *e, work kind, bool keep_values, runner *out, tdl_error *err);
static tdl_status say_what_fits(const tdl_train_engine *e, tdl_error *err);
static tdl_status begin(tdl_train_engine *e, work kind, const tdl_step *step, tdl_error *err);
static tdl_step step_of(const tdl_micro_batch *batch, const tdl_hypers *hypers);
static void end_diagnosis(tdl_train_engine *e);

tdl_status tdl_train_engine_create(const tdl_train_engine_desc *desc, tdl_train_engine **out, tdl_error *err) {
    tdl_model *model = desc->model;
    tdl_train_engine *e = tdl_alloc(model->mem, 1, sizeof *e);
    if (!e) return tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory");
    e->mem = model->mem;
    e->model = model;
    tdl_arena_init(&e->arena, e->mem);
    tdl_status status = choose_params(e, desc, err);
    e->plan_desc = (tdl_train_plan_desc){.model = model,
                                         .train = &e->train,
                                         .params = e->params,
                                         .n_params = e->n_params,
                                         .precision = desc->precision,
                                         .recompute = desc->recompute,
                                         .beta1 = desc->beta1,
                                         .beta2 = desc->beta2,
                                         .eps = desc->eps,
                                         .weight_decay = desc->weight_decay};
    if (status == TDL_OK) {
        e->losses = tdl_alloc(e->mem, (size_t)desc->n_tokens, sizeof *e->losses);
        if (!e->losses) status = tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for %d losses", desc->n_tokens);
    }
    if (status == TDL_OK) status = create_states(e, desc->seed, err);
    if (status == TDL_OK) {
        status = make_runner(e, WORK_GRADIENTS, false, &e->runners[WORK_GRADIENTS], err);
        if (status == TDL_ERROR_LIMIT && err) status = say_what_fits(e, err);
    }
    if (status == TDL_OK) status = make_runner(e, WORK_UPDATE, false, &e->runners[WORK_UPDATE], err);
    if (status != TDL_OK) {
        tdl_train_engine_destroy(e);
        return status;
    }
    *out = e;
    return TDL_OK;
}

void tdl_train_engine_destroy(tdl_train_engine *e) {
    if (!e) return;
    for (int i = 0; i < WORK_COUNT; i++) {
        tdl_exec_destroy(e->runners[i].exec);
        tdl_plan_destroy(e->runners[i].plan);
    }
    for (int32_t i = 0; i < tdl_train_n_states(e->n_params) && e->states; i++) tdl_parts_destroy(e->states[i]);
    end_diagnosis(e);
    tdl_free(e->mem, e->states);
    tdl_free(e->mem, e->losses);
    tdl_free(e->mem, e->params);
    tdl_free(e->mem, e->param_of);
    tdl_free(e->mem, e->adapter);
    tdl_free(e->mem, e->trained);
    tdl_arena_deinit(&e->arena);
    tdl_free(e->mem, e);
}

// ---- what is trained -------------------------------------------------------------------------------------------------

static bool fits(const char *name, const char *const *patterns, size_t n, bool *used) {
    bool any = false;
    for (size_t i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) any = used[i] = true;
    return any;
}

// A parameter of the model that training may change: what the RoPE frequencies are made of is none.
static bool trainable(const tdl_param *p, int32_t index) {
    int32_t role = index % TDL_ROLE_COUNT;
    return p->name && role != TDL_ROLE_ROPE_INV_FREQ && role != TDL_ROLE_ROPE_DIVISORS;
}

// A matrix that all tokens are multiplied with; embeddings are looked up, an expert's matrix is some tokens' only.
static bool adaptable(const tdl_param *p, int32_t index) {
    return p->name && p->tensor.n_dims == 2 && index >= TDL_ROLE_COUNT &&
           !tdl_role_is_experts((tdl_role)(index % TDL_ROLE_COUNT));
}

static tdl_status check_used(const char *what, const char *const *patterns, const bool *used, size_t n,
                             tdl_error *err) {
    for (size_t i = 0; i < n; i++)
        if (!used[i])
            return tdl_fail(
                err, TDL_ERROR_ARGUMENT,
                "train: %s pattern '%.128s' fits no tensor, expected a name such as 'blk.0.attn_q.weight' or 'blk.*'",
                what, patterns[i]);
    return TDL_OK;
}

// Marks in e->trained or numbers in e->adapter what the patterns say: what is frozen is not trained, and gets no adapter.
static tdl_status mark(tdl_train_engine *e, const tdl_train_engine_desc *desc, int32_t *n_marked, tdl_error *err) {
    const tdl_params *params = &e->model->params;
    bool lora = desc->lora_rank > 0;
    bool *freezes = tdl_alloc(e->mem, desc->n_freeze, sizeof *freezes);
    bool *targeted = tdl_alloc(e->mem, desc->n_lora_targets, sizeof *targeted);
    tdl_status status = TDL_OK;
    if (!freezes || !targeted) status = tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for patterns");
    for (int32_t i = 0; i < params->n && status == TDL_OK; i++) {
        const tdl_param *p = &params->list[i];
        e->adapter[i] = -1;
        if (!trainable(p, i)) continue;
        bool frozen = fits(p->name, desc->freeze, desc->n_freeze, freezes);
        bool target = lora && adaptable(p, i) && fits(p->name, desc->lora_targets, desc->n_lora_targets, targeted);
        if (lora && !desc->n_lora_targets) target = adaptable(p, i);
        if (!frozen && target) e->adapter[i] = (*n_marked)++;
        if (!frozen && !lora) e->trained[i] = true, ++*n_marked;
    }
    if (status == TDL_OK) status = check_used("freeze", desc->freeze, freezes, desc->n_freeze, err);
    if (status == TDL_OK && lora)
        status = check_used("LoRA target", desc->lora_targets, targeted, desc->n_lora_targets, err);
    if (status == TDL_OK && !*n_marked) status = tdl_fail(err, TDL_ERROR_ARGUMENT, "train: everything is frozen");
    tdl_free(e->mem, freezes);
    tdl_free(e->mem, targeted);
    return status;
}

static tdl_status add_param(tdl_train_engine *e, int32_t weight, const char *name, tdl_error *err) {
    tdl_trained *p = &e->params[e->n_params];
    *p = (tdl_trained){.weight = weight, .name = name};
    tdl_status status = tdl_model_train_tensor(e->model, &e->train, weight, &p->tensor, err);
    p->decay = p->tensor.n_dims == 2;
    e->param_of[weight] = e->n_params++;
    return status;
}

static tdl_status add_adapter(tdl_train_engine *e, int32_t matrix, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int i = 0; i < 2 && status == TDL_OK; i++) {
        char name[160];
        const char *of = e->model->params.list[matrix].name;
        int size = (int)strlen(of) - (int)strlen(".weight"); // GGUF's names of matrices end so
        snprintf(name, sizeof name, "%.*s.lora_%c", size, of, 'a' + i);
        const char *kept = tdl_arena_strndup(&e->arena, name, strlen(name));
        if (!kept) return tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for names");
        status = add_param(e, e->model->params.n + 2 * e->adapter[matrix] + i, kept, err);
    }
    return status;
}

static tdl_status choose_params(tdl_train_engine *e, const tdl_train_engine_desc *desc, tdl_error *err) {
    int32_t n = e->model->params.n, n_marked = 0;
    e->trained = tdl_alloc(e->mem, (size_t)n, sizeof *e->trained);
    e->adapter = tdl_alloc(e->mem, (size_t)n, sizeof *e->adapter);
    if (!e->trained || !e->adapter) return tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for %d parameters", n);
    tdl_status status = mark(e, desc, &n_marked, err);
    if (status != TDL_OK) return status;
    bool lora = desc->lora_rank > 0;
    size_t n_params = (size_t)n_marked * (lora ? 2 : 1), n_weights = (size_t)n + (lora ? n_params : 0);
    e->params = tdl_alloc(e->mem, n_params, sizeof *e->params);
    e->param_of = tdl_alloc(e->mem, n_weights, sizeof *e->param_of);
    if (!e->params || !e->param_of)
        return tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for %zu parameters", n_params);
    for (size_t i = 0; i < n_weights; i++) e->param_of[i] = -1;
    e->train = (tdl_model_train){.n_tokens = desc->n_tokens,
                                 .trained = e->trained,
                                 .dropout = desc->dropout,
                                 .attention_dropout = desc->attention_dropout};
    if (lora) {
        e->train.adapter = e->adapter;
        e->train.rank = desc->lora_rank;
        e->train.scale = desc->lora_alpha / (float)desc->lora_rank;
    }
    for (int32_t i = 0; i < n && status == TDL_OK; i++)
        if (lora && e->adapter[i] >= 0) status = add_adapter(e, i, err);
        else if (!lora && e->trained[i]) status = add_param(e, i, e->model->params.list[i].name, err);
    return status;
}

// ---- states ----------------------------------------------------------------------------------------------------------

// A weight as it is in the model; an adapter's a: uniform with the variance of PEFT's (Kaiming, a = sqrt 5), its b: zero.
static tdl_status first_values(const tdl_train_engine *e, const tdl_trained *p, uint64_t seed, float *dst,
                               tdl_error *err) {
    const tdl_params *params = &e->model->params;
    int64_t n = tdl_tensor_n_elements(&p->tensor);
    if (p->weight < params->n) {
        tdl_tensor t;
        void *block;
        tdl_status status = tdl_param_whole(params, e->model->weights, &params->list[p->weight], &t, &block, err);
        if (status != TDL_OK) return status;
        tdl_tensor_to_f32(&t, dst);
        tdl_free(params->mem, block);
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(dst[i]))
                return tdl_fail(err, TDL_ERROR_FORMAT,
                                "train: tensor '%s': element %lld is %g, expected a finite number", p->name,
                                (long long)i, (double)dst[i]);
        return TDL_OK;
    }
    bool is_b = (p->weight - params->n) % 2 != 0;
    tdl_rng rng = tdl_rng_make(seed, (uint64_t)p->weight);
    double bound = is_b ? 0 : 1 / sqrt((double)p->tensor.shape[1]);
    for (int64_t i = 0; i < n; i++) dst[i] = (float)(bound * (2 * tdl_rng_uniform(&rng) - 1));
    return TDL_OK;
}

static tdl_status create_state(tdl_train_engine *e, int32_t number, tdl_error *err) {
    tdl_tensor t;
    tdl_status status = tdl_train_state_tensor(&e->plan_desc, number, &t, err);
    return status == TDL_OK ? tdl_parts_create(e->model->device, &t, 0, &e->states[number], err) : status;
}

// A parameter's own state with its first values, for which the model's copy is given up.
static tdl_status create_weight(tdl_train_engine *e, int32_t param, uint64_t seed, tdl_error *err) {
    const tdl_trained *p = &e->params[param];
    size_t size = tdl_tensor_size(&p->tensor);
    tdl_status status = create_state(e, (int32_t)TDL_TRAIN_WEIGHT * e->n_params + param, err);
    if (status != TDL_OK) return status;
    float *values = tdl_alloc(e->mem, size, 1);
    if (!values) return tdl_fail(err, TDL_ERROR_MEMORY, "train: '%s': no memory for %zu bytes", p->name, size);
    status = first_values(e, p, seed, values, err);
    if (status == TDL_OK) status = tdl_train_engine_write(e, TDL_TRAIN_WEIGHT, param, 0, values, size, err);
    tdl_free(e->mem, values);
    if (status == TDL_OK && p->weight < e->model->params.n) tdl_model_drop_weight(e->model, p->weight);
    return status;
}

// Weights first, so that the model's are gone before there are gradients and moments.
static tdl_status create_states(tdl_train_engine *e, uint64_t seed, tdl_error *err) {
    int32_t n_states = tdl_train_n_states(e->n_params);
    tdl_status status = TDL_OK;
    e->states = tdl_alloc(e->mem, (size_t)n_states, sizeof(tdl_parts *));
    if (!e->states) return tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for %d states", n_states);
    for (int32_t i = 0; i < e->n_params && status == TDL_OK; i++) status = create_weight(e, i, seed, err);
    for (int32_t i = 0; i < n_states && status == TDL_OK; i++)
        if (!e->states[i]) status = create_state(e, i, err);
    return status;
}

static tdl_parts *state_of(const tdl_train_engine *e, tdl_train_state kind, int32_t param) {
    return e->states[(int32_t)kind * e->n_params + param];
}

static tdl_parts *shared_state(const tdl_train_engine *e, tdl_train_shared which) {
    return e->states[TDL_TRAIN_STATES * e->n_params + (int32_t)which];
}

tdl_status tdl_train_engine_read(tdl_train_engine *e, tdl_train_state kind, int32_t param, size_t offset, void *dst,
                                 size_t size, tdl_error *err) {
    return tdl_parts_read(state_of(e, kind, param), offset, dst, size, err);
}

tdl_status tdl_train_engine_write(tdl_train_engine *e, tdl_train_state kind, int32_t param, size_t offset,
                                  const void *src, size_t size, tdl_error *err) {
    return tdl_parts_write(state_of(e, kind, param), offset, src, size, err);
}

// ---- work ------------------------------------------------------------------------------------------------------------

static tdl_status bind(tdl_train_engine *e, const tdl_plan *plan, tdl_buffer **bound, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int32_t i = TDL_BUFFER_BOUND; i < plan->n_buffers && status == TDL_OK; i++) {
        if (plan->buffer_value[i] < 0) continue;
        const tdl_value *value = &plan->values[plan->buffer_value[i]];
        const tdl_parts *state = NULL;
        if (value->kind == TDL_VALUE_STATE) state = e->states[value->weight];
        else if (e->param_of[value->weight] >= 0) state = state_of(e, TDL_TRAIN_WEIGHT, e->param_of[value->weight]);
        if (state) bound[i] = tdl_parts_buffer(state, value->first_row);
        else status = tdl_model_weight_buffer(e->model, value, &bound[i], err);
    }
    return status;
}

static tdl_status make_runner(tdl_train_engine *e, work kind, bool keep_values, runner *out, tdl_error *err) {
    tdl_train_plan_desc desc = e->plan_desc;
    desc.keep_values = keep_values;
    if (kind == WORK_LOGITS) desc.train = &e->sampled;
    runner made = {0};
    tdl_buffer **bound = NULL;
    tdl_status status = kind == WORK_GRADIENTS ? tdl_train_plan_gradients(&desc, &made.plan, err)
                        : kind == WORK_LOSS    ? tdl_train_plan_loss(&desc, &made.plan, err)
                        : kind == WORK_LOGITS  ? tdl_train_plan_logits(&desc, &made.plan, err)
                                               : tdl_train_plan_update(&desc, &made.plan, err);
    if (status != TDL_OK) return status;
    bound = tdl_alloc(e->mem, (size_t)made.plan->n_buffers, sizeof *bound);
    if (!bound) status = tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for %d buffers", made.plan->n_buffers);
    if (status == TDL_OK) status = bind(e, made.plan, bound, err);
    if (status == TDL_OK) status = tdl_exec_create(e->model->device, made.plan, bound, &made.exec, err);
    tdl_free(e->mem, bound);
    if (status != TDL_OK) {
        tdl_plan_destroy(made.plan);
        return status;
    }
    *out = made;
    return TDL_OK;
}

// Adds to the message of a plan that no device like this can run: of how many tokens there would be one that it can.
static tdl_status say_what_fits(const tdl_train_engine *e, tdl_error *err) {
    const tdl_error why = *err;
    int32_t fits = 0, too_many = e->train.n_tokens;
    while (too_many - fits > 1) {
        tdl_model_train fewer = e->train;
        tdl_train_plan_desc desc = e->plan_desc;
        tdl_plan *plan = NULL;
        tdl_error ignored = {0};
        desc.train = &fewer;
        fewer.n_tokens = fits + (too_many - fits) / 2;
        tdl_status status = tdl_train_plan_gradients(&desc, &plan, &ignored);
        tdl_plan_destroy(plan);
        if (status == TDL_OK) fits = fewer.n_tokens;
        else too_many = fewer.n_tokens;
    }
    if (!fits) return why.code;
    return tdl_fail(err, why.code, "%s; a micro-batch of %d tokens does not fit, one of %d would", why.message,
                    e->train.n_tokens, fits);
}

static tdl_step step_of(const tdl_micro_batch *batch, const tdl_hypers *hypers) {
    tdl_step step = {0};
    if (batch) {
        step.inputs[TDL_STEP_IDS] = batch->ids;
        step.inputs[TDL_STEP_TARGETS] = batch->targets;
        step.inputs[TDL_STEP_POSITIONS] = batch->positions;
        step.inputs[TDL_STEP_ID_ORDER] = batch->id_order;
        step.inputs[TDL_STEP_POSITION_ORDER] = batch->position_order;
        step.inputs[TDL_STEP_SEED] = batch->seed;
    }
    if (hypers) step.inputs[TDL_STEP_HYPER] = hypers->values;
    return step;
}

static tdl_status begin(tdl_train_engine *e, work kind, const tdl_step *step, tdl_error *err) {
    runner *r = &e->runners[kind];
    tdl_status status = r->plan ? TDL_OK : make_runner(e, kind, false, r, err);
    if (status == TDL_OK) status = tdl_exec_step(r->exec, step, err);
    if (status != TDL_OK) return status;
    e->working = r->exec;
    if (kind == WORK_UPDATE) return tdl_parts_read(shared_state(e, TDL_TRAIN_STATS), 0, e->stats, sizeof e->stats, err);
    return tdl_parts_read(shared_state(e, TDL_TRAIN_LOSSES), 0, e->losses, (size_t)e->train.n_tokens * sizeof(float),
                          err);
}

tdl_status tdl_train_engine_gradients(tdl_train_engine *e, const tdl_micro_batch *batch, const tdl_hypers *hypers,
                                      tdl_error *err) {
    tdl_step step = step_of(batch, hypers);
    return begin(e, WORK_GRADIENTS, &step, err);
}

tdl_status tdl_train_engine_loss(tdl_train_engine *e, const tdl_micro_batch *batch, tdl_error *err) {
    tdl_step step = step_of(batch, NULL);
    return begin(e, WORK_LOSS, &step, err);
}

tdl_status tdl_train_engine_logits(tdl_train_engine *e, const int32_t *ids, const int32_t *positions, int32_t n_tokens,
                                   int32_t row, float *logits, tdl_error *err) {
    runner *r = &e->runners[WORK_LOGITS];
    e->sampled = e->train;
    e->sampled.n_tokens = n_tokens;
    e->sampled.dropout = e->sampled.attention_dropout = 0;
    tdl_status status = r->plan ? TDL_OK : make_runner(e, WORK_LOGITS, false, r, err);
    tdl_step step = {0};
    step.inputs[TDL_STEP_IDS] = ids;
    step.inputs[TDL_STEP_POSITIONS] = positions;
    step.inputs[TDL_STEP_OUTPUTS] = &row;
    if (status == TDL_OK) status = tdl_exec_step(r->exec, &step, err);
    if (status != TDL_OK) return status;
    e->working = r->exec;
    return tdl_exec_read(r->exec, r->plan->output, 0, (size_t)e->model->config.n_vocab * sizeof *logits, logits, err);
}

tdl_status tdl_train_engine_update(tdl_train_engine *e, const tdl_hypers *hypers, tdl_error *err) {
    tdl_step step = step_of(NULL, hypers);
    return begin(e, WORK_UPDATE, &step, err);
}

tdl_status tdl_train_engine_poll(tdl_train_engine *e, tdl_error *err) {
    tdl_status status =
        e->working ? tdl_exec_poll(e->working, err) : e->model->device->backend->poll(e->model->device, NULL, 0, err);
    if (status != TDL_PENDING) e->working = NULL;
    return status;
}

const float *tdl_train_engine_losses(const tdl_train_engine *e) { return e->losses; }

float tdl_train_engine_grad_norm(const tdl_train_engine *e, bool *finite) {
    *finite = e->stats[2] != 0;
    return e->stats[0];
}

// ---- what went wrong -------------------------------------------------------------------------------------------------

static void end_diagnosis(tdl_train_engine *e) {
    tdl_exec_destroy(e->diagnosis.runner.exec);
    tdl_plan_destroy(e->diagnosis.runner.plan);
    tdl_finite_search_end(&e->diagnosis.search);
    memset(&e->diagnosis, 0, sizeof e->diagnosis);
}

tdl_status tdl_train_engine_diagnose(tdl_train_engine *e, const tdl_micro_batch *batch, const tdl_hypers *hypers,
                                     tdl_error *err) {
    end_diagnosis(e);
    tdl_status status = make_runner(e, WORK_GRADIENTS, true, &e->diagnosis.runner, err);
    tdl_step step = step_of(batch, hypers);
    if (status == TDL_OK) status = tdl_exec_step(e->diagnosis.runner.exec, &step, err);
    if (status == TDL_OK) {
        e->working = e->diagnosis.runner.exec;
        e->diagnosis.search = (tdl_finite_search){
            .mem = e->mem, .plan = e->diagnosis.runner.plan, .exec = e->diagnosis.runner.exec, .masked = -1};
    } else {
        end_diagnosis(e);
    }
    return status;
}

tdl_status tdl_train_engine_diagnosis(tdl_train_engine *e, char *text, size_t text_size, tdl_error *err) {
    tdl_status status = tdl_finite_search_next(&e->diagnosis.search, text, text_size, err);
    if (status == TDL_PENDING) {
        e->working = e->diagnosis.runner.exec;
        return status;
    }
    e->working = NULL; // before its exec goes
    end_diagnosis(e);
    return status;
}

// ---- what it is ------------------------------------------------------------------------------------------------------

int32_t tdl_train_engine_n_params(const tdl_train_engine *e) { return e->n_params; }

const tdl_trained *tdl_train_engine_param(const tdl_train_engine *e, int32_t i) { return &e->params[i]; }

int32_t tdl_train_engine_find(const tdl_train_engine *e, int32_t weight) { return e->param_of[weight]; }

const tdl_model_train *tdl_train_engine_train(const tdl_train_engine *e) { return &e->train; }

int64_t tdl_train_engine_n_elements(const tdl_train_engine *e) {
    int64_t n = 0;
    for (int32_t i = 0; i < e->n_params; i++) n += tdl_tensor_n_elements(&e->params[i].tensor);
    return n;
}

tdl_train_sizes tdl_train_engine_sizes(const tdl_train_engine *e) {
    uint64_t trained = 4 * (uint64_t)tdl_train_engine_n_elements(e);
    tdl_train_sizes sizes = {.weights = trained, .gradients = trained, .moments = 2 * trained};
    const tdl_plan *plan = e->runners[WORK_GRADIENTS].plan;
    for (int32_t i = 0; i < plan->n_buffers; i++) {
        const tdl_value *value = plan->buffer_value[i] >= 0 ? &plan->values[plan->buffer_value[i]] : NULL;
        if (!value) sizes.activations += plan->buffer_sizes[i];
        else if (value->kind == TDL_VALUE_WEIGHT && e->param_of[value->weight] < 0)
            sizes.weights += plan->buffer_sizes[i];
    }
    return sizes;
}

tdl_status tdl_train_engine_print(const tdl_train_engine *e, tdl_str *text, tdl_error *err) {
    static const char *const titles[WORK_COUNT] = {"gradients of a micro-batch", "loss", "update", "a sample's logits"};
    tdl_train_sizes s = tdl_train_engine_sizes(e);
    tdl_str_format(text, "# training: weights %llu, gradients %llu, moments %llu, activations %llu bytes\n",
                   (unsigned long long)s.weights, (unsigned long long)s.gradients, (unsigned long long)s.moments,
                   (unsigned long long)s.activations);
    tdl_status status = TDL_OK;
    for (int i = 0; i < WORK_COUNT && status == TDL_OK; i++) {
        if (!e->runners[i].plan) continue;
        tdl_str_format(text, "# %s\n", titles[i]);
        status = tdl_plan_print(e->runners[i].plan, text, err);
    }
    return status;
}
