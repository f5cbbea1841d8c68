// SPDX-License-Identifier: MIT
// A model opened lazily says and computes what one opened in full does; what memory it will take; batches whose sessions are longer
// than the model's context; where chat templates are found.
#include "support/fail_alloc.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char tiny[] = TDL_TEST_DATA "/hf-tiny/llama";

enum { N_IDS = 5, N_VOCAB = 256 };
static const int32_t ids[N_IDS] = {105, 116, 158, 23, 27};

static tdl_model *open_model(const char *path, bool lazy) {
    tdl_model *model = NULL;
    tdl_error err = {0};
    const tdl_model_desc desc = {.size = sizeof desc, .path = path, .lazy = lazy};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static void compute(tdl_model *model, float *logits) {
    tdl_session *session = NULL;
    const tdl_session_desc desc = {.size = sizeof desc, .n_ctx = 16};
    assert_int_equal(tdl_session_create(model, &desc, &session, NULL), TDL_OK);
    assert_int_equal(tdl_session_eval(session, ids, N_IDS, logits, NULL), TDL_OK);
    tdl_session_destroy(session);
}

static void test_lazy(void **state) {
    (void)state;
    static float full[N_IDS * N_VOCAB], late[N_IDS * N_VOCAB];
    tdl_model_info a = {.size = sizeof a}, b = {.size = sizeof b};
    tdl_model *model = open_model(tiny, false);
    tdl_model_get_info(model, &a);
    assert_int_equal(a.n_vocab, N_VOCAB);
    compute(model, full);
    tdl_model *lazy = open_model(tiny, true);
    tdl_model_get_info(lazy, &b);
    assert_string_equal(a.arch, b.arch);
    assert_string_equal(a.dtype, b.dtype);
    assert_true(a.n_params == b.n_params && a.weights_size == b.weights_size && a.n_ctx_train == b.n_ctx_train);
    compute(lazy, late);
    assert_memory_equal(full, late, sizeof full);
    tdl_model_close(lazy);
    tdl_model_close(model);
}

// A lazy open takes less memory than the prepared weights have.
static void test_lazy_prepares_nothing(void **state) {
    (void)state;
    fail_alloc full, lazy;
    tdl_model *model = NULL;
    fail_alloc_init(&full);
    tdl_model_desc desc = {.size = sizeof desc, .path = tiny, .allocator = &full.mem};
    assert_int_equal(tdl_model_open(&desc, &model, NULL), TDL_OK);
    int n_full = full.n_live;
    tdl_model_close(model);
    fail_alloc_init(&lazy);
    desc.allocator = &lazy.mem;
    desc.lazy = true;
    assert_int_equal(tdl_model_open(&desc, &model, NULL), TDL_OK);
    assert_true(lazy.n_live < n_full);
    tdl_model_close(model);
    fail_alloc_check(&full);
    fail_alloc_check(&lazy);
}

static void test_memory(void **state) {
    (void)state;
    tdl_model *model = open_model(tiny, true);
    tdl_model_info info = {.size = sizeof info};
    tdl_model_memory one = {.size = sizeof one}, two = {.size = sizeof two};
    tdl_batch_desc desc = {.size = sizeof desc, .n_cache_tokens = 256, .n_tokens_max = 16};
    tdl_error err = {0};
    tdl_model_get_info(model, &info);
    assert_int_equal(tdl_model_get_memory(model, &desc, &one, &err), TDL_OK);
    // Keys and values of each layer, head and position, in F16: this model's matrices are no F32.
    assert_string_not_equal(info.dtype, "F32");
    assert_int_equal(one.cache_size, 2 * 2 * 256 * info.n_layers * info.n_kv_heads * info.head_dim);
    assert_true(one.weights_size >= 2 * info.n_params && one.step_size > 0);
    desc.n_cache_tokens = 512;
    desc.n_tokens_max = 64;
    assert_int_equal(tdl_model_get_memory(model, &desc, &two, &err), TDL_OK);
    assert_int_equal(two.cache_size, 2 * one.cache_size);
    assert_int_equal(two.weights_size, one.weights_size);
    assert_true(two.step_size > one.step_size);
    assert_int_equal(tdl_model_get_memory(model, NULL, &one, &err), TDL_OK);
    one.size = 7;
    assert_error(tdl_model_get_memory(model, NULL, &one, &err), TDL_ERROR_ARGUMENT, &err, "result size is 7");
    assert_error(tdl_model_get_memory(NULL, NULL, &two, &err), TDL_ERROR_ARGUMENT, &err, "must not be NULL");
    desc.n_tokens_max = -1;
    assert_error(tdl_model_get_memory(model, &desc, &two, &err), TDL_ERROR_ARGUMENT, &err, "out of range");
    tdl_model_close(model);
}

// The model was trained on 128 positions or so; a batch may be told of longer sessions.
static void test_longer_sessions(void **state) {
    (void)state;
    tdl_model *model = open_model(tiny, false);
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(model, &info);
    int32_t n_ctx = 2 * info.n_ctx_train;
    tdl_batch_desc desc = {.size = sizeof desc, .n_cache_tokens = n_ctx};
    tdl_session_desc long_session = {.size = sizeof long_session, .n_ctx = n_ctx};
    tdl_session *session = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_batch_create(model, &desc, &long_session.batch, &err), TDL_OK);
    assert_error(tdl_session_create(model, &long_session, &session, &err), TDL_ERROR_ARGUMENT, &err, "n_ctx is");
    tdl_batch_destroy(long_session.batch);
    desc.n_ctx_max = n_ctx;
    assert_int_equal(tdl_batch_create(model, &desc, &long_session.batch, &err), TDL_OK);
    assert_int_equal(tdl_session_create(model, &long_session, &session, &err), TDL_OK);
    assert_int_equal(tdl_session_n_ctx(session), n_ctx);
    tdl_session_destroy(session);
    tdl_batch_destroy(long_session.batch);
    desc.n_ctx_max = -1;
    assert_error(tdl_batch_create(model, &desc, &long_session.batch, &err), TDL_ERROR_ARGUMENT, &err,
                 "n_ctx_max is -1");
    tdl_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_lazy_prepares_nothing),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_longer_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
