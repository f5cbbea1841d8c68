// SPDX-License-Identifier: MIT
// test_config.c - what a model's configuration means: config.json as Transformers resolves it, GGUF keys as llama.cpp does, and
// no key that changes the maths passed over in silence.
//
// data/config/hf_config.json was written by tools/golden/config_golden.py: configs, and what Transformers' models of them use.
#include "base/json.h"
#include "format/gguf_write.h"
#include "format/hf_config.h"
#include "format/weights_build.h"
#include "model/config_keys.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

#include <cmocka.h>

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_weights *weights_of(const char *json) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    if (tdl_weights_create(mem(), TDL_WEIGHTS_HF, &weights, &err)) fail_msg("%s", err.message);
    if (tdl_hf_config_add(&weights->meta, "", json, strlen(json), "config.json", &err)) fail_msg("%s", err.message);
    return weights;
}

// Reads a config and looks at its keys, as opening a model does. *warnings (may be NULL) is initialized.
static tdl_status read(const tdl_weights *weights, const tdl_arch **arch, tdl_config *config, tdl_warnings *warnings,
                       tdl_error *err) {
    tdl_warnings own;
    tdl_warnings_init(&own, mem());
    tdl_status status = tdl_config_read(weights, arch, config, err);
    if (status == TDL_OK) status = tdl_config_keys_check(weights, *arch, false, warnings ? warnings : &own, err);
    tdl_warnings_deinit(&own);
    return status;
}

// ---- config.json against Transformers

static void check_int(const json_t *expected, const char *key, int32_t value, const char *config) {
    const json_t *number = json_object_get(expected, key);
    if (number && json_integer_value(number) != value)
        fail_msg("%s: %s is %d, expected %lld", config, key, value, (long long)json_integer_value(number));
}

static void check_bool(const json_t *expected, const char *key, bool value, const char *config) {
    const json_t *flag = json_object_get(expected, key);
    if (flag && json_is_true(flag) != value) fail_msg("%s: %s is %d", config, key, value);
}

static void check_rope(const json_t *expected, const tdl_config *c, const char *config) {
    float freq[TDL_HEAD_DIM_MAX / 2], scale;
    const json_t *pairs = json_object_get(expected, "freq");
    if (!pairs) return;
    check_int(expected, "n_rot", c->rope.n_rot, config);
    tdl_rope_frequencies(&c->rope, NULL, freq, &scale);
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        float got = freq[json_integer_value(json_array_get(pair, 0))];
        double want = json_number_value(json_array_get(pair, 1));
        if (fabs((double)got - want) > 2e-6 * want)
            fail_msg("%s: frequency %zu is %g, expected %g", config, i, (double)got, want);
    }
    double want = json_number_value(json_object_get(expected, "freq_scale"));
    if (fabs((double)scale - want) > 1e-6 * want) fail_msg("%s: scale %g, expected %g", config, (double)scale, want);
}

static const char *act_name(tdl_act act) {
    return act == TDL_ACT_SILU ? "silu" : act == TDL_ACT_GELU ? "gelu" : act == TDL_ACT_RELU ? "relu" : "gelu_tanh";
}

static void check_config(const json_t *expected, const tdl_arch *arch, const tdl_config *c, const char *config) {
    check_int(expected, "n_layers", c->n_layers, config);
    check_int(expected, "n_embd", c->n_embd, config);
    check_int(expected, "n_heads", c->n_heads, config);
    check_int(expected, "n_kv_heads", c->n_kv_heads, config);
    check_int(expected, "head_dim", c->head_dim, config);
    check_int(expected, "n_ff", c->n_ff, config);
    check_int(expected, "n_ctx", c->n_ctx, config);
    if (c->n_vocab) check_int(expected, "n_vocab", c->n_vocab, config); // 0: as many as the embedding table has rows
    check_int(expected, "n_experts", c->n_experts, config);
    check_int(expected, "n_experts_used", c->n_experts_used, config);
    check_int(expected, "n_ff_expert", c->n_ff_expert, config);
    check_bool(expected, "experts_renorm", c->experts_renorm, config);
    check_bool(expected, "tied", c->tied, config);
    check_bool(expected, "qkv_bias", c->biases & TDL_BIAS_QKV, config);
    check_bool(expected, "out_bias", c->biases & TDL_BIAS_OUT, config);
    check_bool(expected, "ffn_bias", c->biases & TDL_BIAS_FFN, config);
    assert_false(c->biases_by_file);
    assert_string_equal(act_name(c->act), json_string_value(json_object_get(expected, "act")));
    double eps = json_number_value(json_object_get(expected, "norm_eps"));
    if (fabs((double)c->norm_eps - eps) > 1e-6 * eps)
        fail_msg("%s: eps %g, expected %g", config, (double)c->norm_eps, eps);
    const json_t *windows = json_object_get(expected, "windows");
    assert_int_equal(json_array_size(windows), c->n_layers);
    for (int32_t i = 0; i < c->n_layers; i++)
        if (json_integer_value(json_array_get(windows, (size_t)i)) != c->windows[i])
            fail_msg("%s: window of layer %d is %d", config, i, c->windows[i]);
    if (arch->position == TDL_POSITION_ROPE) check_rope(expected, c, config);
}

static void test_as_transformers(void **state) {
    (void)state;
    json_t *root = NULL;
    tdl_error err = {0};
    size_t n_errors = 0, n_absent = 0, i;
    json_t *one;
    if (tdl_json_load(mem(), TDL_TEST_DATA "/config/hf_config.json", &root, &err)) fail_msg("%s", err.message);
    json_t *cases = json_object_get(root, "cases");
    json_array_foreach(cases, i, one) {
        const tdl_arch *arch = NULL;
        tdl_config *c = calloc(1, sizeof *c);
        char *text = json_dumps(json_object_get(one, "config"), 0);
        const json_t *expected = json_object_get(one, "expected");
        bool fails = json_object_get(expected, "error") != NULL;
        tdl_weights *weights = weights_of(text);
        tdl_status status = read(weights, &arch, c, NULL, &err);
        if ((status != TDL_OK) != fails) fail_msg("%s: %s", text, status ? err.message : "opened");
        if (!fails) check_config(expected, arch, c, text);
        n_errors += fails;
        n_absent += json_object_size(json_object_get(one, "config")) == 1; // the family's name alone
        tdl_weights_close(weights);
        free(text);
        free(c);
    }
    assert_true(i > 200 && n_errors >= 8);
    assert_int_equal(n_absent, 7);
    json_decref(root);
}

// ---- keys of config.json

#define LLAMA "{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"num_attention_heads\":4"
#define QWEN2 "{\"model_type\":\"qwen2\",\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2"

static const struct {
    const char *json;
    tdl_status status;
    const char *message; // of the error, or of the only warning; NULL: there is none
} hf_cases[] = {
    {LLAMA "}", TDL_OK, NULL},
    {LLAMA ",\"sliding_window\":4}", TDL_OK, "'sliding_window' is 4, but llama models do not read it"},
    {LLAMA ",\"use_sliding_window\":false,\"layer_types\":[\"full_attention\",\"full_attention\"]}", TDL_OK, NULL},
    {LLAMA ",\"use_sliding_window\":true}", TDL_OK, "'use_sliding_window' is true, but llama models do not read it"},
    {LLAMA ",\"my_scale\":2.5}", TDL_OK, "the key 'my_scale' is unknown; nothing reads its value 2.5"},
    {LLAMA ",\"my\":{\"flags\":[true]}}", TDL_OK,
     "the key 'my.flags' is unknown; nothing reads its value an array of 1"},
    {LLAMA ",\"my_null\":null}", TDL_OK, NULL},
    {LLAMA ",\"rope_scaling\":{\"rope_type\":\"default\",\"faktor\":2}}", TDL_OK,
     "the key 'rope_scaling.faktor' is unknown"},
    {LLAMA ",\"my.scale\":2}", TDL_OK, "the key 'my\\.scale' is unknown"},
    {LLAMA ",\"rope_parameters.factor\":2}", TDL_OK, "the key 'rope_parameters\\.factor' is unknown"},
    {LLAMA ",\"model_max_length\":1000000000000000019884624838656,\"attention_dropout\":NaN}", TDL_OK, NULL},
    {LLAMA ",\"rms_norm_eps\":NaN}", TDL_ERROR_FORMAT, "'rms_norm_eps' is not finite"},
    {LLAMA ",\"rms_norm_eps\":0}", TDL_ERROR_FORMAT, "epsilon is 0"},
    {LLAMA ",\"hidden_size\":1e999}", TDL_ERROR_FORMAT, "'hidden_size' is no integer"},
    {LLAMA ",\"hidden_size\":null}", TDL_ERROR_FORMAT, "'hidden_size' is null"},
    {LLAMA ",\"vocab_size\":99999999999999999999}", TDL_ERROR_FORMAT, "'vocab_size' is no integer"},
    {LLAMA ",\"tie_word_embeddings\":\"no\"}", TDL_ERROR_FORMAT, "'tie_word_embeddings' is neither true nor false"},
    {LLAMA ",\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4}}", TDL_ERROR_UNSUPPORTED,
     "'quantization_config.quant_method' is \"gptq\", which is not supported"},
    {LLAMA ",\"quantization_config\":null}", TDL_OK, NULL},
    {LLAMA ",\"is_causal\":false}", TDL_ERROR_UNSUPPORTED,
     "'is_causal' is false, which is not supported; expected, if it is there, true"},
    {LLAMA ",\"is_causal\":true}", TDL_OK, NULL},
    {LLAMA ",\"attn_logit_softcapping\":50.0}", TDL_ERROR_UNSUPPORTED, "'attn_logit_softcapping' is 50"},
    {LLAMA ",\"final_logit_softcapping\":30}", TDL_ERROR_UNSUPPORTED, "'final_logit_softcapping' is 30"},
    {LLAMA ",\"logits_scaling\":8,\"x\":1}", TDL_ERROR_UNSUPPORTED, "'logits_scaling' is 8"},
    {LLAMA ",\"embedding_multiplier\":12}", TDL_ERROR_UNSUPPORTED, "'embedding_multiplier' is 12"},
    {LLAMA ",\"residual_multiplier\":1.0}", TDL_OK, NULL},
    {LLAMA ",\"residual_multiplier\":0.22}", TDL_ERROR_UNSUPPORTED, "'residual_multiplier' is 0.22"},
    {LLAMA ",\"clip_qkv\":8}", TDL_ERROR_UNSUPPORTED, "'clip_qkv' is 8"},
    {LLAMA ",\"num_local_experts\":8}", TDL_ERROR_UNSUPPORTED, "'num_local_experts' is 8"},
    {LLAMA ",\"partial_rotary_factor\":0.5}", TDL_ERROR_UNSUPPORTED, "'partial_rotary_factor' is 0.5"},
    {LLAMA ",\"rope_scaling\":\"linear\"}", TDL_ERROR_UNSUPPORTED, "'rope_scaling' is \"linear\""},
    {LLAMA ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}", TDL_ERROR_UNSUPPORTED, "RoPE scaling 'dynamic'"},
    {LLAMA ",\"rope_scaling\":{\"rope_type\":null,\"factor\":2}}", TDL_ERROR_UNSUPPORTED, "'rope_scaling.rope_type'"},
    {LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":null}}", TDL_ERROR_FORMAT,
     "'rope_scaling.factor' is missing"},
    {LLAMA ",\"rope_theta\":null}", TDL_ERROR_FORMAT, "'rope_theta' is null"},
    {LLAMA ",\"rope_theta\":Infinity}", TDL_ERROR_FORMAT, "'rope_theta' is not finite"},
    {LLAMA ",\"no_rope_layers\":[1,1]}", TDL_OK, NULL},
    {LLAMA ",\"no_rope_layers\":[1,0]}", TDL_ERROR_UNSUPPORTED, "'no_rope_layers' is an array of 2"},
    {LLAMA ",\"pruned_heads\":{}}", TDL_OK, NULL},
    {LLAMA ",\"pruned_heads\":{\"1\":[2]}}", TDL_ERROR_UNSUPPORTED, "'pruned_heads.1'"},
    {LLAMA ",\"per_layer_config\":{\"0\":{\"head_dim\":8}}}", TDL_ERROR_UNSUPPORTED,
     "'per_layer_config.0.head_dim' is 8"},
    {QWEN2 ",\"attention_bias\":true}", TDL_OK, "'attention_bias' is true, but qwen2 models do not read it"},
    {QWEN2 ",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":5}}}", TDL_ERROR_UNSUPPORTED,
     "'rope_parameters.full_attention.rope_theta'"},
    {QWEN2 ",\"sliding_window\":0,\"use_sliding_window\":true}", TDL_ERROR_FORMAT, "'sliding_window' is 0"},
    {QWEN2 ",\"layer_types\":[\"full_attention\"]}", TDL_ERROR_FORMAT, "layer_types has 1 entries for 2 layers"},
    {QWEN2 ",\"layer_types\":[\"full_attention\",\"linear_attention\"]}", TDL_ERROR_UNSUPPORTED,
     "layer_types[1] is 'linear_attention'"},
    {"{\"model_type\":\"gpt2\",\"scale_attn_by_inverse_layer_idx\":true}", TDL_ERROR_UNSUPPORTED,
     "'scale_attn_by_inverse_layer_idx' is true"},
    {"{\"model_type\":\"gpt2\",\"scale_attn_weights\":false}", TDL_ERROR_UNSUPPORTED, "'scale_attn_weights' is false"},
    {"{\"model_type\":\"gpt2\",\"add_cross_attention\":true}", TDL_ERROR_UNSUPPORTED, "'add_cross_attention' is true"},
    {"{\"model_type\":\"gpt2\",\"rope_theta\":5}", TDL_OK, "'rope_theta' is 5, but gpt2 models do not read it"},
    {"{\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[0]}", TDL_ERROR_UNSUPPORTED,
     "'mlp_only_layers' is an array of 1"},
    {"{\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[],\"decoder_sparse_step\":1}", TDL_OK, NULL},
    {"{\"model_type\":\"qwen3_moe\",\"decoder_sparse_step\":2}", TDL_ERROR_UNSUPPORTED, "'decoder_sparse_step' is 2"},
    {"{\"model_type\":\"mixtral\",\"norm_topk_prob\":false}", TDL_OK,
     "'norm_topk_prob' is false, but mixtral models do not read it"},
    {"{\"model_type\":\"bert\"}", TDL_ERROR_UNSUPPORTED, "architecture 'bert'"},
};

static void check_case(const tdl_weights *weights, tdl_status expected, const char *message, const char *what) {
    const tdl_arch *arch = NULL;
    tdl_config *c = calloc(1, sizeof *c);
    tdl_warnings warnings;
    tdl_error err = {0};
    tdl_warnings_init(&warnings, mem());
    tdl_status status = read(weights, &arch, c, &warnings, &err);
    const char *said = status ? err.message : warnings.texts.n ? *tdl_vec_at(&warnings.texts, const char *, 0) : NULL;
    if (status != expected) fail_msg("%s: status %s: %s", what, tdl_status_name(status), said);
    if (message ? !said || !strstr(said, message) : said != NULL) fail_msg("%s: said %s", what, said);
    if (status == TDL_OK) assert_int_equal(warnings.texts.n, message != NULL);
    tdl_warnings_deinit(&warnings);
    free(c);
}

static void test_hf_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hf_cases / sizeof *hf_cases; i++) {
        tdl_weights *weights = weights_of(hf_cases[i].json);
        check_case(weights, hf_cases[i].status, hf_cases[i].message, hf_cases[i].json);
        tdl_weights_close(weights);
    }
}

// Where nobody will look at a model's warnings they are errors.
static void test_strict(void **state) {
    (void)state;
    static const char *const cases[] = {LLAMA ",\"num_hidden_layer\":3}", LLAMA ",\"sliding_window\":4}"};
    for (size_t i = 0; i < 2; i++) {
        tdl_weights *weights = weights_of(cases[i]);
        tdl_error err = {0};
        const tdl_arch *llama = tdl_arch_find_hf(tdl_text_cstr("llama"));
        assert_int_equal(tdl_config_keys_check(weights, llama, true, NULL, &err), TDL_ERROR_FORMAT);
        assert_non_null(strstr(err.message, i ? "'sliding_window'" : "'num_hidden_layer'"));
        tdl_weights_close(weights);
    }
}

// The table is for every family: seven letters a row, each of them one of the four.
static void test_table(void **state) {
    (void)state;
    static const struct {
        const char *key, *uses;
    } rows[] = {
#define TDL_KEY_HF(key, uses, neutral) {key, uses},
#define TDL_KEY_GGUF(key, uses, neutral) {key, uses},
#include "model/config_keys.def"
#undef TDL_KEY_HF
#undef TDL_KEY_GGUF
    };
    size_t n_families = 0;
    while (tdl_arch_at(n_families)) n_families++;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strlen(rows[i].uses) != n_families || strspn(rows[i].uses, "uhix") != n_families)
            fail_msg("%s: '%s'", rows[i].key, rows[i].uses);
        for (size_t k = 0; k < i; k++)
            if (strcmp(rows[i].key, rows[k].key) == 0) fail_msg("%s is there twice", rows[i].key);
    }
}

static void test_many_warnings(void **state) {
    (void)state;
    char text[64];
    tdl_warnings warnings;
    tdl_warnings_init(&warnings, mem());
    for (int i = 0; i < TDL_WARNINGS_MAX + 5; i++) {
        snprintf(text, sizeof text, "warning %d", i);
        assert_true(tdl_warn(&warnings, text));
        assert_int_equal(warnings.texts.n, i <= TDL_WARNINGS_MAX ? i + 1 : TDL_WARNINGS_MAX + 1);
    }
    assert_string_equal(*tdl_vec_at(&warnings.texts, const char *, TDL_WARNINGS_MAX - 1), "warning 63");
    assert_string_equal(*tdl_vec_at(&warnings.texts, const char *, TDL_WARNINGS_MAX),
                        "there are more warnings than are kept");
    tdl_warnings_deinit(&warnings);
}

static tdl_status scenario(const tdl_allocator *m, void *weights) {
    tdl_warnings warnings;
    tdl_warnings_init(&warnings, m);
    tdl_status status =
        tdl_config_keys_check(weights, tdl_arch_find_hf(tdl_text_cstr("llama")), false, &warnings, NULL);
    tdl_warnings_deinit(&warnings);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    tdl_weights *weights = weights_of(LLAMA ",\"sliding_window\":4,\"x\":1,\"y\":2}");
    assert_true(fail_alloc_each(scenario, weights) >= 2);
    tdl_weights_close(weights);
}

// ---- GGUF

// "key=value" pairs: u an integer, f a float, b a boolean, s a string, a an array of three integers.
static tdl_weights *gguf_of(const char *arch, const char *more) {
    static const char common[] =
        "u.block_count=2 u.embedding_length=64 u.attention.head_count=4 u.context_length=256 "
        "u.feed_forward_length=96 f.attention.layer_norm_rms_epsilon=1e-5 f.attention.layer_norm_epsilon=1e-5 ";
    static char path[TEST_PATH_SIZE], text[1024];
    char dir[TEST_PATH_SIZE], *at = text;
    tdl_gguf_writer *w = NULL;
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    snprintf(text, sizeof text, "%s%s", strstr(more, "LEAVE") ? "" : common, more);
    tdl_status status = tdl_gguf_writer_create(mem(), &w, &err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(w, "general.architecture", arch, &err);
    for (char *pair; status == TDL_OK && (pair = strtok_r(at, " ", &at));) {
        char *value = strchr(pair, '='), key[128];
        if (!value) continue;
        *value++ = '\0';
        snprintf(key, sizeof key, "%s%s", pair[1] == '.' ? arch : "", pair + 1);
        if (*pair == 'u') status = tdl_gguf_writer_u32(w, key, (uint32_t)atoi(value), &err);
        if (*pair == 'f') status = tdl_gguf_writer_f32(w, key, (float)atof(value), &err);
        if (*pair == 'b') status = tdl_gguf_writer_bool(w, key, *value == '1', &err);
        if (*pair == 's') status = tdl_gguf_writer_string(w, key, value, &err);
        if (*pair == 'a') {
            const int64_t numbers[3] = {atoi(value), atoi(value), atoi(value)};
            tdl_meta meta = {.type = TDL_META_ARRAY,
                             .element = TDL_META_INT,
                             .n = 3,
                             .array = numbers,
                             .gguf_type = -1,
                             .gguf_element = -1};
            status = tdl_gguf_writer_meta(w, tdl_text_cstr(key), &meta, &err);
        }
    }
    test_dir_make(dir);
    if (status == TDL_OK) status = tdl_gguf_writer_save(w, test_path(path, dir, "m.gguf"), &err);
    tdl_gguf_writer_destroy(w);
    tdl_weights_desc desc = {.mem = mem(), .path = path, .metadata_only = true};
    if (status == TDL_OK) status = tdl_weights_open(&desc, &weights, &err);
    test_dir_remove(dir);
    if (status != TDL_OK) fail_msg("%s: %s", more, err.message);
    return weights;
}

static const struct {
    const char *arch, *more;
    tdl_status status;
    const char *message;
} gguf_cases[] = {
    {"llama", "", TDL_OK, NULL},
    {"llama", "f.attn_logit_softcapping=50", TDL_ERROR_UNSUPPORTED,
     "'llama.attn_logit_softcapping' is 50, which is not supported"},
    {"llama", "f.attn_logit_softcapping=0", TDL_OK, NULL},
    {"llama", "f.final_logit_softcapping=30", TDL_ERROR_UNSUPPORTED, "'llama.final_logit_softcapping'"},
    {"llama", "u.attention.value_length=32", TDL_ERROR_UNSUPPORTED, "'attention.value_length' is 32, but keys have 16"},
    {"llama", "u.attention.value_length=16", TDL_OK, NULL},
    {"llama", "b.attention.causal=0", TDL_ERROR_UNSUPPORTED, "'llama.attention.causal' is false"},
    {"llama", "b.attention.causal=1", TDL_OK, NULL},
    {"llama", "f.attention.clamp_kqv=8", TDL_ERROR_UNSUPPORTED, "'llama.attention.clamp_kqv' is 8"},
    {"llama", "f.attention.max_alibi_bias=8", TDL_ERROR_UNSUPPORTED, "'llama.attention.max_alibi_bias'"},
    {"llama", "f.attention.scale=0.1", TDL_ERROR_UNSUPPORTED, "'llama.attention.scale'"},
    {"llama", "f.logit_scale=0.0625", TDL_ERROR_UNSUPPORTED, "'llama.logit_scale' is 0.0625"},
    {"llama", "f.embedding_scale=12", TDL_ERROR_UNSUPPORTED, "'llama.embedding_scale'"},
    {"llama", "f.residual_scale=0.22", TDL_ERROR_UNSUPPORTED, "'llama.residual_scale'"},
    {"llama", "f.residual_scale=1 f.embedding_scale=1 f.logit_scale=0", TDL_OK, NULL},
    {"llama", "b.use_parallel_residual=1", TDL_ERROR_UNSUPPORTED, "'llama.use_parallel_residual' is true"},
    {"llama", "a.rope.dimension_sections=0", TDL_OK, NULL},
    {"llama", "a.rope.dimension_sections=8", TDL_ERROR_UNSUPPORTED, "'llama.rope.dimension_sections' is an array of 3"},
    {"llama", "f.rope.scaling.yarn_log_multiplier=0.1", TDL_ERROR_UNSUPPORTED, "yarn_log_multiplier' is 0.1"},
    {"llama", "b.rope.scaling.finetuned=1", TDL_OK, NULL},
    {"llama", "s.rope.scaling.type=longrope", TDL_ERROR_UNSUPPORTED, "'rope.scaling.type': RoPE scaling 'longrope'"},
    {"llama", "s.rope.scaling.type=default", TDL_ERROR_UNSUPPORTED, "RoPE scaling 'default'"},
    {"llama", "f.rope.scaling.factor=-2", TDL_ERROR_FORMAT, "rope scaling factor is -2"},
    {"llama", "f.rope.scaling.attn_factor=-1", TDL_ERROR_FORMAT, "rope attention factor is -1"},
    {"llama", "u.expert_count=8 u.expert_used_count=2 f.expert_weights_scale=2.5", TDL_ERROR_UNSUPPORTED,
     "'llama.expert_weights_scale' is 2.5"},
    {"llama", "u.expert_count=8 u.expert_used_count=2 u.expert_gating_func=2", TDL_ERROR_UNSUPPORTED,
     "'llama.expert_gating_func' is 2"},
    {"qwen3moe", "u.expert_count=8 u.expert_used_count=2 u.expert_shared_count=1", TDL_ERROR_UNSUPPORTED,
     "'qwen3moe.expert_shared_count' is 1"},
    {"llama", "u.expert_count=0 u.expert_used_count=0 f.expert_weights_scale=2.5", TDL_OK, NULL},
    {"llama", "u.my_switch=1", TDL_OK, "the key 'llama.my_switch' is unknown; nothing reads its value 1"},
    {"llama", "uqwen2.block_count=7", TDL_OK, "the key 'qwen2.block_count' is unknown"},
    {"llama", "sgeneral.type=adapter", TDL_ERROR_UNSUPPORTED, "'general.type' is \"adapter\""},
    {"llama", "sgeneral.type=model sgeneral.finetune=chat", TDL_OK, NULL},
    {"gpt2", "u.attention.sliding_window=8", TDL_ERROR_UNSUPPORTED, "'gpt2.attention.sliding_window' is 8"},
    {"llama",
     "LEAVE u.block_count=2 u.embedding_length=64 u.attention.head_count=4 u.context_length=256 "
     "u.feed_forward_length=96",
     TDL_ERROR_FORMAT, "'attention.layer_norm_rms_epsilon' is missing"},
};

static void test_gguf_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof gguf_cases / sizeof *gguf_cases; i++) {
        tdl_weights *weights = gguf_of(gguf_cases[i].arch, gguf_cases[i].more);
        check_case(weights, gguf_cases[i].status, gguf_cases[i].message, gguf_cases[i].more);
        tdl_weights_close(weights);
    }
}

// What llama.cpp makes of the keys: src/llama-model.cpp (load_hparams) and src/llama-context.cpp (yarn_attn_factor), and of
// rope_yarn in ggml, as read in 2026-11. scale: what cos and sin are multiplied by.
static void test_gguf_rope(void **state) {
    (void)state;
    static const struct {
        const char *more;
        tdl_rope_scaling scaling;
        double factor, scale, theta;
    } cases[] = {
        {"", TDL_ROPE_PLAIN, 1, 1, 10000},
        {"f.rope.freq_base=5e5", TDL_ROPE_PLAIN, 1, 1, 5e5},
        {"f.rope.scaling.factor=4", TDL_ROPE_LINEAR, 4, 1, 10000},
        {"f.rope.scale_linear=4", TDL_ROPE_LINEAR, 4, 1, 10000},
        {"f.rope.scale_linear=4 f.rope.scaling.factor=2", TDL_ROPE_LINEAR, 2, 1, 10000},
        {"s.rope.scaling.type=none f.rope.scale_linear=4", TDL_ROPE_PLAIN, 1, 1, 10000},
        {"s.rope.scaling.type=linear f.rope.scale_linear=4", TDL_ROPE_LINEAR, 4, 1, 10000},
        {"s.rope.scaling.type=linear", TDL_ROPE_LINEAR, 1, 1, 10000},
        {"s.rope.scaling.type=linear f.rope.scaling.factor=0", TDL_ROPE_LINEAR, 1, 1, 10000},
        {"f.rope.scaling.attn_factor=1.5", TDL_ROPE_PLAIN, 1, 1.5, 10000},
        {"f.rope.scaling.factor=4 f.rope.scaling.attn_factor=1.5", TDL_ROPE_LINEAR, 4, 1.5, 10000},
        {"s.rope.scaling.type=yarn f.rope.scaling.factor=4", TDL_ROPE_YARN, 4, 1.1386294361119891, 10000},
        {"s.rope.scaling.type=yarn f.rope.scaling.factor=4 f.rope.scaling.attn_factor=1.5", TDL_ROPE_YARN, 4,
         1.7079441541679836, 10000},
        {"s.rope.scaling.type=yarn", TDL_ROPE_YARN, 1, 1, 10000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_weights *weights = gguf_of("llama", cases[i].more);
        const tdl_arch *arch = NULL;
        tdl_config *c = calloc(1, sizeof *c);
        tdl_error err = {0};
        float freq[8], scale;
        if (tdl_config_read(weights, &arch, c, &err)) fail_msg("%s: %s", cases[i].more, err.message);
        tdl_rope_frequencies(&c->rope, NULL, freq, &scale);
        if (c->rope.scaling != cases[i].scaling || c->rope.factor != cases[i].factor ||
            fabs(c->rope.theta - cases[i].theta) > 1e-3 || fabs((double)scale - cases[i].scale) > 1e-6)
            fail_msg("%s: scaling %d, factor %g, theta %g, scale %g", cases[i].more, (int)c->rope.scaling,
                     c->rope.factor, c->rope.theta, (double)scale);
        tdl_weights_close(weights);
        free(c);
    }
}

// What a GGUF file does not say: llama.cpp's defaults, which the families do not differ in.
static void test_gguf_defaults(void **state) {
    (void)state;
    static const char *const archs[] = {"gpt2", "llama", "qwen2", "qwen3", "qwen3moe"};
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        bool experts = strcmp(archs[i], "qwen3moe") == 0;
        tdl_weights *weights = gguf_of(archs[i], experts ? "u.expert_count=8 u.expert_used_count=2" : "");
        const tdl_arch *arch = NULL;
        tdl_config *c = calloc(1, sizeof *c);
        tdl_error err = {0};
        if (tdl_config_read(weights, &arch, c, &err)) fail_msg("%s: %s", archs[i], err.message);
        assert_string_equal(arch->name, archs[i]);
        assert_int_equal(c->n_kv_heads, 4);
        assert_int_equal(c->head_dim, 16);
        assert_int_equal(c->windows[0] + c->windows[1], 0);
        assert_true(c->experts_renorm && c->tied && c->biases_by_file);
        if (arch->position == TDL_POSITION_ROPE) assert_true(c->rope.theta == 10000 && c->rope.n_rot == 16);
        assert_int_equal(c->n_ff_expert, experts ? 96 : 0);
        tdl_weights_close(weights);
        free(c);
    }
}

// A window makes a "llama" file a Mistral model; expert_weights_norm is the one key that says what norm_topk_prob says.
static void test_gguf_rows(void **state) {
    (void)state;
    static const struct {
        const char *arch, *more, *model_type;
        int32_t window;
        bool renorm;
    } cases[] = {
        {"llama", "", "llama", 0, true},
        {"llama", "u.attention.sliding_window=0", "llama", 0, true},
        {"llama", "u.attention.sliding_window=9", "mistral", 9, true},
        {"llama", "u.expert_count=4 u.expert_used_count=2", "mixtral", 0, true},
        {"llama", "u.expert_count=4 u.expert_used_count=2 u.attention.sliding_window=9", "mixtral", 9, true},
        {"qwen2", "u.attention.sliding_window=9", "qwen2", 9, true},
        {"qwen3moe", "u.expert_count=4 u.expert_used_count=2 b.expert_weights_norm=0", "qwen3_moe", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_weights *weights = gguf_of(cases[i].arch, cases[i].more);
        const tdl_arch *arch = NULL;
        tdl_config *c = calloc(1, sizeof *c);
        tdl_error err = {0};
        if (tdl_config_read(weights, &arch, c, &err)) fail_msg("%s: %s", cases[i].more, err.message);
        assert_string_equal(arch->model_type, cases[i].model_type);
        assert_int_equal(c->windows[0], cases[i].window);
        assert_int_equal(c->windows[1], cases[i].window);
        assert_int_equal(c->experts_renorm, cases[i].renorm);
        tdl_weights_close(weights);
        free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_transformers), cmocka_unit_test(test_hf_keys),       cmocka_unit_test(test_strict),
        cmocka_unit_test(test_table),           cmocka_unit_test(test_many_warnings), cmocka_unit_test(test_gguf_keys),
        cmocka_unit_test(test_gguf_rope),       cmocka_unit_test(test_gguf_defaults), cmocka_unit_test(test_gguf_rows),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
