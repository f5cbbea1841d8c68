// SPDX-License-Identifier: MIT
// test_fresh_shape.c - a run with nothing but data: the files it makes, going on from them, a tokenizer out of a GGUF file, all
// missing keys of a config at once, and a run that does not start and leaves nothing.
#include "base/json.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "format/weights_build.h"
#include "model/tokenizer_load.h"
#include "support/fail_alloc.h"
#include "support/gguf_bytes.h"
#include "support/test_files.h"
#include "support/token_golden.h"
#include "token/vocab.h"
#include "train/fresh.h"
#include "train/fresh_shape.h"
#include "train/fresh_tokenizer.h"
#include "train/run_start.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[TEST_PATH_SIZE], run_dir[TEST_PATH_SIZE];
static const char *const corpus[] = {TDL_TEST_DATA "/bpe/corpus.txt"};
static const char *const novelist = TDL_REPO "/models/novelist-7m-q8_0.gguf";

static int make_dir(void **state) {
    (void)state;
    test_dir_make(dir);
    test_path(run_dir, dir, "runs/a/b");
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

static tdl_trainer_desc tiny(void) {
    return (tdl_trainer_desc){.size = sizeof(tdl_trainer_desc),
                              .shape = "tiny",
                              .data = corpus,
                              .n_data = 1,
                              .dir = run_dir,
                              .n_steps = 2,
                              .n_batch = 1,
                              .n_seq = 16};
}

static tdl_trainer *created(const tdl_trainer_desc *desc) {
    tdl_trainer *trainer = NULL;
    tdl_error err = {0};
    tdl_status status = tdl_trainer_create(desc, &trainer, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, TDL_OK);
    return trainer;
}

static void step(tdl_trainer *trainer) {
    tdl_train_step done = {.size = sizeof done};
    tdl_status status;
    while ((status = tdl_trainer_step(trainer, &done, NULL)) == TDL_PENDING) continue;
    assert_int_equal(status, TDL_OK);
    while ((status = tdl_trainer_checkpoint(trainer, NULL)) == TDL_PENDING) continue;
    assert_int_equal(status, TDL_OK);
}

static json_t *config_of(const char *in) {
    char path[TEST_PATH_SIZE];
    json_t *root = NULL;
    assert_int_equal(tdl_json_load(tdl_allocator_or_default(NULL), test_path(path, in, "config.json"), &root, NULL),
                     TDL_OK);
    return root;
}

static int64_t number(const json_t *root, const char *key) { return json_integer_value(json_object_get(root, key)); }

static void test_run(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE], copy[TEST_PATH_SIZE];
    tdl_trainer_desc desc = tiny();
    desc.n_vocab = 400;
    tdl_trainer *trainer = created(&desc);
    json_t *config = config_of(run_dir);
    assert_int_equal(number(config, "vocab_size"), 400);
    assert_int_equal(number(config, "eos_token_id"), 0); // <|endoftext|>
    json_decref(config);
    tdl_tokenizer *tokenizer = NULL;
    const tdl_model_desc of = {.size = sizeof of, .path = test_path(path, run_dir, "tokenizer.json")};
    assert_int_equal(tdl_tokenizer_open(&of, &tokenizer, NULL), TDL_OK);
    assert_int_equal(tdl_tokenizer_n_vocab(tokenizer), 400);
    tdl_tokenizer_close(tokenizer);
    step(trainer);
    tdl_trainer_destroy(trainer);
    // It goes on with the files that are there, whatever the data would give now.
    test_file_copy(path, test_path(copy, dir, "before.json"));
    desc.resume = true;
    desc.n_vocab = 300;
    trainer = created(&desc);
    size_t size, size_before;
    uint8_t *now = test_file_read(path, &size), *before = test_file_read(copy, &size_before);
    assert_int_equal(size, size_before);
    assert_memory_equal(now, before, size);
    free(now);
    free(before);
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    assert_int_equal(info.n_done, 1);
    step(trainer);
    test_path(path, run_dir, "model.gguf");
    tdl_status status;
    while ((status = tdl_trainer_save(trainer, path, NULL)) == TDL_PENDING) continue;
    assert_int_equal(status, TDL_OK);
    tdl_trainer_destroy(trainer);
    tdl_model *model = NULL;
    const tdl_model_desc saved = {.size = sizeof saved, .path = path};
    assert_int_equal(tdl_model_open(&saved, &model, NULL), TDL_OK);
    assert_true(tdl_tokenizer_is_end(tdl_model_tokenizer(model), 0));
    tdl_model_close(model);
    test_path(path, dir, "runs");
    test_dir_remove(path);
}

// Both shapes make a model that opens; their sizes are in the documents.
static void test_shapes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double least, most; // million parameters
    } shapes[] = {{"tiny", 1, 3}, {"small", 8, 16}};
    for (size_t i = 0; i < 2; i++) {
        tdl_trainer_desc desc = tiny();
        desc.shape = shapes[i].name;
        tdl_trainer *trainer = created(&desc);
        tdl_trainer_info info = {.size = sizeof info};
        tdl_trainer_get_info(trainer, &info);
        json_t *config = config_of(run_dir);
        int64_t missing = tdl_fresh_shape_find(shapes[i].name)->n_vocab - number(config, "vocab_size");
        double params =
            (double)info.n_params + (double)(missing * number(config, "hidden_size")); // the corpus is small
        assert_true(params > 1e6 * shapes[i].least && params < 1e6 * shapes[i].most);
        json_decref(config);
        tdl_trainer_destroy(trainer);
        char path[TEST_PATH_SIZE];
        assert_false(test_file_exists(test_path(path, dir, "runs"))); // a run that took no step leaves nothing
    }
}

// ---- a tokenizer out of a GGUF file

static void test_gguf_tokenizer(void **state) {
    (void)state;
    if (!test_file_exists(novelist)) skip();
    tdl_trainer_desc desc = tiny();
    desc.tokenizer_path = novelist;
    tdl_trainer *trainer = created(&desc);
    char path[TEST_PATH_SIZE];
    assert_false(test_file_exists(test_path(path, run_dir, "tokenizer.json")));
    step(trainer);
    test_path(path, run_dir, "hf");
    tdl_status status;
    tdl_error err = {0};
    while ((status = tdl_trainer_save(trainer, path, &err)) == TDL_PENDING) continue;
    assert_string_equal(err.message, "");
    tdl_trainer_destroy(trainer);
    // The directory's tokenizer is the file's: the same ids, the same special ones.
    tdl_tokenizer *from = NULL, *to = NULL;
    tdl_model_desc of = {.size = sizeof of, .path = novelist};
    assert_int_equal(tdl_tokenizer_open(&of, &from, NULL), TDL_OK);
    of.path = path;
    assert_int_equal(tdl_tokenizer_open(&of, &to, NULL), TDL_OK);
    assert_int_equal(tdl_tokenizer_n_vocab(to), tdl_tokenizer_n_vocab(from));
    assert_int_equal(tdl_tokenizer_bos(to), tdl_tokenizer_bos(from));
    assert_int_equal(tdl_tokenizer_eos(to), tdl_tokenizer_eos(from));
    size_t size;
    char *text = (char *)test_file_read(corpus[0], &size);
    golden_ids a = golden_encode(from, text, size, TDL_BOS_DEFAULT, true),
               b = golden_encode(to, text, size, TDL_BOS_DEFAULT, true);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
    free(a.ids);
    free(b.ids);
    free(text);
    tdl_tokenizer_close(from);
    tdl_tokenizer_close(to);
    test_path(path, dir, "runs");
    test_dir_remove(path);
}

// 260 tokens: <s>, the bytes, "ab" of a merge, <tool> that any text may name, and an empty one; <s> begins every text.
static const char *put_small_gguf(void) {
    static char path[TEST_PATH_SIZE];
    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 0, 7);
    gguf_put_key(&g, "tokenizer.ggml.model", TDL_GGUF_STRING);
    gguf_put_text(&g, "gpt2", 4);
    gguf_put_key(&g, "tokenizer.ggml.pre", TDL_GGUF_STRING);
    gguf_put_text(&g, "llama-bpe", 9);
    gguf_put_array(&g, "tokenizer.ggml.tokens", TDL_GGUF_STRING, 260);
    gguf_put_text(&g, "<s>", 3);
    for (int b = 0; b < 256; b++) {
        char c[4];
        gguf_put_text(&g, c, tdl_utf8_encode(tdl_byte_to_char((uint8_t)b), c));
    }
    gguf_put_text(&g, "ab", 2);
    gguf_put_text(&g, "<\"t\\>", 5);
    gguf_put_text(&g, "", 0);
    gguf_put_array(&g, "tokenizer.ggml.token_type", TDL_GGUF_I32, 260);
    for (int i = 0; i < 260; i++) gguf_put_u32(&g, i == 0 ? TDL_TOKEN_CONTROL : i == 258 ? TDL_TOKEN_USER : 1);
    gguf_put_array(&g, "tokenizer.ggml.merges", TDL_GGUF_STRING, 1);
    gguf_put_text(&g, "a b", 3);
    gguf_put_key_u32(&g, "tokenizer.ggml.bos_token_id", 0);
    gguf_put_key_u32(&g, "tokenizer.ggml.eos_token_id", 0);
    test_path(path, dir, "small.gguf");
    test_file_write(path, g.data, g.size);
    gguf_bytes_free(&g);
    return path;
}

static tdl_status take_tokenizer(const tdl_allocator *mem, void *arg) {
    char path[TEST_PATH_SIZE];
    tdl_weights *weights = NULL;
    tdl_tokenizer *tokenizer = NULL;
    tdl_status status = tdl_weights_create(mem, TDL_WEIGHTS_HF, &weights, NULL);
    if (status == TDL_OK) status = tdl_fresh_tokenizer(weights, test_path(path, dir, "small.gguf"), NULL);
    if (status == TDL_OK) status = tdl_tokenizer_load(weights, mem, &tokenizer, NULL);
    if (status == TDL_OK && arg) *(tdl_tokenizer **)arg = tokenizer;
    else tdl_tokenizer_destroy(tokenizer);
    tdl_weights_close(weights);
    return status;
}

static void test_gguf_as_json(void **state) {
    (void)state;
    tdl_tokenizer *from = NULL, *to = NULL;
    const tdl_model_desc of = {.size = sizeof of, .path = put_small_gguf()};
    assert_int_equal(tdl_tokenizer_open(&of, &from, NULL), TDL_OK);
    assert_int_equal(take_tokenizer(tdl_allocator_or_default(NULL), &to), TDL_OK);
    const char text[] = "abba <s> <\"t\\> 12345'S \n\nab\xff";
    golden_ids a = golden_encode(from, text, sizeof text - 1, TDL_BOS_DEFAULT, false),
               b = golden_encode(to, text, sizeof text - 1, TDL_BOS_DEFAULT, false);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
    assert_int_equal(b.ids[0], 0);   // llama-bpe begins with it, where the file does not say
    assert_int_equal(b.ids[1], 257); // "ab"
    assert_int_equal(tdl_tokenizer_eos(to), 0);
    free(a.ids);
    free(b.ids);
    tdl_tokenizer_destroy(from);
    tdl_tokenizer_destroy(to);
}

static void test_gguf_refused(void **state) {
    (void)state;
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    tdl_fresh_desc desc = {.mem = tdl_allocator_or_default(NULL),
                           .config = TDL_TEST_DATA "/hf-tiny/llama/config.json",
                           .tokenizer = TDL_TEST_DATA "/token/spm.gguf"};
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "spm.gguf: a SentencePiece vocabulary in a GGUF file");
    desc.tokenizer = TDL_TEST_DATA "/gguf/types.gguf";
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_FORMAT, &err,
                 "types.gguf: gguf: tokenizer.ggml.model is missing");
    assert_null(weights);
}

// ---- keys

static void missing(const char *json, const char *part) {
    char path[TEST_PATH_SIZE];
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    test_path(path, dir, "config.json");
    test_file_write(path, json, strlen(json));
    tdl_fresh_desc desc = {.mem = tdl_allocator_or_default(NULL), .config = path};
    assert_error(tdl_fresh_weights(&desc, &weights, &err), TDL_ERROR_FORMAT, &err, part);
    remove(path);
}

static void test_missing_keys(void **state) {
    (void)state;
    missing("{}", "config.json: 'model_type', 'num_hidden_layers', 'hidden_size', 'num_attention_heads', "
                  "'intermediate_size', 'max_position_embeddings' are missing");
    missing(
        "{\"model_type\": \"llama\", \"hidden_size\": 64}",
        "config.json: 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'max_position_embeddings' are "
        "missing");
    missing("{\"model_type\": \"gpt2\", \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4}",
            "config.json: 'n_positions' is missing");
    missing("{\"num_hidden_layers\": 1, \"hidden_size\": 64, \"num_attention_heads\": 4, \"n_positions\": 64, "
            "\"n_inner\": 8}",
            "config.json: 'model_type' is missing");
}

// ---- runs that do not start

static bool stop(void *user, double fraction) {
    int *calls = user;
    (void)fraction;
    return --*calls > 0;
}

static void nothing_left(const tdl_trainer_desc *desc, tdl_status expected, const char *part) {
    tdl_trainer *trainer = NULL;
    tdl_error err = {0};
    char runs[TEST_PATH_SIZE];
    assert_error(tdl_trainer_create(desc, &trainer, &err), expected, &err, part);
    assert_null(trainer);
    assert_false(test_file_exists(test_path(runs, dir, "runs")));
}

static void test_nothing_left(void **state) {
    (void)state;
    tdl_trainer_desc desc = tiny();
    desc.n_seq = 100000; // found when the model is there: the tokenizer was trained, the config written
    nothing_left(&desc, TDL_ERROR_ARGUMENT, "n_seq is 100000, the model's context is");
    desc = tiny();
    const char *const bad[] = {"no-such.txt"};
    desc.data = bad;
    nothing_left(&desc, TDL_ERROR_IO, "no-such.txt");
    desc = tiny();
    desc.val_data = bad; // after the data was tokenized
    desc.n_val_data = 1;
    nothing_left(&desc, TDL_ERROR_IO, "no-such.txt");
    for (int n = 1; n < 5; n++) {
        int calls = n;
        desc = tiny();
        desc.progress = stop;
        desc.progress_user = &calls;
        tdl_trainer *trainer = NULL;
        char runs[TEST_PATH_SIZE];
        tdl_status status = tdl_trainer_create(&desc, &trainer, NULL);
        if (status == TDL_OK) {
            assert_true(n > 2); // a small corpus asks that often
            tdl_trainer_destroy(trainer);
            assert_false(test_file_exists(test_path(runs, dir, "runs")));
            break;
        }
        assert_int_equal(status, TDL_ERROR_CANCELLED);
        assert_false(test_file_exists(test_path(runs, dir, "runs")));
    }
    desc = tiny();
    desc.shape = "huge";
    nothing_left(&desc, TDL_ERROR_ARGUMENT, "shape is 'huge', expected 'tiny' or 'small'");
    desc = tiny();
    desc.tokenizer_path = corpus[0];
    desc.n_vocab = 300;
    nothing_left(&desc, TDL_ERROR_ARGUMENT, "n_vocab is for the tokenizer that is trained");
    desc = tiny();
    desc.n_vocab = 256;
    nothing_left(&desc, TDL_ERROR_ARGUMENT, "256 tokens, expected 257");
    desc = tiny();
    desc.tokenizer_path = corpus[0];
    nothing_left(&desc, TDL_ERROR_FORMAT, "expected 'GGUF'");
    desc = tiny();
    desc.config_path = "config.json";
    nothing_left(&desc, TDL_ERROR_ARGUMENT, "one of model_path, config_path and shape");
}

// What was there stays, and only what the run made goes.
static void test_others_stay(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE], runs[TEST_PATH_SIZE];
    static const char *const files[] = {"notes.txt", "log.jsonl", "tokens-of-mine.bin"};
    mkdir(test_path(runs, dir, "runs"), 0777);
    for (int i = 0; i < 3; i++) test_file_write(test_path(path, runs, files[i]), "mine", 4);
    tdl_trainer_desc desc = tiny();
    desc.dir = runs;
    desc.n_seq = 100000;
    tdl_trainer *trainer = NULL;
    assert_int_equal(tdl_trainer_create(&desc, &trainer, NULL), TDL_ERROR_ARGUMENT);
    for (int i = 0; i < 3; i++) assert_true(test_file_exists(test_path(path, runs, files[i])));
    assert_false(test_file_exists(test_path(path, runs, "lock")));
    assert_false(test_file_exists(test_path(path, runs, "config.json")));
    assert_false(test_file_exists(test_path(path, runs, "tokenizer.json")));
    // A run in the directory keeps all of its files when another does not get the lock.
    remove(test_path(path, runs, "log.jsonl"));
    desc = tiny();
    desc.dir = runs;
    trainer = created(&desc);
    tdl_trainer *second = NULL;
    assert_int_equal(tdl_trainer_create(&desc, &second, NULL), TDL_ERROR_ARGUMENT);
    assert_true(test_file_exists(test_path(path, runs, "lock")));
    assert_true(test_file_exists(test_path(path, runs, "tokenizer.json")));
    step(trainer);
    tdl_trainer_destroy(trainer);
    // And one with a checkpoint, where the second was not to go on.
    assert_int_equal(tdl_trainer_create(&desc, &second, NULL), TDL_ERROR_ARGUMENT);
    assert_true(test_file_exists(test_path(path, runs, "lock")));
    assert_true(test_file_exists(test_path(path, runs, "tokenizer.json")));
    test_dir_remove(runs);
}

static tdl_status start_and_end(const tdl_allocator *mem, void *arg) {
    tdl_run_start *start = NULL;
    (void)arg;
    tdl_status status = tdl_run_start_note(mem, dir, &start, NULL);
    tdl_run_start_end(start, false, true);
    return status;
}

static tdl_status make_fresh_files(const tdl_allocator *mem, void *arg) {
    (void)arg;
    char path[TEST_PATH_SIZE];
    remove(test_path(path, dir, "tokenizer.json"));
    remove(test_path(path, dir, "config.json"));
    static const char *const small[] = {TDL_TEST_DATA "/bpe/ORIGIN.md"};
    const tdl_fresh_files_desc desc = {
        .mem = mem, .shape = tdl_fresh_shape_find("tiny"), .dir = dir, .data = small, .n_data = 1, .n_vocab = 260};
    return tdl_fresh_files(&desc, NULL);
}

static void test_no_memory(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    test_file_write(test_path(path, dir, "log.jsonl"), "x", 1);
    fail_alloc_each(start_and_end, NULL);
    assert_true(test_file_exists(path));
    fail_alloc_each(make_fresh_files, NULL);
    put_small_gguf();
    fail_alloc_each(take_tokenizer, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),          cmocka_unit_test(test_shapes),       cmocka_unit_test(test_gguf_tokenizer),
        cmocka_unit_test(test_gguf_as_json), cmocka_unit_test(test_gguf_refused), cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_nothing_left), cmocka_unit_test(test_others_stay),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
