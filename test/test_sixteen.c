// SPDX-License-Identifier: MIT
// test_sixteen.c - sixteen defects that a project like ours found in its own GPU kernels, each a test on the CPU and on WebGPU
// (as the adapter is, and held to the limits that every adapter has), and some more that were seen elsewhere.
//
// More of the same, in depth: 1 to 8, 10, 13 in the op suites (every kernel, guard bytes, NaN round the inputs); 4 in
// test_webgpu.c; 9 in test_null.c (every call of a whole life) and test_webgpu.c (a device that is lost); 11 also in the op
// suites; 12 is tools/check_comments.py, part of make lint; 15 in test_webgpu.c; 16 in test_null.c. 8, cross-entropy in one
// pass, and 3 backward belong to training.
#include "backend/null/null_device.h"
#include "base/checked.h"
#include "base/rng.h"
#include "graph/exec.h"
#include "graph/plan_make.h"
#include "model/kv_cache.h"
#include "support/adapter.h"
#include "support/golden.h"
#include "support/op_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
enum { N_DEVICES = 3, INPUTS_MAX = 6, BOUND_MAX = 16, INDICES = 99 };
static const char *const device_names[N_DEVICES] = {"cpu", "webgpu", "webgpu:0:min"};
static tdl_device *devices[N_DEVICES]; // NULL: not here

static int open_devices(void **state) {
    (void)state;
    for (int i = 0; i < N_DEVICES; i++) {
        tdl_device_desc desc = {.size = sizeof desc, .name = device_names[i]};
        devices[i] = adapter_open(&desc);
    }
    return devices[0] ? 0 : -1;
}

static int close_devices(void **state) {
    (void)state;
    for (int i = 0; i < N_DEVICES; i++) tdl_device_close(devices[i]);
    return 0;
}

// ---- one op on a device ---------------------------------------------------------------------------------------------

typedef struct one_op {
    tdl_device *device;
    tdl_plan *plan;
    tdl_exec *exec;
    tdl_buffer *bound[BOUND_MAX];
} one_op;

static tdl_tensor make_tensor(tdl_dtype dtype, int32_t n_dims, const int64_t *shape);

// The inputs as weights numbered like them; those of I32 beside each other in one weight, INDICES, as a step's inputs are
// in the step buffer. indices: its tensor, to be freed.
static void add_inputs(tdl_graph *g, int32_t n_in, const tdl_tensor *in, int32_t *ids, tdl_tensor *indices) {
    enum { ALIGN = 4 }; // elements
    int64_t n = 0, at = 0;
    for (int32_t i = 0; i < n_in; i++)
        if (in[i].dtype == TDL_DTYPE_I32) n += tdl_div_up(tdl_tensor_n_elements(&in[i]), ALIGN) * ALIGN;
    *indices = make_tensor(TDL_DTYPE_I32, 1, &n);
    int32_t base = n ? tdl_graph_weight(g, "indices", INDICES, indices) : -1;
    for (int32_t i = 0; i < n_in; i++) {
        if (in[i].dtype != TDL_DTYPE_I32) {
            ids[i] = tdl_graph_weight(g, "in", i, &in[i]);
            continue;
        }
        tdl_value view = *tdl_graph_value(g, base);
        view.base = base;
        view.base_offset = (size_t)at * sizeof(int32_t);
        view.tensor = in[i];
        memcpy(indices->data + view.base_offset, in[i].data, tdl_tensor_size(&in[i]));
        ids[i] = (int32_t)g->values.n;
        assert_true(tdl_vec_push(&g->values, &view, 1));
        at += tdl_div_up(tdl_tensor_n_elements(&in[i]), ALIGN) * ALIGN;
    }
}

static void bind_input(one_op *o, int32_t i, const tdl_tensor *from) {
    const tdl_backend *backend = o->device->backend;
    const tdl_value *value = &o->plan->values[o->plan->buffer_value[i]];
    tdl_error err = {0};
    tdl_tensor t = tdl_tensor_slice(from, 0, value->first_row, value->tensor.shape[0]);
    tdl_status status = backend->buffer_create(o->device, o->plan->buffer_sizes[i], &o->bound[i], &err);
    if (status == TDL_OK && value->layout == TDL_LAYOUT_ROWS)
        status = backend->write(o->bound[i], 0, t.data, tdl_tensor_size(&t), &err);
    else if (status == TDL_OK) status = backend->prepare(o->bound[i], value->layout, &t, t.data, 0, t.shape[0], &err);
    if (status != TDL_OK) fail_msg("%s", err.message);
}

// Inputs are contiguous, with data.
static one_op make_op(tdl_device *device, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const tdl_tensor *in) {
    one_op o = {.device = device};
    tdl_error err = {0};
    tdl_graph g;
    int32_t ids[INPUTS_MAX];
    tdl_graph_init(&g, device->mem);
    tdl_tensor indices;
    add_inputs(&g, n_in, in, ids, &indices);
    tdl_graph_output(&g, tdl_graph_op(&g, "out", op, attrs, n_in, ids));
    tdl_plan_desc desc = {.device = device, .precision = TDL_PRECISION_F32};
    if (tdl_plan_create(&g, &desc, &o.plan, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    assert_true(o.plan->n_buffers <= BOUND_MAX);
    for (int32_t i = 0; i < o.plan->n_buffers; i++) {
        int32_t weight = o.plan->buffer_value[i] >= 0 ? o.plan->values[o.plan->buffer_value[i]].weight : -1;
        if (weight >= 0) bind_input(&o, i, weight == INDICES ? &indices : &in[weight]);
    }
    free(indices.data);
    if (tdl_exec_create(device, o.plan, o.bound, &o.exec, &err) != TDL_OK) fail_msg("%s", err.message);
    return o;
}

static void free_op(one_op *o) {
    tdl_exec_destroy(o->exec);
    for (int i = 0; i < BOUND_MAX; i++) o->device->backend->buffer_destroy(o->bound[i]);
    tdl_plan_destroy(o->plan);
}

static void run_op(one_op *o, void *out) {
    tdl_error err = {0};
    tdl_step step = {.inputs = {NULL}};
    tdl_status status = tdl_exec_step(o->exec, &step, &err);
    size_t size = tdl_tensor_size(&o->plan->values[o->plan->output].tensor);
    if (status == TDL_OK) status = tdl_exec_read(o->exec, o->plan->output, 0, size, out, &err);
    if (status == TDL_OK)
        while ((status = tdl_exec_poll(o->exec, &err)) == TDL_PENDING) {
        }
    if (status != TDL_OK) fail_msg("%s", err.message);
}

static void poll_all(tdl_device *device) {
    tdl_error err = {0};
    tdl_status status;
    while ((status = device->backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
    }
    if (status != TDL_OK) fail_msg("%s", err.message);
}

// Every device against the reference, run `repeats` times with the same bits. Bounds: |y - r| <= bound max(1, |r|).
static void check_op(tdl_op op, const tdl_attrs *attrs, int32_t n_in, const tdl_tensor *in, double bound, int repeats) {
    tdl_call call = {.attrs = attrs ? *attrs : (tdl_attrs){0}, .n_in = n_in, .n_out = 1};
    tdl_error err = {0};
    memcpy(call.in, in, (size_t)n_in * sizeof *in);
    if (tdl_op_get(op)->infer(&call, &err) != TDL_OK) fail_msg("%s", err.message);
    size_t n = (size_t)tdl_tensor_n_elements(&call.out[0]), size = n * sizeof(float);
    float *expected = malloc(size + 1), *got = malloc(size + 1), *again = malloc(size + 1);
    call.out[0].data = (uint8_t *)expected;
    tdl_op_get(op)->reference(&call);
    for (int d = 0; d < N_DEVICES; d++) {
        if (!devices[d]) continue;
        one_op o = make_op(devices[d], op, attrs, n_in, in);
        memset(got, 0xff, size);
        run_op(&o, got);
        double error = golden_error(got, expected, n);
        if (!(error <= bound))
            fail_msg("%s of %zu elements on %s: error %g, bound %g", tdl_op_get(op)->name, n, device_names[d], error,
                     bound);
        for (int i = 1; i < repeats; i++) {
            run_op(&o, again);
            assert_memory_equal(got, again, size);
        }
        free_op(&o);
    }
    free(expected), free(got), free(again);
}

// ---- inputs ---------------------------------------------------------------------------------------------------------

static tdl_tensor make_tensor(tdl_dtype dtype, int32_t n_dims, const int64_t *shape) {
    tdl_tensor t;
    assert_int_equal(tdl_tensor_make(dtype, n_dims, shape, NULL, &t, NULL), TDL_OK);
    t.data = calloc(tdl_tensor_size(&t) + 64, 1);
    return t;
}

static tdl_tensor random_floats(uint64_t seed, int32_t n_dims, const int64_t *shape) {
    tdl_tensor t = make_tensor(TDL_DTYPE_F32, n_dims, shape);
    tdl_rng rng = tdl_rng_make(seed, 0);
    float *x = (float *)(void *)t.data;
    for (int64_t i = 0; i < tdl_tensor_n_elements(&t); i++) x[i] = (float)(tdl_rng_u32(&rng) >> 8) * 0x1p-23f - 1;
    return t;
}

static tdl_tensor ints(int64_t n, const int32_t *values) {
    tdl_tensor t = make_tensor(TDL_DTYPE_I32, 1, &n);
    if (n) memcpy(t.data, values, (size_t)n * sizeof *values);
    return t;
}

static void free_tensors(tdl_tensor *t, int32_t n) {
    for (int32_t i = 0; i < n; i++) free(t[i].data);
}

// The inputs of attention: sequences with n_before positions in the cache and n_new tokens; what no token sees is NaN.
static void attention_inputs(tdl_tensor in[6], int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t n_seqs,
                             const int32_t (*seqs)[2]) {
    int64_t n_tokens = 0, n_pages = 0, pages_max = 1;
    for (int32_t s = 0; s < n_seqs; s++) {
        int64_t pages = tdl_div_up(seqs[s][0] + seqs[s][1], TDL_KV_PAGE);
        n_tokens += seqs[s][1];
        n_pages += pages;
        pages_max = tdl_max_i64(pages_max, pages);
    }
    n_pages = tdl_max_i64(n_pages, 1);
    in[0] = random_floats(1, 3, (int64_t[]){n_tokens, n_heads, head_dim});
    in[1] = random_floats(2, 4, (int64_t[]){n_pages, n_kv_heads, head_dim, TDL_KV_PAGE});
    in[2] = random_floats(3, 4, (int64_t[]){n_pages, n_kv_heads, TDL_KV_PAGE, head_dim});
    in[3] = make_tensor(TDL_DTYPE_I32, 1, &n_tokens);
    in[4] = make_tensor(TDL_DTYPE_I32, 1, (int64_t[]){n_seqs + 1});
    in[5] = make_tensor(TDL_DTYPE_I32, 2, (int64_t[]){n_seqs, pages_max});
    int32_t *positions = (int32_t *)(void *)in[3].data, *seq_start = (int32_t *)(void *)in[4].data,
            *pages = (int32_t *)(void *)in[5].data, page = (int32_t)n_pages, token = 0;
    float *k = (float *)(void *)in[1].data, *v = (float *)(void *)in[2].data;
    for (int32_t s = 0; s < n_seqs; s++) {
        int32_t end = seqs[s][0] + seqs[s][1];
        seq_start[s] = token;
        for (int32_t i = 0; i < seqs[s][1]; i++) positions[token++] = seqs[s][0] + i;
        for (int32_t p = 0; p < pages_max; p++) {
            if (p * TDL_KV_PAGE >= end) continue;
            pages[s * pages_max + p] = --page;
            for (int64_t h = 0; h < n_kv_heads; h++)
                for (int64_t slot = tdl_max_i64(0, end - p * TDL_KV_PAGE); slot < TDL_KV_PAGE; slot++)
                    for (int64_t d = 0; d < head_dim; d++) {
                        k[((page * n_kv_heads + h) * head_dim + d) * TDL_KV_PAGE + slot] = NAN;
                        v[((page * n_kv_heads + h) * TDL_KV_PAGE + slot) * head_dim + d] = NAN;
                    }
        }
    }
    seq_start[n_seqs] = token;
}

static void check_attention(int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t window, int32_t n_seqs,
                            const int32_t (*seqs)[2]) {
    tdl_tensor in[6];
    tdl_attrs attrs = {.scale = (float)(1 / sqrt((double)head_dim)), .window = window};
    attention_inputs(in, n_heads, n_kv_heads, head_dim, n_seqs, seqs);
    check_op(TDL_OP_ATTENTION, &attrs, 6, in, 1e-5, 1);
    free_tensors(in, 6);
}

// ---- the sixteen ----------------------------------------------------------------------------------------------------

enum { KV_HEADS = 2, KV_DIM = 5, KV_SEQS = 3, KV_PAGES_MAX = 3, KV_POSITIONS = KV_PAGES_MAX * TDL_KV_PAGE };

// Appends tokens (position, sequence) to caches of zeros; each token's elements are its number and theirs.
static void check_append(tdl_device *device, int32_t n_tokens, const int32_t (*tokens)[2]) {
    const int64_t n_pages = KV_SEQS * KV_PAGES_MAX + 1, shape[3] = {n_tokens, KV_HEADS, KV_DIM};
    tdl_tensor in[5] = {make_tensor(TDL_DTYPE_F32, 3, shape), make_tensor(TDL_DTYPE_F32, 3, shape),
                        make_tensor(TDL_DTYPE_I32, 1, shape), make_tensor(TDL_DTYPE_I32, 1, shape),
                        make_tensor(TDL_DTYPE_I32, 2, (int64_t[]){KV_SEQS, KV_PAGES_MAX})};
    tdl_tensor keys = make_tensor(TDL_DTYPE_F32, 4, (int64_t[]){n_pages, KV_HEADS, KV_DIM, TDL_KV_PAGE});
    tdl_tensor values = make_tensor(TDL_DTYPE_F32, 4, (int64_t[]){n_pages, KV_HEADS, TDL_KV_PAGE, KV_DIM});
    float *k = (float *)(void *)keys.data, *v = (float *)(void *)values.data; // expected
    for (int32_t i = 0; i < KV_SEQS * KV_PAGES_MAX; i++) ((int32_t *)(void *)in[4].data)[i] = (i * 7 + 2) % 9 + 1;
    for (int32_t t = 0; t < n_tokens; t++) {
        int32_t pos = tokens[t][0], seq = tokens[t][1], slot = pos % TDL_KV_PAGE;
        int32_t page = ((int32_t *)(void *)in[4].data)[seq * KV_PAGES_MAX + pos / TDL_KV_PAGE];
        ((int32_t *)(void *)in[2].data)[t] = pos;
        ((int32_t *)(void *)in[3].data)[t] = seq;
        for (int32_t i = 0; i < KV_HEADS * KV_DIM; i++) {
            int32_t h = i / KV_DIM, e = i % KV_DIM;
            float x = (float)(1 + t * KV_HEADS * KV_DIM + i);
            ((float *)(void *)in[0].data)[t * KV_HEADS * KV_DIM + i] = x;
            ((float *)(void *)in[1].data)[t * KV_HEADS * KV_DIM + i] = -x;
            k[((page * KV_HEADS + h) * KV_DIM + e) * TDL_KV_PAGE + slot] = x;
            v[((page * KV_HEADS + h) * TDL_KV_PAGE + slot) * KV_DIM + e] = -x;
        }
    }
    one_op o = {.device = device};
    tdl_error err = {0};
    tdl_graph g;
    int32_t ids[5];
    tdl_graph_init(&g, device->mem);
    tdl_tensor indices;
    add_inputs(&g, 5, in, ids, &indices);
    int32_t k_cache = tdl_graph_state(&g, "k", 5, &keys), v_cache = tdl_graph_state(&g, "v", 6, &values);
    tdl_graph_op_into(&g, "kv", TDL_OP_KV_APPEND, NULL, 5, ids, (int32_t[]){k_cache, v_cache});
    tdl_graph_output(&g, k_cache);
    if (tdl_plan_create(&g, &(tdl_plan_desc){.device = device}, &o.plan, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    size_t size = tdl_tensor_size(&keys);
    uint8_t *got[2] = {malloc(size), malloc(size)};
    for (int32_t i = 0; i < o.plan->n_buffers; i++) {
        if (o.plan->buffer_value[i] < 0) continue;
        const tdl_value *value = &o.plan->values[o.plan->buffer_value[i]];
        if (value->kind == TDL_VALUE_WEIGHT)
            bind_input(&o, i, value->weight == INDICES ? &indices : &in[value->weight]);
        else assert_int_equal(device->backend->buffer_create(device, size, &o.bound[i], &err), TDL_OK);
    }
    free(indices.data);
    if (tdl_exec_create(device, o.plan, o.bound, &o.exec, &err) != TDL_OK) fail_msg("%s", err.message);
    run_op(&o, got[0]);
    for (int32_t i = 0; i < o.plan->n_buffers; i++)
        if (o.plan->buffer_value[i] >= 0 && o.plan->values[o.plan->buffer_value[i]].weight == 6)
            assert_int_equal(device->backend->read(o.bound[i], 0, got[1], size, &err), TDL_OK);
    poll_all(device);
    assert_memory_equal(got[0], k, size); // the right slots, and no other
    assert_memory_equal(got[1], v, size);
    free_op(&o);
    free(got[0]), free(got[1]), free(keys.data), free(values.data);
    free_tensors(in, 5);
}

static void s01_cache_update_writes_the_right_slot(void **state) {
    (void)state;
    static const int32_t edges[] = {0, 1, 62, 63, 64, 65, 127, 128, KV_POSITIONS - 2, KV_POSITIONS - 1};
    static int32_t all[KV_POSITIONS * KV_SEQS][2];
    for (int32_t i = 0; i < KV_POSITIONS * KV_SEQS; i++) {
        int32_t at = i * 37 % (KV_POSITIONS * KV_SEQS); // in no order
        all[i][0] = at % KV_POSITIONS;
        all[i][1] = at / KV_POSITIONS;
    }
    for (int d = 0; d < N_DEVICES; d++) {
        if (!devices[d]) continue;
        check_append(devices[d], KV_POSITIONS * KV_SEQS, all);
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
            for (int32_t seq = 0; seq < KV_SEQS; seq++)
                check_append(devices[d], 1, (const int32_t[][2]){{edges[i], seq}});
    }
}

static void s02_flash_attention_fits_the_workgroup_memory(void **state) {
    (void)state;
    static const int32_t sizes[] = {32, 64, 80, 96, 128, 192, 256}, seqs[][2] = {{130, 1}, {0, 9}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_attention(4, 2, sizes[i], 0, 2, seqs);
}

static void s03_matmul_at_sizes_of_no_tile(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1},     {1, 33, 7},    {2, 31, 65},  {3, 129, 33},
                                       {7, 67, 63},   {8, 5, 131},   {15, 127, 9}, {17, 100, 49},
                                       {33, 65, 127}, {65, 77, 129}, {129, 3, 67}, {70, 515, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int32_t n_in = 2; n_in <= 3; n_in++) {
            int64_t t = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
            tdl_tensor in[3] = {random_floats(1, 2, (int64_t[]){t, k}), random_floats(2, 2, (int64_t[]){n, k}),
                                random_floats(3, 1, &n)};
            check_op(TDL_OP_MATMUL, NULL, n_in, in, 2e-5, 1);
            free_tensors(in, 3);
        }
}

static void s04_buffers_clone_resize_and_strided_reads(void **state) {
    (void)state;
    enum { ROWS = 37, COLUMNS = 53, FIRST = 11, COUNT = 29 };
    static float in[ROWS * COLUMNS], out[ROWS * COLUMNS * 2], part[ROWS][COUNT];
    for (int i = 0; i < ROWS * COLUMNS; i++) in[i] = (float)i;
    for (int d = 0; d < N_DEVICES; d++) {
        tdl_device *device = devices[d];
        if (!device) continue;
        const tdl_backend *backend = device->backend;
        tdl_buffer *a = NULL, *b = NULL;
        assert_int_equal(backend->buffer_create(device, sizeof in, &a, NULL), TDL_OK);
        assert_int_equal(backend->write(a, 0, in, sizeof in, NULL), TDL_OK);
        assert_int_equal(backend->read(a, 0, out, sizeof in, NULL), TDL_OK);
        poll_all(device);
        assert_memory_equal(in, out, sizeof in); // there and back
        assert_int_equal(backend->buffer_create(device, 2 * sizeof in, &b, NULL), TDL_OK);
        assert_int_equal(backend->write(b, 0, out, sizeof in, NULL), TDL_OK); // a copy with room for as much again
        backend->buffer_destroy(a);
        memset(out, 0xff, sizeof out);
        assert_int_equal(backend->read(b, 0, out, sizeof out, NULL), TDL_OK);
        poll_all(device);
        assert_memory_equal(in, out, sizeof in);
        for (int i = 0; i < ROWS * COLUMNS; i++) assert_true(out[ROWS * COLUMNS + i] == 0);
        for (size_t r = 0; r < ROWS; r++) // some columns of every row
            assert_int_equal(backend->read(b, (r * COLUMNS + FIRST) * sizeof *in, part[r], sizeof part[r], NULL),
                             TDL_OK);
        poll_all(device);
        for (int r = 0; r < ROWS; r++) assert_memory_equal(part[r], in + r * COLUMNS + FIRST, sizeof part[r]);
        backend->buffer_destroy(b);
    }
}

static void s04_longer_sequences_keep_their_cache(void **state) {
    (void)state;
    enum { N = 200 };
    int32_t ids[N];
    for (int32_t i = 0; i < N; i++) ids[i] = (i * 37 + 11) % 256;
    for (int d = 0; d < N_DEVICES; d++) {
        tdl_error err = {0};
        tdl_model *model = NULL;
        tdl_session *session = NULL;
        if (!devices[d]) continue;
        tdl_model_desc desc = {
            .size = sizeof desc, .path = LLAMA, .device = devices[d], .precision = TDL_PRECISION_F32};
        tdl_session_desc longer = {.size = sizeof longer, .n_ctx = N};
        float *logits = malloc((size_t)N * 256 * sizeof *logits);
        if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
        if (tdl_session_create(model, &longer, &session, &err) != TDL_OK) fail_msg("%s", err.message);
        for (size_t at = 0, n = 1; at < N; at += n, n = n * 3 % 71 + 1) { // pieces that end anywhere in a page
            if (n > N - at) n = N - at;
            assert_int_equal(tdl_session_eval(session, ids + at, n, logits + at * 256, &err), TDL_OK);
        }
        float *whole = golden_logits(model, ids, N);
        assert_true(golden_error(logits, whole, (size_t)N * 256) <= 1e-5);
        free(whole), free(logits);
        tdl_session_destroy(session);
        tdl_model_close(model);
    }
}

static void s05_elementwise_ops_at_every_remainder(void **state) {
    (void)state;
    static const int64_t sizes[] = {1,  2,  3,  4,  5,   6,   7,   8,   9,   15,   16,   17,  31,
                                    33, 63, 64, 65, 127, 129, 255, 256, 257, 1023, 1025, 4099};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t shape[2] = {3, sizes[i]};
        tdl_attrs silu = {.act = TDL_ACT_SILU}, eps = {.eps = 1e-5f};
        tdl_tensor in[2] = {random_floats(1, 2, shape), random_floats(2, 2, shape)};
        tdl_tensor norm[2] = {in[0], random_floats(3, 1, shape + 1)};
        check_op(TDL_OP_ADD, NULL, 2, in, 0, 1);
        check_op(TDL_OP_ACT, &silu, 1, in, 1e-6, 1);
        check_op(TDL_OP_GLU, &silu, 2, in, 1e-6, 1);
        check_op(TDL_OP_RMS_NORM, &eps, 2, norm, 1e-5, 1);
        free_tensors(in, 2);
        free_tensors(norm + 1, 1);
    }
}

static void s05_a_hundred_runs_have_the_same_bits(void **state) {
    (void)state;
    tdl_attrs gelu = {.act = TDL_ACT_GELU}, eps = {.eps = 1e-5f};
    tdl_tensor in[2] = {random_floats(1, 2, (int64_t[]){7, 5003}), random_floats(2, 2, (int64_t[]){7, 5003})};
    tdl_tensor norm[2] = {in[0], random_floats(3, 1, (int64_t[]){5003})};
    tdl_tensor matmul[2] = {in[0], random_floats(4, 2, (int64_t[]){9, 5003})};
    check_op(TDL_OP_ADD, NULL, 2, in, 0, 100);
    check_op(TDL_OP_GLU, &gelu, 2, in, 1e-5, 100);
    check_op(TDL_OP_RMS_NORM, &eps, 2, norm, 1e-5, 100);
    check_op(TDL_OP_MATMUL, NULL, 2, matmul, 1e-4, 100);
    free_tensors(in, 2);
    free_tensors(norm + 1, 1);
    free_tensors(matmul + 1, 1);
}

static void s06_embedding_every_id(void **state) {
    (void)state;
    enum { N = 257, D = 33 };
    int32_t ids[N];
    for (int32_t i = 0; i < N; i++) ids[i] = N - 1 - i;
    tdl_tensor in[2] = {random_floats(1, 2, (int64_t[]){N, D}), ints(N, ids)};
    check_op(TDL_OP_EMBED, NULL, 2, in, 0, 1);
    free_tensors(in, 2);
    // An id that the table does not have never gets so far.
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = devices[0]};
    assert_int_equal(tdl_model_open(&desc, &model, &err), TDL_OK);
    assert_int_equal(tdl_session_create(model, NULL, &session, &err), TDL_OK);
    assert_int_equal(tdl_session_push(session, (int32_t[]){3, 256}, 2, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_session_push(session, (int32_t[]){-1}, 1, &err), TDL_ERROR_ARGUMENT);
    tdl_session_destroy(session);
    tdl_model_close(model);
}

// As many workgroups as the elements need, in one dimension.
static void s06_embedding_wastes_no_dimension(void **state) {
    (void)state;
    size_t n;
    const tdl_kernel *const *kernels = tdl_kernels_of(TDL_OP_EMBED, &n);
    for (size_t i = 0; i < n; i++) {
        if (!kernels[i]->dispatch) continue;
        for (int64_t t = 1; t <= 1024; t *= 4) {
            tdl_call call = {.n_in = 2, .n_out = 1};
            tdl_offsets offsets = {{0}, {0}};
            tdl_dispatch dispatch = {0};
            assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){999, 64}, NULL, &call.in[0], NULL), TDL_OK);
            assert_int_equal(tdl_tensor_make(TDL_DTYPE_I32, 1, &t, NULL, &call.in[1], NULL), TDL_OK);
            assert_int_equal(tdl_op_get(TDL_OP_EMBED)->infer(&call, NULL), TDL_OK);
            kernels[i]->dispatch(&call, &offsets, &dispatch);
            assert_int_equal(dispatch.groups[1], 1);
            assert_int_equal(dispatch.groups[2], 1);
            assert_true(dispatch.groups[0] <= (uint64_t)tdl_div_up(t * 64, 256));
        }
    }
}

static void s07_attention_over_more_than_any_workgroup(void **state) {
    (void)state;
    check_attention(2, 1, 32, 0, 1, (const int32_t[][2]){{8191, 2}});
    check_attention(2, 1, 32, 5000, 2, (const int32_t[][2]){{8192, 1}, {3, 4}});
}

static void s09_failures_are_statuses(void **state) {
    (void)state;
    static const tdl_null_fault faults[] = {{TDL_NULL_BUFFER_CREATE, 3, TDL_ERROR_MEMORY},
                                            {TDL_NULL_COMPILE, 1, TDL_ERROR_DEVICE},
                                            {TDL_NULL_SUBMIT, 1, TDL_ERROR_DEVICE_LOST},
                                            {TDL_NULL_POLL, 1, TDL_ERROR_DEVICE_LOST}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        tdl_error err = {0};
        tdl_device *device = NULL;
        tdl_model *model = NULL;
        tdl_session *session = NULL;
        int32_t token;
        tdl_device_desc on = {.size = sizeof on, .name = "null"};
        assert_int_equal(tdl_device_open(&on, &device, &err), TDL_OK);
        ((tdl_null_device *)device)->fault = faults[i];
        tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = device};
        tdl_status status = tdl_model_open(&desc, &model, &err);
        if (status == TDL_OK) status = tdl_session_create(model, NULL, &session, &err);
        if (status == TDL_OK) status = tdl_session_push(session, (int32_t[]){1, 2}, 2, &err);
        while (status == TDL_OK || status == TDL_PENDING) status = tdl_session_next(session, &token, &err);
        assert_int_equal(status, faults[i].status);
        assert_true(err.code == status && err.message[0]);
        tdl_session_destroy(session);
        tdl_model_close(model);
        tdl_device_close(device);
    }
}

// More rows than a dispatch has workgroups in one dimension.
static void s10_dispatches_are_folded(void **state) {
    (void)state;
    tdl_attrs eps = {.eps = 1e-5f};
    tdl_tensor norm[2] = {random_floats(1, 2, (int64_t[]){65535 + 70, 3}), random_floats(2, 1, (int64_t[]){3})};
    check_op(TDL_OP_RMS_NORM, &eps, 2, norm, 1e-5, 1);
    free_tensors(norm, 2);
}

static void s11_every_kernel_is_reachable(void **state) {
    (void)state;
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        size_t n_kernels;
        const tdl_kernel *const *kernels = tdl_kernels_of((tdl_op)op, &n_kernels);
        bool found[256] = {false};
        assert_true(set && n_kernels <= 256);
        for (size_t c = 0; c < set->n; c++) {
            op_fixture f;
            tdl_error err = {0};
            if (set->list[c].slow) continue;
            if (!op_fixture_init_shapes(&f, (tdl_op)op, &set->list[c], &err)) fail_msg("%s", err.message);
            for (size_t k = 0; k < n_kernels; k++)
                for (int round = 0; round < 2 && !found[k]; round++) {
                    const tdl_kernel_want want = {.backend = kernels[k]->backend,
                                                  .features = kernels[k]->needs,
                                                  .may_round = round,
                                                  .trains = round};
                    found[k] = tdl_kernel_find((tdl_op)op, &want, &f.call) == kernels[k];
                }
            op_fixture_deinit(&f);
        }
        for (size_t k = 0; k < n_kernels; k++)
            if (!found[k]) fail_msg("%s: no case is %s's", tdl_op_get((tdl_op)op)->name, kernels[k]->name);
    }
}

static void s13_fully_masked_rows_are_zeros(void **state) {
    (void)state;
    tdl_tensor in[6];
    tdl_attrs attrs = {.scale = 0.125f};
    attention_inputs(in, 3, 1, 64, 2, (const int32_t[][2]){{-3, 4}, {5, 2}}); // three tokens see nothing
    for (int d = 0; d < N_DEVICES; d++) {
        float out[6 * 3 * 64];
        if (!devices[d]) continue;
        one_op o = make_op(devices[d], TDL_OP_ATTENTION, &attrs, 6, in);
        run_op(&o, out);
        for (int i = 0; i < 3 * 3 * 64; i++) assert_true(out[i] == 0);
        for (int i = 3 * 3 * 64; i < 6 * 3 * 64; i++) assert_true(isfinite(out[i]));
        free_op(&o);
    }
    free_tensors(in, 6);
}

// A table of over 2^32 bytes, of which only the pages that are read ever exist.
static void s14_offsets_have_64_bits(void **state) {
    (void)state;
    enum { D = 1024, N_IDS = 3 };
    const int64_t n_rows = 1310720; // 5 GiB
    const int32_t ids[N_IDS] = {0, 1048577, 1310719};
    tdl_tensor table, id_tensor = ints(N_IDS, ids);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){n_rows, D}, NULL, &table, NULL), TDL_OK);
    size_t size = tdl_tensor_size(&table);
    assert_true(size > UINT32_MAX);
    assert_true(tdl_tensor_extent(&table) == size);
    table.data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table.data == MAP_FAILED) {
        print_message("skipped: no address space of %zu bytes\n", size);
        free(id_tensor.data);
        return;
    }
    for (int32_t i = 0; i < N_IDS; i++)
        for (int32_t e = 0; e < D; e++) ((float *)(void *)table.data)[(int64_t)ids[i] * D + e] = (float)(ids[i] + e);
    float out[N_IDS * D];
    tdl_error err = {0};
    one_op o = {.device = devices[0]};
    tdl_graph g;
    tdl_graph_init(&g, devices[0]->mem);
    int32_t in[2] = {tdl_graph_weight(&g, "table", 0, &table), tdl_graph_weight(&g, "ids", 1, &id_tensor)};
    tdl_graph_output(&g, tdl_graph_op(&g, "out", TDL_OP_EMBED, NULL, 2, in));
    if (tdl_plan_create(&g, &(tdl_plan_desc){.device = devices[0]}, &o.plan, &err) != TDL_OK)
        fail_msg("%s", err.message);
    tdl_graph_deinit(&g);
    for (int32_t i = 0; i < o.plan->n_buffers; i++) {
        if (o.plan->buffer_value[i] < 0) continue;
        const tdl_tensor *t = o.plan->values[o.plan->buffer_value[i]].weight == 0 ? &table : &id_tensor;
        assert_int_equal(devices[0]->backend->buffer_borrow(devices[0], t->data, tdl_tensor_size(t), &o.bound[i], &err),
                         TDL_OK);
    }
    if (tdl_exec_create(devices[0], o.plan, o.bound, &o.exec, &err) != TDL_OK) fail_msg("%s", err.message);
    run_op(&o, out);
    for (int32_t i = 0; i < N_IDS * D; i++) assert_true(out[i] == (float)(ids[i / D] + i % D));
    free_op(&o);
    munmap(table.data, size);
    free(id_tensor.data);
}

// The status of a plan for y = x w^T with so many rows of 1,024 elements in each.
static tdl_status plan_matmul(tdl_device *device, int64_t n_x, int64_t n_w, tdl_dtype w_dtype, tdl_plan **plan,
                              tdl_error *err) {
    tdl_graph g;
    tdl_tensor x, w;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){n_x, 1024}, NULL, &x, err), TDL_OK);
    assert_int_equal(tdl_tensor_make(w_dtype, 2, (int64_t[]){n_w, 1024}, NULL, &w, err), TDL_OK);
    tdl_graph_init(&g, device->mem);
    int32_t in[2] = {tdl_graph_weight(&g, "x", 0, &x), tdl_graph_weight(&g, "w", 1, &w)};
    tdl_graph_output(&g, tdl_graph_op(&g, "y", TDL_OP_MATMUL, NULL, 2, in));
    tdl_status status = tdl_plan_create(&g, &(tdl_plan_desc){.device = device}, plan, err);
    tdl_graph_deinit(&g);
    return status;
}

// The status of a plan that updates a parameter with so many rows of 4 KiB, and appends to a cache as large.
static tdl_status plan_states(tdl_device *device, int64_t n_rows, tdl_plan **plan, tdl_error *err) {
    enum { T = 4, HEADS = 64, HEAD_DIM = 64, ROWS_OF_PAGE = HEADS * HEAD_DIM * TDL_KV_PAGE / 1024 };
    tdl_graph g;
    tdl_tensor w, four, kv, caches[2];
    int32_t states[4], at[3];
    tdl_kv_desc desc = {.dtype = TDL_DTYPE_F32, .n_kv_heads = HEADS, .head_dim = HEAD_DIM};
    desc.n_pages = (int32_t)(n_rows / ROWS_OF_PAGE);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){n_rows, 1024}, NULL, &w, err), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){4}, NULL, &four, err), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){T, HEADS, HEAD_DIM}, NULL, &kv, err), TDL_OK);
    assert_int_equal(tdl_kv_tensors(&desc, &caches[0], &caches[1], err), TDL_OK);
    tdl_graph_init(&g, device->mem);
    for (int32_t i = 0; i < 4; i++) states[i] = tdl_graph_state(&g, "w", i, &w);
    int32_t stats = tdl_graph_state(&g, "stats", 4, &four);
    int32_t k_cache = tdl_graph_state(&g, "k", 5, &caches[0]), v_cache = tdl_graph_state(&g, "v", 6, &caches[1]);
    int32_t hyper = tdl_graph_step(&g, TDL_STEP_HYPER, TDL_ROWS_FIXED, 8, 0, 0);
    int32_t k = tdl_graph_weight(&g, "k", 0, &kv), v = tdl_graph_weight(&g, "v", 1, &kv);
    at[0] = tdl_graph_step(&g, TDL_STEP_POSITIONS, TDL_ROWS_TOKENS, T, 0, 0);
    at[1] = tdl_graph_step(&g, TDL_STEP_SEQS, TDL_ROWS_TOKENS, T, 0, 0);
    at[2] = tdl_graph_step(&g, TDL_STEP_PAGES, TDL_ROWS_SEQS, 1, 0, 1);
    tdl_graph_op_into(&g, "w", TDL_OP_ADAMW, NULL, 3, (int32_t[]){states[0], stats, hyper}, &states[1]);
    tdl_graph_op_into(&g, "kv", TDL_OP_KV_APPEND, NULL, 5, (int32_t[]){k, v, at[0], at[1], at[2]},
                      (int32_t[]){k_cache, v_cache});
    tdl_status status = tdl_plan_create(&g, &(tdl_plan_desc){.device = device}, plan, err);
    tdl_graph_deinit(&g);
    return status;
}

// Parts, each of which the device can bind and shaders can count.
static void check_parts(tdl_plan *plan, uint64_t limit) {
    assert_true(plan->n_ops > 1);
    for (int32_t b = 0; b < plan->n_buffers; b++) assert_true(plan->buffer_sizes[b] <= limit);
    for (int32_t i = 0; i < plan->n_ops; i++)
        for (int32_t j = 0; j < plan->ops[i].n_in; j++)
            assert_true(tdl_tensor_n_elements(&plan->values[plan->ops[i].in[j]].tensor) < UINT32_MAX);
    tdl_plan_destroy(plan);
}

// Over 2^32 bytes: weights, states and caches come in parts that the device can bind; what cannot, and what a shader could not index on an
// adapter that binds more, is an error when the plan is made.
static void s14_too_large_for_a_device_is_an_error(void **state) {
    (void)state;
    const int64_t n_rows = 1310720; // 5 GiB
    for (int d = 1; d < N_DEVICES; d++) {
        tdl_device *device = devices[d];
        tdl_error err = {0};
        tdl_plan *plan = NULL;
        if (!device) continue;
        const uint64_t limit = device->value_size_max;
        assert_true(limit < UINT32_MAX);
        if (plan_matmul(device, 1, n_rows, TDL_DTYPE_F32, &plan, &err) != TDL_OK) fail_msg("%s", err.message);
        check_parts(plan, limit);
        assert_int_equal(plan_matmul(device, n_rows, 8, TDL_DTYPE_F32, &plan, &err), TDL_ERROR_LIMIT);
        assert_non_null(strstr(err.message, "'x'"));
        if (plan_states(device, n_rows, &plan, &err) != TDL_OK) fail_msg("%s", err.message);
        check_parts(plan, limit);
        // As on an adapter that binds 4 GiB - 4: a weight of 2.7 GiB has more elements than 32 bits count.
        device->value_size_max = UINT32_MAX - 16;
        if (plan_matmul(device, 1, 5000000, TDL_DTYPE_Q4_0, &plan, &err) != TDL_OK) fail_msg("%s", err.message);
        check_parts(plan, device->value_size_max);
        device->value_size_max = (uint64_t)1 << 40;
        assert_int_equal(plan_matmul(device, 1, n_rows, TDL_DTYPE_F32, &plan, &err), TDL_ERROR_UNSUPPORTED);
        device->value_size_max = limit;
    }
}

// Prompts of different lengths in one batch: each session gets the logits of its own last token.
static void s15_last_tokens_of_a_ragged_batch(void **state) {
    (void)state;
    enum { N_SESSIONS = 4 };
    static const int32_t lengths[N_SESSIONS] = {1, 5, 90, 33};
    int32_t ids[90 + N_SESSIONS];
    for (int32_t i = 0; i < 90 + N_SESSIONS; i++) ids[i] = (i * 37 + 11) % 256;
    for (int d = 0; d < N_DEVICES; d++) {
        tdl_error err = {0};
        tdl_model *model = NULL;
        tdl_batch *batch = NULL;
        tdl_session *sessions[N_SESSIONS];
        if (!devices[d]) continue;
        tdl_model_desc desc = {
            .size = sizeof desc, .path = LLAMA, .device = devices[d], .precision = TDL_PRECISION_F32};
        tdl_batch_desc shared = {
            .size = sizeof shared, .n_sessions_max = N_SESSIONS, .n_tokens_max = 64, .n_cache_tokens = 512};
        if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
        if (tdl_batch_create(model, &shared, &batch, &err) != TDL_OK) fail_msg("%s", err.message);
        for (int i = 0; i < N_SESSIONS; i++) {
            tdl_session_desc of = {.size = sizeof of, .batch = batch};
            assert_int_equal(tdl_session_create(model, &of, &sessions[i], &err), TDL_OK);
            assert_int_equal(tdl_session_push(sessions[i], ids + i, (size_t)lengths[i], &err), TDL_OK);
        }
        tdl_status status;
        while ((status = tdl_batch_step(batch, &err)) != TDL_DONE) assert_true(status >= 0);
        for (int i = 0; i < N_SESSIONS; i++) {
            float *alone = golden_logits(model, ids + i, (size_t)lengths[i]);
            assert_true(golden_error(tdl_session_logits(sessions[i]), alone + (lengths[i] - 1) * 256, 256) <= 1e-5);
            free(alone);
            tdl_session_destroy(sessions[i]);
        }
        tdl_batch_destroy(batch);
        tdl_model_close(model);
    }
}

static void s16_every_binding_is_checked(void **state) {
    (void)state;
    for (int d = 0; d < N_DEVICES; d++) {
        if (!devices[d]) continue;
        tdl_tensor in[2] = {random_floats(1, 2, (int64_t[]){4, 64}), random_floats(2, 2, (int64_t[]){4, 64})};
        one_op o = make_op(devices[d], TDL_OP_ADD, NULL, 2, in);
        for (int32_t i = 0; i < o.plan->n_values; i++) {
            tdl_value *value = &o.plan->values[i], right = *value;
            tdl_error err = {0};
            tdl_exec *exec = NULL;
            value->offset = 64; // as far behind the buffer's end
            assert_true(tdl_exec_create(devices[d], o.plan, o.bound, &exec, &err) < 0);
            assert_non_null(strstr(err.message, right.name));
            *value = right;
            value->tensor.strides[0] += 64; // rows farther apart than the buffer is long
            assert_true(tdl_exec_create(devices[d], o.plan, o.bound, &exec, &err) < 0);
            *value = right;
        }
        for (int32_t i = 0; i < o.plan->n_buffers; i++) { // a buffer that is smaller than the plan says
            tdl_error err = {0};
            tdl_exec *exec = NULL;
            tdl_buffer *bound[BOUND_MAX];
            if (o.plan->buffer_value[i] < 0) continue;
            memcpy(bound, o.bound, sizeof bound);
            assert_int_equal(
                devices[d]->backend->buffer_create(devices[d], o.plan->buffer_sizes[i] - 4, &bound[i], &err), TDL_OK);
            assert_int_equal(tdl_exec_create(devices[d], o.plan, bound, &exec, &err), TDL_ERROR_ARGUMENT);
            devices[d]->backend->buffer_destroy(bound[i]);
        }
        free_op(&o);
        free_tensors(in, 2);
    }
}

// ---- also seen elsewhere --------------------------------------------------------------------------------------------

// Caches are NaN wherever no token may look: a block that a mask leaves out must not come into a sum.
static void also_masked_blocks_are_not_summed(void **state) {
    (void)state;
    check_attention(4, 2, 64, 0, 3, (const int32_t[][2]){{0, 1}, {63, 3}, {100, 70}});
    check_attention(4, 2, 64, 33, 2, (const int32_t[][2]){{0, 150}, {70, 5}});
}

static void also_exact_gelu_is_exact(void **state) {
    (void)state;
    enum { N = 801 };
    tdl_attrs gelu = {.act = TDL_ACT_GELU};
    tdl_tensor x = make_tensor(TDL_DTYPE_F32, 2, (int64_t[]){1, N});
    double farthest = 0; // the approximation is visibly another function
    for (int i = 0; i < N; i++) {
        float at = (float)(i - 400) / 80;
        ((float *)(void *)x.data)[i] = at;
        farthest = fmax(farthest,
                        fabs((double)tdl_act_apply(TDL_ACT_GELU, at) - (double)tdl_act_apply(TDL_ACT_GELU_TANH, at)));
    }
    assert_true(farthest > 4e-4);
    check_op(TDL_OP_ACT, &gelu, 1, &x, 2e-6, 1);
    free(x.data);
}

// A sum of a million equal squares, one after another in F32, is wrong by more than a part in a thousand.
static void also_reductions_are_not_serial(void **state) {
    (void)state;
    const int64_t n = 1 << 20;
    tdl_attrs eps = {.eps = 1e-12f};
    tdl_tensor in[2] = {make_tensor(TDL_DTYPE_F32, 2, (int64_t[]){1, n}), make_tensor(TDL_DTYPE_F32, 1, &n)};
    float serial = 0;
    for (int64_t i = 0; i < n; i++) {
        ((float *)(void *)in[0].data)[i] = 0.1f;
        ((float *)(void *)in[1].data)[i] = 1;
        serial += 0.1f * 0.1f;
    }
    assert_true(fabs((double)serial / (double)n / 0.01 - 1) > 1e-3);
    check_op(TDL_OP_RMS_NORM, &eps, 2, in, 1e-4, 1);
    free_tensors(in, 2);
}

// Uniforms aside, a kernel is given a storage buffer for each input and output: WebGPU guarantees eight.
static void also_storage_buffers_keep_to_the_limit(void **state) {
    (void)state;
    enum { STORAGE_BUFFERS_MAX = 8 };
    for (int d = 1; d < N_DEVICES; d++) {
        tdl_error err = {0};
        tdl_model *model = NULL;
        char *text = NULL;
        if (!devices[d]) continue;
        tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = devices[d]};
        assert_int_equal(tdl_model_open(&desc, &model, &err), TDL_OK);
        assert_int_equal(tdl_model_plan_text(model, NULL, &text, &err), TDL_OK);
        for (const char *line = text; line; line = strchr(line + 1, '\n')) {
            const char *end = strchr(line + 1, '\n'), *arrow = strstr(line, " -> ");
            int n = 1;
            if (!arrow || (end && arrow > end)) continue;
            for (const char *c = line; c < (end ? end : line + strlen(line)); c++) n += c[0] == ',' && c[1] == ' ';
            assert_true(n + 1 <= STORAGE_BUFFERS_MAX);
        }
        tdl_text_free(model, text);
        tdl_model_close(model);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]); // a pattern, such as 's03*'
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s01_cache_update_writes_the_right_slot),
        cmocka_unit_test(s02_flash_attention_fits_the_workgroup_memory),
        cmocka_unit_test(s03_matmul_at_sizes_of_no_tile),
        cmocka_unit_test(s04_buffers_clone_resize_and_strided_reads),
        cmocka_unit_test(s04_longer_sequences_keep_their_cache),
        cmocka_unit_test(s05_elementwise_ops_at_every_remainder),
        cmocka_unit_test(s05_a_hundred_runs_have_the_same_bits),
        cmocka_unit_test(s06_embedding_every_id),
        cmocka_unit_test(s06_embedding_wastes_no_dimension),
        cmocka_unit_test(s07_attention_over_more_than_any_workgroup),
        cmocka_unit_test(s09_failures_are_statuses),
        cmocka_unit_test(s10_dispatches_are_folded),
        cmocka_unit_test(s11_every_kernel_is_reachable),
        cmocka_unit_test(s13_fully_masked_rows_are_zeros),
        cmocka_unit_test(s14_offsets_have_64_bits),
        cmocka_unit_test(s14_too_large_for_a_device_is_an_error),
        cmocka_unit_test(s15_last_tokens_of_a_ragged_batch),
        cmocka_unit_test(s16_every_binding_is_checked),
        cmocka_unit_test(also_masked_blocks_are_not_summed),
        cmocka_unit_test(also_exact_gelu_is_exact),
        cmocka_unit_test(also_reductions_are_not_serial),
        cmocka_unit_test(also_storage_buffers_keep_to_the_limit),
    };
    return adapter_verdict(cmocka_run_group_tests(tests, open_devices, close_devices));
}
