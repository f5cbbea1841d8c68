// SPDX-License-Identifier: MIT
// test_model_bad.c - models whose file is well-formed and whose contents are not: missing, misshaped and wrongly typed
// tensors, numbers that contradict one another, unknown mechanisms. Each is a status and a message that names the place.
#include "format/gguf_write.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A tiny llama: 1 layer, width 32, 4 heads of 8 and 2 for keys and values, FFN 64, 16 tokens.
static const struct {
    const char *name;
    int64_t rows, cols; // rows 0: a vector
} good_tensors[] = {
    {"token_embd.weight", 16, 32},     {"output_norm.weight", 0, 32},        {"output.weight", 16, 32},
    {"blk.0.attn_norm.weight", 0, 32}, {"blk.0.attn_q.weight", 32, 32},      {"blk.0.attn_k.weight", 16, 32},
    {"blk.0.attn_v.weight", 16, 32},   {"blk.0.attn_output.weight", 32, 32}, {"blk.0.ffn_norm.weight", 0, 32},
    {"blk.0.ffn_gate.weight", 64, 32}, {"blk.0.ffn_up.weight", 64, 32},      {"blk.0.ffn_down.weight", 32, 64},
};
enum { N_TENSORS = sizeof good_tensors / sizeof *good_tensors };

static const struct {
    const char *key;
    uint32_t value;
} good_keys[] = {
    {"llama.block_count", 1},          {"llama.embedding_length", 32},
    {"llama.attention.head_count", 4}, {"llama.attention.head_count_kv", 2},
    {"llama.feed_forward_length", 64}, {"llama.context_length", 64},
    {"llama.rope.dimension_count", 8},
};

// One thing to change in the model; NULL and 0: nothing.
typedef struct change {
    const char *key; // set to `value`, or left out where value is LEAVE_OUT
    uint32_t value;
    const char *tensor; // takes this shape, or is left out where rows is LEAVE_OUT
    int64_t rows, cols;
    tdl_dtype dtype;             // of the tensor; NONE: F32
    const char *text_key, *text; // a string key more
    const char *float_key;
    float number;
    tdl_status status;   // expected
    const char *message; // a part of it
} change;
enum { LEAVE_OUT = 0xdead };

static char path[] = "/tmp/treadle-bad-XXXXXX";

static tdl_status write_and_open(const change *c, tdl_model **model, tdl_error *err) {
    static float zeros[64 * 64];
    tdl_gguf_writer *w = NULL;
    tdl_status status = tdl_gguf_writer_create(tdl_allocator_or_default(NULL), &w, err);
    bool other_arch = c->text_key && strcmp(c->text_key, "general.architecture") == 0;
    if (status == TDL_OK && !other_arch) status = tdl_gguf_writer_string(w, "general.architecture", "llama", err);
    if (status == TDL_OK && c->text_key) status = tdl_gguf_writer_string(w, c->text_key, c->text, err);
    const char eps[] = "llama.attention.layer_norm_rms_epsilon";
    if (status == TDL_OK && !(c->float_key && strcmp(c->float_key, eps) == 0))
        status = tdl_gguf_writer_f32(w, eps, 1e-5f, err);
    if (status == TDL_OK && c->float_key) status = tdl_gguf_writer_f32(w, c->float_key, c->number, err);
    for (size_t i = 0; i < sizeof good_keys / sizeof *good_keys && status == TDL_OK; i++) {
        bool changed = c->key && strcmp(c->key, good_keys[i].key) == 0;
        if (changed && c->value == LEAVE_OUT) continue;
        status = tdl_gguf_writer_u32(w, good_keys[i].key, changed ? c->value : good_keys[i].value, err);
    }
    for (size_t i = 0; i < N_TENSORS && status == TDL_OK; i++) {
        bool changed = c->tensor && strcmp(c->tensor, good_tensors[i].name) == 0;
        if (changed && c->rows == LEAVE_OUT) continue;
        int64_t rows = changed ? c->rows : good_tensors[i].rows, cols = changed ? c->cols : good_tensors[i].cols;
        int64_t shape[2] = {rows ? rows : cols, cols};
        tdl_tensor t;
        status = tdl_tensor_make(changed && c->dtype ? c->dtype : TDL_DTYPE_F32, rows ? 2 : 1, shape, zeros, &t, err);
        if (status == TDL_OK) status = tdl_gguf_writer_tensor(w, good_tensors[i].name, &t, err);
    }
    if (status == TDL_OK) status = tdl_gguf_writer_save(w, path, err);
    tdl_gguf_writer_destroy(w);
    if (status != TDL_OK) fail_msg("%s", err->message);
    return tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path}, model, err);
}

static void good_one_opens(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_model *model = NULL;
    const change none = {0}, tied = {.tensor = "output.weight", .rows = LEAVE_OUT};
    const change *good[] = {&none, &tied};
    for (int i = 0; i < 2; i++) {
        if (write_and_open(good[i], &model, &err) != TDL_OK) fail_msg("%s", err.message);
        int32_t ids[] = {1, 2, 3}, out[4];
        golden_greedy(model, ids, 3, out, 4); // all weights zero: the first of equal logits
        assert_int_equal(out[3], 0);
        tdl_model_close(model);
    }
}

static void bad_ones_say_why(void **state) {
    (void)state;
    const change bad[] = {
        {.text_key = "general.architecture",
         .text = "transformer9",
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "transformer9"},
        {.key = "llama.block_count", .value = LEAVE_OUT, .status = TDL_ERROR_FORMAT, .message = "block_count"},
        {.key = "llama.block_count", .value = 0, .status = TDL_ERROR_FORMAT, .message = "block_count"},
        {.key = "llama.block_count", .value = 1025, .status = TDL_ERROR_FORMAT, .message = "1024"},
        {.key = "llama.block_count", .value = 2, .status = TDL_ERROR_FORMAT, .message = "blk.1.attn_norm.weight"},
        {.key = "llama.embedding_length", .value = 33, .status = TDL_ERROR_FORMAT, .message = "33"},
        {.key = "llama.embedding_length", .value = 64, .status = TDL_ERROR_FORMAT, .message = "token_embd.weight"},
        {.key = "llama.attention.head_count", .value = 3, .status = TDL_ERROR_FORMAT, .message = "3"},
        {.key = "llama.attention.head_count", .value = 0, .status = TDL_ERROR_FORMAT, .message = "head_count"},
        {.key = "llama.attention.head_count_kv", .value = 3, .status = TDL_ERROR_FORMAT, .message = "3 kv heads"},
        {.key = "llama.feed_forward_length",
         .value = LEAVE_OUT,
         .status = TDL_ERROR_FORMAT,
         .message = "feed_forward_length"},
        {.key = "llama.context_length", .value = 0, .status = TDL_ERROR_FORMAT, .message = "context_length"},
        {.key = "llama.rope.dimension_count", .value = 7, .status = TDL_ERROR_FORMAT, .message = "7"},
        {.key = "llama.rope.dimension_count", .value = 10, .status = TDL_ERROR_FORMAT, .message = "10"},
        {.text_key = "llama.rope.scaling.type",
         .text = "longrope",
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "longrope"},
        {.text_key = "llama.vocab_size", .text = "many", .status = TDL_ERROR_FORMAT, .message = "vocab_size"},
        {.float_key = "llama.rope.freq_base", .number = -1, .status = TDL_ERROR_FORMAT, .message = "-1"},
        {.float_key = "llama.attention.layer_norm_rms_epsilon",
         .number = 2,
         .status = TDL_ERROR_FORMAT,
         .message = "epsilon is 2"},
        {.float_key = "llama.attn_logit_softcapping",
         .number = 50,
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "'llama.attn_logit_softcapping' is 50, which is not supported"},
        {.tensor = "token_embd.weight", .rows = LEAVE_OUT, .status = TDL_ERROR_FORMAT, .message = "token_embd.weight"},
        {.tensor = "blk.0.attn_q.weight",
         .rows = LEAVE_OUT,
         .status = TDL_ERROR_FORMAT,
         .message = "blk.0.attn_q.weight"},
        {.tensor = "blk.0.attn_q.weight", .rows = 16, .cols = 32, .status = TDL_ERROR_FORMAT, .message = "[16, 32]"},
        {.tensor = "blk.0.attn_norm.weight", .rows = 0, .cols = 31, .status = TDL_ERROR_FORMAT, .message = "[31]"},
        {.tensor = "blk.0.attn_norm.weight",
         .rows = 32,
         .cols = 32,
         .status = TDL_ERROR_FORMAT,
         .message = "expected [32]"},
        {.tensor = "output.weight", .rows = 15, .cols = 32, .status = TDL_ERROR_FORMAT, .message = "output.weight"},
        {.tensor = "blk.0.ffn_up.weight",
         .rows = 64,
         .cols = 32,
         .dtype = TDL_DTYPE_I32,
         .status = TDL_ERROR_UNSUPPORTED,
         .message = "I32"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tdl_error err = {0};
        tdl_model *model = NULL;
        tdl_status status = write_and_open(&bad[i], &model, &err);
        print_message("%s\n", err.message);
        if (status != bad[i].status || err.code != status || !strstr(err.message, bad[i].message) || model)
            fail_msg("case %zu: status %s, message '%s', expected %s and '%s'", i, tdl_status_name(status), err.message,
                     tdl_status_name(bad[i].status), bad[i].message);
    }
}

static void bad_descriptions(void **state) {
    (void)state;
    tdl_model *model = NULL;
    tdl_tokenizer *tokenizer = NULL;
    tdl_device *device = NULL;
    const tdl_model_desc models[] = {
        {.size = 1},
        {.size = sizeof *models},
        {.size = sizeof *models, .path = "a", .bytes = "b", .bytes_size = 1},
        {.size = sizeof *models, .path = "/nonexistent/model.gguf"},
        {.size = sizeof *models, .path = "/"},
        {.size = sizeof *models, .path = "/dev/null"},
        {.size = sizeof *models, .bytes = "GGUF", .bytes_size = 4},
        {.size = sizeof *models, .path = "a", .precision = (tdl_precision)7},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        tdl_error err = {0};
        assert_true(tdl_model_open(&models[i], &model, &err) < 0);
        assert_true(strlen(err.message) > 10 && model == NULL);
        assert_true(i == 7 || tdl_tokenizer_open(&models[i], &tokenizer, &err) < 0); // has no precision
    }
    const tdl_device_desc devices[] = {
        {.size = 0},
        {.size = sizeof *devices, .name = "abacus"},
        {.size = sizeof *devices, .n_threads = -1},
        {.size = sizeof *devices, .n_threads = 257},
        {.size = sizeof *devices, .isa_max = "mmx"},
    };
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        tdl_error err = {0};
        assert_int_equal(tdl_device_open(&devices[i], &device, &err), TDL_ERROR_ARGUMENT);
        assert_true(strlen(err.message) > 10 && device == NULL);
    }
    assert_true(tdl_model_open(NULL, &model, NULL) < 0);
    tdl_model_close(NULL);
    tdl_device_close(NULL);
    tdl_tokenizer_close(NULL);
    tdl_session_destroy(NULL);
    tdl_batch_destroy(NULL);
}

int main(void) {
    int fd = mkstemp(path);
    if (fd < 0) return 1;
    close(fd);
    const struct CMUnitTest tests[] = {cmocka_unit_test(good_one_opens), cmocka_unit_test(bad_ones_say_why),
                                       cmocka_unit_test(bad_descriptions)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
