// SPDX-License-Identifier: MIT
// test_tokenizer_load.c - tokenizers out of model files: GGUF keys, Hugging Face directories, paths, and what is wrong there.
#include "base/rng.h"
#include "format/gguf.h"
#include "model/tokenizer_load.h"
#include "support/fail_alloc.h"
#include "support/gguf_bytes.h"
#include "support/test_files.h"
#include "support/token_golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- small GGUF files

// What a file says beside its tokens; a NULL or zero leaves the key out.
typedef struct gguf_case {
    const char *model, *pre, *name;
    bool no_tokens, no_merges, no_scores, odd; // odd: other tokens and types, an empty list of merges
    uint32_t tokens_type, n_kinds;             // defaults: strings, as many as tokens
    const char *key;                           // one more key
    uint32_t key_type;
    uint32_t value; // of 32 bits, or a boolean
} gguf_case;

static const char *const tokens[] = {"a", "b", "ab", "<|im_end|>", "<|eot_id|>", "<s>", "\u2581"};
static const int32_t kinds[] = {1, 1, 1, 3, 1, 3, 1};
static const char *const odd_tokens[] = {"a", "b", "ab", "ab", "a", "", "\u2581"};
static const int32_t odd_kinds[] = {1, 1, 1, 1, 3, 1, 9};
enum { N_TOKENS = 7 };

static gguf_bytes make_gguf(const gguf_case *c) {
    gguf_bytes g = {0};
    uint64_t n = (c->model != NULL) + (c->pre != NULL) + (c->name != NULL) + !c->no_tokens + !c->no_merges +
                 !c->no_scores + 1 + (c->key != NULL);
    gguf_put_header(&g, 3, 0, n);
    const char *const texts[][2] = {
        {"tokenizer.ggml.model", c->model}, {"tokenizer.ggml.pre", c->pre}, {"general.name", c->name}};
    for (size_t i = 0; i < 3; i++) {
        if (!texts[i][1]) continue;
        gguf_put_key(&g, texts[i][0], TDL_GGUF_STRING);
        gguf_put_text(&g, texts[i][1], strlen(texts[i][1]));
    }
    if (!c->no_tokens && c->tokens_type) {
        gguf_put_array(&g, "tokenizer.ggml.tokens", c->tokens_type, N_TOKENS);
        for (size_t i = 0; i < N_TOKENS; i++) gguf_put_u32(&g, (uint32_t)i);
    } else if (!c->no_tokens) {
        gguf_put_array(&g, "tokenizer.ggml.tokens", TDL_GGUF_STRING, N_TOKENS);
        for (size_t i = 0; i < N_TOKENS; i++) {
            const char *text = (c->odd ? odd_tokens : tokens)[i];
            gguf_put_text(&g, text, strlen(text));
        }
    }
    uint32_t n_kinds = c->n_kinds ? c->n_kinds : N_TOKENS;
    gguf_put_array(&g, "tokenizer.ggml.token_type", TDL_GGUF_I32, n_kinds);
    for (size_t i = 0; i < n_kinds; i++) gguf_put_u32(&g, (uint32_t)(c->odd ? odd_kinds : kinds)[i]);
    if (!c->no_merges) {
        gguf_put_array(&g, "tokenizer.ggml.merges", TDL_GGUF_STRING, c->odd ? 0 : 1);
        if (!c->odd) gguf_put_text(&g, "a b", 3);
    }
    if (!c->no_scores) {
        gguf_put_array(&g, "tokenizer.ggml.scores", TDL_GGUF_F32, N_TOKENS);
        for (size_t i = 0; i < N_TOKENS; i++) gguf_put(&g, &(float){-(float)i}, sizeof(float));
    }
    if (c->key) {
        gguf_put_key(&g, c->key, c->key_type);
        if (c->key_type == TDL_GGUF_BOOL) gguf_put(&g, &(uint8_t){(uint8_t)c->value}, 1);
        else if (c->key_type == TDL_GGUF_STRING) gguf_put_text(&g, "x", 1);
        else gguf_put_u32(&g, c->value);
    }
    return g;
}

static tdl_status load(const gguf_case *c, tdl_tokenizer **out, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    gguf_bytes g = make_gguf(c);
    tdl_weights *weights = NULL;
    tdl_weights_desc desc = {.mem = mem, .bytes = g.data, .bytes_size = g.size, .metadata_only = true};
    if (tdl_weights_open(&desc, &weights, err)) fail_msg("%s", err->message);
    tdl_status status = tdl_tokenizer_load(weights, mem, out, err);
    tdl_weights_close(weights);
    gguf_bytes_free(&g);
    return status;
}

static tdl_tokenizer *load_ok(gguf_case c) {
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    if (load(&c, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void load_error(gguf_case c, tdl_status expected, const char *part) {
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    assert_error(load(&c, &t, &err), expected, &err, part);
    assert_null(t);
}

static void test_gguf_defaults(void **state) {
    (void)state;
    assert_null(load_ok((gguf_case){0}));
    assert_null(load_ok((gguf_case){.model = "none"}));
    tdl_tokenizer *t = load_ok((gguf_case){.model = "gpt2"});
    assert_int_equal(tdl_tokenizer_n_vocab(t), N_TOKENS);
    assert_int_equal(tdl_tokenizer_bos(t), -1);
    assert_int_equal(tdl_tokenizer_eos(t), -1);
    assert_true(tdl_tokenizer_is_end(t, 3)); // a control token of a well-known text
    assert_true(tdl_tokenizer_is_end(t, 4)); // an ordinary token of one: its converter was wrong
    tdl_tokenizer_close(t);

    t = load_ok((gguf_case){.model = "llama", .no_merges = true});
    assert_int_equal(tdl_tokenizer_bos(t), 1);
    assert_int_equal(tdl_tokenizer_eos(t), 2);
    golden_ids ids = golden_encode(t, "ab", 2, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 3);
    assert_memory_equal(ids.ids, ((int32_t[]){1, 6, 2}), 12); // beginning of sequence, the space before, ab
    free(ids.ids);
    tdl_tokenizer_close(t);
    t = load_ok((gguf_case){.model = "llama", .key = "tokenizer.ggml.add_space_prefix", .key_type = TDL_GGUF_BOOL});
    ids = golden_encode(t, "ab", 2, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 2);
    free(ids.ids);
    tdl_tokenizer_close(t);
}

// A llama-bpe file that does not say wants its beginning-of-sequence token; a file that says is obeyed.
static void test_gguf_bos(void **state) {
    (void)state;
    static const struct {
        const char *pre, *key;
        uint32_t value;
        size_t n;
    } cases[] = {{"llama-bpe", "tokenizer.ggml.bos_token_id", 5, 2},
                 {"qwen2", "tokenizer.ggml.bos_token_id", 5, 1},
                 {"llama-bpe", "tokenizer.ggml.eos_token_id", 3, 1},
                 {"llama-bpe", "tokenizer.ggml.bos_token_id", UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_tokenizer *t = load_ok((gguf_case){.model = "gpt2",
                                               .pre = cases[i].pre,
                                               .key = cases[i].key,
                                               .key_type = TDL_GGUF_U32,
                                               .value = cases[i].value});
        golden_ids ids = golden_encode(t, "ab", 2, TDL_BOS_DEFAULT, false);
        assert_int_equal(ids.n, cases[i].n);
        free(ids.ids);
        tdl_tokenizer_close(t);
    }
    tdl_tokenizer *t = load_ok(
        (gguf_case){.model = "gpt2", .key = "tokenizer.ggml.eot_token_id", .key_type = TDL_GGUF_U32, .value = 4});
    assert_true(tdl_tokenizer_is_end(t, 4));
    tdl_tokenizer_close(t);
}

static void test_gguf_phi3(void **state) {
    (void)state;
    tdl_tokenizer *t = load_ok((gguf_case){.model = "gpt2", .name = "My Phi-3 mini"});
    golden_ids ids = golden_encode(t, "<|im_end|>  ab<s> ab", 20, TDL_BOS_NEVER, true);
    assert_int_equal(ids.n, 4);
    assert_memory_equal(ids.ids, ((int32_t[]){3, 2, 5, 2}), 16); // the space after <s> is left, but is no token here
    free(ids.ids);
    tdl_tokenizer_close(t);
}

static bool tell(void *arg, const char *sentence) {
    size_t used = strlen(arg);
    snprintf((char *)arg + used, 512 - used, "%s\n", sentence);
    return true;
}
static bool refuse(void *arg, const char *sentence) { return !*sentence && !arg; }

// What is odd in a vocabulary does not stop a load, and is said.
static void test_gguf_doubts(void **state) {
    (void)state;
    char said[512] = "";
    tdl_tokenizer *t = load_ok((gguf_case){.model = "gpt2"});
    assert_true(tdl_tokenizer_doubts(t, tell, said));
    assert_string_equal(said, "");
    tdl_tokenizer_close(t);
    t = load_ok((gguf_case){.model = "gpt2", .odd = true});
    assert_true(tdl_tokenizer_doubts(t, tell, said));
    assert_string_equal(
        said,
        "tokenizer: tokens that have the text of an earlier one, and are never made from text: 2, the first is 3\n"
        "tokenizer: tokens that have no text: 1, the first is 5\n"
        "tokenizer: tokens that are of no known type, and count as unused: 1, the first is 6\n"
        "tokenizer: there are no merges, so no token of a text is longer than a character\n");
    assert_false(tdl_tokenizer_doubts(t, refuse, NULL));
    tdl_tokenizer_close(t);
}

static void test_gguf_errors(void **state) {
    (void)state;
    load_error((gguf_case){.model = "bert"}, TDL_ERROR_UNSUPPORTED, "tokenizer.ggml.model 'bert'");
    load_error((gguf_case){.model = "t5"}, TDL_ERROR_UNSUPPORTED, "'t5'");
    load_error((gguf_case){.key = "tokenizer.ggml.model", .key_type = TDL_GGUF_U32}, TDL_ERROR_FORMAT, "not a string");
    load_error((gguf_case){.model = "gpt2", .key = "tokenizer.huggingface.json", .key_type = TDL_GGUF_STRING},
               TDL_ERROR_FORMAT, "tokenizer.json");
    load_error((gguf_case){.model = "gpt2", .pre = "nobody"}, TDL_ERROR_UNSUPPORTED, "'nobody'");
    load_error((gguf_case){.model = "gpt2", .no_tokens = true}, TDL_ERROR_FORMAT, "tokenizer.ggml.tokens is missing");
    load_error((gguf_case){.model = "gpt2", .no_merges = true}, TDL_ERROR_FORMAT, "tokenizer.ggml.merges is missing");
    load_error((gguf_case){.model = "llama", .no_scores = true}, TDL_ERROR_FORMAT, "without scores");
    load_error((gguf_case){.model = "gpt2", .tokens_type = TDL_GGUF_U32}, TDL_ERROR_FORMAT, "array of strings");
    load_error((gguf_case){.model = "gpt2", .n_kinds = 3}, TDL_ERROR_FORMAT, "3 elements, expected 7");
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                      "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.eot_token_id"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        load_error((gguf_case){.model = "gpt2", .key = ids[i], .key_type = TDL_GGUF_U32, .value = N_TOKENS},
                   TDL_ERROR_FORMAT, "7, expected 0 to 6");
        load_error((gguf_case){.model = "gpt2", .key = ids[i], .key_type = TDL_GGUF_STRING}, TDL_ERROR_FORMAT, ids[i]);
    }
    load_error((gguf_case){.model = "gpt2", .key = "tokenizer.ggml.add_bos_token", .key_type = TDL_GGUF_U32},
               TDL_ERROR_FORMAT, "not a boolean");
    load_error((gguf_case){.model = "gpt2", .key = "tokenizer.ggml.pre", .key_type = TDL_GGUF_U32}, TDL_ERROR_FORMAT,
               "not a string");
}

// ---- directories and paths

static tdl_status open_path(const char *path, tdl_tokenizer **out, tdl_error *err) {
    return tdl_tokenizer_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path}, out, err);
}

static void write_text(const char *dir, const char *name, const char *text) {
    char path[TEST_PATH_SIZE];
    test_file_write(test_path(path, dir, name), text, strlen(text));
}

static void test_directory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], from[TEST_PATH_SIZE];
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    test_file_copy(test_path(from, TDL_TEST_DATA, "token/llama3.tokenizer.json"),
                   test_path(path, dir, "tokenizer.json"));
    write_text(dir, "config.json", "{\"model_type\":\"llama\",\"bos_token_id\":0,\"eos_token_id\":1}");
    write_text(dir, "generation_config.json", "{\"eos_token_id\":[1,7,9]}");
    if (open_path(dir, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_tokenizer_bos(t), 0);
    assert_int_equal(tdl_tokenizer_eos(t), 1);
    assert_true(tdl_tokenizer_is_end(t, 1) && tdl_tokenizer_is_end(t, 7) && tdl_tokenizer_is_end(t, 9));
    assert_false(tdl_tokenizer_is_end(t, 8));
    tdl_tokenizer_close(t);

    t = NULL;
    write_text(dir, "generation_config.json", "{\"eos_token_id\":[1,100000]}");
    assert_error(open_path(dir, &t, &err), TDL_ERROR_FORMAT, &err, "end-of-generation token 100000");
    write_text(dir, "generation_config.json", "{\"eos_token_id\":\"x\"}");
    assert_error(open_path(dir, &t, &err), TDL_ERROR_FORMAT, &err, "eos_token_id");
    write_text(dir, "generation_config.json", "{\"eos_token_id\":4294967297}");
    assert_error(open_path(dir, &t, &err), TDL_ERROR_FORMAT, &err, "4294967297 is no token id");
    write_text(dir, "generation_config.json", "{}");
    write_text(dir, "tokenizer_config.json", "{\"eos_token\":\"</s>\",\"add_bos_token\":false}");
    if (open_path(dir, &t, &err)) fail_msg("%s", err.message);
    golden_ids ids = golden_encode(t, "a", 1, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 1);
    free(ids.ids);
    tdl_tokenizer_close(t);

    // The bare file finds the configuration beside it.
    t = NULL;
    if (open_path(path, &t, &err)) fail_msg("%s", err.message);
    ids = golden_encode(t, "a", 1, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 1);
    assert_int_equal(tdl_tokenizer_eos(t), tdl_tokenizer_find(t, "</s>", 4));
    free(ids.ids);
    tdl_tokenizer_close(t);

    t = NULL;
    assert_int_equal(remove(path), 0);
    assert_error(open_path(path, &t, &err), TDL_ERROR_IO, &err, "tokenizer.json");
    assert_error(open_path(dir, &t, &err), TDL_ERROR_FORMAT, &err, "carries none");
    assert_null(t);
    test_dir_remove(dir);
}

static void test_open_arguments(void **state) {
    (void)state;
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    tdl_model_desc desc = {.size = 3};
    assert_int_equal(tdl_tokenizer_open(NULL, &t, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_tokenizer_open(&desc, NULL, &err), TDL_ERROR_ARGUMENT);
    assert_error(tdl_tokenizer_open(&desc, &t, &err), TDL_ERROR_ARGUMENT, &err, "desc size is 3");
    desc.size = sizeof desc;
    assert_int_equal(tdl_tokenizer_open(&desc, &t, &err), TDL_ERROR_ARGUMENT);
    gguf_bytes g = make_gguf(&(gguf_case){.model = "gpt2"});
    desc.bytes = g.data;
    desc.bytes_size = g.size;
    if (tdl_tokenizer_open(&desc, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_tokenizer_n_vocab(t), N_TOKENS);
    tdl_tokenizer_close(t);
    gguf_bytes_free(&g);
}

// The fixture with its bytes changed at random: a status, never a crash.
static void test_damaged(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    size_t size;
    uint8_t *bytes = test_file_read(test_path(path, TDL_TEST_DATA, "token/spm.gguf"), &size), *copy = malloc(size);
    assert_non_null(copy);
    tdl_rng rng = tdl_rng_make(3, 1);
    fail_alloc fa;
    fail_alloc_init(&fa);
    for (int round = 0; round < 400; round++) {
        memcpy(copy, bytes, size);
        for (int k = 0; k < 1 + round % 5; k++) copy[tdl_rng_u32(&rng) % size] = (uint8_t)tdl_rng_u32(&rng);
        tdl_model_desc desc = {.size = sizeof desc, .bytes = copy, .bytes_size = size, .allocator = &fa.mem};
        tdl_tokenizer *t = NULL;
        tdl_error err = {0};
        tdl_status status = tdl_tokenizer_open(&desc, &t, &err);
        assert_int_equal(status < 0, err.message[0] != '\0');
        size_t n;
        if (t) tdl_tokenizer_encode(t, "Hello \xFF world", 12, NULL, NULL, 0, &n, NULL);
        tdl_tokenizer_close(t);
        fail_alloc_check(&fa);
    }
    free(copy);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_defaults),  cmocka_unit_test(test_gguf_bos),    cmocka_unit_test(test_gguf_phi3),
        cmocka_unit_test(test_gguf_doubts),    cmocka_unit_test(test_gguf_errors), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_open_arguments), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
