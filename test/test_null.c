// SPDX-License-Identifier: MIT
// test_null.c - the device "null" and, on it, everything above: a caller that breaks backend.h's contract is told so, models
// say what the CPU says, and every call of a whole life (open, generate in a batch, evaluate, close) fails in turn with
// each status: the error is clear, nothing leaks, the call succeeds when it is made again, and after a loss the sessions,
// rebuilt from their tokens on a new device, go on as if nothing had happened.
#include "backend/null/null_device.h"
#include "model/model_impl.h"
#include "support/fail_alloc.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char GPT2[] = TDL_TEST_DATA "/hf-tiny/gpt2";
enum { VOCAB = 256, N_PROMPT = 5, N_NEW = 6, N_SESSIONS = 2 };
static const int32_t prompts[N_SESSIONS][N_PROMPT] = {{5, 17, 99, 200, 3}, {5, 17, 8, 40, 77}};

static tdl_device *open_device(const tdl_allocator *mem) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_device_desc desc = {.size = sizeof desc, .name = "null", .allocator = mem};
    if (tdl_device_open(&desc, &device, &err) != TDL_OK) fail_msg("%s", err.message);
    return device;
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static void close_device(tdl_device *device, int32_t n_violations) {
    tdl_null_report report;
    ((tdl_null_device *)device)->report_to = &report;
    tdl_device_close(device);
    if (report.n_violations != n_violations) fail_msg("%d violations: %s", report.n_violations, report.violation);
}

static void device_is_not_listed(void **state) {
    (void)state;
    tdl_device_info infos[8];
    size_t n;
    tdl_error err = {0};
    tdl_device_list(NULL, infos, 8, &n, &err); // without a WebGPU library an error, which does not matter here
    for (size_t i = 0; i < n && i < 8; i++) assert_string_not_equal(infos[i].name, "null");
    tdl_device_desc desc = {.size = sizeof desc, .name = "null"};
    tdl_device_list(&desc, infos, 8, &n, &err);
    assert_true(n >= 1 && n <= 8);
    assert_string_equal(infos[n - 1].name, "null");
    desc.name = "null:1";
    tdl_device *device;
    assert_int_equal(tdl_device_open(&desc, &device, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "null:1"));
}

// ---- the contract ---------------------------------------------------------------------------------------------------

static void access_is_checked(void **state) {
    (void)state;
    tdl_device *device = open_device(NULL);
    const tdl_backend *backend = device->backend;
    tdl_buffer *buffer = NULL;
    uint8_t bytes[64] = {0};
    tdl_error err = {0};
    static const struct {
        size_t offset, size;
        bool read, write;
    } cases[] = {{0, 50, true, true},   {48, 2, true, true}, {0, 51, false, false},       {50, 0, true, false},
                 {51, 0, false, false}, {3, 4, true, false}, {4, 3, true, false},         {4, 4, true, true},
                 {48, 4, false, false}, {0, 0, true, true},  {SIZE_MAX, 2, false, false}, {2, SIZE_MAX, false, false}};
    assert_int_equal(backend->buffer_create(device, 50, &buffer, &err), TDL_OK);
    int32_t n_violations = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        n_violations += !cases[i].read + !cases[i].write;
        assert_int_equal(backend->read(buffer, cases[i].offset, bytes, cases[i].size, &err),
                         cases[i].read ? TDL_OK : TDL_ERROR_ARGUMENT);
        assert_int_equal(backend->write(buffer, cases[i].offset, bytes, cases[i].size, &err),
                         cases[i].write ? TDL_OK : TDL_ERROR_ARGUMENT);
    }
    backend->buffer_destroy(buffer);
    close_device(device, n_violations);
}

static void settle(tdl_device *device) {
    while (device->backend->poll(device, NULL, 0, NULL) == TDL_PENDING) {
    }
}

// Each read sees what was written before it, and not before a poll has said so.
static void reads_come_with_a_poll(void **state) {
    (void)state;
    tdl_device *device = open_device(NULL);
    const tdl_backend *backend = device->backend;
    tdl_buffer *buffer = NULL;
    float first = 1, second = 2, got[3] = {0, 0, 7};
    assert_int_equal(backend->buffer_create(device, sizeof first, &buffer, NULL), TDL_OK);
    assert_int_equal(backend->read(buffer, 0, &got[0], sizeof first, NULL), TDL_OK);
    assert_int_equal(backend->write(buffer, 0, &first, sizeof first, NULL), TDL_OK);
    assert_int_equal(backend->read(buffer, 0, &got[1], sizeof first, NULL), TDL_OK);
    assert_int_equal(backend->write(buffer, 0, &second, sizeof second, NULL), TDL_OK);
    assert_true(isnan(got[0]) && isnan(got[1]));
    settle(device);
    assert_true(got[0] == 0 && got[1] == 1);
    assert_int_equal(backend->read(buffer, 0, &got[2], sizeof first, NULL), TDL_OK);
    backend->buffer_destroy(buffer); // the read is dropped
    settle(device);
    assert_true(isnan(got[2]));
    close_device(device, 0);
}

// y = act(x + w), x a step's input made floats by embed: values of every kind.
typedef struct small_plan {
    tdl_plan *plan;
    tdl_buffer *buffers[8];
} small_plan;

static small_plan make_plan(tdl_device *device) {
    small_plan p = {0};
    tdl_error err = {0};
    tdl_graph g;
    tdl_tensor table, w;
    tdl_attrs relu = {.act = TDL_ACT_RELU};
    tdl_graph_init(&g, device->mem);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){16, 8}, NULL, &table, &err), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){8}, NULL, &w, &err), TDL_OK);
    int32_t ids = tdl_graph_step(&g, TDL_STEP_IDS, TDL_ROWS_TOKENS, 4, 0, 0);
    int32_t x =
        tdl_graph_op(&g, "x", TDL_OP_EMBED, NULL, 2, (int32_t[]){tdl_graph_weight(&g, "table", 0, &table), ids});
    x = tdl_graph_op(&g, "sum", TDL_OP_ADD, NULL, 2, (int32_t[]){x, tdl_graph_weight(&g, "w", 1, &w)});
    tdl_graph_output(&g, tdl_graph_op(&g, "y", TDL_OP_ACT, &relu, 1, &x));
    tdl_plan_desc desc = {.device = device, .max = {.n = {0, 4, 0, 0}}};
    if (tdl_plan_create(&g, &desc, &p.plan, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    assert_true(p.plan->n_ops == 3 && p.plan->n_buffers <= 8);
    for (int32_t i = 0; i < p.plan->n_buffers; i++)
        assert_int_equal(device->backend->buffer_create(device, p.plan->buffer_sizes[i], &p.buffers[i], &err), TDL_OK);
    return p;
}

static void free_plan(tdl_device *device, small_plan *p) {
    for (int32_t i = 0; i < p->plan->n_buffers; i++) device->backend->buffer_destroy(p->buffers[i]);
    tdl_plan_destroy(p->plan);
}

static tdl_value *in_of(const small_plan *p, int op, int i) { return &p->plan->values[p->plan->ops[op].in[i]]; }
static tdl_value *out_of(const small_plan *p, int op) { return &p->plan->values[p->plan->ops[op].out[0]]; }

static void break_overlap(small_plan *p) { out_of(p, 1)->buffer = in_of(p, 1, 0)->buffer; }
static void break_order(small_plan *p) { p->plan->ops[1].in[0] = p->plan->ops[2].out[0]; }
static void break_offset(small_plan *p) { in_of(p, 1, 1)->offset = 2; }
static void break_end(small_plan *p) { in_of(p, 1, 1)->offset = 4; }
static void break_size(small_plan *p) { p->plan->buffer_sizes[in_of(p, 0, 0)->buffer] += 4; }
static void break_shape(small_plan *p) { out_of(p, 2)->tensor.shape[1] = 4; }
static void break_rows(small_plan *p) { p->plan->max.n[TDL_ROWS_TOKENS] = 5; }
static void break_id(small_plan *p) { p->plan->ops[2].in[0] = p->plan->n_values; }
static void break_count(small_plan *p) { p->plan->ops[2].n_in = 2; }
static void break_constant(small_plan *p) { p->plan->ops[2].out[0] = p->plan->ops[1].in[1]; }
static void break_buffer(small_plan *p) { out_of(p, 1)->buffer = p->plan->n_buffers; }

static void plans_are_checked(void **state) {
    (void)state;
    static const struct {
        void (*damage)(small_plan *p);
        const char *said;
    } cases[] = {{break_overlap, "twice"},        {break_order, "no op has written"},
                 {break_offset, "'w'"},           {break_end, "'w'"},
                 {break_size, "the plan needs"},  {break_shape, "shape"},
                 {break_rows, "at most 5"},       {break_id, "value"},
                 {break_count, "2 inputs"},       {break_constant, "'w'"},
                 {break_buffer, "lies in buffer"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_device *device = open_device(NULL);
        small_plan p = make_plan(device);
        tdl_program *program = NULL;
        tdl_error err = {0};
        cases[i].damage(&p);
        assert_int_equal(device->backend->compile(device, p.plan, p.buffers, &program, &err), TDL_ERROR_ARGUMENT);
        if (!strstr(err.message, cases[i].said)) fail_msg("case %zu: '%s'", i, err.message);
        free_plan(device, &p);
        close_device(device, 1);
    }
}

static void steps_are_checked(void **state) {
    (void)state;
    tdl_device *device = open_device(NULL);
    const tdl_backend *backend = device->backend;
    small_plan p = make_plan(device);
    tdl_program *program = NULL;
    tdl_error err = {0};
    tdl_step_counts counts = {.n = {0, 4, 0, 0}}, many = {.n = {0, 5, 0, 0}}, fewer = {.n = {0, -1, 0, 0}};
    assert_int_equal(backend->compile(device, p.plan, p.buffers, &program, &err), TDL_OK);
    assert_int_equal(backend->submit(program, &many, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(backend->submit(program, &fewer, &err), TDL_ERROR_ARGUMENT);
    for (int32_t i = 0; i < backend->steps_max; i++) assert_int_equal(backend->submit(program, &counts, &err), TDL_OK);
    assert_int_equal(backend->submit(program, &counts, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "steps are under way"));
    assert_int_equal(backend->poll(device, program, 0, &err), TDL_PENDING);
    assert_int_equal(backend->poll(device, program, 0, &err), TDL_OK);
    backend->buffer_destroy(p.buffers[2]); // too early: counted
    p.buffers[2] = NULL;
    assert_int_equal(backend->submit(program, &counts, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "gone"));
    backend->program_destroy(program);
    free_plan(device, &p);
    close_device(device, 5);
}

// Of several steps under way, a poll ends those up to the one it is for: what is read of a later one is not there yet.
static void polls_end_their_steps_only(void **state) {
    (void)state;
    tdl_device *device = open_device(NULL);
    const tdl_backend *backend = device->backend;
    small_plan p = make_plan(device);
    tdl_program *program = NULL;
    const tdl_value *y = &p.plan->values[p.plan->output];
    tdl_step_counts counts = {.n = {0, 1, 0, 0}};
    float got[3] = {7, 7, 7};
    uint64_t steps[3];
    assert_int_equal(backend->compile(device, p.plan, p.buffers, &program, NULL), TDL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(backend->submit(program, &counts, NULL), TDL_OK);
        assert_int_equal(backend->read(p.buffers[y->buffer], y->offset, &got[i], sizeof *got, NULL), TDL_OK);
        steps[i] = program->step;
        assert_true(i == 0 || steps[i] > steps[i - 1]);
    }
    while (backend->poll(device, program, steps[1], NULL) == TDL_PENDING) {
    }
    assert_true(got[0] == 0 && got[1] == 0 && isnan(got[2]));
    assert_int_equal(backend->submit(program, &counts, NULL), TDL_OK); // two have ended
    assert_int_equal(backend->submit(program, &counts, NULL), TDL_OK);
    settle(device);
    assert_true(got[2] == 0);
    backend->program_destroy(program);
    free_plan(device, &p);
    close_device(device, 0);
}

static void close_with_buffers_is_told(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_device *device = open_device(&fa.mem);
    tdl_buffer *buffer = NULL;
    assert_int_equal(device->backend->buffer_create(device, 8, &buffer, NULL), TDL_OK);
    tdl_null_buffer *b = (tdl_null_buffer *)buffer;
    close_device(device, 1);
    fa.mem.free(fa.mem.user, b->data); // nobody else can any more
    fa.mem.free(fa.mem.user, b);
    fail_alloc_check(&fa);
}

static tdl_status use_device(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_buffer *buffer = NULL;
    float x[2] = {1, 2};
    tdl_device_desc desc = {.size = sizeof desc, .name = "null", .allocator = mem};
    tdl_status status = tdl_device_open(&desc, &device, &err);
    if (status != TDL_OK) return status;
    const tdl_backend *backend = device->backend;
    status = backend->buffer_create(device, sizeof x, &buffer, &err);
    if (status == TDL_OK) status = backend->read(buffer, 0, x, sizeof x, &err);
    if (status == TDL_OK) status = backend->write(buffer, 0, x, sizeof x, &err);
    if (status == TDL_OK)
        while ((status = backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
        }
    backend->buffer_destroy(buffer);
    tdl_device_close(device);
    return status;
}

static void allocations_may_fail(void **state) {
    (void)state;
    assert_true(fail_alloc_each(use_device, NULL) >= 5);
}

// ---- models ---------------------------------------------------------------------------------------------------------

static void model_says_what_the_cpu_says(const char *path, int32_t n_pending) {
    int32_t said[2][24];
    tdl_device *devices[2] = {open_device(NULL), NULL};
    ((tdl_null_device *)devices[0])->n_pending = n_pending;
    for (int i = 0; i < 2; i++) {
        tdl_model *model =
            i == 0 ? open_model(devices[0], path) : golden_open(path, TDL_PRECISION_F32, 1, NULL, &devices[1]);
        golden_greedy(model, prompts[0], N_PROMPT, said[i], 24);
        tdl_model_close(model);
    }
    close_device(devices[0], 0);
    tdl_device_close(devices[1]);
    assert_memory_equal(said[0], said[1], sizeof said[0]);
}

static void models_say_what_the_cpu_says(void **state) {
    (void)state;
    for (int32_t n_pending = 0; n_pending < 4; n_pending++) model_says_what_the_cpu_says(LLAMA, n_pending);
    model_says_what_the_cpu_says(GPT2, 1);
    model_says_what_the_cpu_says(TDL_TEST_DATA "/hf-tiny/qwen3", 1);
}

// ---- a whole life, each call of which fails -------------------------------------------------------------------------

typedef struct life {
    fail_alloc fa;
    tdl_device *device;
    tdl_model *model;
    tdl_batch *batch;
    tdl_session *sessions[N_SESSIONS];
    int32_t tokens[N_SESSIONS][N_PROMPT + N_NEW]; // those of a session that was lost
    size_t n_tokens[N_SESSIONS];
    float logits[N_PROMPT * VOCAB];
    tdl_null_report report; // of the first device
} life;

static tdl_status open_life(life *l, tdl_error *err) {
    if (l->model) return TDL_OK;
    tdl_model_desc desc = {.size = sizeof desc,
                           .path = LLAMA,
                           .device = l->device,
                           .precision = TDL_PRECISION_F32,
                           .allocator = &l->fa.mem};
    return tdl_model_open(&desc, &l->model, err);
}

static tdl_status create_batch(life *l, tdl_error *err) {
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = N_SESSIONS, .n_tokens_max = 4, .n_cache_tokens = 128};
    return l->batch ? TDL_OK : tdl_batch_create(l->model, &desc, &l->batch, err);
}

static tdl_status create_sessions(life *l, tdl_error *err) {
    for (int i = 0; i < N_SESSIONS; i++) {
        tdl_session_desc desc = {.size = sizeof desc, .batch = l->batch, .ignore_eos = true};
        if (l->sessions[i]) continue;
        tdl_status status = tdl_session_create(l->model, &desc, &l->sessions[i], err);
        if (status != TDL_OK) return status;
        const int32_t *ids = l->n_tokens[i] ? l->tokens[i] : prompts[i];
        assert_int_equal(tdl_session_push(l->sessions[i], ids, l->n_tokens[i] ? l->n_tokens[i] : N_PROMPT, err),
                         TDL_OK);
    }
    return TDL_OK;
}

static tdl_status generate(life *l, tdl_error *err) {
    for (;;) {
        bool busy = false;
        tdl_status status = tdl_batch_step(l->batch, err);
        if (status < 0) return status;
        for (int i = 0; i < N_SESSIONS; i++) {
            size_t n;
            int32_t token;
            tdl_session_tokens(l->sessions[i], &n);
            if (n == N_PROMPT + N_NEW) continue;
            busy = true;
            status = tdl_session_next(l->sessions[i], &token, err);
            if (status < 0) return status;
        }
        if (!busy) return TDL_OK;
    }
}

static tdl_status evaluate(life *l, tdl_error *err) {
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 64};
    tdl_status status = tdl_session_create(l->model, &desc, &session, err);
    if (status == TDL_OK) status = tdl_session_eval(session, prompts[0], N_PROMPT, l->logits, err);
    size_t n_left = 0;
    if (session) tdl_session_tokens(session, &n_left);
    assert_int_equal(n_left, status == TDL_OK ? N_PROMPT : 0); // what failed is undone
    tdl_session_destroy(session);
    return status;
}

static void end_life(life *l) {
    for (int i = 0; i < N_SESSIONS; i++) {
        if (l->sessions[i]) {
            const int32_t *ids = tdl_session_tokens(l->sessions[i], &l->n_tokens[i]);
            assert_true(l->n_tokens[i] <= N_PROMPT + N_NEW);
            memcpy(l->tokens[i], ids, l->n_tokens[i] * sizeof *ids);
        }
        tdl_session_destroy(l->sessions[i]);
        l->sessions[i] = NULL;
    }
    tdl_batch_destroy(l->batch);
    tdl_model_close(l->model);
    close_device(l->device, 0);
    l->batch = NULL;
    l->model = NULL;
    l->device = NULL;
}

static void live(life *l, tdl_null_fault fault) {
    tdl_status (*const stations[])(life *l, tdl_error *err) = {open_life, create_batch, create_sessions, generate,
                                                               evaluate};
    fail_alloc_init(&l->fa);
    l->device = open_device(&l->fa.mem);
    ((tdl_null_device *)l->device)->fault = fault;
    for (size_t i = 0, n_failed = 0; i < sizeof stations / sizeof *stations;) {
        tdl_error err = {0};
        tdl_status status = stations[i](l, &err);
        if (status == TDL_OK) {
            i++;
            continue;
        }
        assert_int_equal(n_failed++, 0); // made again, it succeeds
        assert_int_equal(status, fault.status);
        assert_int_equal(err.code, fault.status);
        assert_non_null(strstr(err.message, "as asked"));
        if (status != TDL_ERROR_DEVICE_LOST) continue;
        assert_int_equal(stations[i](l, &err), TDL_ERROR_DEVICE_LOST); // and it stays lost
        l->report = ((tdl_null_device *)l->device)->report;
        end_life(l);
        l->device = open_device(&l->fa.mem);
        i = 0;
    }
    if (!l->report.failed) l->report = ((tdl_null_device *)l->device)->report;
    end_life(l);
    fail_alloc_check(&l->fa);
}

static void every_call_may_fail(void **state) {
    (void)state;
    static const tdl_status statuses[] = {TDL_ERROR_MEMORY, TDL_ERROR_DEVICE, TDL_ERROR_DEVICE_LOST};
    life whole = {0};
    live(&whole, (tdl_null_fault){0});
    int64_t n_runs = 0;
    for (tdl_null_call call = TDL_NULL_NONE + 1; call < TDL_NULL_CALL_COUNT; call++) {
        assert_true(whole.report.n_calls[call] > 0);
        for (int64_t at = 1; at <= whole.report.n_calls[call]; at++)
            for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++, n_runs++) {
                life l = {0};
                live(&l, (tdl_null_fault){call, at, statuses[i]});
                assert_true(l.report.failed);
                for (int s = 0; s < N_SESSIONS; s++) assert_int_equal(l.n_tokens[s], N_PROMPT + N_NEW);
                assert_memory_equal(l.tokens, whole.tokens, sizeof whole.tokens);
                assert_memory_equal(l.logits, whole.logits, sizeof whole.logits);
            }
    }
    print_message("%lld lives, each with one failure\n", (long long)n_runs);
}

// Sampling goes on with the random numbers that it would have drawn, wherever the device is lost.
static void moved_session_draws_the_same(void **state) {
    (void)state;
    enum { N = 10 };
    const tdl_session_desc desc = {.size = sizeof desc,
                                   .n_ctx = 64,
                                   .n_batch = 2,
                                   .ignore_eos = true,
                                   .n_predict = N,
                                   .sampler = {.temperature = 1, .top_k = 40, .seed = 7}};
    int32_t expected[N], token;
    for (int64_t lost_at = 0; lost_at < 40; lost_at++) { // the first run loses nothing
        tdl_error err = {0};
        tdl_device *device[2] = {open_device(NULL), open_device(NULL)};
        tdl_model *model[2] = {open_model(device[0], LLAMA), open_model(device[1], LLAMA)};
        tdl_session *session = NULL, *moved = NULL;
        assert_int_equal(tdl_session_create(model[0], &desc, &session, &err), TDL_OK);
        assert_int_equal(tdl_session_push(session, prompts[0], N_PROMPT, &err), TDL_OK);
        ((tdl_null_device *)device[0])->fault = (tdl_null_fault){TDL_NULL_POLL, lost_at, TDL_ERROR_DEVICE_LOST};
        tdl_status status;
        while ((status = tdl_session_next(session, &token, &err)) == TDL_OK || status == TDL_PENDING) {
        }
        bool lost = ((tdl_null_device *)device[0])->report.failed;
        assert_int_equal(status, lost ? TDL_ERROR_DEVICE_LOST : TDL_DONE);
        assert_int_equal(tdl_session_move(session, model[1], NULL, &moved, &err), TDL_OK);
        tdl_session_destroy(session);
        while ((status = tdl_session_next(moved, &token, &err)) == TDL_OK || status == TDL_PENDING) {
        }
        assert_int_equal(status, TDL_DONE);
        size_t n;
        const int32_t *tokens = tdl_session_tokens(moved, &n);
        assert_int_equal(n, N_PROMPT + N);
        if (lost_at == 0) memcpy(expected, tokens + N_PROMPT, sizeof expected);
        assert_memory_equal(tokens + N_PROMPT, expected, sizeof expected);
        tdl_session_destroy(moved);
        for (int i = 0; i < 2; i++) {
            tdl_model_close(model[i]);
            close_device(device[i], 0);
        }
        if (lost_at > 0 && !lost) return; // all of its polls were lost once
    }
    fail_msg("40 polls were not enough");
}

// A weight that a later plan is the first to want: a failure half way leaves nothing that looks ready.
static void half_made_weight_is_not_used(void **state) {
    (void)state;
    static const tdl_null_call calls[] = {TDL_NULL_BUFFER_CREATE, TDL_NULL_WRITE};
    int32_t expected[N_NEW], said[N_NEW];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        tdl_device *device = open_device(NULL);
        tdl_null_device *null = (tdl_null_device *)device;
        tdl_model *model = open_model(device, LLAMA);
        golden_greedy(model, prompts[0], N_PROMPT, expected, N_NEW);
        tdl_buffer **weight = &model->buffers[tdl_param_index(TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER)][TDL_LAYOUT_ROWS];
        device->backend->buffer_destroy(*weight); // as if no plan had wanted it yet
        *weight = NULL;
        tdl_session *session = NULL;
        tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 64};
        tdl_error err = {0};
        // The cache's buffers come before the weight's.
        int64_t n_before = calls[i] == TDL_NULL_BUFFER_CREATE ? 2 * model->config.n_layers : 0;
        null->fault = (tdl_null_fault){calls[i], null->report.n_calls[calls[i]] + n_before + 1, TDL_ERROR_DEVICE};
        assert_int_equal(tdl_session_create(model, &desc, &session, &err), TDL_ERROR_DEVICE);
        assert_null(*weight);
        golden_greedy(model, prompts[0], N_PROMPT, said, N_NEW);
        assert_non_null(*weight);
        assert_memory_equal(said, expected, sizeof said);
        tdl_model_close(model);
        close_device(device, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_is_not_listed),
        cmocka_unit_test(access_is_checked),
        cmocka_unit_test(reads_come_with_a_poll),
        cmocka_unit_test(plans_are_checked),
        cmocka_unit_test(steps_are_checked),
        cmocka_unit_test(polls_end_their_steps_only),
        cmocka_unit_test(close_with_buffers_is_told),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(models_say_what_the_cpu_says),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(moved_session_draws_the_same),
        cmocka_unit_test(half_made_weight_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
