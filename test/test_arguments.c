// SPDX-License-Identifier: MIT
// test_arguments.c - every function of treadle.h with NULL and absurd arguments: an ARGUMENT (or another named error) with a message,
// never a crash, never a change. Structs of an older and of a later header are taken where a struct is.
//
// What a rule needs is in the rows; TRY(expected, part of the message, call) is one. Functions without a status give nothing.
#include "base/limits.h"
#include "support/golden.h"
#include "support/test_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char LLAMA[] = TDL_TEST_DATA "/hf-tiny/llama";
static const char DEMO[] = TDL_REPO "/models/novelist-7m-q8_0.gguf";

static tdl_device *device;
static tdl_model *model;
static tdl_error err;
static void *no_memory(void *user, size_t size, size_t align) {
    (void)user, (void)size, (void)align;
    return NULL;
}

static const tdl_allocator no_callbacks, half = {.alloc = no_memory};

#define ARGUMENT TDL_ERROR_ARGUMENT
#define TRY(expected, part, call)                                                                     \
    do {                                                                                              \
        err = (tdl_error){0};                                                                         \
        tdl_status status_ = (call);                                                                  \
        if (status_ != (expected) || err.code != (expected) || !strstr(err.message, part))            \
            fail_msg("%s: %s, '%s'; expected %s, '%s'", #call, tdl_status_name(status_), err.message, \
                     tdl_status_name(expected), part);                                                \
    } while (0)
#define SIZED(type, ...) (&(type){.size = sizeof(type), __VA_ARGS__})

static tdl_status read_nothing(void *user, uint64_t offset, void *dst, size_t size) {
    (void)user, (void)offset, (void)dst, (void)size;
    return (tdl_status)77; // no status there is
}

static void devices(void **state) {
    (void)state;
    tdl_device *out = NULL;
    size_t n = 0;
    const tdl_trace_event *events;
    TRY(ARGUMENT, "NULL", tdl_device_open(NULL, &out, &err));
    TRY(ARGUMENT, "NULL", tdl_device_open(SIZED(tdl_device_desc, .name = "cpu"), NULL, &err));
    TRY(ARGUMENT, "desc size is 0", tdl_device_open(&(tdl_device_desc){.name = "cpu"}, &out, &err));
    TRY(ARGUMENT, "no device named ''", tdl_device_open(SIZED(tdl_device_desc, .name = ""), &out, &err));
    TRY(ARGUMENT, "-1", tdl_device_open(SIZED(tdl_device_desc, .n_threads = -1), &out, &err));
    TRY(ARGUMENT, "257", tdl_device_open(SIZED(tdl_device_desc, .n_threads = 257), &out, &err));
    TRY(ARGUMENT, "avx9", tdl_device_open(SIZED(tdl_device_desc, .isa_max = "avx9"), &out, &err));
    TRY(ARGUMENT, "alloc is NULL", tdl_device_open(SIZED(tdl_device_desc, .allocator = &no_callbacks), &out, &err));
    TRY(ARGUMENT, "NULL", tdl_device_list(NULL, NULL, 0, NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_device_list(NULL, NULL, 3, &n, &err));
    TRY(ARGUMENT, "desc size", tdl_device_list(&(tdl_device_desc){.size = 1}, NULL, 0, &n, &err));
    TRY(ARGUMENT, "alloc", tdl_device_list(SIZED(tdl_device_desc, .allocator = &no_callbacks), NULL, 0, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_device_trace(NULL, true, &err));
    TRY(ARGUMENT, "NULL", tdl_device_trace_events(NULL, &events, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_device_trace_events(device, NULL, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_device_trace_events(device, &events, NULL, &err));
    assert_null(out);
    assert_string_equal(tdl_device_summary(NULL), "");
    tdl_device_close(NULL);
    assert_non_null(tdl_status_name((tdl_status)99));
}

static void models(void **state) {
    (void)state;
    tdl_model *out = NULL;
    char *text = NULL;
    const tdl_reader no_read = {.size = 5}, odd = {.read = read_nothing, .size = UINT64_MAX};
    TRY(ARGUMENT, "NULL", tdl_model_open(NULL, &out, &err));
    TRY(ARGUMENT, "NULL", tdl_model_open(SIZED(tdl_model_desc, .path = LLAMA), NULL, &err));
    TRY(ARGUMENT, "desc size is 3", tdl_model_open(&(tdl_model_desc){.size = 3, .path = LLAMA}, &out, &err));
    TRY(ARGUMENT, "size is 10000000", tdl_model_open(&(tdl_model_desc){.size = 10000000, .path = LLAMA}, &out, &err));
    TRY(ARGUMENT, "0 of path", tdl_model_open(SIZED(tdl_model_desc, .device = device), &out, &err));
    TRY(ARGUMENT, "0 of path", tdl_model_open(&(tdl_model_desc){.size = 8, .path = LLAMA}, &out, &err)); // not seen
    TRY(ARGUMENT, "2 of path", tdl_model_open(SIZED(tdl_model_desc, .path = LLAMA, .bytes = ""), &out, &err));
    TRY(TDL_ERROR_FORMAT, "", tdl_model_open(SIZED(tdl_model_desc, .bytes = "GGUF", .bytes_size = 0), &out, &err));
    TRY(TDL_ERROR_IO, "", tdl_model_open(SIZED(tdl_model_desc, .path = ""), &out, &err));
    TRY(ARGUMENT, "read is NULL", tdl_model_open(SIZED(tdl_model_desc, .reader = &no_read), &out, &err));
    TRY(TDL_ERROR_IO, "", tdl_model_open(SIZED(tdl_model_desc, .reader = &odd), &out, &err));
    TRY(ARGUMENT, "precision is 77",
        tdl_model_open(SIZED(tdl_model_desc, .path = LLAMA, .precision = (tdl_precision)77), &out, &err));
    TRY(ARGUMENT, "alloc is NULL",
        tdl_model_open(SIZED(tdl_model_desc, .path = LLAMA, .allocator = &no_callbacks), &out, &err));
    TRY(ARGUMENT, "NULL", tdl_model_plan_text(NULL, NULL, &text, &err));
    TRY(ARGUMENT, "NULL", tdl_model_plan_text(model, NULL, NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_model_plan_text(model, &(tdl_batch_desc){.size = 9}, &text, &err));
    TRY(ARGUMENT, "-1", tdl_model_plan_text(model, SIZED(tdl_batch_desc, .n_tokens_max = -1), &text, &err));
    assert_true(!out && !text);
    tdl_model_memory memory = {.size = 4};
    TRY(ARGUMENT, "NULL", tdl_model_get_memory(NULL, NULL, &memory, &err));
    TRY(ARGUMENT, "NULL", tdl_model_get_memory(model, NULL, NULL, &err));
    TRY(ARGUMENT, "result size is 4", tdl_model_get_memory(model, NULL, &memory, &err));
    memory.size = sizeof memory;
    TRY(ARGUMENT, "desc size", tdl_model_get_memory(model, &(tdl_batch_desc){.size = 9}, &memory, &err));
    assert_int_equal(memory.weights_size, 0);
    TRY(ARGUMENT, "NULL", tdl_host_get_info(NULL, &err));
    TRY(ARGUMENT, "result size is 7", tdl_host_get_info(&(tdl_host_info){.size = 7}, &err));
    assert_int_equal(tdl_model_n_warnings(NULL), 0);
    assert_null(tdl_model_warning(NULL, 0));
    assert_null(tdl_model_warning(model, SIZE_MAX));
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(NULL, &info);
    assert_int_equal(info.n_vocab, 0);
    tdl_model_get_info(model, NULL);
    assert_null(tdl_model_tokenizer(NULL));
    tdl_text_free(NULL, NULL);
    tdl_text_free(model, NULL);
    tdl_model_close(NULL);
}

// Older and later structs: what is unknown is default, zero, or refused.
static void grown_structs(void **state) {
    (void)state;
    struct {
        tdl_session_desc desc;
        uint64_t more[2];
    } session_desc = {.desc = {.size = sizeof session_desc, .n_ctx = 16}};
    struct {
        tdl_batch_desc desc;
        uint64_t more;
    } batch_desc = {.desc = {.size = sizeof batch_desc}};
    struct {
        tdl_model_info info;
        uint64_t more;
    } info = {.info = {.size = sizeof info}, .more = 7};
    tdl_session *s = NULL;
    tdl_batch *b = NULL;
    assert_int_equal(tdl_session_create(model, &session_desc.desc, &s, &err), TDL_OK);
    assert_int_equal(tdl_session_n_ctx(s), 16);
    tdl_session_destroy(s);
    session_desc.more[1] = 1;
    TRY(ARGUMENT, "later version", tdl_session_create(model, &session_desc.desc, &s, &err));
    session_desc.desc.size = offsetof(tdl_session_desc, sampler); // an older header, which had none
    session_desc.desc.sampler.top_p = NAN;
    assert_int_equal(tdl_session_create(model, &session_desc.desc, &s, &err), TDL_OK);
    tdl_session_destroy(s);
    assert_int_equal(tdl_batch_create(model, &batch_desc.desc, &b, &err), TDL_OK);
    tdl_batch_destroy(b);
    batch_desc.more = 1;
    TRY(ARGUMENT, "later version", tdl_batch_create(model, &batch_desc.desc, &b, &err));
    tdl_model_get_info(model, &info.info);
    assert_true(info.info.size == sizeof info && info.info.n_vocab == 256 && info.more == 0);
    info.info = (tdl_model_info){.size = 16};
    tdl_model_get_info(model, &info.info);
    assert_true(info.info.name && !info.info.arch && !info.info.n_vocab);
    info.info = (tdl_model_info){.size = 13};
    tdl_model_get_info(model, &info.info);
    assert_null(info.info.name);
}

static void tokenizers(void **state) {
    (void)state;
    tdl_tokenizer *t = NULL;
    int32_t ids[8] = {0};
    char text[8];
    size_t n;
    TRY(ARGUMENT, "NULL", tdl_tokenizer_open(NULL, &t, &err));
    TRY(ARGUMENT, "desc size", tdl_tokenizer_open(&(tdl_model_desc){.size = 7, .path = DEMO}, &t, &err));
    TRY(ARGUMENT, "alloc",
        tdl_tokenizer_open(SIZED(tdl_model_desc, .path = DEMO, .allocator = &no_callbacks), &t, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode(NULL, "a", 1, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode_segments(NULL, NULL, 0, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_decode(NULL, ids, 1, NULL, text, 8, &n, &err));
    assert_int_equal(tdl_tokenizer_n_vocab(NULL), 0);
    assert_int_equal(tdl_tokenizer_bos(NULL), -1);
    assert_int_equal(tdl_tokenizer_eos(NULL), -1);
    assert_false(tdl_tokenizer_is_end(NULL, 0));
    assert_int_equal(tdl_tokenizer_find(NULL, "a", 1), -1);
    assert_int_equal(tdl_tokenizer_token(NULL, 0).size, 0);
    tdl_tokenizer_close(NULL);
    if (access(DEMO, R_OK) != 0) skip();
    TRY(ARGUMENT, "NULL", tdl_tokenizer_open(SIZED(tdl_model_desc, .path = DEMO), NULL, &err));
    assert_int_equal(tdl_tokenizer_open(SIZED(tdl_model_desc, .path = DEMO), &t, &err), TDL_OK);
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode(t, NULL, 1, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode(t, "a", 1, NULL, NULL, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode(t, "a", 1, NULL, ids, 8, NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_tokenizer_encode(t, "a", 1, &(tdl_encode_desc){.size = 2}, ids, 8, &n, &err));
    TRY(ARGUMENT, "bos is 99",
        tdl_tokenizer_encode(t, "a", 1, SIZED(tdl_encode_desc, .bos = (tdl_bos)99), ids, 8, &n, &err));
    TRY(ARGUMENT, "bos is -1",
        tdl_tokenizer_encode(t, "a", 1, SIZED(tdl_encode_desc, .bos = (tdl_bos)-1), ids, 8, &n, &err));
    TRY(TDL_ERROR_LIMIT, "bytes of text", tdl_tokenizer_encode(t, "a", SIZE_MAX, NULL, ids, 8, &n, &err));
    const tdl_segment null_text = {.text_size = 1}, huge = {.text = "a", .text_size = SIZE_MAX}, two[] = {huge, huge};
    TRY(ARGUMENT, "NULL", tdl_tokenizer_encode_segments(t, NULL, 1, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "segment 0", tdl_tokenizer_encode_segments(t, &null_text, 1, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "segments, at most", tdl_tokenizer_encode_segments(t, &huge, SIZE_MAX, NULL, ids, 8, &n, &err));
    tdl_segment *many = calloc(TDL_SEGMENTS_MAX + 1, sizeof *many);
    assert_int_equal(tdl_tokenizer_encode_segments(t, many, TDL_SEGMENTS_MAX, NULL, ids, 8, &n, &err), TDL_OK);
    TRY(ARGUMENT, "1048577 segments",
        tdl_tokenizer_encode_segments(t, many, TDL_SEGMENTS_MAX + 1, NULL, ids, 8, &n, &err));
    free(many);
    TRY(TDL_ERROR_LIMIT, "bytes of text", tdl_tokenizer_encode_segments(t, two, 2, NULL, ids, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_decode(t, NULL, 1, NULL, text, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_decode(t, ids, 1, NULL, NULL, 8, &n, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_decode(t, ids, 1, NULL, text, 8, NULL, &err));
    TRY(ARGUMENT, "ids, at most", tdl_tokenizer_decode(t, ids, SIZE_MAX, NULL, text, 8, &n, &err));
    TRY(ARGUMENT, "-5", tdl_tokenizer_decode(t, &(int32_t){-5}, 1, NULL, text, 8, &n, &err));
    TRY(ARGUMENT, "desc size", tdl_tokenizer_decode(t, ids, 1, &(tdl_decode_desc){.size = 15}, text, 8, &n, &err));
    assert_false(tdl_tokenizer_is_end(t, INT32_MIN));
    assert_int_equal(tdl_tokenizer_find(t, NULL, 3), -1);
    assert_int_equal(tdl_tokenizer_token(t, INT32_MIN).size, 0);
    tdl_tokenizer_close(t);
}

#define BAD_SESSION(part, ...) \
    TRY(ARGUMENT, part, tdl_session_create(model, SIZED(tdl_session_desc, __VA_ARGS__), &s, &err))

static void session_descs(void **state) {
    (void)state;
    tdl_session *s = NULL;
    const char *null_stop[] = {NULL};
    TRY(ARGUMENT, "NULL", tdl_session_create(NULL, NULL, &s, &err));
    TRY(ARGUMENT, "NULL", tdl_session_create(model, NULL, NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_session_create(model, &(tdl_session_desc){.size = 5}, &s, &err));
    BAD_SESSION("n_ctx is -1", .n_ctx = -1);
    BAD_SESSION("n_ctx is 2147483647", .n_ctx = INT32_MAX);
    BAD_SESSION("n_batch is -1", .n_batch = -1);
    BAD_SESSION("n_batch is 65537", .n_batch = 65537);
    BAD_SESSION("n_predict is -1", .n_predict = -1);
    BAD_SESSION("temperature nan", .sampler = {.temperature = NAN});
    BAD_SESSION("temperature inf", .sampler = {.temperature = INFINITY});
    BAD_SESSION("temperature -0.5", .sampler = {.temperature = -0.5f});
    BAD_SESSION("top_k -1", .sampler = {.top_k = -1});
    BAD_SESSION("top_p nan", .sampler = {.top_p = NAN});
    BAD_SESSION("top_p -2", .sampler = {.top_p = -2});
    BAD_SESSION("min_p 1", .sampler = {.min_p = 1});
    BAD_SESSION("repetition_penalty is TDL_ZERO", .sampler = {.repetition_penalty = TDL_ZERO});
    BAD_SESSION("presence_penalty nan", .sampler = {.presence_penalty = NAN});
    BAD_SESSION("frequency_penalty inf", .sampler = {.frequency_penalty = INFINITY});
    BAD_SESSION("penalty_last_n -2", .sampler = {.penalty_last_n = -2});
    BAD_SESSION("sampler: desc size is 1000", .sampler = {.size = 1000});
    BAD_SESSION("reserved word 0", .sampler = {.reserved = {1}});
    BAD_SESSION("stop string 0", .n_stops = 1);
    BAD_SESSION("stop string 0", .n_stops = 1, .stops = null_stop);
    TRY(TDL_ERROR_LIMIT, "stop strings",
        tdl_session_create(model, SIZED(tdl_session_desc, .n_stops = SIZE_MAX), &s, &err));
    assert_null(s);
}

static void sessions(void **state) {
    (void)state;
    tdl_session *s = NULL, *out = NULL;
    tdl_batch *b = NULL;
    int32_t token, ids[3] = {1, 2, 3};
    float logits[3 * 256];
    size_t n = 7;
    assert_int_equal(tdl_session_create(model, SIZED(tdl_session_desc, .n_ctx = 16), &s, &err), TDL_OK);
    TRY(ARGUMENT, "NULL", tdl_session_push(NULL, ids, 3, &err));
    TRY(ARGUMENT, "NULL", tdl_session_push(s, NULL, 3, &err));
    TRY(ARGUMENT, "at most", tdl_session_push(s, ids, SIZE_MAX, &err));
    TRY(ARGUMENT, "at most", tdl_session_push(s, ids, SIZE_MAX / 4 + 2, &err));
    TRY(ARGUMENT, "id -1", tdl_session_push(s, &(int32_t){-1}, 1, &err));
    TRY(ARGUMENT, "id 256", tdl_session_push(s, &(int32_t){256}, 1, &err));
    TRY(ARGUMENT, "NULL", tdl_session_push_text(NULL, "a", 1, NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_session_push_text(s, NULL, 1, NULL, &err));
    TRY(TDL_ERROR_UNSUPPORTED, "no tokenizer", tdl_session_push_text(s, "a", 1, NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_session_sync(NULL, ids, 3, &err));
    TRY(ARGUMENT, "NULL", tdl_session_sync(s, NULL, 3, &err));
    TRY(ARGUMENT, "at most", tdl_session_sync(s, ids, SIZE_MAX, &err));
    TRY(ARGUMENT, "NULL", tdl_session_rewind(NULL, 0, &err));
    TRY(ARGUMENT, "there are 0", tdl_session_rewind(s, SIZE_MAX, &err));
    TRY(ARGUMENT, "NULL", tdl_session_next(NULL, &token, &err));
    TRY(ARGUMENT, "NULL", tdl_session_next(s, NULL, &err));
    TRY(ARGUMENT, "nothing was pushed", tdl_session_next(s, &token, &err));
    TRY(ARGUMENT, "NULL", tdl_session_eval(NULL, ids, 3, logits, &err));
    TRY(ARGUMENT, "NULL", tdl_session_eval(s, NULL, 3, logits, &err));
    TRY(ARGUMENT, "NULL", tdl_session_eval(s, ids, 3, NULL, &err));
    TRY(ARGUMENT, "at most", tdl_session_eval(s, ids, SIZE_MAX, logits, &err));
    TRY(ARGUMENT, "NULL", tdl_session_move(NULL, model, NULL, &out, &err));
    TRY(ARGUMENT, "NULL", tdl_session_move(s, NULL, NULL, &out, &err));
    TRY(ARGUMENT, "NULL", tdl_session_move(s, model, NULL, NULL, &err));
    assert_int_equal(tdl_session_push(s, NULL, 0, &err), TDL_OK);
    assert_int_equal(tdl_session_sync(s, NULL, 0, &err), TDL_OK);
    assert_int_equal(tdl_session_eval(s, NULL, 0, NULL, &err), TDL_OK);
    assert_null(tdl_session_tokens(s, &n)); // nothing of all that has changed it
    assert_int_equal(n, 0);
    tdl_session_destroy(s);
    assert_null(tdl_session_tokens(NULL, &n));
    assert_null(tdl_session_tokens(NULL, NULL));
    assert_null(tdl_session_logits(NULL));
    assert_int_equal(tdl_session_n_ctx(NULL), 0);
    assert_int_equal(tdl_session_n_computed(NULL), 0);
    assert_int_equal(tdl_session_take_text(NULL).size, 0);
    assert_int_equal(tdl_session_finish(NULL), TDL_FINISH_NONE);
    assert_string_equal(tdl_finish_name((tdl_finish)77), "none");
    tdl_session_destroy(NULL);

    TRY(ARGUMENT, "NULL", tdl_batch_create(NULL, NULL, &b, &err));
    TRY(ARGUMENT, "NULL", tdl_batch_create(model, NULL, NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_batch_create(model, &(tdl_batch_desc){.size = 1}, &b, &err));
    TRY(ARGUMENT, "-1", tdl_batch_create(model, SIZED(tdl_batch_desc, .n_sessions_max = -1), &b, &err));
    TRY(ARGUMENT, "65537", tdl_batch_create(model, SIZED(tdl_batch_desc, .n_sessions_max = 65537), &b, &err));
    TRY(ARGUMENT, "65537", tdl_batch_create(model, SIZED(tdl_batch_desc, .n_tokens_max = 65537), &b, &err));
    TRY(ARGUMENT, "n_cache_tokens", tdl_batch_create(model, SIZED(tdl_batch_desc, .n_cache_tokens = -1), &b, &err));
    TRY(ARGUMENT, "n_cache_tokens",
        tdl_batch_create(model, SIZED(tdl_batch_desc, .n_cache_tokens = INT64_MAX), &b, &err));
    TRY(ARGUMENT, "NULL", tdl_batch_step(NULL, &err));
    assert_true(!b && !out);
    tdl_batch_destroy(NULL);
}

static void trainers(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], *text = NULL;
    test_dir_make(dir);
    test_file_write(test_path(path, dir, "data.txt"), "It was a dark and stormy night. It was a dark and stormy night.",
                    63);
    const char *data[] = {path}, *none[] = {NULL};
    tdl_trainer *t = NULL;
    tdl_trainer_desc desc = {.size = sizeof desc,
                             .model_path = DEMO,
                             .dir = dir,
                             .data = data,
                             .n_data = 1,
                             .n_steps = 1,
                             .n_batch = 1,
                             .n_seq = 8};
#define BAD_TRAINER(part, ...)                                   \
    do {                                                         \
        tdl_trainer_desc bad = desc;                             \
        __VA_ARGS__;                                             \
        TRY(ARGUMENT, part, tdl_trainer_create(&bad, &t, &err)); \
    } while (0)
    TRY(ARGUMENT, "NULL", tdl_trainer_create(NULL, &t, &err));
    TRY(ARGUMENT, "NULL", tdl_trainer_create(&desc, NULL, &err));
    BAD_TRAINER("desc size is 4", bad.size = 4);
    BAD_TRAINER("model_path", bad.size = 8);
    BAD_TRAINER("alloc is NULL", bad.allocator = &no_callbacks);
    BAD_TRAINER("data is NULL at 0", bad.data = NULL);
    BAD_TRAINER("data is NULL at 0", bad.data = none);
    BAD_TRAINER("texts in data", bad.n_data = SIZE_MAX);
    BAD_TRAINER("val_data is NULL at 0", bad.n_val_data = 1);
    BAD_TRAINER("freeze is NULL at 0", bad.n_freeze = 1);
    BAD_TRAINER("lora_targets is NULL at 0", bad.n_lora_targets = 1);
    BAD_TRAINER("dir", bad.dir = NULL);
    TRY(ARGUMENT, "NULL", tdl_trainer_step(NULL, NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_trainer_checkpoint(NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_trainer_save(NULL, dir, &err));
    TRY(ARGUMENT, "NULL", tdl_trainer_save_adapters(NULL, dir, &err));
    TRY(ARGUMENT, "NULL", tdl_trainer_plan_text(NULL, &text, &err));
    TRY(ARGUMENT, "", tdl_tokenizer_train(NULL, path, NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_tokenizer_train(&(tdl_tokenizer_train_desc){.size = 5}, path, NULL, &err));
    TRY(ARGUMENT, "NULL", tdl_tokenizer_train(SIZED(tdl_tokenizer_train_desc, .n_data = 1), path, NULL, &err));
    TRY(ARGUMENT, "NULL",
        tdl_tokenizer_train(SIZED(tdl_tokenizer_train_desc, .data = data, .n_data = 1), NULL, NULL, &err));
    TRY(ARGUMENT, "result size",
        tdl_tokenizer_train(SIZED(tdl_tokenizer_train_desc, .data = data, .n_data = 1), path,
                            &(tdl_tokenizer_train_info){.size = 1}, &err));
    TRY(ARGUMENT, "alloc",
        tdl_tokenizer_train(SIZED(tdl_tokenizer_train_desc, .data = data, .n_data = 1, .allocator = &no_callbacks),
                            path, NULL, &err));
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(NULL, &info);
    assert_int_equal(info.n_params, 0);
    tdl_trainer_text_free(NULL, NULL);
    tdl_data *walk = NULL;
    tdl_data_document document = {.size = sizeof document};
    TRY(ARGUMENT, "NULL", tdl_data_open(NULL, &walk, &err));
    TRY(ARGUMENT, "NULL", tdl_data_open(SIZED(tdl_data_desc, .path = path), NULL, &err));
    TRY(ARGUMENT, "desc size", tdl_data_open(&(tdl_data_desc){.size = 9}, &walk, &err));
    TRY(ARGUMENT, "a tokenizer", tdl_data_open(SIZED(tdl_data_desc, .path = path), &walk, &err));
    TRY(ARGUMENT, "free", tdl_data_open(SIZED(tdl_data_desc, .allocator = &half), &walk, &err));
    TRY(ARGUMENT, "NULL", tdl_data_next(NULL, &document, &err));
    tdl_data_get_info(NULL, NULL);
    tdl_data_close(NULL);
    tdl_trainer_destroy(NULL);
    if (access(DEMO, R_OK) == 0) {
        struct {
            tdl_train_step step;
            uint64_t more;
        } later = {.step = {.size = sizeof later}, .more = 7};
        tdl_status status;
        if (tdl_trainer_create(&desc, &t, &err) != TDL_OK) fail_msg("%s", err.message);
        TRY(ARGUMENT, "result size is 3", tdl_trainer_step(t, &(tdl_train_step){.size = 3}, &err));
        TRY(ARGUMENT, "NULL", tdl_trainer_save(t, NULL, &err));
        TRY(ARGUMENT, "NULL", tdl_trainer_save_adapters(t, NULL, &err));
        TRY(ARGUMENT, "NULL", tdl_trainer_plan_text(t, NULL, &err));
        while ((status = tdl_trainer_step(t, &later.step, &err)) == TDL_PENDING) assert_int_equal(later.more, 7);
        assert_int_equal(status, TDL_OK);
        assert_true(later.step.size == sizeof later && later.step.step == 1 && later.more == 0);
        tdl_trainer_get_info(t, NULL);
        tdl_trainer_get_info(t, &info);
        assert_true(info.n_done == 1 && info.size == sizeof info);
        tdl_trainer_destroy(t);
    }
    test_dir_remove(dir);
}

int main(void) {
    model = golden_open(LLAMA, TDL_PRECISION_AUTO, 1, NULL, &device);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices),    cmocka_unit_test(models),        cmocka_unit_test(grown_structs),
        cmocka_unit_test(tokenizers), cmocka_unit_test(session_descs), cmocka_unit_test(sessions),
        cmocka_unit_test(trainers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tdl_model_close(model);
    tdl_device_close(device);
    return failed;
}
