// test_split.c - weights with more bytes than the device binds at once, in parts: the same tokens and logits as whole, on the
// device "null" and on WebGPU with its limit lowered, and a table that is really too large for the limits that every
// WebGPU adapter has. What cannot come in parts is named.
#include "model/model_impl.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char GPT2[] = TDL_TEST_DATA "/hf-tiny/gpt2"; // biases, learned positions
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";
enum { N_PROMPT = 5, N_NEW = 12 };
static const int32_t prompt[N_PROMPT] = {5, 17, 99, 200, 3};

// NULL: there is none here, which was said.
static tdl_device *open_device(const char *name) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_device_desc desc = {.size = sizeof desc, .name = name};
    if (tdl_device_open(&desc, &device, &err) != TDL_OK) print_message("%s is skipped: %s\n", name, err.message);
    return device;
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

// Greedy tokens after the prompt, a few at a time, and the last logits.
static void say(tdl_model *model, int32_t *said, float *logits) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 64, .n_batch = 8, .ignore_eos = true};
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    assert_int_equal(tdl_session_push(session, prompt, N_PROMPT, &err), TDL_OK);
    for (int i = 0; i < N_NEW;) {
        tdl_status status = tdl_session_next(session, &said[i], &err);
        if (status < 0) fail_msg("%s", err.message);
        i += status == TDL_OK;
    }
    memcpy(logits, tdl_session_logits(session), (size_t)model->config.n_vocab * sizeof *logits);
    tdl_session_destroy(session);
}

// Ops of a kind in a plan, and that no value of it is over the limit.
static int32_t n_ops_of(tdl_model *model, tdl_op op) {
    tdl_plan *plan;
    tdl_model_limits limits = {.n_tokens = 8, .n_seqs = 1, .n_outputs = 1, .n_pages = 1, .n_seq_pages = 1};
    int32_t n = 0;
    assert_int_equal(tdl_model_plan(model, &limits, &plan, NULL), TDL_OK);
    for (int32_t i = 0; i < plan->n_ops; i++) {
        n += plan->ops[i].op == op;
        for (int32_t j = 0; j < plan->ops[i].n_in && model->device->value_size_max; j++)
            assert_true(tdl_tensor_size(&plan->values[plan->ops[i].in[j]].tensor) <= model->device->value_size_max);
    }
    tdl_plan_destroy(plan);
    return n;
}

// Those too that took in what is round them.
static int32_t n_matmuls_of(tdl_model *model) {
    return n_ops_of(model, TDL_OP_MATMUL) + n_ops_of(model, TDL_OP_LINEAR);
}

static void says_the_same_in_parts(const char *device_name, const char *path, uint64_t size_max, size_t n_parts) {
    tdl_device *device = open_device(device_name);
    if (!device) return;
    tdl_model *model = open_model(device, path);
    size_t n_vocab = (size_t)model->config.n_vocab;
    float *logits = malloc(2 * n_vocab * sizeof *logits);
    int32_t said[2][N_NEW], n_embeds = n_ops_of(model, TDL_OP_EMBED), n_matmuls = n_matmuls_of(model);
    say(model, said[0], logits);
    device->value_size_max = size_max;
    assert_true(n_ops_of(model, TDL_OP_EMBED) > n_embeds && n_matmuls_of(model) > n_matmuls);
    say(model, said[1], logits + n_vocab);
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

static void row_over_the_limit_is_named(void **state) {
    (void)state;
    tdl_device *device = open_device("null");
    tdl_model *model = open_model(device, LLAMA);
    tdl_error err = {0};
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 64, .n_batch = 1};
    device->value_size_max = 63; // a row of the table has 64
    assert_int_equal(tdl_session_create(model, &desc, &session, &err), TDL_ERROR_LIMIT);
    assert_non_null(strstr(err.message, "token_embd.weight"));
    assert_non_null(strstr(err.message, "63"));
    tdl_model_close(model);
    tdl_device_close(device);
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

// 154 MB where a binding has at most 128 MiB.
static void table_over_the_minimum_limits(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu:0:min");
    if (!device) return;
    check_table(device, 300000, 2, 150016);
    tdl_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_in_parts),
        cmocka_unit_test(row_over_the_limit_is_named),
        cmocka_unit_test(table_in_parts),
        cmocka_unit_test(table_over_the_minimum_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
