// SPDX-License-Identifier: MIT
// test_guard_pages.c - a whole life of small models in memory whose every block has pages round it that may not be touched.
//
// Opening, evaluating, generating in a batch, on the CPU with every instruction set, on null and on WebGPU, with
// blocks that begin behind such a page and blocks that end at one. What reads beside its memory ends the program here; elsewhere it
// meets whatever lies there, which is mostly harmless: a matmul that was its plan's output was fused with what lay before the list
// of ops, and one run in hundreds crashed. Tensors of single ops, at odd sizes: op_suite.
#include "graph/plan_make.h"
#include "support/page_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_PROMPT = 70, N_NEW = 5, VOCAB = 256 };

static void check_life(tdl_device *device, const tdl_allocator *mem, const char *path) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_batch *batch = NULL;
    tdl_session *alone = NULL, *sessions[2] = {NULL};
    int32_t prompt[N_PROMPT];
    for (int32_t i = 0; i < N_PROMPT; i++) prompt[i] = (i * 37 + 11) % VOCAB;
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = device, .allocator = mem};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s: %s", path, err.message);
    float *logits = malloc(N_PROMPT * VOCAB * sizeof *logits);
    assert_int_equal(tdl_session_create(model, &(tdl_session_desc){.size = sizeof(tdl_session_desc)}, &alone, &err),
                     TDL_OK);
    if (tdl_session_eval(alone, prompt, N_PROMPT, logits, &err) != TDL_OK) fail_msg("%s: %s", path, err.message);
    free(logits);
    tdl_session_destroy(alone);
    tdl_batch_desc shared = {.size = sizeof shared, .n_sessions_max = 2, .n_tokens_max = 9, .n_cache_tokens = 256};
    assert_int_equal(tdl_batch_create(model, &shared, &batch, &err), TDL_OK);
    for (int i = 0; i < 2; i++) {
        tdl_session_desc of = {.size = sizeof of, .batch = batch, .n_ctx = 100, .ignore_eos = true};
        assert_int_equal(tdl_session_create(model, &of, &sessions[i], &err), TDL_OK);
        assert_int_equal(tdl_session_push(sessions[i], prompt + i, i ? 66 : 3, &err), TDL_OK);
    }
    for (int n = 0; n < N_NEW; n++)
        for (int i = 0; i < 2; i++) {
            int32_t token;
            tdl_status status;
            while ((status = tdl_session_next(sessions[i], &token, &err)) == TDL_PENDING)
                assert_true(tdl_batch_step(batch, &err) >= 0);
            if (status != TDL_OK) fail_msg("%s: %s", path, err.message);
        }
    for (int i = 0; i < 2; i++) tdl_session_destroy(sessions[i]);
    tdl_batch_destroy(batch);
    tdl_model_close(model);
}

// On this device, if it is here, in both kinds of memory; every model, or the first few.
static void check_device(const char *name, const char *isa, size_t n_models) {
    static const char *const models[] = {"llama", "gpt2", "mixtral", "qwen3", "mistral", "qwen2", "qwen3_moe"};
    if (n_models == 0) n_models = sizeof models / sizeof *models;
    for (int side = PAGE_ALLOC_BEFORE; side <= PAGE_ALLOC_AFTER; side++) {
        page_alloc pa;
        tdl_error err = {0};
        tdl_device *device = NULL;
        page_alloc_init(&pa, (page_alloc_side)side);
        tdl_device_desc desc = {
            .size = sizeof desc, .name = name, .isa_max = isa, .n_threads = 2, .allocator = &pa.mem};
        if (tdl_device_open(&desc, &device, &err) != TDL_OK) {
            print_message("skipped: %s %s: %s\n", name, isa ? isa : "", err.message);
            skip();
        }
        for (size_t i = 0; i < n_models; i++) {
            char path[512];
            snprintf(path, sizeof path, "%s/hf-tiny/%s", TDL_TEST_DATA, models[i]);
            check_life(device, &pa.mem, path);
        }
        tdl_device_close(device);
        page_alloc_check(&pa);
    }
}

static void cpu(void **state) {
    (void)state;
    static const char *const isas[] = {"plain", "avx2", "avx512", "avx512_bf16", "neon"};
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        tdl_device *device = NULL;
        tdl_device_desc desc = {.size = sizeof desc, .name = "cpu", .isa_max = isas[i]};
        if (tdl_device_open(&desc, &device, NULL) != TDL_OK) continue; // of another architecture
        tdl_device_close(device);
        check_device("cpu", isas[i], 0);
    }
}

static void null(void **state) {
    (void)state;
    check_device("null", NULL, 0);
}

static void webgpu(void **state) {
    (void)state;
    check_device("webgpu", NULL, 4);
}

// y = x w^T, and no more: every pass has the output as the last op, and the first. On WebGPU without a library, since
// planning needs none.
static void plan_of_one_op(void **state) {
    (void)state;
#if defined(TDL_WEBGPU)
    static const tdl_op ops[] = {TDL_OP_MATMUL, TDL_OP_RMS_NORM, TDL_OP_ADD, TDL_OP_GLU};
    for (int side = PAGE_ALLOC_BEFORE; side <= PAGE_ALLOC_AFTER; side++)
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
            page_alloc pa;
            page_alloc_init(&pa, (page_alloc_side)side);
            tdl_device device = {.backend = &tdl_backend_webgpu, .mem = &pa.mem, .value_size_max = 1 << 27};
            tdl_error err = {0};
            tdl_graph g;
            tdl_plan *plan = NULL;
            tdl_tensor x, w;
            assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){4, 64}, NULL, &x, NULL), TDL_OK);
            assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, ops[i] == TDL_OP_RMS_NORM ? 1 : 2,
                                             ops[i] == TDL_OP_RMS_NORM ? (int64_t[]){64} : (int64_t[]){4, 64}, NULL, &w,
                                             NULL),
                             TDL_OK);
            tdl_graph_init(&g, &pa.mem);
            int32_t in[2] = {tdl_graph_weight(&g, "x", 0, &x), tdl_graph_weight(&g, "w", 1, &w)};
            tdl_attrs attrs = {.eps = ops[i] == TDL_OP_RMS_NORM ? 1e-5f : 0};
            if (ops[i] == TDL_OP_GLU) attrs.act = TDL_ACT_SILU;
            tdl_graph_output(&g, tdl_graph_op(&g, "y", ops[i], &attrs, 2, in));
            if (tdl_plan_create(&g, &(tdl_plan_desc){.device = &device}, &plan, &err) != TDL_OK)
                fail_msg("%s", err.message);
            assert_int_equal(plan->n_ops, 1);
            assert_int_equal(plan->ops[0].op, ops[i]);
            tdl_plan_destroy(plan);
            tdl_graph_deinit(&g);
            page_alloc_check(&pa);
        }
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plan_of_one_op), cmocka_unit_test(cpu), cmocka_unit_test(null),
                                       cmocka_unit_test(webgpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
