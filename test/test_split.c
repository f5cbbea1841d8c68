// SPDX-License-Identifier: MIT
// test_split.c - what has more bytes than the device binds at once: weights, caches and the states of training in parts,
// prompts in smaller chunks. The same tokens and logits as whole, on the device "null" and on WebGPU with its limit lowered;
// then a table, a cache and states that are really too large for the limits that every WebGPU adapter has. What
// cannot come in parts is named.
//
//     test_split webgpu:0     a table, a cache and states over 2^32 bytes on this adapter, its bindings filled to their ends
#include "graph/parts.h"
#include "model/model_impl.h"
#include "ops/hyper.h"
#include "support/adapter.h"
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
static const char GPT2[] = TDL_TEST_DATA "/hf-tiny/gpt2"; // biases, learned positions
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";
enum { N_NEW = 12, PROMPT_MAX = 300 };

// A session and its prompt.
typedef struct asked {
    int32_t n_prompt, n_ctx, n_batch;
} asked;

static const asked few = {.n_prompt = 5, .n_ctx = 64, .n_batch = 8};

// NULL: there is none here, which was said.
static tdl_device *open_device(const char *name) {
    return adapter_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = name});
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

// Greedy tokens after the prompt, a few at a time, and the last logits.
static void say(tdl_model *model, const asked *how, int32_t *said, float *logits) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    int32_t prompt[PROMPT_MAX];
    for (int32_t i = 0; i < how->n_prompt; i++) prompt[i] = (i * 37 + 11) % 256;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = how->n_ctx, .n_batch = how->n_batch, .ignore_eos = true};
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    assert_int_equal(tdl_session_push(session, prompt, (size_t)how->n_prompt, &err), TDL_OK);
    for (int i = 0; i < N_NEW;) {
        tdl_status status = tdl_session_next(session, &said[i], &err);
        if (status < 0) fail_msg("%s", err.message);
        i += status == TDL_OK;
    }
    memcpy(logits, tdl_session_logits(session), (size_t)model->config.n_vocab * sizeof *logits);
    tdl_session_destroy(session);
}

// Ops of a kind in a plan for that, and that no value of it is over the limit. n_tokens: of a step (out).
static int32_t n_ops_of(tdl_model *model, const asked *how, tdl_op op, int32_t *n_tokens) {
    tdl_plan *plan;
    int32_t n = 0, n_pages = how->n_ctx / TDL_KV_PAGE;
    tdl_model_limits limits = {
        .n_tokens = how->n_batch, .n_seqs = 1, .n_outputs = 1, .n_pages = n_pages, .n_seq_pages = n_pages};
    assert_int_equal(tdl_model_plan(model, &limits, &plan, NULL), TDL_OK);
    if (n_tokens) *n_tokens = plan->max.n[TDL_ROWS_TOKENS];
    for (int32_t i = 0; i < plan->n_ops; i++) {
        n += plan->ops[i].op == op;
        for (int32_t j = 0; j < plan->ops[i].n_in && model->device->value_size_max; j++)
            assert_true(tdl_tensor_size(&plan->values[plan->ops[i].in[j]].tensor) <= model->device->value_size_max);
    }
    tdl_plan_destroy(plan);
    return n;
}

// Those too that took in what is round them.
static int32_t n_matmuls_of(tdl_model *model, const asked *how) {
    return n_ops_of(model, how, TDL_OP_MATMUL, NULL) + n_ops_of(model, how, TDL_OP_LINEAR, NULL);
}

static void says_the_same_in_parts(const char *device_name, const char *path, uint64_t size_max, size_t n_parts) {
    tdl_device *device = open_device(device_name);
    if (!device) return;
    tdl_model *model = open_model(device, path);
    size_t n_vocab = (size_t)model->config.n_vocab;
    float *logits = malloc(2 * n_vocab * sizeof *logits);
    int32_t said[2][N_NEW], n_embeds = n_ops_of(model, &few, TDL_OP_EMBED, NULL), n_matmuls = n_matmuls_of(model, &few);
    say(model, &few, said[0], logits);
    device->value_size_max = size_max;
    assert_true(n_ops_of(model, &few, TDL_OP_EMBED, NULL) > n_embeds && n_matmuls_of(model, &few) > n_matmuls);
    say(model, &few, said[1], logits + n_vocab);
    assert_memory_equal(said[0], said[1], sizeof said[0]);
    double error = golden_error(logits + n_vocab, logits, n_vocab);
    print_message("%s on %s: %zu parts, largest error %.2e\n", strrchr(path, '/') + 1, device_name, model->parts.n,
                  error);
    assert_true(error <= 1e-4);
    size_t n_found = 0; // without the weights that are joined
    for (size_t i = 0; i < model->parts.n; i++)
        n_found += tdl_vec_at(&model->parts, tdl_weight_part, i)->layout != TDL_LAYOUT_JOINED;
    assert_int_equal(n_found, n_parts);
    free(logits);
    tdl_model_close(model);
    tdl_device_close(device);
}

static void same_in_parts(void **state) {
    (void)state;
    static const char *const devices[] = {"null", "webgpu"};
    for (int i = 0; i < 2; i++) {
        says_the_same_in_parts(devices[i], LLAMA, 4096, 20); // two tables of 4 parts, six matrices of 2
        says_the_same_in_parts(devices[i], GPT2, 8192, 4);   // one table
    }
    says_the_same_in_parts("webgpu", DEMO, 200000, 54);
}

// The limit only after the model is on the device: what comes in parts, or in chunks, is the cache and the prompt.
static void caches_and_chunks(const char *device_name, const char *path, const asked *how, uint64_t size_max,
                              int32_t n_tokens_expected) {
    tdl_device *device = open_device(device_name);
    if (!device) return;
    tdl_model *model = open_model(device, path);
    const asked one = {.n_prompt = 1, .n_ctx = how->n_ctx, .n_batch = 1};
    size_t n_vocab = (size_t)model->config.n_vocab;
    float *logits = malloc(2 * n_vocab * sizeof *logits);
    int32_t said[2][N_NEW], n_tokens, n_appends = n_ops_of(model, how, TDL_OP_KV_APPEND, &n_tokens);
    assert_int_equal(n_tokens, how->n_batch);
    say(model, how, said[0], logits);
    device->value_size_max = size_max;
    assert_int_equal(n_ops_of(model, how, TDL_OP_KV_APPEND, &n_tokens), 2 * n_appends); // two heads
    assert_int_equal(n_ops_of(model, how, TDL_OP_ATTENTION, NULL), 2 * n_appends);
    assert_int_equal(n_tokens, n_tokens_expected);
    assert_int_equal(n_ops_of(model, &one, TDL_OP_ROPE_ATTENTION, NULL), 0); // which wants whole caches
    say(model, how, said[1], logits + n_vocab);
    assert_memory_equal(said[0], said[1], sizeof said[0]);
    double error = golden_error(logits + n_vocab, logits, n_vocab);
    print_message("%s on %s: chunks of %d tokens, largest error %.2e\n", strrchr(path, '/') + 1, device_name, n_tokens,
                  error);
    assert_true(error <= 1e-4);
    free(logits);
    tdl_model_close(model);
    tdl_device_close(device);
}

// Activations of llama's have up to 80 columns, of the demo's 768. A page of a head is 2 KiB, or 16.
static void cache_in_parts_prompt_in_chunks(void **state) {
    (void)state;
    static const asked tiny = {.n_prompt = 200, .n_ctx = 256, .n_batch = 64};
    static const asked demo = {.n_prompt = 300, .n_ctx = 512, .n_batch = 64};
    caches_and_chunks("null", LLAMA, &tiny, 8192, 16);
    caches_and_chunks("webgpu", LLAMA, &tiny, 8192, 16);
    caches_and_chunks("webgpu", DEMO, &demo, 140000, 32);
}

static void what_cannot_come_in_parts_is_named(void **state) {
    (void)state;
    tdl_device *device = open_device("null");
    tdl_model *model = open_model(device, LLAMA);
    tdl_error err = {0};
    tdl_plan *plan = NULL;
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 256, .n_batch = 1};
    device->value_size_max = 3 * 2048 + 100; // three pages of a head; four are 256 positions
    assert_int_equal(tdl_session_create(model, &desc, &session, &err), TDL_ERROR_LIMIT);
    assert_non_null(strstr(err.message, "cache: a head's part of 256 positions has 8192 bytes"));
    assert_non_null(strstr(err.message, "at most 192 positions"));
    tdl_model_limits limits = {.n_tokens = 1, .n_seqs = 1, .n_outputs = 1, .n_pages = 1, .n_seq_pages = 1};
    device->value_size_max = 4 * 64 - 1; // not even four rows of the table
    assert_int_equal(tdl_model_plan(model, &limits, &plan, &err), TDL_ERROR_LIMIT);
    assert_non_null(strstr(err.message, "token_embd.weight"));
    assert_non_null(strstr(err.message, "255"));
    tdl_model_close(model);
    tdl_device_close(device);
}

// A session whose weights and cache are in parts, with this allocator.
static tdl_status life_in_parts(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_device *device = NULL;
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    int32_t token;
    tdl_device_desc on = {.size = sizeof on, .name = "null", .allocator = mem};
    tdl_status status = tdl_device_open(&on, &device, NULL);
    tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = device, .allocator = mem};
    if (status == TDL_OK) device->value_size_max = 8192;
    if (status == TDL_OK) status = tdl_model_open(&desc, &model, NULL);
    tdl_session_desc of = {.size = sizeof of, .n_ctx = 256, .n_batch = 16, .ignore_eos = true};
    if (status == TDL_OK) status = tdl_session_create(model, &of, &session, NULL);
    if (status == TDL_OK) status = tdl_session_push(session, (int32_t[]){5, 17, 99}, 3, NULL);
    while (status == TDL_OK && (status = tdl_session_next(session, &token, NULL)) == TDL_PENDING) status = TDL_OK;
    tdl_session_destroy(session);
    tdl_model_close(model);
    tdl_device_close(device);
    return status;
}

static void every_allocation_fails(void **state) {
    (void)state;
    int64_t n = fail_alloc_each(life_in_parts, NULL);
    print_message("%lld allocations in a life in parts\n", (long long)n);
    assert_true(n > 20);
}

// ---- one table, embedded and multiplied with ------------------------------------------------------------------------

enum { N_COLUMNS = 128, N_IDS = 5, BOUND_MAX = 16 };

static float element(int64_t row, int64_t column) { return (float)((row * 7 + column * 13) % 1021 - 510) / 510; }
static float bias_of(int64_t row) { return (float)(row % 17); }

// Rows [first, first + count) of the table, a piece at a time.
static void write_rows(const tdl_backend *backend, tdl_buffer *buffer, int64_t first, int64_t count) {
    enum { PIECE = 4096 };
    static float rows[PIECE * N_COLUMNS];
    for (int64_t at = 0; at < count; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        for (int64_t i = 0; i < n * N_COLUMNS; i++) rows[i] = element(first + at + i / N_COLUMNS, i % N_COLUMNS);
        assert_int_equal(backend->write(buffer, (size_t)at * N_COLUMNS * sizeof(float), rows,
                                        (size_t)n * N_COLUMNS * sizeof(float), NULL),
                         TDL_OK);
    }
}

static void write_bias(const tdl_backend *backend, tdl_buffer *buffer, int64_t n) {
    float *bias = malloc((size_t)n * sizeof *bias);
    for (int64_t i = 0; i < n; i++) bias[i] = bias_of(i);
    assert_int_equal(backend->write(buffer, 0, bias, (size_t)n * sizeof *bias, NULL), TDL_OK);
    free(bias);
}

static tdl_plan *table_plan(const tdl_device *device, int64_t n_rows) {
    tdl_error err = {0};
    tdl_graph g;
    tdl_tensor t, b;
    tdl_plan *plan = NULL;
    tdl_graph_init(&g, device->mem);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){n_rows, N_COLUMNS}, NULL, &t, &err), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 1, &n_rows, NULL, &b, &err), TDL_OK);
    int32_t table = tdl_graph_weight(&g, "table", 0, &t), bias = tdl_graph_weight(&g, "bias", 1, &b);
    int32_t step_ids = tdl_graph_step(&g, TDL_STEP_IDS, TDL_ROWS_TOKENS, N_IDS, 0, 0);
    int32_t x = tdl_graph_op(&g, "x", TDL_OP_EMBED, NULL, 2, (int32_t[]){table, step_ids});
    tdl_graph_output(&g, tdl_graph_op(&g, "y", TDL_OP_MATMUL, NULL, 3, (int32_t[]){x, table, bias}));
    tdl_plan_desc desc = {.device = device, .max = {.n = {0, N_IDS, 0, 0}}};
    if (tdl_plan_create(&g, &desc, &plan, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    return plan;
}

// y = embed(table, ids) table^T + bias; the table is in n_parts of part_rows rows, which both ops share.
static void check_table(tdl_device *device, int64_t n_rows, int32_t n_parts, int64_t part_rows) {
    const tdl_backend *backend = device->backend;
    const int32_t ids[N_IDS] = {0, (int32_t)n_rows - 1, (int32_t)part_rows - 1, (int32_t)(part_rows % n_rows), 77};
    tdl_error err = {0};
    tdl_exec *exec = NULL;
    tdl_buffer *bound[BOUND_MAX] = {NULL};
    tdl_plan *plan = table_plan(device, n_rows);
    assert_int_equal(plan->n_ops, 2 * n_parts);
    assert_true(plan->n_buffers <= BOUND_MAX);
    for (int32_t i = 0, n = 0; i < plan->n_buffers; i++) {
        if (plan->buffer_value[i] < 0) continue;
        const tdl_value *value = &plan->values[plan->buffer_value[i]];
        if (backend->buffer_create(device, plan->buffer_sizes[i], &bound[i], &err) != TDL_OK)
            fail_msg("%s", err.message);
        if (value->weight == 1) {
            write_bias(backend, bound[i], n_rows);
        } else {
            assert_true(n < n_parts);
            assert_int_equal(value->first_row, n++ * part_rows);
            write_rows(backend, bound[i], value->first_row, value->tensor.shape[0]);
        }
    }
    if (tdl_exec_create(device, plan, bound, &exec, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_step step = {.counts = {.n = {0, N_IDS, 0, 0}}, .inputs = {[TDL_STEP_IDS] = ids}};
    size_t y_size = (size_t)(N_IDS * n_rows) * sizeof(float);
    float *y = malloc(y_size);
    assert_int_equal(tdl_exec_step(exec, &step, &err), TDL_OK);
    assert_int_equal(tdl_exec_read(exec, plan->output, 0, y_size, y, &err), TDL_OK);
    tdl_status status;
    while ((status = tdl_exec_poll(exec, &err)) == TDL_PENDING) {
    }
    if (status != TDL_OK) fail_msg("%s", err.message);
    for (int64_t t = 0; t < N_IDS; t++)
        for (int64_t n = 0; n < n_rows; n += llabs(n - part_rows) < 100 ? 1 : 37) { // some, and all where parts meet
            double sum = bias_of(n);
            for (int64_t k = 0; k < N_COLUMNS; k++) sum += (double)element(ids[t], k) * (double)element(n, k);
            assert_float_equal(y[t * n_rows + n], sum, 1e-3);
        }
    free(y);
    tdl_exec_destroy(exec);
    for (int i = 0; i < BOUND_MAX; i++) backend->buffer_destroy(bound[i]);
    tdl_plan_destroy(plan);
}

static void table_in_parts(void **state) {
    (void)state;
    static const char *const devices[] = {"null", "webgpu"};
    for (int i = 0; i < 2; i++) {
        tdl_device *device = open_device(devices[i]);
        if (!device) continue;
        check_table(device, 200, 1, 200);
        device->value_size_max = 64 * N_COLUMNS * sizeof(float) + 77;
        check_table(device, 200, 4, 64);
        check_table(device, 129, 3, 64); // the last part is a row
        check_table(device, 128, 2, 64);
        device->value_size_max = 38 * N_COLUMNS * sizeof(float); // fewer rows than a tile has
        check_table(device, 100, 3, 36);
        tdl_device_close(device);
    }
}

// ---- really too large -----------------------------------------------------------------------------------------------

// The parts of a large table [n_rows, N_COLUMNS].
static void check_large_table(tdl_device *device, int64_t n_rows) {
    tdl_tensor t;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){n_rows, N_COLUMNS}, NULL, &t, NULL), TDL_OK);
    int64_t part_rows = tdl_part_rows(&t, 0, device->value_size_max);
    int32_t n_parts = (int32_t)((n_rows + part_rows - 1) / part_rows);
    print_message("a table of %zu bytes in %d parts\n", tdl_tensor_size(&t), n_parts);
    assert_true(n_parts > 1);
    check_table(device, n_rows, n_parts, part_rows);
}

static void finish_step(tdl_exec *exec, const tdl_step *step, tdl_error *err) {
    tdl_status status = tdl_exec_step(exec, step, err);
    while (status == TDL_OK && (status = tdl_exec_poll(exec, err)) == TDL_PENDING) status = TDL_OK;
    if (status != TDL_OK) fail_msg("%s", err->message);
}

static void settle(tdl_device *device) {
    tdl_error err = {0};
    tdl_status status;
    while ((status = device->backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
    }
    if (status != TDL_OK) fail_msg("%s", err.message);
}

enum { HEADS = 2, HEAD_DIM = 64, CACHE_TOKENS = 130, CACHE_PAGES = 3 };

static float noise(int64_t i) { return (float)(i * 7919 % 2003 - 1001) / 1001; }

// Keys and values of 130 positions into three pages of a cache, then the attention of 130 tokens: out [130, 2, 64].
static void attend_in_cache(tdl_device *device, int32_t n_pages, const int32_t *pages, float *out) {
    enum { N = CACHE_TOKENS, D = HEAD_DIM, SIZE = N * HEADS * D };
    const tdl_backend *backend = device->backend;
    tdl_error err = {0};
    tdl_graph g;
    tdl_tensor x, caches[2];
    tdl_kv_desc kv = {TDL_DTYPE_F32, .n_layers = 1, .n_kv_heads = HEADS, .head_dim = D, .n_pages = n_pages};
    tdl_kv_cache *cache = NULL;
    tdl_plan *plan = NULL;
    tdl_exec *exec = NULL;
    tdl_buffer *bound[BOUND_MAX] = {NULL};
    static float values[SIZE];
    int32_t ids[N], seqs[N] = {0}, seq_start[2] = {0, N}, in[3];
    for (int32_t i = 0; i < N; i++) ids[i] = i;
    tdl_graph_init(&g, device->mem);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){N, HEADS, D}, NULL, &x, &err), TDL_OK);
    assert_int_equal(tdl_kv_tensors(&kv, &caches[0], &caches[1], &err), TDL_OK);
    for (int32_t i = 0; i < 3; i++) in[i] = tdl_graph_weight(&g, "qkv", i, &x);
    int32_t k_cache = tdl_graph_state(&g, "k_cache", 0, &caches[0]),
            v_cache = tdl_graph_state(&g, "v_cache", 1, &caches[1]);
    int32_t at = tdl_graph_step(&g, TDL_STEP_POSITIONS, TDL_ROWS_TOKENS, N, 0, 0);
    int32_t of = tdl_graph_step(&g, TDL_STEP_SEQS, TDL_ROWS_TOKENS, N, 0, 0);
    int32_t start = tdl_graph_step(&g, TDL_STEP_SEQ_START, TDL_ROWS_SEQS, 1, 1, 0);
    int32_t table = tdl_graph_step(&g, TDL_STEP_PAGES, TDL_ROWS_SEQS, 1, 0, CACHE_PAGES);
    tdl_graph_op_into(&g, "append", TDL_OP_KV_APPEND, NULL, 5, (int32_t[]){in[1], in[2], at, of, table},
                      (int32_t[]){k_cache, v_cache});
    tdl_attrs attrs = {.scale = 0.125f};
    tdl_graph_output(&g, tdl_graph_op(&g, "out", TDL_OP_ATTENTION, &attrs, 6,
                                      (int32_t[]){in[0], k_cache, v_cache, at, start, table}));
    tdl_plan_desc desc = {.device = device, .max = {.n = {0, N, 1, 0}}};
    if (tdl_plan_create(&g, &desc, &plan, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    if (tdl_kv_cache_create(device, &kv, &cache, &err) != TDL_OK) fail_msg("%s", err.message);
    for (int32_t i = 0; i < plan->n_buffers; i++) {
        const tdl_value *value = plan->buffer_value[i] < 0 ? NULL : &plan->values[plan->buffer_value[i]];
        if (value && value->kind == TDL_VALUE_STATE)
            bound[i] = tdl_kv_cache_buffer(cache, value->weight, value->first_row);
        if (!value || value->kind != TDL_VALUE_WEIGHT) continue;
        for (int32_t e = 0; e < SIZE; e++) values[e] = noise(e + value->weight * SIZE);
        assert_int_equal(backend->buffer_create(device, sizeof values, &bound[i], &err), TDL_OK);
        assert_int_equal(backend->write(bound[i], 0, values, sizeof values, &err), TDL_OK);
    }
    if (tdl_exec_create(device, plan, bound, &exec, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_step step = {.counts = {.n = {0, N, 1, 0}},
                     .inputs = {[TDL_STEP_POSITIONS] = ids,
                                [TDL_STEP_SEQS] = seqs,
                                [TDL_STEP_SEQ_START] = seq_start,
                                [TDL_STEP_PAGES] = pages}};
    finish_step(exec, &step, &err);
    assert_int_equal(tdl_exec_read(exec, plan->output, 0, SIZE * sizeof *out, out, &err), TDL_OK);
    settle(device);
    tdl_exec_destroy(exec);
    for (int32_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffer_value[i] >= 0 && plan->values[plan->buffer_value[i]].kind == TDL_VALUE_WEIGHT)
            backend->buffer_destroy(bound[i]);
    tdl_kv_cache_destroy(cache);
    tdl_plan_destroy(plan);
}

// A cache of which a head fills a binding, in its first, last and middle page; against one of three pages.
static void check_large_cache(tdl_device *device) {
    const int32_t n_pages = (int32_t)(device->value_size_max / (HEAD_DIM * TDL_KV_PAGE * sizeof(float)));
    const int32_t places[CACHE_PAGES] = {n_pages - 1, 0, n_pages / 2 + 1}, small[CACHE_PAGES] = {2, 0, 1};
    static float out[2][CACHE_TOKENS * HEADS * HEAD_DIM];
    print_message("a cache of %d pages\n", n_pages);
    attend_in_cache(device, n_pages, places, out[0]);
    attend_in_cache(device, CACHE_PAGES, small, out[1]);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    for (size_t i = 0; i < sizeof out[0] / sizeof *out[0]; i++) assert_true(out[0][i] != 0 && fabsf(out[0][i]) < 1);
}

enum { STATE_COLUMNS = 1024, N_STATES = 6 }; // gradient, weight, moments; norms, stats

// A gradient of ones: its norm, then a step of AdamW on weights and moments of zero, and the gradient back to zero. Every
// element moves by the same, at the ends of every part too.
static void check_large_states(tdl_device *device, int64_t n_rows) {
    tdl_error err = {0};
    tdl_graph g;
    tdl_plan *plan[2] = {NULL, NULL};
    tdl_exec *exec = NULL;
    tdl_tensor tensors[N_STATES];
    tdl_parts *states[N_STATES] = {NULL};
    const float hyper[TDL_HYPER_COUNT] = {
        [TDL_HYPER_UNSCALE] = 1, [TDL_HYPER_LR] = 0.5f, [TDL_HYPER_M_FACTOR] = 2, [TDL_HYPER_V_FACTOR] = 4};
    const tdl_attrs ones = {.value = 1}, adamw = {.beta1 = 0.5f, .beta2 = 0.75f, .eps = 1e-8f};
    const int64_t shapes[N_STATES][2] = {{n_rows, STATE_COLUMNS},
                                         {n_rows, STATE_COLUMNS},
                                         {n_rows, STATE_COLUMNS},
                                         {n_rows, STATE_COLUMNS},
                                         {4096},
                                         {4}};
    for (int i = 0; i < N_STATES; i++) {
        assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, i < 4 ? 2 : 1, shapes[i], NULL, &tensors[i], &err), TDL_OK);
        if (tdl_parts_create(device, &tensors[i], 0, &states[i], &err) != TDL_OK) fail_msg("%s", err.message);
    }
    print_message("four states of %zu bytes\n", tdl_tensor_size(&tensors[0]));
    for (int p = 0; p < 2; p++) { // the gradient; the update
        tdl_buffer *bound[64] = {NULL};
        int32_t v[N_STATES];
        tdl_graph_init(&g, device->mem);
        int32_t hypers = tdl_graph_step(&g, TDL_STEP_HYPER, TDL_ROWS_FIXED, TDL_HYPER_COUNT, 0, 0);
        for (int32_t i = 0; i < N_STATES; i++) v[i] = tdl_graph_state(&g, "state", i, &tensors[i]);
        if (p == 0) {
            tdl_graph_op_into(&g, "d", TDL_OP_FILL, &ones, 0, NULL, &v[0]);
        } else {
            tdl_graph_op_into(&g, "norms", TDL_OP_SUM_SQUARES, NULL, 1, &v[0], &v[4]);
            tdl_graph_op_into(&g, "stats", TDL_OP_CLIP, NULL, 2, (int32_t[]){v[4], hypers}, &v[5]);
            tdl_graph_op_into(&g, "w", TDL_OP_ADAMW, &adamw, 3, (int32_t[]){v[0], v[5], hypers}, &v[1]);
            tdl_graph_op_into(&g, "d", TDL_OP_FILL, NULL, 0, NULL, &v[0]);
        }
        tdl_plan_desc desc = {.device = device, .trains = true};
        if (tdl_plan_create(&g, &desc, &plan[p], &err) != TDL_OK) fail_msg("%s", err.message);
        tdl_graph_deinit(&g);
        assert_true(plan[p]->n_buffers <= 64);
        for (int32_t i = 0; i < plan[p]->n_buffers; i++) {
            const tdl_value *value = plan[p]->buffer_value[i] < 0 ? NULL : &plan[p]->values[plan[p]->buffer_value[i]];
            if (value) bound[i] = tdl_parts_buffer(states[value->weight], value->first_row);
        }
        if (tdl_exec_create(device, plan[p], bound, &exec, &err) != TDL_OK) fail_msg("%s", err.message);
        tdl_step step = {.inputs = {[TDL_STEP_HYPER] = hyper}};
        finish_step(exec, &step, &err);
        tdl_exec_destroy(exec);
        tdl_plan_destroy(plan[p]);
    }
    float stats[4];
    assert_int_equal(tdl_parts_read(states[5], 0, stats, sizeof stats, &err), TDL_OK);
    settle(device);
    double norm = sqrt((double)n_rows * STATE_COLUMNS);
    assert_true(fabs((double)stats[0] - norm) <= 1e-5 * norm);
    int64_t part_rows = tdl_part_rows(&tensors[0], 0, device->value_size_max);
    assert_true(part_rows < n_rows);
    static const float expected[4] = {0, -0.5f, 0.5f, 0.25f};   // d, w, m, v
    for (int64_t first = 0; first < n_rows; first += part_rows) // where parts meet
        for (int i = 0; i < 4; i++) {
            float rows[2 * STATE_COLUMNS];
            size_t row = STATE_COLUMNS * sizeof(float), at = (size_t)(first ? first - 1 : n_rows - 2) * row;
            assert_int_equal(tdl_parts_read(states[i], at, rows, sizeof rows, &err), TDL_OK);
            settle(device);
            for (int j = 0; j < 2 * STATE_COLUMNS; j++) assert_true(fabsf(rows[j] - expected[i]) < 1e-6f);
        }
    for (int i = 0; i < N_STATES; i++) tdl_parts_destroy(states[i]);
}

// 154 MB, 268 MB, and four times 138 MB, where a binding has at most 128 MiB.
static void over_the_minimum_limits(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu:0:min");
    if (!device) return;
    check_large_table(device, 300000);
    check_large_cache(device);
    check_large_states(device, 33600);
    tdl_device_close(device);
}

static const char *large_device; // the program's argument

// Three parts that fill their bindings: over 2^32 bytes, where a binding has 2 GiB.
static void over_this_adapters_limits(void **state) {
    (void)state;
    tdl_device *device = open_device(large_device);
    assert_non_null(device);
    int64_t size_max = (int64_t)device->value_size_max;
    print_message("%s: a value has at most %lld bytes\n", device->summary, (long long)size_max);
    check_large_table(device, 3 * (size_max / (N_COLUMNS * (int64_t)sizeof(float)) / 64 * 64) - 64);
    check_large_cache(device);
    check_large_states(device, 3 * (size_max / (STATE_COLUMNS * (int64_t)sizeof(float)) / 64 * 64) - 64);
    tdl_device_close(device);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        const struct CMUnitTest large[] = {cmocka_unit_test(over_this_adapters_limits)};
        large_device = argv[1];
        return adapter_verdict(cmocka_run_group_tests(large, NULL, NULL));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_in_parts),
        cmocka_unit_test(cache_in_parts_prompt_in_chunks),
        cmocka_unit_test(what_cannot_come_in_parts_is_named),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(table_in_parts),
        cmocka_unit_test(over_the_minimum_limits),
    };
    return adapter_verdict(cmocka_run_group_tests(tests, NULL, NULL));
}
