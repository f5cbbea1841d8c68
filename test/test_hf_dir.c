// SPDX-License-Identifier: MIT
// test_hf_dir.c - Hugging Face directories: configuration as metadata, weights in one or more files, tokenizer files.
//
// test/data/hf-tiny and hf-sharded were written by Transformers and by safetensors' own package (see ORIGIN.md there).
#include "base/limits.h"
#include "format/hf_config.h"
#include "format/weights.h"
#include "support/fail_alloc.h"
#include "support/load_all.h"
#include "support/test_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TINY TDL_TEST_DATA "/hf-tiny/"
#define SHARDED TDL_TEST_DATA "/hf-sharded/llama"
#define INDEX_NAME "model.safetensors.index.json"

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_status open_path(const char *path, tdl_weights **out, tdl_error *err) {
    return tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .path = path}, out, err);
}

static tdl_weights *open_good(const char *path) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    if (open_path(path, &weights, &err)) fail_msg("%s", err.message);
    return weights;
}

static void expect_failure(const char *path, tdl_status expected, const char *part) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    assert_error(open_path(path, &weights, &err), expected, &err, part);
    assert_null(weights);
}

static void write_text(const char *dir, const char *name, const char *text) {
    char path[TEST_PATH_SIZE];
    test_file_write(test_path(path, dir, name), text, strlen(text));
}

static void copy(const char *from_dir, const char *dir, const char *name) {
    char from[TEST_PATH_SIZE], to[TEST_PATH_SIZE];
    test_file_copy(test_path(from, from_dir, name), test_path(to, dir, name));
}

static void remove_name(const char *dir, const char *name) {
    char path[TEST_PATH_SIZE];
    assert_int_equal(remove(test_path(path, dir, name)), 0);
}

static void copy_sharded(const char *dir) {
    copy(SHARDED, dir, "config.json");
    copy(SHARDED, dir, INDEX_NAME);
    copy(SHARDED, dir, "model-00001-of-00003.safetensors");
    copy(SHARDED, dir, "model-00002-of-00003.safetensors");
    copy(SHARDED, dir, "model-00003-of-00003.safetensors");
}

// ---- directories

static void test_families(void **state) {
    (void)state;
    static const struct {
        const char *path, *model_type, *tensor, *described;
    } cases[] = {
        {TINY "gpt2", "gpt2", "transformer.h.1.attn.c_attn.weight", "[32, 96] BF16"},
        {TINY "llama", "llama", "model.layers.1.self_attn.k_proj.weight", "[16, 32] BF16"},
        {TINY "llama3-rope", "llama", "model.norm.weight", "[32] BF16"},
        {TINY "llama-yarn", "llama", "lm_head.weight", "[256, 32] BF16"},
        {TINY "llama-linear", "llama", "model.embed_tokens.weight", "[256, 32] BF16"},
        {TINY "mistral", "mistral", "model.layers.0.mlp.down_proj.weight", "[32, 80] BF16"},
        {TINY "qwen2", "qwen2", "model.layers.0.self_attn.q_proj.bias", "[32] BF16"},
        {TINY "qwen3", "qwen3", "model.layers.1.self_attn.q_norm.weight", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[96];
        tdl_weights *w = open_good(cases[i].path);
        assert_int_equal(tdl_weights_get_kind(w), TDL_WEIGHTS_HF);
        assert_true(tdl_text_is(tdl_weights_meta(w, "model_type").string, cases[i].model_type));
        assert_int_equal(tdl_weights_meta(w, "vocab_size").integer, 256);
        assert_int_equal(tdl_weights_meta(w, "generation.eos_token_id").integer, 2);
        assert_true(tdl_text_is(tdl_weights_meta(w, "safetensors.format").string, "pt"));
        const tdl_weights_tensor *t = tdl_weights_find(w, cases[i].tensor);
        assert_non_null(t);
        if (cases[i].described) assert_string_equal(tdl_tensor_describe(&t->tensor, text), cases[i].described);
        assert_int_equal(tdl_weights_tokenizer_json(w).size, 0);
        tdl_weights_close(w);
    }
}

static void test_config_values(void **state) {
    (void)state;
    tdl_weights *w = open_good(TINY "llama-yarn");
    assert_true(tdl_weights_meta(w, "rope_parameters.rope_theta").number == 10000.0);
    assert_int_equal(tdl_weights_meta(w, "rope_parameters.rope_theta").type, TDL_META_FLOAT);
    assert_int_equal(tdl_weights_meta(w, "rope_parameters.original_max_position_embeddings").integer, 64);
    assert_true(tdl_text_is(tdl_weights_meta(w, "rope_parameters.rope_type").string, "yarn"));
    assert_int_equal(tdl_weights_meta(w, "use_cache").type, TDL_META_BOOL);
    assert_true(tdl_weights_meta(w, "use_cache").boolean);
    tdl_meta list = tdl_weights_meta(w, "architectures");
    assert_int_equal(list.element, TDL_META_STRING);
    assert_int_equal(list.n, 1);
    assert_true(tdl_text_is(((const tdl_text *)list.array)[0], "LlamaForCausalLM"));
    assert_int_equal(list.gguf_type, -1);
    tdl_weights_close(w);
    w = open_good(TINY "gpt2");
    assert_int_equal(tdl_weights_meta(w, "n_inner").type, TDL_META_NONE); // null
    assert_int_equal(tdl_weights_meta(w, "n_embd").integer, 32);
    tdl_weights_close(w);
}

static void check_same_tensors(tdl_weights *a, tdl_weights *b) {
    load_all(a);
    load_all(b);
    assert_int_equal(tdl_weights_n_tensors(a), tdl_weights_n_tensors(b));
    assert_int_equal(tdl_weights_size(a), tdl_weights_size(b));
    for (size_t i = 0; i < tdl_weights_n_tensors(a); i++) {
        const tdl_weights_tensor *t = tdl_weights_at(a, i), *other = tdl_weights_find(b, t->name);
        assert_non_null(other);
        assert_true(tdl_tensor_same_shape(&t->tensor, &other->tensor));
        assert_memory_equal(t->tensor.data, other->tensor.data, tdl_tensor_size(&t->tensor));
    }
}

// A shard stands for its whole index, any other file for itself.
static void test_sharded(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_weights *whole = open_good(TINY "llama"), *sharded = open_good(SHARDED);
    check_same_tensors(whole, sharded);
    tdl_weights_close(sharded);
    sharded = open_good(SHARDED "/model-00002-of-00003.safetensors");
    check_same_tensors(whole, sharded);
    tdl_weights_close(sharded);
    tdl_weights *file = open_good(TINY "llama/model.safetensors");
    check_same_tensors(whole, file);
    assert_true(tdl_text_is(tdl_weights_meta(file, "model_type").string, "llama"));
    tdl_weights_close(file);

    test_dir_make(dir);
    copy_sharded(dir);
    test_file_copy(SHARDED "/model-00002-of-00003.safetensors", test_path(path, dir, "other.safetensors"));
    file = open_good(path);
    assert_int_equal(tdl_weights_n_tensors(file), 7);
    tdl_weights_close(file);
    copy(TINY "llama", dir, "model.safetensors"); // beside an index, model.safetensors goes first
    remove_name(dir, "model-00002-of-00003.safetensors");
    file = open_good(dir);
    check_same_tensors(whole, file);
    tdl_weights_close(file);
    test_dir_remove(dir);
    tdl_weights_close(whole);
}

static void test_sharded_wrong(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    copy_sharded(dir);
    remove_name(dir, "model-00002-of-00003.safetensors");
    expect_failure(dir, TDL_ERROR_IO, "model-00002-of-00003.safetensors");
    copy(SHARDED, dir, "model-00002-of-00003.safetensors");

    static const struct {
        const char *index;
        const char *message;
    } cases[] = {
        {"[]", "no object 'weight_map'"},
        {"{\"weight_map\":1}", "no object 'weight_map'"},
        {"{", "json: " INDEX_NAME ": line 1"},
        {"{\"weight_map\":{\"a\":1}}", "tensor 'a' is in '', expected the name of a file in the same directory"},
        {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
         "tensor 'a' is in '../x.safetensors', expected the name of a file"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "tensor 'a' is in '/etc/passwd'"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "tensor 'a' is in '..'"},
        {"{\"weight_map\":{\"a\":\".\"}}", "tensor 'a' is in '.'"},
        {"{\"weight_map\":{\"a\":\"\"}}", "tensor 'a' is in ''"},
        {"{\"weight_map\":{\"a\":\"b\\\\c\"}}", "tensor 'a' is in 'b\\c'"},
        {"{\"weight_map\":{\"a\":\"b\\u0000c\"}}", "tensor 'a' is in 'b'"},
        {"{\"weight_map\":{\"a\":\"model-00001-of-00003.safetensors\"}}",
         "tensor 'a' is not in model-00001-of-00003.safetensors"},
        {"{\"weight_map\":{}}", "no tensors, expected a model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(dir, INDEX_NAME, cases[i].index);
        expect_failure(dir, TDL_ERROR_FORMAT, cases[i].message);
    }
    // A tensor that the index puts into another shard than it is in.
    write_text(dir, INDEX_NAME, "{\"weight_map\":{\"model.norm.weight\":\"model-00001-of-00003.safetensors\"}}");
    expect_failure(dir, TDL_ERROR_FORMAT, "tensor 'model.norm.weight' is not in model-00001");
    // What the index does not name is not the model's.
    write_text(dir, INDEX_NAME, "{\"weight_map\":{\"model.norm.weight\":\"model-00003-of-00003.safetensors\"}}");
    tdl_weights *w = open_good(dir);
    assert_int_equal(tdl_weights_n_tensors(w), 1);
    tdl_weights_close(w);
    write_text(dir, "model-00003-of-00003.safetensors", "garbage and more of it");
    expect_failure(dir, TDL_ERROR_LIMIT, "model-00003-of-00003.safetensors: safetensors: a header of");
    test_dir_remove(dir);
}

static void test_shard_limit(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    copy(SHARDED, dir, "config.json");
    for (int over = 0; over <= 1; over++) {
        tdl_str index = tdl_str_make(mem());
        tdl_str_format(&index, "{\"weight_map\":");
        for (int i = 0; i < TDL_SHARDS_MAX + over; i++)
            tdl_str_format(&index, "%c\"t%d\":\"absent-%d\"", i ? ',' : '{', i, i);
        tdl_str_format(&index, "}}");
        write_text(dir, INDEX_NAME, index.ptr);
        tdl_str_deinit(&index);
        if (over) expect_failure(dir, TDL_ERROR_LIMIT, "more than 65535 files");
        else expect_failure(dir, TDL_ERROR_IO, "absent-0");
    }
    test_dir_remove(dir);
}

static void test_missing_files(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_weights *w = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    expect_failure(dir, TDL_ERROR_IO, "no config.json in this directory");
    expect_failure(test_path(path, dir, "absent.safetensors"), TDL_ERROR_IO, "no config.json in this directory");
    tdl_weights_desc desc = {.mem = mem(), .path = dir, .metadata_only = true};
    assert_error(tdl_weights_open(&desc, &w, &err), TDL_ERROR_IO, &err,
                 "no config.json in this directory, and no tokenizer.json");

    write_text(dir, "tokenizer.json", "{\"model\":{}}"); // enough for a tokenizer alone
    if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
    assert_true(tdl_text_is(tdl_weights_tokenizer_json(w), "{\"model\":{}}"));
    assert_int_equal(tdl_weights_tokenizer_config(w).size, 0);
    tdl_weights_close(w);
    w = NULL;
    expect_failure(dir, TDL_ERROR_IO, "no config.json");

    write_text(dir, "config.json", "{\"model_type\":\"llama\"}");
    write_text(dir, "tokenizer_config.json", "{}");
    expect_failure(dir, TDL_ERROR_IO, "neither model.safetensors nor " INDEX_NAME);
    expect_failure(test_path(path, dir, "absent.safetensors"), TDL_ERROR_IO, "absent.safetensors");
    if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
    assert_true(tdl_text_is(tdl_weights_tokenizer_config(w), "{}"));
    assert_int_equal(tdl_weights_n_tensors(w), 0);
    tdl_weights_close(w);
    write_text(dir, "generation_config.json", "[1]");
    expect_failure(dir, TDL_ERROR_FORMAT, "generation_config.json: no JSON object");
    write_text(dir, "generation_config.json", "");
    expect_failure(dir, TDL_ERROR_FORMAT, "generation_config.json");
    test_dir_remove(dir);
}

// Buffers of types that treadle lacks are no error, also where an index names them, unless somebody wants them.
static void test_skipped(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    write_text(dir, "config.json", "{}");
    copy(TDL_TEST_DATA "/safetensors", dir, "types.safetensors");
    write_text(dir, INDEX_NAME, "{\"weight_map\":{\"mask\":\"types.safetensors\",\"f32\":\"types.safetensors\"}}");
    tdl_weights *w = open_good(dir);
    assert_int_equal(tdl_weights_n_tensors(w), 2);
    assert_int_equal(tdl_weights_n_unlisted(w), 7);
    assert_string_equal(tdl_weights_find(w, "mask")->odd_type, "BOOL");
    assert_null(tdl_weights_find(w, "f32")->odd_type);
    for (size_t i = 0; i < 2; i++) {
        tdl_error err = {0};
        tdl_status status = tdl_weights_load(w, i, &err);
        if (tdl_weights_at(w, i)->odd_type)
            assert_error(status, TDL_ERROR_UNSUPPORTED, &err, "tensor 'mask' has type BOOL, which is not supported");
        else assert_int_equal(status, TDL_OK);
    }
    assert_true(tdl_text_is(tdl_weights_meta(w, "safetensors.note").string, "caf\xc3\xa9"));
    tdl_weights_close(w);
    test_dir_remove(dir);
}

// ---- configuration

static tdl_status flatten(tdl_meta_table *table, const char *text, tdl_error *err) {
    tdl_meta_table_init(table, mem());
    return tdl_hf_config_add(table, "", text, strlen(text), "config.json", err);
}

static const tdl_meta *get(const tdl_meta_table *table, const char *key) {
    const tdl_meta *value = tdl_meta_table_find(table, key);
    if (!value) fail_msg("no key %s", key);
    return value;
}

static void test_flatten(void **state) {
    (void)state;
    tdl_meta_table table;
    tdl_error err = {0};
    const char *text =
        "{\"a\":{\"b\":{\"c\":1}},\"null\":null,\"ints\":[1,-2],\"mixed\":[1,2.5],\"bools\":[true,false],"
        "\"texts\":[\"x\",\"\"],\"empty\":[],\"none\":{},\"kinds\":[[[\"global\",\"local\"],6]],\"odd\":[1,\"x\",null],"
        "\"nul\":\"a\\u0000b\",\"objects\":[{\"k\":1},{\"k\":2}]}";
    if (flatten(&table, text, &err)) fail_msg("%s", err.message);
    assert_int_equal(get(&table, "a.b.c")->integer, 1);
    assert_null(tdl_meta_table_find(&table, "a"));
    assert_int_equal(get(&table, "null")->type, TDL_META_NULL);
    assert_null(tdl_meta_table_find(&table, "none"));
    assert_int_equal(get(&table, "ints")->element, TDL_META_INT);
    assert_memory_equal(get(&table, "ints")->array, ((int64_t[]){1, -2}), 16);
    assert_int_equal(get(&table, "mixed")->element, TDL_META_FLOAT);
    assert_memory_equal(get(&table, "mixed")->array, ((double[]){1, 2.5}), 16);
    assert_memory_equal(get(&table, "bools")->array, ((bool[]){true, false}), sizeof(bool[2]));
    assert_int_equal(get(&table, "texts")->element, TDL_META_STRING);
    assert_true(tdl_text_is(((const tdl_text *)get(&table, "texts")->array)[0], "x"));
    assert_int_equal(((const tdl_text *)get(&table, "texts")->array)[1].size, 0);
    assert_int_equal(get(&table, "empty")->type, TDL_META_ARRAY);
    assert_int_equal(get(&table, "empty")->n, 0);
    assert_int_equal(get(&table, "kinds.0.0")->n, 2);
    assert_int_equal(get(&table, "kinds.0.1")->integer, 6);
    assert_int_equal(get(&table, "odd.0")->integer, 1);
    assert_true(tdl_text_is(get(&table, "odd.1")->string, "x"));
    assert_int_equal(get(&table, "odd.2")->type, TDL_META_NULL);
    assert_int_equal(get(&table, "nul")->string.size, 3);
    assert_int_equal(get(&table, "objects.1.k")->integer, 2);
    tdl_meta_table_deinit(&table);
}

// Dots of a key's own are told from those between keys, numbers that are not finite are kept, the last of equal keys counts.
static void test_flatten_as_python(void **state) {
    (void)state;
    tdl_meta_table table;
    tdl_error err = {0};
    const char *text = "{\"a.b\":1,\"a\":{\"b\":2,\"b\":3,\"c\\\\\":{\"d\":4}},\"a.c\\\\.d\":5,\"big\":"
                       "1000000000000000019884624838656,"
                       "\"not\":NaN,\"mixed\":[1,-Infinity],\"half\":\"\\ud83d\",\"\\u0000\":6}";
    if (flatten(&table, text, &err)) fail_msg("%s", err.message);
    assert_int_equal(get(&table, "a\\.b")->integer, 1);
    assert_int_equal(get(&table, "a.b")->integer, 3);
    assert_int_equal(get(&table, "a.c\\\\.d")->integer, 4);
    assert_int_equal(get(&table, "a\\.c\\\\\\.d")->integer, 5);
    assert_int_equal(get(&table, "big")->type, TDL_META_FLOAT);
    assert_true(get(&table, "big")->number == 1e30);
    assert_true(isnan(get(&table, "not")->number));
    assert_true(isinf(((const double *)get(&table, "mixed")->array)[1]));
    assert_true(tdl_text_is(get(&table, "half")->string, "\xEF\xBF\xBD"));
    tdl_meta_table_deinit(&table);
}

static void test_flatten_wrong(void **state) {
    (void)state;
    tdl_meta_table table;
    tdl_error err = {0};
    static const struct {
        const char *text;
        tdl_status status;
        const char *message;
    } cases[] = {
        {"", TDL_ERROR_FORMAT, "config.json"},
        {"[]", TDL_ERROR_FORMAT, "config.json: no JSON object"},
        {"{\"\xff\":1}", TDL_ERROR_FORMAT, "config.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_error(flatten(&table, cases[i].text, &err), cases[i].status, &err, cases[i].message);
        tdl_meta_table_deinit(&table);
    }
}

// `depth` objects within each other around one value; as arrays where `array` is set.
static void nest(tdl_str *text, int depth, bool array) {
    tdl_str_format(text, "{\"a\":");
    for (int i = 1; i < depth; i++) tdl_str_format(text, array ? "[null," : "{\"a\":");
    tdl_str_format(text, "1");
    for (int i = 1; i < depth; i++) tdl_str_format(text, array ? "]" : "}");
    tdl_str_format(text, "}");
}

static void test_flatten_limits(void **state) {
    (void)state;
    for (int over = 0; over <= 1; over++) {
        tdl_meta_table table;
        tdl_error err = {0};
        tdl_str text = tdl_str_make(mem());
        for (int array = 0; array <= 1; array++) {
            nest(&text, TDL_CONFIG_DEPTH_MAX + over, array);
            tdl_status status = flatten(&table, text.ptr, &err);
            if (over) assert_error(status, TDL_ERROR_LIMIT, &err, "nested deeper than 16");
            else assert_int_equal(status, TDL_OK);
            tdl_meta_table_deinit(&table);
            tdl_str_clear(&text);
        }
        // "k...k.v", all in all as long as allowed, or one more
        char key[TDL_CONFIG_KEY_SIZE_MAX + 1] = {0};
        memset(key, 'k', (size_t)(TDL_CONFIG_KEY_SIZE_MAX - 2 + over));
        tdl_str_format(&text, "{\"%s\":{\"v\":1}}", key);
        tdl_status status = flatten(&table, text.ptr, &err);
        if (over) assert_error(status, TDL_ERROR_LIMIT, &err, "1024 bytes with its parents', at most 1023");
        else assert_int_equal(status, TDL_OK);
        tdl_meta_table_deinit(&table);
        tdl_str_clear(&text);

        for (int i = 0; i < TDL_META_KEYS_MAX + over; i++) tdl_str_format(&text, "%c\"%d\":0", i ? ',' : '{', i);
        tdl_str_format(&text, "}");
        status = flatten(&table, text.ptr, &err);
        if (over) assert_error(status, TDL_ERROR_LIMIT, &err, "more than 65536 metadata keys");
        else assert_int_equal(status, TDL_OK);
        tdl_meta_table_deinit(&table);
        tdl_str_deinit(&text);
    }
}

// ---- memory

static tdl_status open_close(const tdl_allocator *allocator, void *arg) {
    tdl_weights *w = NULL;
    tdl_error err = {0};
    tdl_status status = tdl_weights_open(&(tdl_weights_desc){.mem = allocator, .path = arg}, &w, &err);
    if (status && !err.message[0]) fail_msg("%s without a message", tdl_status_name(status));
    tdl_weights_close(w);
    return status;
}

static void test_failing_allocations(void **state) {
    (void)state;
    char single[] = TINY "gpt2", sharded[] = SHARDED, shard[] = SHARDED "/model-00001-of-00003.safetensors";
    assert_true(fail_alloc_each(open_close, single) > 10);
    assert_true(fail_alloc_each(open_close, sharded) > 10);
    assert_true(fail_alloc_each(open_close, shard) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),          cmocka_unit_test(test_config_values),
        cmocka_unit_test(test_sharded),           cmocka_unit_test(test_sharded_wrong),
        cmocka_unit_test(test_shard_limit),       cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_skipped),           cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_flatten_as_python), cmocka_unit_test(test_flatten_wrong),
        cmocka_unit_test(test_flatten_limits),    cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
