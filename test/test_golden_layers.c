// SPDX-License-Identifier: MIT
// test_golden_layers.c - every intermediate activation of a small GPT-2-style model, layer by layer, against PyTorch.
//
// The model and its activations are bbycroft/llm-viz's nano-gpt-sort (MIT), read from the shared data: 3 layers, 3 heads of 16, three
// sequences of 11 tokens, which run as one ragged batch. Attention's score matrices are not compared: flash attention never
// makes them; its output is. Skipped where the shared data is not there.
#include "format/gguf_write.h"
#include "model/model_impl.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEQS = 3, LENGTH = 11, TOKENS = SEQS * LENGTH, LAYERS = 3, EMBD = 48 };

static const struct {
    const char *pytorch, *gguf;
} tensor_names[] = {
    {"transformer.wte.weight", "token_embd.weight"},
    {"transformer.wpe.weight", "position_embd.weight"},
    {"transformer.ln_f.weight", "output_norm.weight"},
    {"transformer.ln_f.bias", "output_norm.bias"},
    {"lm_head.weight", "output.weight"},
    {"transformer.h.%d.ln_1.weight", "blk.%d.attn_norm.weight"},
    {"transformer.h.%d.ln_1.bias", "blk.%d.attn_norm.bias"},
    {"transformer.h.%d.attn.c_attn.weight", "blk.%d.attn_qkv.weight"},
    {"transformer.h.%d.attn.c_attn.bias", "blk.%d.attn_qkv.bias"},
    {"transformer.h.%d.attn.c_proj.weight", "blk.%d.attn_output.weight"},
    {"transformer.h.%d.attn.c_proj.bias", "blk.%d.attn_output.bias"},
    {"transformer.h.%d.ln_2.weight", "blk.%d.ffn_norm.weight"},
    {"transformer.h.%d.ln_2.bias", "blk.%d.ffn_norm.bias"},
    {"transformer.h.%d.mlp.c_fc.weight", "blk.%d.ffn_up.weight"},
    {"transformer.h.%d.mlp.c_fc.bias", "blk.%d.ffn_up.bias"},
    {"transformer.h.%d.mlp.c_proj.weight", "blk.%d.ffn_down.weight"},
    {"transformer.h.%d.mlp.c_proj.bias", "blk.%d.ffn_down.bias"},
};

// Our value, the file's array. Where a value is a view of another (q, k, v of qkv), the whole stands for its parts.
static const struct {
    const char *ours, *theirs;
} activations[] = {
    {"embd", "tok_emb"},
    {"inp", "x"},
    {"0.attn_norm", "ln1"},
    {"0.qkv", "qkv"},
    {"0.attn", "y"},
    {"0.attn_out", "yProj"},
    {"0.attn_resid", "attnResid"},
    {"0.ffn_norm", "ln2"},
    {"0.ffn_up", "fc"},
    {"0.ffn_act", "gelu"},
    {"0.ffn_out", "mlp"},
    {"0.ffn_resid", "block0"},
    {"1.ffn_resid", "block1"},
    {"2.ffn_resid", "block2"},
    {"output_norm", "ln_f"},
    {"logits", "lm_head"},
};

static void format_name(char *name, size_t size, const char *format, int layer) {
    const char *hole = strstr(format, "%d");
    if (!hole) snprintf(name, size, "%s", format);
    else snprintf(name, size, "%.*s%d%s", (int)(hole - format), format, layer, hole + 2);
}

static void write_model(const json_t *source, const char *path) {
    tdl_error err = {0};
    tdl_gguf_writer *w = NULL;
    float *owned[64];
    size_t n_owned = 0;
    tdl_status status = tdl_gguf_writer_create(tdl_allocator_or_default(NULL), &w, &err);
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"gpt2.context_length", LENGTH},
                {"gpt2.embedding_length", EMBD},
                {"gpt2.block_count", LAYERS},
                {"gpt2.attention.head_count", 3},
                {"gpt2.feed_forward_length", 4 * EMBD}};
    if (status == TDL_OK) status = tdl_gguf_writer_string(w, "general.architecture", "gpt2", &err);
    if (status == TDL_OK) status = tdl_gguf_writer_f32(w, "gpt2.attention.layer_norm_epsilon", 1e-5f, &err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == TDL_OK; i++)
        status = tdl_gguf_writer_u32(w, keys[i].key, keys[i].value, &err);
    for (size_t i = 0; i < sizeof tensor_names / sizeof *tensor_names; i++)
        for (int layer = 0; layer < (strstr(tensor_names[i].gguf, "%d") ? LAYERS : 1) && status == TDL_OK; layer++) {
            char from[96], to[96];
            format_name(from, sizeof from, tensor_names[i].pytorch, layer);
            format_name(to, sizeof to, tensor_names[i].gguf, layer);
            const json_t *entry = json_object_get(source, from), *dims = json_object_get(entry, "shape");
            int64_t shape[2] = {0};
            size_t n;
            for (size_t d = 0; d < json_array_size(dims) && d < 2; d++)
                shape[d] = json_integer_value(json_array_get(dims, d));
            tdl_tensor tensor;
            owned[n_owned] = golden_floats(json_object_get(entry, "data"), &n);
            status =
                tdl_tensor_make(TDL_DTYPE_F32, (int32_t)json_array_size(dims), shape, owned[n_owned++], &tensor, &err);
            assert_int_equal(n, tdl_tensor_n_elements(&tensor));
            if (status == TDL_OK) status = tdl_gguf_writer_tensor(w, to, &tensor, &err);
        }
    if (status == TDL_OK) status = tdl_gguf_writer_save(w, path, &err);
    if (status != TDL_OK) fail_msg("%s", err.message);
    tdl_gguf_writer_destroy(w);
    while (n_owned) free(owned[--n_owned]);
}

// Three sequences, a page each, every token's logits.
static void run_step(tdl_exec *exec, const json_t *source) {
    size_t n;
    float *idx = golden_floats(json_object_get(json_object_get(source, "idx"), "data"), &n);
    assert_int_equal(n, TOKENS);
    int32_t ids[TOKENS], positions[TOKENS], seqs[TOKENS], outputs[TOKENS], pages[SEQS] = {2, 0, 1};
    const int32_t seq_start[SEQS + 1] = {0, LENGTH, 2 * LENGTH, TOKENS};
    for (int i = 0; i < TOKENS; i++) {
        ids[i] = (int32_t)idx[i];
        positions[i] = i % LENGTH;
        seqs[i] = i / LENGTH;
        outputs[i] = i;
    }
    free(idx);
    tdl_error err = {0};
    const tdl_step step = {
        .counts.n = {[TDL_ROWS_TOKENS] = TOKENS, [TDL_ROWS_SEQS] = SEQS, [TDL_ROWS_OUTPUTS] = TOKENS},
        .inputs = {ids, positions, seqs, seq_start, pages, outputs}};
    tdl_status status = tdl_exec_step(exec, &step, &err);
    if (status == TDL_OK) status = tdl_exec_poll(exec, &err);
    if (status != TDL_OK) fail_msg("%s", err.message);
}

static void check_activations(const tdl_plan *plan, tdl_exec *exec, const json_t *source) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        int32_t value = 0;
        while (value < plan->n_values &&
               (strcmp(plan->values[value].name, activations[i].ours) != 0 || plan->values[value].base >= 0))
            value++;
        if (value == plan->n_values) fail_msg("the plan has no value '%s'", activations[i].ours);
        size_t n;
        float *expected = golden_floats(json_object_get(json_object_get(source, activations[i].theirs), "data"), &n);
        float *got = malloc(n * sizeof *got);
        tdl_error err = {0};
        if (tdl_exec_read(exec, value, 0, n * sizeof *got, got, &err) != TDL_OK) fail_msg("%s", err.message);
        double error = golden_error(got, expected, n);
        print_message("%-14s %-10s largest error %.2e\n", activations[i].ours, activations[i].theirs, error);
        assert_true(error <= 1e-4);
        free(expected), free(got);
    }
}

static void layer_by_layer(void **state) {
    (void)state;
    const char *path = golden_shared("models/nano-gpt-sort/gpt-nano-sort-model.json");
    if (!path) skip();
    char file[] = "/tmp/treadle-nano-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    json_t *weights = golden_json(path);
    write_model(weights, file);
    json_decref(weights);
    json_t *partials = golden_json(golden_shared("models/nano-gpt-sort/gpt-nano-sort-t0-partials.json"));

    for (int precision = TDL_PRECISION_AUTO; precision <= TDL_PRECISION_F32;
         precision++) { // F32 weights: auto is exact too
        tdl_device *device;
        tdl_error err = {0};
        tdl_plan *plan = NULL;
        tdl_kv_cache *cache = NULL;
        tdl_exec *exec = NULL;
        tdl_model *model = golden_open(file, (tdl_precision)precision, 2, NULL, &device);
        tdl_model_limits limits = {.n_tokens = TOKENS,
                                   .n_seqs = SEQS,
                                   .n_outputs = TOKENS,
                                   .n_pages = SEQS,
                                   .n_seq_pages = 1,
                                   .keep_values = true};
        tdl_kv_desc kv = tdl_model_kv_desc(model, limits.n_pages);
        tdl_status status = tdl_model_plan(model, &limits, &plan, &err);
        if (status == TDL_OK) status = tdl_kv_cache_create(device, &kv, &cache, &err);
        if (status == TDL_OK) status = tdl_model_exec(model, plan, cache, NULL, &exec, &err);
        if (status != TDL_OK) fail_msg("%s", err.message);
        run_step(exec, partials);
        check_activations(plan, exec, partials);
        tdl_exec_destroy(exec);
        tdl_kv_cache_destroy(cache);
        tdl_plan_destroy(plan);
        tdl_model_close(model);
        tdl_device_close(device);
    }
    json_decref(partials);
    unlink(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layer_by_layer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
