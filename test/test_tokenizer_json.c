// SPDX-License-Identifier: MIT
// test_tokenizer_json.c - tokenizer.json: ids and text against Hugging Face's, and files that are wrong or not supported.
#include "base/limits.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_golden.h"
#include "token/tokenizer_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"gpt2", "llama3", "qwen2", "smollm", "llama2", "mistral", "metaspace", "words"};

// Whether Hugging Face's decoder differs from ours on purpose: there an added token that is matched in normalized text
// decodes to what it matches, "\u2581<tool>", and not to its own text.
static bool decodes_otherwise(const char *name, const char *text) {
    return strcmp(name, "llama2") == 0 && strstr(text, " <tool>");
}

static void test_golden(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char file[128];
        snprintf(file, sizeof file, "%s.tokenizer.json", names[k]);
        tdl_tokenizer *tokenizer = golden_tokenizer(file);
        snprintf(file, sizeof file, "%s.golden.json", names[k]);
        json_t *cases = golden_load(file);
        const json_t *c;
        size_t i;
        json_array_foreach(cases, i, c) {
            size_t size, n;
            char *text = golden_bytes(json_object_get(c, "text"), &size);
            golden_ids ids = golden_encode(tokenizer, text, size, TDL_BOS_DEFAULT, true);
            golden_check_ids(names[k], i, &ids, json_object_get(c, "ids"));
            char *decoded = golden_decode(tokenizer, ids.ids, ids.n, false, &n);
            if (!decodes_otherwise(names[k], text))
                golden_check_bytes(names[k], i, decoded, n, json_object_get(c, "decoded"));
            golden_check_stream(tokenizer, ids.ids, ids.n, false);
            free(decoded);
            free(ids.ids);
            free(text);
        }
        json_decref(cases);
        tdl_tokenizer_close(tokenizer);
    }
}

// ---- by hand

static tdl_status make(const char *json, const char *config, tdl_tokenizer **out, tdl_error *err) {
    tdl_tokenizer_json_desc desc = {.mem = tdl_allocator_or_default(NULL),
                                    .json = tdl_text_cstr(json),
                                    .config_json = tdl_text_cstr(config ? config : ""),
                                    .bos = -1,
                                    .eos = -1};
    return tdl_tokenizer_from_json(&desc, out, err);
}

static void check_error(const char *json, const char *config, tdl_status expected, const char *part) {
    tdl_tokenizer *tokenizer = NULL;
    tdl_error err = {0};
    tdl_status status = make(json, config, &tokenizer, &err);
    assert_error(status, expected, &err, part);
    assert_null(tokenizer);
}

static tdl_tokenizer *make_ok(const char *json, const char *config) {
    tdl_tokenizer *tokenizer = NULL;
    tdl_error err = {0};
    if (make(json, config, &tokenizer, &err)) fail_msg("%s", err.message);
    return tokenizer;
}

#define MODEL "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"
#define WITH(part) "{" part "," MODEL "}"

static void test_wrong_models(void **state) {
    (void)state;
    check_error("", NULL, TDL_ERROR_FORMAT, "tokenizer.json");
    check_error("[]", NULL, TDL_ERROR_FORMAT, "no object 'model'");
    check_error("{\"model\":[]}", NULL, TDL_ERROR_FORMAT, "no object 'model'");
    check_error("{\"model\":{\"type\":\"Unigram\"}}", NULL, TDL_ERROR_UNSUPPORTED, "'Unigram'");
    check_error("{\"model\":{\"type\":\"WordPiece\"}}", NULL, TDL_ERROR_UNSUPPORTED, "'WordPiece'");
    check_error("{\"model\":{\"type\":\"BPE\"}}", NULL, TDL_ERROR_FORMAT, "vocab");
    check_error("{\"model\":{\"vocab\":[[\"a\",0]]}}", NULL, TDL_ERROR_UNSUPPORTED, "expected a BPE model");
    check_error("{\"model\":{\"vocab\":{},\"merges\":[]}}", NULL, TDL_ERROR_FORMAT, "empty");
    check_error("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}}", NULL,
                TDL_ERROR_UNSUPPORTED, "end_of_word_suffix");
    check_error("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", NULL, TDL_ERROR_UNSUPPORTED,
                "dropout");
    check_error("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"?\"}}", NULL, TDL_ERROR_FORMAT,
                "unknown token '?'");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", NULL, TDL_ERROR_FORMAT, "id 0 belongs to");
    check_error("{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", NULL, TDL_ERROR_FORMAT, "'a': its id");
    check_error("{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", NULL, TDL_ERROR_FORMAT, "'a': its id");
    check_error("{\"model\":{\"vocab\":{\"a\":9223372036854775807},\"merges\":[]}}", NULL, TDL_ERROR_LIMIT, "at most");
    check_error("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", NULL, TDL_ERROR_FORMAT, "no token 'b'");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}}", NULL, TDL_ERROR_FORMAT,
                "no token 'ab'");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"ab\"]}}", NULL, TDL_ERROR_FORMAT, "merge 0");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[[\"a\"]]}}", NULL, TDL_ERROR_FORMAT, "two texts");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[5]}}", NULL, TDL_ERROR_FORMAT, "merge 0");
}

// What Python's json writes and reads hurts only where it is used.
static void test_json_as_python(void **state) {
    (void)state;
    tdl_tokenizer_close(make_ok(WITH("\"truncation\":NaN,\"padding\":{\"\\u0000\":1e999,\"x\":\"\\ud83d\"}"),
                                "{\"model_max_length\":1000000000000000019884624838656,\"add_bos_token\":true,"
                                "\"add_bos_token\":false}"));
    check_error("{\"model\":{\"vocab\":{\"a\":99999999999999999999},\"merges\":[]}}", NULL, TDL_ERROR_FORMAT,
                "'a': its id");
    check_error("{\"model\":{\"vocab\":{\"a\":0,\"b\\u0000\":7},\"merges\":[]}}", NULL, TDL_ERROR_UNSUPPORTED,
                "token 7: a NUL in its text");
    check_error("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":Infinity}}", NULL, TDL_ERROR_UNSUPPORTED,
                "dropout");
    check_error(WITH("\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":1e30,\"stop\":0}"), NULL,
                TDL_ERROR_UNSUPPORTED, "Strip");
}

static void test_vocab_limit(void **state) {
    (void)state;
    char json[256];
    snprintf(json, sizeof json, "{\"model\":{\"vocab\":{\"a\":%d},\"merges\":[]}}", TDL_VOCAB_MAX);
    check_error(json, NULL, TDL_ERROR_LIMIT, "'a': id 4194304, at most 4194303");
    snprintf(json, sizeof json, "{\"model\":{\"vocab\":{\"a\":%d},\"merges\":[]}}", TDL_VOCAB_MAX - 1);
    tdl_tokenizer *tokenizer = make_ok(json, NULL);
    assert_int_equal(tdl_tokenizer_n_vocab(tokenizer), TDL_VOCAB_MAX);
    assert_int_equal(tdl_tokenizer_find(tokenizer, "a", 1), TDL_VOCAB_MAX - 1);
    assert_int_equal(tdl_tokenizer_token(tokenizer, 5).size, 0); // a hole
    tdl_tokenizer_close(tokenizer);
}

static void test_wrong_steps(void **state) {
    (void)state;
    check_error(WITH("\"normalizer\":{\"type\":\"Precompiled\"}"), NULL, TDL_ERROR_UNSUPPORTED,
                "normalizer 'Precompiled'");
    check_error(WITH("\"normalizer\":{}"), NULL, TDL_ERROR_FORMAT, "normalizer: an object without a type");
    check_error(WITH("\"normalizer\":{\"type\":\"Replace\",\"content\":\"x\"}"), NULL, TDL_ERROR_FORMAT, "a pattern");
    check_error(WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"x\"}"), NULL,
                TDL_ERROR_FORMAT, "regex '('");
    check_error(WITH("\"normalizer\":{\"type\":\"Sequence\"}"), NULL, TDL_ERROR_FORMAT, "'normalizers'");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"), NULL, TDL_ERROR_UNSUPPORTED,
                "BertPreTokenizer");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"}}"), NULL, TDL_ERROR_FORMAT,
                "pattern");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}"),
                NULL, TDL_ERROR_UNSUPPORTED, "behavior 'Odd'");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}"), NULL,
                TDL_ERROR_UNSUPPORTED, "'last'");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
                     "{\"type\":\"Digits\"}]}"),
                NULL, TDL_ERROR_UNSUPPORTED, "'Digits' after ByteLevel");
    check_error(WITH("\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"decoder\":{\"type\":\"Fuse\"}"), NULL,
                TDL_ERROR_UNSUPPORTED, "expected both or none");
    check_error(WITH("\"decoder\":{\"type\":\"ByteLevel\"}"), NULL, TDL_ERROR_UNSUPPORTED, "expected both or none");
    check_error(WITH("\"decoder\":{\"type\":\"CTC\"}"), NULL, TDL_ERROR_UNSUPPORTED, "decoder 'CTC'");
    check_error(WITH("\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":2,\"stop\":0}"), NULL,
                TDL_ERROR_UNSUPPORTED, "Strip");
    check_error(WITH("\"decoder\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a\"},\"content\":\"b\"}"), NULL,
                TDL_ERROR_UNSUPPORTED, "Replace with a regex");
    check_error(WITH("\"post_processor\":{\"type\":\"Odd\"}"), NULL, TDL_ERROR_UNSUPPORTED, "'Odd'");
    check_error(WITH("\"post_processor\":{\"type\":\"TemplateProcessing\"}"), NULL, TDL_ERROR_FORMAT, "'single'");
    check_error(
        WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]}"),
        NULL, TDL_ERROR_FORMAT, "without a valid id");
    check_error(WITH("\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"a\",77],\"sep\":[\"b\",1]}"), NULL,
                TDL_ERROR_FORMAT, "beginning-of-sequence token 77, expected -1 to 2");
    check_error(WITH("\"added_tokens\":[{\"id\":7,\"content\":\"a\"}]"), NULL, TDL_ERROR_FORMAT, "'a': id 7, but 0");
    check_error(WITH("\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]"), NULL, TDL_ERROR_FORMAT, "id 1 belongs to 'b'");
    check_error(WITH("\"added_tokens\":[{\"content\":\"x\"}]"), NULL, TDL_ERROR_FORMAT, "'x': its id");
    check_error(WITH("\"x\":0"), "{\"bos_token\":\"<s>\"}", TDL_ERROR_FORMAT, "bos_token '<s>'");
    check_error(WITH("\"x\":0"), "{", TDL_ERROR_FORMAT, "tokenizer_config.json");
}

static void test_nesting(void **state) {
    (void)state;
    char json[2048] = "{\"normalizer\":";
    for (int i = 0; i < 20; i++) strcat(json, "{\"type\":\"Sequence\",\"normalizers\":[");
    strcat(json, "{\"type\":\"NFC\"}");
    for (int i = 0; i < 20; i++) strcat(json, "]}");
    strcat(json, "," MODEL "}");
    check_error(json, NULL, TDL_ERROR_LIMIT, "nested over 8 deep");
}

// Where bos, eos and the ends come from.
static void test_special_tokens(void **state) {
    (void)state;
    static const char json[] = "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true},{\"id\":4,"
                               "\"content\":\"</s>\",\"special\":true},"
                               "{\"id\":5,\"content\":\"<|im_end|>\",\"special\":true}],"
                               "\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{"
                               "\"type\":\"TemplateProcessing\","
                               "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}},{"
                               "\"SpecialToken\":{\"id\":\"</s>\"}}],"
                               "\"special_tokens\":{\"<s>\":{\"ids\":[3]},\"</s>\":{\"ids\":[4]}}}]}," MODEL "}";
    tdl_tokenizer *t = make_ok(json, NULL);
    golden_ids ids = golden_encode(t, "ab", 2, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 3);
    assert_memory_equal(ids.ids, ((int32_t[]){3, 2, 4}), 12);
    free(ids.ids);
    assert_true(tdl_tokenizer_is_end(t, 4) && tdl_tokenizer_is_end(t, 5) && !tdl_tokenizer_is_end(t, 3));
    tdl_tokenizer_close(t);

    t = make_ok(json, "{\"add_bos_token\":false,\"add_eos_token\":false,\"eos_token\":{\"content\":\"<|im_end|>\"},"
                      "\"bos_token\":null}");
    ids = golden_encode(t, "ab", 2, TDL_BOS_DEFAULT, false);
    assert_int_equal(ids.n, 1);
    free(ids.ids);
    ids = golden_encode(t, "ab", 2, TDL_BOS_ALWAYS, false);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.ids[0], 3);
    free(ids.ids);
    tdl_tokenizer_close(t);

    tdl_error err = {0};
    tdl_tokenizer_json_desc desc = {.mem = tdl_allocator_or_default(NULL),
                                    .json = tdl_text_cstr(WITH("\"x\":0")),
                                    .bos = 0,
                                    .eos = 1,
                                    .ends = (int32_t[]){1, 2},
                                    .n_ends = 2};
    assert_int_equal(tdl_tokenizer_from_json(&desc, &t, &err), TDL_OK);
    assert_int_equal(tdl_tokenizer_bos(t), 0);
    assert_int_equal(tdl_tokenizer_eos(t), 1);
    assert_true(tdl_tokenizer_is_end(t, 1) && tdl_tokenizer_is_end(t, 2) && !tdl_tokenizer_is_end(t, 0));
    tdl_tokenizer_close(t);
    desc.ends = (int32_t[]){1, 3};
    assert_error(tdl_tokenizer_from_json(&desc, &t, &err), TDL_ERROR_FORMAT, &err, "end-of-generation token 3");
}

// Every prefix of a real file is an error, with a message, and leaks nothing.
static void test_truncated(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    size_t size;
    uint8_t *json = test_file_read(test_path(path, TDL_TEST_DATA, "token/words.tokenizer.json"), &size);
    fail_alloc fa;
    fail_alloc_init(&fa);
    for (size_t n = 0; n + 2 < size; n += n < 1500 ? 1 : 97) {
        tdl_tokenizer *tokenizer = NULL;
        tdl_error err = {0};
        tdl_tokenizer_json_desc desc = {.mem = &fa.mem, .json = {(const char *)json, n}, .bos = -1, .eos = -1};
        assert_error(tdl_tokenizer_from_json(&desc, &tokenizer, &err), TDL_ERROR_FORMAT, &err, "tokenizer.json");
        fail_alloc_check(&fa);
    }
    free(json);
}

typedef struct memory_case {
    tdl_text json;
    const char *text;
} memory_case;

static tdl_status scenario(const tdl_allocator *mem, void *arg) {
    const memory_case *c = arg;
    tdl_tokenizer_json_desc desc = {.mem = mem, .json = c->json, .bos = -1, .eos = -1};
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    int32_t ids[256];
    char text[1024];
    size_t n, size;
    tdl_encode_desc encode = {.size = sizeof encode, .parse_special = true};
    tdl_status status = tdl_tokenizer_from_json(&desc, &t, &err);
    if (status >= 0) status = tdl_tokenizer_encode(t, c->text, strlen(c->text), &encode, ids, 256, &n, &err);
    if (status >= 0) status = tdl_tokenizer_decode(t, ids, n, NULL, text, sizeof text, &size, &err);
    tdl_detokenizer d;
    tdl_str out = tdl_str_make(mem);
    if (status >= 0) {
        tdl_detokenizer_init(&d, t, mem, true);
        for (size_t i = 0; i < n && status >= 0; i++) status = tdl_detokenizer_put(&d, ids[i], &out, &err);
        if (status >= 0) status = tdl_detokenizer_flush(&d, &out, &err);
        tdl_detokenizer_deinit(&d);
    }
    tdl_str_deinit(&out);
    tdl_tokenizer_close(t);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    static const char *const some[] = {"qwen2", "llama2", "metaspace", "words"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        char path[TEST_PATH_SIZE], name[64];
        snprintf(name, sizeof name, "token/%s.tokenizer.json", some[i]);
        memory_case c = {.text = "Hello <tool> wo\u0301rld </s>\n\n 123 \U0001F600\xFF ok"};
        size_t size;
        uint8_t *json = test_file_read(test_path(path, TDL_TEST_DATA, name), &size);
        c.json = tdl_text_of((const char *)json, size);
        assert_true(fail_alloc_each(scenario, &c) > 20);
        free(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_wrong_models),
        cmocka_unit_test(test_json_as_python), cmocka_unit_test(test_vocab_limit),
        cmocka_unit_test(test_wrong_steps),    cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_special_tokens), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
