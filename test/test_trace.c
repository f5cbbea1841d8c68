// SPDX-License-Identifier: MIT
// test_trace.c - traces: one event an op and step (and, on the CPU, thread), in order and in time; none while it is off.
#include "backend/backend.h"
#include "support/adapter.h"
#include "support/fail_alloc.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
enum { N_PROMPT = 5, N_NEW = 4 };
static const int32_t prompt[N_PROMPT] = {5, 17, 99, 200, 3};

static tdl_device *open_device(const char *name, int32_t n_threads) {
    return adapter_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc), .name = name, .n_threads = n_threads});
}

static tdl_model *open_model(tdl_device *device) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = device};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

// Ops of a plan for as many tokens as a step here has: the first line that begins with "# " and a number.
static int32_t n_ops_of(tdl_model *model) {
    char *text = NULL;
    const tdl_batch_desc desc = {.size = sizeof desc, .n_tokens_max = 8};
    assert_int_equal(tdl_model_plan_text(model, &desc, &text, NULL), TDL_OK);
    int32_t n = 0;
    for (const char *line = text; line && n == 0; line = strchr(line, '\n')) n = atoi(line += strspn(line, "\n# "));
    tdl_text_free(model, text);
    assert_true(n > 10);
    return n;
}

// Events are ordered by step, op and lane; each op of each step has one, on one lane or, many_lanes, at least one. A step
// ends with the logits or the token picked of them, of a plan with n_ops ops (0: a device may have several plans, for steps of few and many tokens).
static void check_events(const tdl_device *device, int32_t n_ops, int64_t n_steps, bool many_lanes) {
    const tdl_trace_event *events;
    size_t n;
    assert_int_equal(tdl_device_trace_events(device, &events, &n, NULL), TDL_OK);
    const char *last = device->backend->steps_max > 1 ? "picked" : "logits";
    int64_t step = 0, done_ns = 0;
    int32_t index = -1, lane = -1;
    for (size_t i = 0; i < n; i++) {
        const tdl_trace_event *e = &events[i];
        bool same_op = e->step == step && e->index == index;
        if (same_op) {
            assert_true(many_lanes && e->lane > lane);
        } else if (e->step == step) {
            assert_int_equal(e->index, index + 1);
        } else {
            assert_true(e->step == step + 1 && e->index == 0);
            assert_string_equal(events[i - 1].name, last);
            assert_true(!n_ops || index == n_ops - 1);
            assert_true(e->begin_ns >= done_ns); // a step begins when the one before has ended
        }
        step = e->step;
        index = e->index;
        lane = e->lane;
        assert_true(lane >= 0 && (many_lanes || lane == 0));
        assert_true(e->begin_ns >= 0 && e->end_ns >= e->begin_ns);
        if (e->end_ns > done_ns) done_ns = e->end_ns;
        assert_true(e->name[0] && e->op[0] && e->kernel[0]);
    }
    assert_int_equal(step, n_steps - 1);
    assert_true(!n_ops || index == n_ops - 1);
    assert_string_equal(events[n - 1].name, last);
    assert_string_equal(events[0].op, "embed");
    assert_true(done_ns > 0);
}

static void check_device(const char *name, int32_t n_threads) {
    tdl_device *device = open_device(name, n_threads);
    if (!device) return;
    if (!device->can_trace) {
        print_message("%s is skipped: no timestamps\n", device->summary);
        tdl_device_close(device);
        return;
    }
    tdl_model *model = open_model(device);
    const tdl_trace_event *events;
    int32_t said[N_NEW], again[N_NEW], n_ops = n_ops_of(model);
    size_t n, n_before;
    golden_greedy(model, prompt, N_PROMPT, said, N_NEW);
    assert_int_equal(tdl_device_trace_events(device, &events, &n, NULL), TDL_OK);
    assert_int_equal(n, 0);
    for (int i = 0; i < 2; i++) { // the second begins anew
        assert_int_equal(tdl_device_trace(device, true, NULL), TDL_OK);
        golden_greedy(model, prompt, N_PROMPT, again, N_NEW);
        check_events(device, device->backend->id == TDL_BACKEND_CPU ? n_ops : 0, N_NEW, n_threads > 1);
        assert_memory_equal(said, again, sizeof said);
    }
    assert_int_equal(tdl_device_trace_events(device, &events, &n_before, NULL), TDL_OK);
    assert_int_equal(tdl_device_trace(device, false, NULL), TDL_OK);
    golden_greedy(model, prompt, N_PROMPT, again, N_NEW);
    assert_int_equal(tdl_device_trace_events(device, &events, &n, NULL), TDL_OK);
    assert_int_equal(n, n_before);
    tdl_model_close(model);
    tdl_device_close(device);
}

static void cpu_notes_every_op(void **state) {
    (void)state;
    check_device("cpu", 1);
    check_device("cpu", 3);
}

static void webgpu_notes_every_op(void **state) {
    (void)state;
    check_device("webgpu", 1);
}

static void device_without_a_clock_says_so(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_device *device = open_device("null", 0);
    assert_int_equal(tdl_device_trace(device, true, &err), TDL_ERROR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "null"));
    assert_int_equal(tdl_device_trace(device, false, &err), TDL_OK);
    assert_int_equal(tdl_device_trace(NULL, true, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_device_trace_events(device, NULL, NULL, &err), TDL_ERROR_ARGUMENT);
    tdl_device_close(device);
}

// Memory that runs out during a trace costs the trace, not the steps.
static tdl_status trace_some(const tdl_allocator *mem, void *arg) {
    int32_t *said = arg, token;
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    const tdl_trace_event *events;
    size_t n;
    fail_alloc *fa = mem->user;
    int64_t fail_at = fa->fail_at;
    fa->fail_at = 0; // only what the trace itself allocates may fail
    tdl_device_desc on = {.size = sizeof on, .n_threads = 1, .allocator = mem};
    assert_int_equal(tdl_device_open(&on, &device, &err), TDL_OK);
    tdl_model_desc desc = {.size = sizeof desc, .path = LLAMA, .device = device};
    assert_int_equal(tdl_model_open(&desc, &model, &err), TDL_OK);
    tdl_session_desc small = {.size = sizeof small, .n_ctx = 64, .ignore_eos = true};
    assert_int_equal(tdl_session_create(model, &small, &session, &err), TDL_OK);
    assert_int_equal(tdl_session_push(session, prompt, N_PROMPT, &err), TDL_OK);
    fa->fail_at = fail_at ? fa->n_calls + fail_at : 0;
    tdl_status status = tdl_device_trace(device, true, &err);
    for (int i = 0; i < N_NEW; i++) {
        assert_int_equal(tdl_session_next(session, &token, &err), TDL_OK);
        assert_int_equal(token, said[i]);
    }
    if (status == TDL_OK) status = tdl_device_trace_events(device, &events, &n, &err);
    tdl_session_destroy(session);
    tdl_model_close(model);
    tdl_device_close(device);
    return status;
}

static void allocations_may_fail(void **state) {
    (void)state;
    int32_t said[N_NEW];
    tdl_device *device = open_device("cpu", 1);
    tdl_model *model = open_model(device);
    golden_greedy(model, prompt, N_PROMPT, said, N_NEW);
    tdl_model_close(model);
    tdl_device_close(device);
    int64_t n_failed = 0;
    for (int64_t n = 1;; n++) {
        fail_alloc fa;
        fail_alloc_init(&fa);
        fa.fail_at = n;
        tdl_status status = trace_some(&fa.mem, said);
        fail_alloc_check(&fa);
        if (fa.n_failed == 0) {
            assert_int_equal(status, TDL_OK);
            break;
        }
        assert_int_equal(status, TDL_ERROR_MEMORY);
        n_failed++;
    }
    assert_true(n_failed >= 2 + N_NEW); // the trace, its list, and the times of each step
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_notes_every_op),
        cmocka_unit_test(webgpu_notes_every_op),
        cmocka_unit_test(device_without_a_clock_says_so),
        cmocka_unit_test(allocations_may_fail),
    };
    return adapter_verdict(cmocka_run_group_tests(tests, NULL, NULL));
}
