// SPDX-License-Identifier: MIT
// test_webgpu.c - the WebGPU device: names, buffers, errors, whole models against their references and the CPU, and a
// device that is lost in the middle of a generation.
//
// Skipped, with a message, where the build has no WebGPU, or the machine no library or adapter for it.
#include "support/fail_alloc.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { EXIT_SKIPPED = 77 };

#if defined(TDL_WEBGPU)

#include "backend/webgpu/webgpu_device.h"
#include "model/model_impl.h"
#include "support/sanitizer.h"

static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";
static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const double BOUND = 1e-3; // of logits
static const int32_t prompt[] = {5, 17, 99, 200, 3};
enum { N_PROMPT = sizeof prompt / sizeof *prompt, N_NEW = 24 };

static tdl_device *open_device(const char *name) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    if (tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = name}, &device, &err) != TDL_OK)
        fail_msg("%s", err.message);
    return device;
}

static tdl_model *open_model(tdl_device *device, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .precision = TDL_PRECISION_F32};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static tdl_session *open_session(tdl_model *model, tdl_session_desc desc) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    desc.size = sizeof desc;
    desc.ignore_eos = true;
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    return session;
}

static tdl_status next(tdl_session *session, int32_t *token, tdl_error *err) {
    tdl_status status;
    while ((status = tdl_session_next(session, token, err)) == TDL_PENDING) {
    }
    return status;
}

// ---- names and errors -----------------------------------------------------------------------------------------------

static void names(void **state) {
    (void)state;
    static const char *const bad[] = {"webgpu:", "webgpu:x", "webgpu:0:", "webgpu:0:max", "webgpu:0 ", "webgpus"};
    tdl_device *device;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tdl_error err = {0};
        tdl_device_desc desc = {.size = sizeof desc, .name = bad[i]};
        assert_int_equal(tdl_device_open(&desc, &device, &err), TDL_ERROR_ARGUMENT);
        assert_non_null(strstr(err.message, bad[i]));
    }
    tdl_error err = {0};
    tdl_device_desc far = {.size = sizeof far, .name = "webgpu:999"};
    assert_int_equal(tdl_device_open(&far, &device, &err), TDL_ERROR_DEVICE);
    assert_non_null(strstr(err.message, "999"));
    tdl_device_desc none = {.size = sizeof none, .name = "webgpu", .library = "/nowhere/libwebgpu.so"};
    assert_int_equal(tdl_device_open(&none, &device, &err), TDL_ERROR_DEVICE);
    assert_non_null(strstr(err.message, "/nowhere/libwebgpu.so"));
    tdl_device_desc other = {.size = sizeof other, .name = "webgpu", .library = "libm.so.6"};
    assert_int_equal(tdl_device_open(&other, &device, &err), TDL_ERROR_DEVICE);
    assert_non_null(strstr(err.message, "no function"));
}

static void list(void **state) {
    (void)state;
    tdl_device_info infos[8];
    size_t n, n_again;
    tdl_error err = {0};
    assert_int_equal(tdl_device_list(NULL, infos, 8, &n, &err), TDL_OK);
    assert_true(n >= 2);
    assert_string_equal(infos[0].name, "cpu");
    assert_string_equal(infos[1].name, "webgpu:0");
    assert_true(infos[1].binding_size_max >= 128 << 20 && infos[1].workgroup_size_max >= 256);
    assert_int_equal(tdl_device_list(NULL, NULL, 0, &n_again, &err), TDL_OK); // counts
    assert_int_equal(n_again, n);
    tdl_device_desc none = {.size = sizeof none, .library = "/nowhere/libwebgpu.so"};
    assert_int_equal(tdl_device_list(&none, infos, 8, &n, &err), TDL_ERROR_DEVICE);
    assert_int_equal(n, 1); // the CPU all the same
}

static void bad_shader_is_an_error(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"this is no shader", ""},
        {"@compute @workgroup_size(64) fn other() {}", "main"},
        {"var<workgroup> x: array<u32, COUNT>; @compute @workgroup_size(1) fn main() { _ = x[0]; }", "'COUNT'"},
        {"@group(0) @binding(9) var<storage, read> x: array<u32>;\n"
         "@compute @workgroup_size(1) fn main() { _ = x[0]; }",
         ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tdl_kernel kernel = {.name = "broken", .wgsl = {cases[i].text}};
        const tdl_call call = {.n_in = 1, .n_out = 1};
        WGPUComputePipeline pipeline;
        tdl_error err = {0};
        assert_int_equal(tdl_webgpu_pipeline_get((tdl_webgpu_device *)device, &kernel, &call, &pipeline, &err),
                         TDL_ERROR_DEVICE);
        assert_non_null(strstr(err.message, "broken"));
        assert_non_null(strstr(err.message, cases[i].said));
    }
    tdl_device_close(device);
}

// Workgroups that use all of `memory` bytes.
#define USES(memory)                                                                                      \
    "var<workgroup> x: array<u32, " memory " / 4u>;\n"                                                    \
    "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { x[i] = i; x[" memory \
    " / 4u - 1u] = i; }"
#define EIGHT_AND(more)                                                    \
    "@group(0) @binding(1) var<storage, read> a: array<u32>;\n"            \
    "@group(0) @binding(2) var<storage, read> b: array<u32>;\n"            \
    "@group(0) @binding(3) var<storage, read> c: array<u32>;\n"            \
    "@group(0) @binding(4) var<storage, read> d: array<u32>;\n"            \
    "@group(0) @binding(5) var<storage, read> e: array<u32>;\n"            \
    "@group(0) @binding(6) var<storage, read> f: array<u32>;\n"            \
    "@group(0) @binding(7) var<storage, read> g: array<u32>;\n"            \
    "@group(0) @binding(8) var<storage, read_write> h: array<u32>;\n" more \
    "@compute @workgroup_size(1) fn main() { h[0] = a[0] + b[0] + c[0] + d[0] + e[0] + f[0] + g[0]; }"

// The library does not compare workgroup memory with the limit, and what a driver does then is its own affair.
static void shaders_beyond_the_limits_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *device, *text, *said; // NULL: it is made
    } cases[] = {
        {"webgpu:0:min", USES("16384u"), NULL},
        {"webgpu:0:min", USES("16388u"), "16400 bytes of workgroup memory, this device has at most 16384"},
        {"webgpu:0:min", USES("57344u"), "57344 bytes of workgroup memory, this device has at most 16384"},
        {"webgpu", USES("16777216u"), "16777216 bytes of workgroup memory"},
        {"webgpu:0:min", "@compute @workgroup_size(256) fn main() {}", NULL},
        {"webgpu:0:min", "@compute @workgroup_size(257) fn main() {}", "257 along x, this device has at most 256"},
        {"webgpu:0:min", "@compute @workgroup_size(1, 257) fn main() {}", "257 along y"},
        {"webgpu:0:min", "@compute @workgroup_size(1, 1, 64) fn main() {}", NULL},
        {"webgpu:0:min", "@compute @workgroup_size(1, 1, 65) fn main() {}", "65 along z"},
        {"webgpu:0:min", "@compute @workgroup_size(16, 17) fn main() {}", "272 invocations"},
        {"webgpu:0:min", EIGHT_AND(""), NULL},
        {"webgpu:0:min", EIGHT_AND("@group(0) @binding(9) var<storage, read> i: array<u32>;\n"),
         "9 storage buffers, this device has at most 8"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_device *device = open_device(cases[i].device);
        const tdl_kernel kernel = {.name = "large", .wgsl = {cases[i].text}};
        const tdl_call call = {.n_in = 7, .n_out = 1};
        WGPUComputePipeline pipeline;
        tdl_error err = {0};
        tdl_status status = tdl_webgpu_pipeline_get((tdl_webgpu_device *)device, &kernel, &call, &pipeline, &err);
        if (status != (cases[i].said ? TDL_ERROR_LIMIT : TDL_OK)) fail_msg("%s: %s", cases[i].text, err.message);
        if (cases[i].said && (!strstr(err.message, cases[i].said) || !strstr(err.message, "large")))
            fail_msg("%s: %s", cases[i].text, err.message);
        tdl_device_close(device);
    }
}

// In a plan, where several threads make the pipelines: the broken one is named, and the device can go on.
static void check_bad_shader_in_a_plan(const char *text, tdl_status expected) {
    tdl_device *device = open_device("webgpu");
    const tdl_kernel broken = {.name = "broken", .backend = TDL_BACKEND_WEBGPU, .wgsl = {text}};
    const tdl_attrs relu = {.act = TDL_ACT_RELU};
    tdl_error err = {0};
    tdl_graph g;
    tdl_tensor t;
    tdl_plan *plan;
    tdl_exec *exec = NULL;
    tdl_buffer *bound[16] = {NULL};
    tdl_graph_init(&g, device->mem);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){4, 64}, NULL, &t, &err), TDL_OK);
    int32_t x = tdl_graph_weight(&g, "x", 0, &t);
    int32_t y = tdl_graph_op(&g, "y", TDL_OP_ACT, &relu, 1, &x);
    tdl_graph_output(&g, tdl_graph_op(&g, "z", TDL_OP_ADD, NULL, 2, (int32_t[]){y, x}));
    assert_int_equal(tdl_plan_create(&g, &(tdl_plan_desc){.device = device}, &plan, &err), TDL_OK);
    tdl_graph_deinit(&g);
    assert_true(plan->n_ops == 2 && plan->n_buffers <= 16);
    for (int32_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffer_value[i] >= 0) device->backend->buffer_create(device, plan->buffer_sizes[i], &bound[i], NULL);
    const tdl_kernel *right = plan->ops[1].kernel;
    plan->ops[1].kernel = &broken;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tdl_exec_create(device, plan, bound, &exec, &err), expected);
        assert_non_null(strstr(err.message, "broken"));
    }
    plan->ops[1].kernel = right;
    if (tdl_exec_create(device, plan, bound, &exec, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_exec_destroy(exec);
    for (int i = 0; i < 16; i++) device->backend->buffer_destroy(bound[i]);
    tdl_plan_destroy(plan);
    tdl_device_close(device);
}

static void bad_shader_in_a_plan_is_named(void **state) {
    (void)state;
    check_bad_shader_in_a_plan("this is no shader", TDL_ERROR_DEVICE);
    check_bad_shader_in_a_plan(USES("16777216u"), TDL_ERROR_LIMIT);
}

static void missing_kernel_is_named(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    tdl_error err = {0};
    tdl_graph g;
    tdl_tensor x;
    tdl_plan *plan;
    tdl_graph_init(&g, device->mem);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){4, 64}, NULL, &x, &err), TDL_OK);
    int32_t weight = tdl_graph_weight(&g, "x", 0, &x);
    tdl_graph_output(&g, tdl_graph_op(&g, "rounded", TDL_OP_QUANTIZE, NULL, 1, &weight));
    assert_int_equal(tdl_plan_create(&g, &(tdl_plan_desc){.device = device}, &plan, &err), TDL_ERROR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "quantize"));
    assert_non_null(strstr(err.message, "rounded"));
    tdl_graph_deinit(&g);
    tdl_device_close(device);
}

// ---- buffers --------------------------------------------------------------------------------------------------------

static tdl_buffer *make_buffer(tdl_device *device, size_t size) {
    tdl_error err = {0};
    tdl_buffer *buffer = NULL;
    if (device->backend->buffer_create(device, size, &buffer, &err) != TDL_OK) fail_msg("%s", err.message);
    assert_int_equal(buffer->size, size);
    return buffer;
}

static void settle(tdl_device *device) {
    tdl_error err = {0};
    tdl_status status;
    while ((status = device->backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
    }
    if (status != TDL_OK) fail_msg("%s", err.message);
}

static void fill(uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 31 + i / 251 + 7);
}

static void buffers_round_trip(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 4, 5, 15, 16, 17, 34, 255, 256, 257, 4095, 4096, 4097, 1000003};
    tdl_device *device = open_device("webgpu");
    const tdl_backend *backend = device->backend;
    uint8_t *in = malloc(1000003), *out = malloc(1000003 + 1);
    fill(in, 1000003);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        tdl_buffer *buffer = make_buffer(device, size);
        memset(out, 0xaa, size + 1);
        assert_int_equal(backend->read(buffer, 0, out, size, NULL), TDL_OK);
        settle(device);
        for (size_t j = 0; j < size; j++) assert_int_equal(out[j], 0); // new memory is zero
        assert_int_equal(backend->write(buffer, 0, in, size, NULL), TDL_OK);
        assert_int_equal(backend->read(buffer, 0, out, size, NULL), TDL_OK);
        settle(device);
        assert_memory_equal(in, out, size);
        assert_int_equal(out[size], 0xaa);                            // and nothing behind
        for (size_t first = 0; first < size; first += 1 + size / 7) { // odd places
            size_t n = (size - first + 1) / 2;
            assert_int_equal(backend->read(buffer, first, out, n, NULL), TDL_OK);
            settle(device);
            assert_memory_equal(in + first, out, n);
        }
        backend->buffer_destroy(buffer);
    }
    free(in), free(out);
    tdl_device_close(device);
}

static void buffers_check_access(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    const tdl_backend *backend = device->backend;
    tdl_buffer *buffer = make_buffer(device, 100), *huge = NULL;
    uint8_t bytes[128] = {0};
    static const struct {
        size_t offset, size;
        bool read, write;
    } cases[] = {{0, 100, true, true}, {0, 101, false, false}, {100, 0, true, true},        {101, 0, false, false},
                 {96, 4, true, true},  {96, 8, false, false},  {SIZE_MAX, 2, false, false}, {2, SIZE_MAX, false, false},
                 {0, 3, true, false},  {2, 4, true, false},    {99, 1, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_status read = backend->read(buffer, cases[i].offset, bytes, cases[i].size, NULL);
        tdl_status write = backend->write(buffer, cases[i].offset, bytes, cases[i].size, NULL);
        assert_int_equal(read, cases[i].read ? TDL_OK : TDL_ERROR_ARGUMENT);
        assert_int_equal(write, cases[i].write ? TDL_OK : TDL_ERROR_ARGUMENT);
        settle(device);
    }
    tdl_error err = {0};
    assert_int_equal(backend->buffer_create(device, SIZE_MAX, &huge, &err), TDL_ERROR_LIMIT);
    assert_int_equal(backend->buffer_create(device, (size_t)1 << 60, &huge, &err), TDL_ERROR_LIMIT);
    backend->buffer_destroy(buffer);
    tdl_device_close(device);
}

// Buffers until there is no memory for more; then the first can be read, and another made once some are gone. In a process whose
// address space is limited, so that the machine's memory is not used up. Exit status: 0 passed, else the line.
static void run_out_of_memory(void) {
    enum { MANY = 64 };
    const size_t size = (size_t)64 << 20, room = (size_t)768 << 20;
    tdl_buffer *buffers[MANY] = {NULL};
    uint8_t in[64], out[64] = {0};
    tdl_error err = {0};
    tdl_device *device = NULL;
    if (tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = "webgpu"}, &device, &err) != TDL_OK)
        _exit(__LINE__ & 127);
    const tdl_backend *backend = device->backend;
    fill(in, sizeof in);
    struct rlimit limit;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1 || getrlimit(RLIMIT_AS, &limit) != 0) _exit(__LINE__ & 127);
    fclose(file);
    limit.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + room;
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(__LINE__ & 127);
    tdl_status status = TDL_OK;
    int n = 0;
    while (n < MANY && (status = backend->buffer_create(device, size, &buffers[n], &err)) == TDL_OK) {
        if (backend->write(buffers[n], 0, in, sizeof in, &err) != TDL_OK) break;
        n++;
    }
    fprintf(stderr, "%d buffers of 64 MiB, then: %s\n", n, err.message);
    if (n < 2 || n == MANY || status != TDL_ERROR_MEMORY || !strstr(err.message, "memory")) _exit(__LINE__ & 127);
    backend->buffer_destroy(buffers[--n]);
    backend->buffer_destroy(buffers[--n]);
    if (backend->buffer_create(device, size, &buffers[n], &err) != TDL_OK) _exit(__LINE__ & 127);
    if (backend->read(buffers[0], 0, out, sizeof out, &err) != TDL_OK) _exit(__LINE__ & 127);
    while ((status = backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
    }
    if (status != TDL_OK || memcmp(in, out, sizeof in) != 0) _exit(__LINE__ & 127);
    for (int i = 0; i <= n; i++) backend->buffer_destroy(buffers[i]);
    tdl_device_close(device);
    _exit(0);
}

static void out_of_memory_is_a_status(void **state) {
    (void)state;
    if (SANITIZED) skip(); // they need address space of their own
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) run_out_of_memory();
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("signal %d, at line %d (modulo 128)", WIFSIGNALED(status) ? WTERMSIG(status) : 0, WEXITSTATUS(status));
}

// A write between two reads that are not polled yet: each sees its own time. A destroyed buffer is not read any more.
static void reads_keep_their_order(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    const tdl_backend *backend = device->backend;
    tdl_buffer *a = make_buffer(device, 64), *b = make_buffer(device, 64);
    int32_t before[16], after[16], gone[16] = {-1}, ones[16], twos[16];
    for (int i = 0; i < 16; i++) ones[i] = 1, twos[i] = 2;
    assert_int_equal(backend->write(a, 0, ones, 64, NULL), TDL_OK);
    assert_int_equal(backend->write(b, 0, ones, 64, NULL), TDL_OK);
    assert_int_equal(backend->read(a, 0, before, 64, NULL), TDL_OK);
    assert_int_equal(backend->read(b, 0, gone, 64, NULL), TDL_OK);
    assert_int_equal(backend->write(a, 0, twos, 64, NULL), TDL_OK);
    assert_int_equal(backend->read(a, 0, after, 64, NULL), TDL_OK);
    backend->buffer_destroy(b);
    settle(device);
    assert_memory_equal(before, ones, 64);
    assert_memory_equal(after, twos, 64);
    assert_int_equal(gone[0], -1);
    backend->buffer_destroy(a);
    tdl_device_close(device);
}

static tdl_status use_device(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_buffer *buffer = NULL;
    uint8_t bytes[40] = {0};
    tdl_device_desc desc = {.size = sizeof desc, .name = "webgpu", .allocator = mem};
    tdl_status status = tdl_device_open(&desc, &device, &err);
    if (status != TDL_OK) return status;
    const tdl_backend *backend = device->backend;
    status = backend->buffer_create(device, sizeof bytes, &buffer, &err);
    if (status == TDL_OK) status = backend->write(buffer, 0, bytes, sizeof bytes, &err);
    if (status == TDL_OK) status = backend->read(buffer, 0, bytes, sizeof bytes, &err);
    if (status == TDL_OK)
        while ((status = backend->poll(device, NULL, 0, &err)) == TDL_PENDING) {
        }
    backend->buffer_destroy(buffer);
    tdl_device_close(device);
    return status;
}

static void allocations_may_fail(void **state) {
    (void)state;
    assert_true(fail_alloc_each(use_device, NULL) >= 3);
}

// ---- models ---------------------------------------------------------------------------------------------------------

static void check_family(const char *name, const char *device_name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/hf-tiny/%s/reference.json", TDL_TEST_DATA, name);
    json_t *reference = golden_json(path), *prompts = json_object_get(reference, "prompts");
    snprintf(path, sizeof path, "%s/hf-tiny/%s", TDL_TEST_DATA, name);
    tdl_device *device = open_device(device_name);
    tdl_model *model = open_model(device, path);
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        const json_t *one = json_array_get(prompts, i);
        size_t n_ids, n_greedy, n_logits;
        int32_t ours[64];
        int32_t *ids = golden_ids(json_object_get(one, "ids"), &n_ids);
        int32_t *greedy = golden_ids(json_object_get(one, "greedy"), &n_greedy);
        float *expected = golden_floats(json_object_get(one, "f32"), &n_logits);
        float *logits = golden_logits(model, ids, n_ids);
        double error = golden_error(logits, expected, n_logits);
        print_message("%-14s %s: %zu tokens, largest error %.2e\n", name, device_name, n_ids, error);
        assert_true(error <= BOUND);
        assert_true(n_greedy > 0 && n_greedy <= 64);
        golden_greedy(model, ids, n_ids, ours, n_greedy);
        assert_memory_equal(ours, greedy, n_greedy * sizeof *ours);
        free(ids), free(greedy), free(expected), free(logits);
    }
    tdl_model_close(model);
    tdl_device_close(device);
    json_decref(reference);
}

static void families(void **state) {
    (void)state;
    static const char *const all[] = {"gpt2",    "llama", "llama3-rope", "llama-yarn", "llama-linear",
                                      "mistral", "qwen2", "qwen3",       "mixtral",    "qwen3_moe"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_family(all[i], "webgpu");
}

static void families_at_the_minimum_limits(void **state) {
    (void)state;
    static const char *const some[] = {"gpt2", "mistral", "qwen3", "mixtral"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) check_family(some[i], "webgpu:0:min");
}

static void demo_model_says_what_the_cpu_says(void **state) {
    (void)state;
    static const char *const names_[] = {"cpu", "webgpu", "webgpu:0:min"};
    int32_t said[3][N_NEW];
    for (int i = 0; i < 3; i++) {
        tdl_device *device = open_device(names_[i]);
        tdl_model *model = open_model(device, DEMO);
        golden_greedy(model, prompt, N_PROMPT, said[i], N_NEW);
        tdl_model_close(model);
        tdl_device_close(device);
    }
    assert_memory_equal(said[1], said[0], sizeof said[0]);
    assert_memory_equal(said[2], said[0], sizeof said[0]);
}

// A cache in parts (rope_attention_webgpu.c), and a step that is encoded ahead but has another number of parts then.
static void long_context_says_what_the_cpu_says(void **state) {
    (void)state;
    enum { N_LONG = 310 }; // from the fifth page into the sixth
    static const char *const names_[] = {"cpu", "webgpu", "webgpu:0:min"};
    int32_t said[3][N_NEW], ids[N_LONG];
    for (int32_t i = 0; i < N_LONG; i++) ids[i] = prompt[i % N_PROMPT] + i / N_PROMPT;
    for (int i = 0; i < 3; i++) {
        tdl_device *device = open_device(names_[i]);
        tdl_model *model = open_model(device, DEMO);
        golden_greedy(model, ids, N_LONG, said[i], N_NEW);
        tdl_model_close(model);
        tdl_device_close(device);
    }
    assert_memory_equal(said[1], said[0], sizeof said[0]);
    assert_memory_equal(said[2], said[0], sizeof said[0]);
}

// Five dispatches a layer: what is not fused any more is seen here, not only as lost speed.
static void few_tokens_take_few_ops(void **state) {
    (void)state;
    static const tdl_op layer[] = {TDL_OP_LINEAR, TDL_OP_ROPE_ATTENTION, TDL_OP_LINEAR, TDL_OP_LINEAR, TDL_OP_LINEAR};
    enum { N_LAYER_OPS = sizeof layer / sizeof *layer, N_LAST = 2 }; // take_rows, linear
    static const struct {
        const char *path;
        int32_t n_first;
    } models[] = {
        {DEMO, 2},
        {TDL_TEST_DATA "/hf-tiny/gpt2", 3},
        {TDL_TEST_DATA "/hf-tiny/qwen2", 2},
        {TDL_TEST_DATA "/hf-tiny/qwen3", 2},
    }; // embed, rope_table; embed, embed, add
    tdl_device *device = open_device("webgpu");
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        tdl_model *model = open_model(device, models[m].path);
        tdl_model_limits limits = {.n_tokens = 8, .n_seqs = 2, .n_outputs = 2, .n_pages = 4, .n_seq_pages = 2};
        tdl_plan *plan;
        assert_int_equal(tdl_model_plan(model, &limits, &plan, NULL), TDL_OK);
        assert_int_equal(plan->n_ops, models[m].n_first + model->config.n_layers * N_LAYER_OPS + N_LAST);
        for (int32_t i = 0; i < model->config.n_layers * N_LAYER_OPS; i++) {
            const tdl_plan_op *op = &plan->ops[models[m].n_first + i];
            assert_int_equal(op->op, layer[i % N_LAYER_OPS]);
            if (op->op == TDL_OP_LINEAR) assert_int_equal(op->few[0]->rows_max, 1);
        }
        tdl_plan_destroy(plan);
        tdl_model_close(model);
    }
    tdl_device_close(device);
}

// Where projections are not joined, weights of several types as a rule, their results become parts of one value all the same.
static void projections_apart_lie_side_by_side(void **state) {
    (void)state;
    static const char *const paths[] = {LLAMA, TDL_TEST_DATA "/hf-tiny/qwen3"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int32_t expected[N_NEW], said[N_NEW], n_fused = 0;
        tdl_device *cpu = open_device("cpu"), *device = open_device("webgpu");
        tdl_backend apart = *device->backend;
        apart.joins_weights = false;
        device->backend = &apart;
        tdl_model *model = open_model(cpu, paths[i]);
        golden_greedy(model, prompt, N_PROMPT, expected, N_NEW);
        tdl_model_close(model);
        tdl_device_close(cpu);
        model = open_model(device, paths[i]);
        tdl_model_limits limits = {.n_tokens = 8, .n_seqs = 2, .n_outputs = 2, .n_pages = 4, .n_seq_pages = 2};
        tdl_plan *plan;
        assert_int_equal(tdl_model_plan(model, &limits, &plan, NULL), TDL_OK);
        for (int32_t j = 0; j < plan->n_ops; j++) n_fused += plan->ops[j].op == TDL_OP_ROPE_ATTENTION;
        assert_int_equal(n_fused, model->config.n_layers);
        tdl_plan_destroy(plan);
        golden_greedy(model, prompt, N_PROMPT, said, N_NEW);
        assert_memory_equal(said, expected, sizeof said);
        tdl_model_close(model);
        tdl_device_close(device);
    }
}

// Prompts of different lengths, some longer than a step, decoding beside each other.
static void batch_says_what_each_says_alone(void **state) {
    (void)state;
    enum { N_SESSIONS = 3 };
    static const int32_t lengths[N_SESSIONS] = {1, 5, 90};
    tdl_device *device = open_device("webgpu");
    tdl_model *model = open_model(device, LLAMA);
    tdl_batch *batch = NULL;
    tdl_batch_desc desc = {
        .size = sizeof desc, .n_sessions_max = N_SESSIONS, .n_tokens_max = 32, .n_cache_tokens = 512};
    assert_int_equal(tdl_batch_create(model, &desc, &batch, NULL), TDL_OK);
    tdl_session *sessions[N_SESSIONS];
    int32_t ids[90], n_said[N_SESSIONS] = {0}, said[N_SESSIONS][N_NEW], alone[N_NEW];
    for (int32_t i = 0; i < 90; i++) ids[i] = (i * 37 + 11) % 256;
    for (int i = 0; i < N_SESSIONS; i++) {
        sessions[i] = open_session(model, (tdl_session_desc){.batch = batch});
        assert_int_equal(tdl_session_push(sessions[i], ids, (size_t)lengths[i], NULL), TDL_OK);
    }
    for (bool busy = true; busy;) {
        tdl_status status = tdl_batch_step(batch, NULL);
        assert_true(status >= 0);
        busy = false;
        for (int i = 0; i < N_SESSIONS; i++) {
            if (n_said[i] == N_NEW) continue;
            status = tdl_session_next(sessions[i], &said[i][n_said[i]], NULL);
            assert_true(status == TDL_OK || status == TDL_PENDING);
            n_said[i] += status == TDL_OK;
            busy = true;
        }
    }
    for (int i = 0; i < N_SESSIONS; i++) {
        golden_greedy(model, ids, (size_t)lengths[i], alone, N_NEW);
        assert_memory_equal(said[i], alone, sizeof alone);
        tdl_session_destroy(sessions[i]);
    }
    tdl_batch_destroy(batch);
    tdl_model_close(model);
    tdl_device_close(device);
}

// No op may read and write one buffer, which WebGPU forbids.
static void plans_keep_values_apart(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    tdl_model *model = open_model(device, LLAMA);
    tdl_model_limits limits = {.n_seqs = 2, .n_outputs = 2, .n_pages = 4, .n_seq_pages = 2};
    tdl_plan *plan;
    for (int kind = 0; kind < 3; kind++) {
        limits.keep_values = kind == 1;
        limits.n_tokens = kind == 2 ? 8 : 64; // of few tokens: fused
        assert_int_equal(tdl_model_plan(model, &limits, &plan, NULL), TDL_OK);
        for (int32_t i = 0; i < plan->n_ops; i++)
            for (int32_t o = 0; o < plan->ops[i].n_out; o++) {
                int32_t buffer = plan->values[plan->ops[i].out[o]].buffer;
                assert_int_not_equal(buffer, TDL_BUFFER_ARENA);
                for (int32_t j = 0; j < plan->ops[i].n_in; j++)
                    assert_int_not_equal(buffer, plan->values[plan->ops[i].in[j]].buffer);
                for (int32_t j = 0; j < o; j++) assert_int_not_equal(buffer, plan->values[plan->ops[i].out[j]].buffer);
            }
        tdl_plan_destroy(plan);
    }
    tdl_model_close(model);
    tdl_device_close(device);
}

// ---- steps under way ------------------------------------------------------------------------------------------------

// Begins a session's step with the prompt and leaves it under way. A busy machine may be slow to come back, and find
// the step done: then it begins anew.
static tdl_session *begin(tdl_model *model, tdl_batch *batch) {
    int32_t token;
    tdl_session *s = open_session(model, (tdl_session_desc){.batch = batch, .n_ctx = batch ? 0 : 64});
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(tdl_session_sync(s, prompt, N_PROMPT, NULL), TDL_OK);
        tdl_status status = batch ? tdl_batch_step(batch, NULL) : tdl_session_next(s, &token, NULL);
        if (status == TDL_PENDING) return s;
        assert_int_equal(status, TDL_OK);
        assert_int_equal(tdl_session_rewind(s, 0, NULL), TDL_OK);
    }
    fail_msg("no step of 1000 was found under way");
    return NULL;
}

static void timeline_may_change_under_way(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    tdl_model *model = open_model(device, LLAMA);
    int32_t longer[N_PROMPT + 2], fresh, token;
    memcpy(longer, prompt, sizeof prompt);
    longer[N_PROMPT] = 42, longer[N_PROMPT + 1] = 43;

    tdl_session *s = begin(model, NULL); // more is pushed
    assert_int_equal(tdl_session_push(s, longer + N_PROMPT, 2, NULL), TDL_OK);
    assert_int_equal(next(s, &token, NULL), TDL_OK);
    golden_greedy(model, longer, N_PROMPT + 2, &fresh, 1);
    assert_int_equal(token, fresh);
    tdl_session_destroy(s);

    s = begin(model, NULL); // goes back, and elsewhere
    assert_int_equal(tdl_session_rewind(s, 3, NULL), TDL_OK);
    assert_int_equal(tdl_session_push(s, longer + N_PROMPT, 2, NULL), TDL_OK);
    assert_int_equal(next(s, &token, NULL), TDL_OK);
    memcpy(longer + 3, (int32_t[]){42, 43}, 2 * sizeof *longer);
    golden_greedy(model, longer, 5, &fresh, 1);
    assert_int_equal(token, fresh);
    tdl_session_destroy(s);

    tdl_session_destroy(begin(model, NULL)); // is destroyed
    tdl_model_close(model);
    tdl_device_close(device);
}

static void session_may_leave_under_way(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    tdl_model *model = open_model(device, LLAMA);
    tdl_batch *batch = NULL;
    tdl_batch_desc desc = {.size = sizeof desc, .n_sessions_max = 2, .n_cache_tokens = 128};
    assert_int_equal(tdl_batch_create(model, &desc, &batch, NULL), TDL_OK);
    tdl_session *stays = open_session(model, (tdl_session_desc){.batch = batch});
    assert_int_equal(tdl_session_push(stays, prompt, 3, NULL), TDL_OK);
    tdl_session *leaves = begin(model, batch);
    tdl_session_destroy(leaves);
    tdl_status status;
    while ((status = tdl_batch_step(batch, NULL)) == TDL_PENDING) {
    }
    assert_int_equal(status, TDL_OK);
    int32_t token, fresh;
    assert_int_equal(next(stays, &token, NULL), TDL_OK);
    golden_greedy(model, prompt, 3, &fresh, 1);
    assert_int_equal(token, fresh);
    tdl_session_destroy(stays);
    tdl_batch_destroy(batch);
    tdl_model_close(model);
    tdl_device_close(device);
}

// ---- a lost device --------------------------------------------------------------------------------------------------

// The session's tokens, continued on the CPU.
static void rebuild_on_cpu(const char *path, const tdl_session *lost, int32_t *out, size_t n) {
    size_t n_tokens;
    const int32_t *tokens = tdl_session_tokens(lost, &n_tokens);
    tdl_device *device = open_device("cpu");
    tdl_model *model = open_model(device, path);
    golden_greedy(model, tokens, n_tokens, out, n);
    tdl_model_close(model);
    tdl_device_close(device);
}

static void lose_after(const char *path, int32_t n_before, bool under_way, const int32_t *expected) {
    int32_t said[N_NEW];
    tdl_error err = {0};
    tdl_device *device = open_device("webgpu");
    tdl_model *model = open_model(device, path);
    tdl_session *s = open_session(model, (tdl_session_desc){.n_ctx = 64}), *another = NULL;
    assert_int_equal(tdl_session_push(s, prompt, N_PROMPT, NULL), TDL_OK);
    for (int32_t i = 0; i < n_before; i++) assert_int_equal(next(s, &said[i], &err), TDL_OK);
    if (under_way && tdl_session_next(s, &said[n_before], &err) == TDL_OK) n_before++; // was too quick
    tdl_webgpu_lose(device);
    for (int i = 0; i < 2; i++) { // and it stays lost
        assert_int_equal(next(s, &said[n_before], &err), TDL_ERROR_DEVICE_LOST);
        assert_non_null(strstr(err.message, "lost"));
    }
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 64};
    assert_int_equal(tdl_session_create(model, &desc, &another, &err), TDL_ERROR_DEVICE_LOST);
    rebuild_on_cpu(path, s, said + n_before, (size_t)(N_NEW - n_before));
    assert_memory_equal(said, expected, sizeof said);
    tdl_session_destroy(s);
    tdl_model_close(model);
    tdl_device_close(device);
}

static void lost_device_is_survived(void **state) {
    (void)state;
    int32_t expected[N_NEW];
    tdl_device *device = open_device("cpu");
    tdl_model *model = open_model(device, LLAMA);
    golden_greedy(model, prompt, N_PROMPT, expected, N_NEW);
    tdl_model_close(model);
    tdl_device_close(device);
    for (int32_t n = 0; n < N_NEW; n += 5)
        for (int under_way = 0; under_way < 2; under_way++) lose_after(LLAMA, n, under_way, expected);
}

static void lost_device_fails_every_call(void **state) {
    (void)state;
    tdl_device *device = open_device("webgpu");
    const tdl_backend *backend = device->backend;
    tdl_error err = {0};
    tdl_buffer *buffer = make_buffer(device, 64), *more = NULL;
    tdl_model *model = NULL;
    int32_t words[16] = {0};
    assert_int_equal(backend->read(buffer, 0, words, 64, NULL), TDL_OK); // under way when it is lost
    tdl_webgpu_lose(device);
    assert_int_equal(backend->poll(device, NULL, 0, &err), TDL_ERROR_DEVICE_LOST);
    assert_int_equal(backend->write(buffer, 0, words, 64, &err), TDL_ERROR_DEVICE_LOST);
    assert_int_equal(backend->read(buffer, 0, words, 64, &err), TDL_ERROR_DEVICE_LOST);
    assert_int_equal(backend->buffer_create(device, 64, &more, &err), TDL_ERROR_DEVICE_LOST);
    tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = device};
    assert_int_equal(tdl_model_open(&desc, &model, &err), TDL_ERROR_DEVICE_LOST);
    backend->buffer_destroy(buffer);
    tdl_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(list),
        cmocka_unit_test(bad_shader_is_an_error),
        cmocka_unit_test(shaders_beyond_the_limits_are_errors),
        cmocka_unit_test(bad_shader_in_a_plan_is_named),
        cmocka_unit_test(missing_kernel_is_named),
        cmocka_unit_test(buffers_round_trip),
        cmocka_unit_test(buffers_check_access),
        cmocka_unit_test(out_of_memory_is_a_status),
        cmocka_unit_test(reads_keep_their_order),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(families),
        cmocka_unit_test(families_at_the_minimum_limits),
        cmocka_unit_test(demo_model_says_what_the_cpu_says),
        cmocka_unit_test(long_context_says_what_the_cpu_says),
        cmocka_unit_test(few_tokens_take_few_ops),
        cmocka_unit_test(projections_apart_lie_side_by_side),
        cmocka_unit_test(batch_says_what_each_says_alone),
        cmocka_unit_test(plans_keep_values_apart),
        cmocka_unit_test(timeline_may_change_under_way),
        cmocka_unit_test(session_may_leave_under_way),
        cmocka_unit_test(lost_device_is_survived),
        cmocka_unit_test(lost_device_fails_every_call),
    };
    tdl_error err = {0};
    tdl_device *device = NULL;
    if (tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = "webgpu"}, &device, &err) !=
        TDL_OK) {
        print_message("skipped: %s\n", err.message);
        return EXIT_SKIPPED;
    }
    print_message("on %s\n", tdl_device_summary(device));
    tdl_device_close(device);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    print_message("skipped: built without WebGPU (tools/setup.sh webgpu fetches what it takes)\n");
    return EXIT_SKIPPED;
}

#endif
