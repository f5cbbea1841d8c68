// SPDX-License-Identifier: MIT
// test_golden_hf.c - tiny models of every family against Transformers (float32): logits of every position and greedy ids.
//
// test/data/hf-tiny/<name>/ holds random bfloat16 weights and, for two prompts, ids, logits of every position and greedy
// ids: reference.json by a model loaded as float32, reference-bf16-rope.json by one whose RoPE frequencies had been
// rounded to bfloat16 (ORIGIN.md there).
#include "model/model_impl.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double F32_BOUND = 1e-4, AUTO_KL_BOUND = 1e-3;

static void check_prompt(const char *name, tdl_model *model, const json_t *prompt, bool exact) {
    size_t n_ids, n_greedy, n_logits;
    int32_t *ids = golden_ids(json_object_get(prompt, "ids"), &n_ids);
    int32_t *greedy = golden_ids(json_object_get(prompt, "greedy"), &n_greedy);
    float *expected = golden_floats(json_object_get(prompt, "f32"), &n_logits);
    size_t n_vocab = n_logits / n_ids;
    float *logits = golden_logits(model, ids, n_ids);
    if (exact) {
        double error = golden_error(logits, expected, n_logits);
        print_message("%-14s f32: %zu tokens, largest error %.2e\n", name, n_ids, error);
        assert_true(error <= F32_BOUND);
        int32_t ours[64];
        assert_true(n_greedy > 0 && n_greedy <= 64);
        golden_greedy(model, ids, n_ids, ours, n_greedy);
        assert_memory_equal(ours, greedy, n_greedy * sizeof *ours);
    } else {
        double kl = golden_kl(logits, expected, n_ids, n_vocab);
        print_message("%-14s auto: largest KL %.2e\n", name, kl);
        assert_true(kl < AUTO_KL_BOUND);
    }
    free(ids), free(greedy), free(expected), free(logits);
}

// A CPU device reads the model's own copy of the frequencies.
static void round_rope(tdl_model *model) {
    const tdl_param *param = tdl_param_get(&model->params, TDL_ROLE_ROPE_INV_FREQ, TDL_NO_LAYER);
    float *freqs = param ? param->owned : NULL;
    for (int64_t i = 0; freqs && i < param->tensor.shape[0]; i++)
        freqs[i] = tdl_bf16_to_f32(tdl_bf16_from_f32(freqs[i]));
}

static void check_reference(const char *name, const char *file, bool rounded_rope) {
    static const char *const isas[] = {NULL, "avx2", "plain"};
    char path[4096];
    snprintf(path, sizeof path, "%s/hf-tiny/%s/%s", TDL_TEST_DATA, name, file);
    json_t *reference = golden_json(path), *prompts = json_object_get(reference, "prompts");
    snprintf(path, sizeof path, "%s/hf-tiny/%s", TDL_TEST_DATA, name);
    assert_true(json_array_size(prompts) > 0);
    for (int precision = TDL_PRECISION_AUTO; precision <= TDL_PRECISION_F32; precision++)
        for (size_t isa = 0; isa < sizeof isas / sizeof *isas; isa++) {
            tdl_device *device;
            tdl_model *model = golden_open(path, (tdl_precision)precision, 2, isas[isa], &device);
            if (rounded_rope) round_rope(model);
            for (size_t i = 0; i < json_array_size(prompts); i++)
                check_prompt(name, model, json_array_get(prompts, i), precision == TDL_PRECISION_F32);
            tdl_model_close(model);
            tdl_device_close(device);
        }
    json_decref(reference);
}

static void check_family(const char *name) {
    check_reference(name, "reference.json", false);
    check_reference(name, "reference-bf16-rope.json", true);
}

#define FAMILY(test, name)           \
    static void test(void **state) { \
        (void)state;                 \
        check_family(name);          \
    }
FAMILY(gpt2, "gpt2")
FAMILY(llama, "llama")
FAMILY(llama3_rope, "llama3-rope")
FAMILY(llama_yarn, "llama-yarn")
FAMILY(llama_linear, "llama-linear")
FAMILY(mistral, "mistral")
FAMILY(qwen2, "qwen2")
FAMILY(qwen3, "qwen3")
FAMILY(mixtral, "mixtral")
FAMILY(qwen3_moe, "qwen3_moe")

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2),       cmocka_unit_test(llama),        cmocka_unit_test(llama3_rope),
        cmocka_unit_test(llama_yarn), cmocka_unit_test(llama_linear), cmocka_unit_test(mistral),
        cmocka_unit_test(qwen2),      cmocka_unit_test(qwen3),        cmocka_unit_test(mixtral),
        cmocka_unit_test(qwen3_moe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
