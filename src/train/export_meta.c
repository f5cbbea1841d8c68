// SPDX-License-Identifier: MIT
// export_meta.c - the metadata of a GGUF file: taken over, or made from a config that Hugging Face's keys gave.
//
// The keys written are those that model/config.c reads from a GGUF file, and a few that only other readers ask for.
// Where a config says what no such key can, that is an error.
#include "train/export_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tdl_status copy_meta(const tdl_export_desc *desc, tdl_gguf_writer *writer, tdl_error *err);
static tdl_status check_config(const tdl_model *m, tdl_error *err);
static tdl_status put_numbers(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err);
static tdl_status put_windows(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err);
static tdl_status put_rope(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err);
static tdl_status put_u32(const tdl_model *m, tdl_gguf_writer *writer, const char *key, int64_t value, tdl_error *err);
static tdl_status put_f32(const tdl_model *m, tdl_gguf_writer *writer, const char *key, double value, tdl_error *err);

tdl_status export_meta(const tdl_export_desc *desc, tdl_gguf_writer *writer, tdl_error *err) {
    const tdl_model *m = desc->model;
    if (tdl_weights_get_kind(m->weights) == TDL_WEIGHTS_GGUF) return copy_meta(desc, writer, err);
    tdl_status status = check_config(m, err);
    if (status == TDL_OK) status = tdl_gguf_writer_string(writer, "general.architecture", m->arch->name, err);
    if (status == TDL_OK && desc->name) status = tdl_gguf_writer_string(writer, "general.name", desc->name, err);
    if (status == TDL_OK) status = put_numbers(m, writer, err);
    if (status == TDL_OK && m->arch->position == TDL_POSITION_ROPE) status = put_rope(m, writer, err);
    if (status == TDL_OK && m->tokenizer) status = export_tokenizer(m->weights, m->mem, m->config.n_vocab, writer, err);
    return status;
}

// general.file_type says which types the tensors have: it is left out where they may have others now.
static tdl_status copy_meta(const tdl_export_desc *desc, tdl_gguf_writer *writer, tdl_error *err) {
    const tdl_weights *weights = desc->model->weights;
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < tdl_weights_n_meta(weights) && status == TDL_OK; i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(weights, i, &key);
        bool renamed = desc->name && tdl_text_is(key, "general.name");
        bool retyped = (desc->tensors || desc->matrices) && tdl_text_is(key, "general.file_type");
        if (!renamed && !retyped) status = tdl_gguf_writer_meta(writer, key, &value, err);
    }
    if (status == TDL_OK && desc->name) status = tdl_gguf_writer_string(writer, "general.name", desc->name, err);
    return status;
}

static tdl_status check_config(const tdl_model *m, tdl_error *err) {
    const tdl_config *c = &m->config;
    const tdl_rope_config *r = &c->rope;
    if (c->act != m->arch->act)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: GGUF has no key for an activation that is not %s's usual one", m->arch->name);
    for (int32_t i = 0, window = 0; i < c->n_layers; i++) {
        if (window && c->windows[i] && c->windows[i] != window)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "export: layer %d has an attention window of %d, one before it %d: GGUF has one size", i,
                            c->windows[i], window);
        if (c->windows[i]) window = c->windows[i];
    }
    if (m->arch->position == TDL_POSITION_ROPE && r->scaling == TDL_ROPE_YARN && !r->truncate)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "export: YaRN with truncate false: GGUF files have true");
    return TDL_OK;
}

static tdl_status put_numbers(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err) {
    const tdl_config *c = &m->config;
    const struct {
        const char *key;
        int32_t value;
    } numbers[] = {{"vocab_size", c->n_vocab},
                   {"context_length", c->n_ctx},
                   {"embedding_length", c->n_embd},
                   {"block_count", c->n_layers},
                   {"feed_forward_length", c->n_ff},
                   {"attention.head_count", c->n_heads},
                   {"attention.head_count_kv", c->n_kv_heads},
                   {"attention.key_length", c->head_dim},
                   {"attention.value_length", c->head_dim}};
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == TDL_OK; i++)
        status = put_u32(m, writer, numbers[i].key, numbers[i].value, err);
    const struct {
        const char *key;
        int32_t value;
    } experts[] = {{"expert_count", c->n_experts},
                   {"expert_used_count", c->n_experts_used},
                   {"expert_feed_forward_length", c->n_ff_expert}};
    for (size_t i = 0; i < sizeof experts / sizeof *experts && c->n_experts && status == TDL_OK; i++)
        status = put_u32(m, writer, experts[i].key, experts[i].value, err);
    if (status == TDL_OK && c->n_experts && !c->experts_renorm) {
        char key[128];
        snprintf(key, sizeof key, "%s.expert_weights_norm", m->arch->name);
        status = tdl_gguf_writer_bool(writer, key, false, err);
    }
    if (status == TDL_OK) status = put_windows(m, writer, err);
    const char *eps =
        m->arch->norm == TDL_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    return status == TDL_OK ? put_f32(m, writer, eps, (double)c->norm_eps, err) : status;
}

// One size, and where not all layers have it, which do.
static tdl_status put_windows(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err) {
    const tdl_config *c = &m->config;
    bool pattern[TDL_LAYERS_MAX];
    int32_t window = 0, n_windowed = 0;
    for (int32_t i = 0; i < c->n_layers; i++) {
        pattern[i] = c->windows[i] > 0;
        n_windowed += pattern[i];
        if (pattern[i]) window = c->windows[i];
    }
    if (!n_windowed) return TDL_OK;
    tdl_status status = put_u32(m, writer, "attention.sliding_window", window, err);
    if (status != TDL_OK || n_windowed == c->n_layers) return status;
    char key[128];
    snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", m->arch->name);
    tdl_meta meta = {.type = TDL_META_ARRAY,
                     .element = TDL_META_BOOL,
                     .n = (size_t)c->n_layers,
                     .array = pattern,
                     .gguf_type = -1,
                     .gguf_element = -1};
    return tdl_gguf_writer_meta(writer, tdl_text_cstr(key), &meta, err);
}

// Llama 3's scaling is a tensor: export.c writes it.
static tdl_status put_rope(const tdl_model *m, tdl_gguf_writer *writer, tdl_error *err) {
    const tdl_rope_config *r = &m->config.rope;
    bool yarn = r->scaling == TDL_ROPE_YARN;
    double usual = yarn ? tdl_rope_yarn_scale(r->factor) : 1;
    char key[128];
    tdl_status status = put_u32(m, writer, "rope.dimension_count", r->n_rot, err);
    if (status == TDL_OK) status = put_f32(m, writer, "rope.freq_base", r->theta, err);
    if (status == TDL_OK && fabs(r->attn_factor - usual) > 1e-6 * usual)
        status = put_f32(m, writer, "rope.scaling.attn_factor", r->attn_factor / usual, err);
    if (status != TDL_OK || (!yarn && r->scaling != TDL_ROPE_LINEAR)) return status;
    snprintf(key, sizeof key, "%s.rope.scaling.type", m->arch->name);
    status = tdl_gguf_writer_string(writer, key, yarn ? "yarn" : "linear", err);
    if (status == TDL_OK) status = put_f32(m, writer, "rope.scaling.factor", r->factor, err);
    if (status != TDL_OK || !yarn) return status;
    status = put_u32(m, writer, "rope.scaling.original_context_length", r->n_ctx_orig, err);
    if (status == TDL_OK) status = put_f32(m, writer, "rope.scaling.yarn_beta_fast", r->beta_fast, err);
    return status == TDL_OK ? put_f32(m, writer, "rope.scaling.yarn_beta_slow", r->beta_slow, err) : status;
}

static tdl_status put_u32(const tdl_model *m, tdl_gguf_writer *writer, const char *key, int64_t value, tdl_error *err) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", m->arch->name, key);
    return tdl_gguf_writer_u32(writer, full, (uint32_t)value, err);
}

static tdl_status put_f32(const tdl_model *m, tdl_gguf_writer *writer, const char *key, double value, tdl_error *err) {
    char full[128];
    snprintf(full, sizeof full, "%s.%s", m->arch->name, key);
    return tdl_gguf_writer_f32(writer, full, (float)value, err);
}
