// SPDX-License-Identifier: MIT
// export_config.c - a Hugging Face config.json for a model that came from a GGUF file.
//
// The keys are those of Transformers' classes for the family, in the spelling that its versions 4 and 5 read. What such a
// config cannot say is an error.
#include "train/export_impl.h"

static tdl_status check(const tdl_model *m, tdl_error *err);
static bool put_gpt2(const tdl_model *m, json_t *root);
static bool put_llama(const tdl_model *m, json_t *root);
static bool put_experts(const tdl_model *m, json_t *root);
static bool put_rope(const tdl_rope_config *r, json_t *root);
static bool put_window(const tdl_model *m, json_t *root);
static bool put_token_ids(const tdl_model *m, json_t *root);
static bool put_int(json_t *object, const char *key, int64_t value);
static bool put_real(json_t *object, const char *key, double value);
static bool put_bool(json_t *object, const char *key, bool value);
static bool has(const tdl_model *m, tdl_role role, int32_t layer);

tdl_status export_config(const tdl_export_desc *desc, json_t **out, tdl_error *err) {
    const tdl_model *m = desc->model;
    tdl_status status = check(m, err);
    if (status != TDL_OK) return status;
    json_t *root = json_object();
    bool gpt2 = m->arch->naming == TDL_NAMING_GPT2;
    bool ok = root && json_object_set_new(root, "model_type", json_string(m->arch->model_type)) == 0 &&
              json_object_set_new(root, "architectures", json_pack("[s]", m->arch->hf_class)) == 0 &&
              (gpt2 ? put_gpt2(m, root) : put_llama(m, root)) &&
              put_bool(root, "tie_word_embeddings", !has(m, TDL_ROLE_OUTPUT, TDL_NO_LAYER)) && put_token_ids(m, root);
    if (ok) {
        *out = root;
        return TDL_OK;
    }
    json_decref(root);
    return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for config.json");
}

static tdl_status check(const tdl_model *m, tdl_error *err) {
    bool bias = has(m, TDL_ROLE_ATTN_Q_B, 0), usual = m->arch->biases & TDL_BIAS_QKV;
    if (has(m, TDL_ROLE_ROPE_DIVISORS, TDL_NO_LAYER))
        return tdl_fail(
            err, TDL_ERROR_UNSUPPORTED,
            "export: the model's RoPE frequencies are a tensor (rope_freqs.weight), for which a config.json "
            "has no key");
    if (m->arch->naming != TDL_NAMING_GPT2 && bias && !usual && !(m->arch->config_biases & TDL_BIAS_QKV))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: attention has biases, for which a %s config.json has no key", m->arch->model_type);
    if (m->arch->naming != TDL_NAMING_GPT2 && has(m, TDL_ROLE_FFN_UP_B, 0) && !(m->arch->config_biases & TDL_BIAS_FFN))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: the feed-forward part has biases, for which a %s config.json has no key",
                        m->arch->model_type);
    if (m->arch->naming != TDL_NAMING_GPT2 && has(m, TDL_ROLE_ATTN_OUT_B, 0) != (bias && !usual))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: only some of attention's matrices have a bias, for which a config.json has no key");
    for (int32_t i = 1; i < m->config.n_layers && m->arch->window == TDL_WINDOW_ALL; i++)
        if (m->config.windows[i] != m->config.windows[0])
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "export: only some layers have an attention window, for which a %s config.json has no key",
                            m->arch->model_type);
    const tdl_rope_config *r = &m->config.rope;
    if (m->arch->position == TDL_POSITION_ROPE && r->scaling != TDL_ROPE_YARN && r->attn_factor != 1)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: cos and sin are scaled by %g, which a config.json says of YaRN only", r->attn_factor);
    if (m->arch->naming == TDL_NAMING_MIXTRAL && !m->config.experts_renorm)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "export: expert_weights_norm is false, for which a mixtral config.json has no key");
    if (m->arch->position == TDL_POSITION_ROPE && m->config.rope.n_rot != m->config.head_dim)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "export: %d of %d dimensions rotate, a config.json says all",
                        m->config.rope.n_rot, m->config.head_dim);
    return TDL_OK;
}

static bool put_gpt2(const tdl_model *m, json_t *root) {
    const tdl_config *c = &m->config;
    return put_int(root, "n_embd", c->n_embd) && put_int(root, "n_layer", c->n_layers) &&
           put_int(root, "n_head", c->n_heads) && put_int(root, "n_inner", c->n_ff) &&
           put_int(root, "n_positions", c->n_ctx) && put_real(root, "layer_norm_epsilon", (double)c->norm_eps) &&
           json_object_set_new(root, "activation_function", json_string("gelu_new")) == 0;
}

static bool put_llama(const tdl_model *m, json_t *root) {
    const tdl_config *c = &m->config;
    return put_int(root, "hidden_size", c->n_embd) && put_int(root, "num_hidden_layers", c->n_layers) &&
           put_int(root, "num_attention_heads", c->n_heads) && put_int(root, "num_key_value_heads", c->n_kv_heads) &&
           put_int(root, "head_dim", c->head_dim) && put_int(root, "intermediate_size", c->n_ff) &&
           put_int(root, "max_position_embeddings", c->n_ctx) && put_real(root, "rms_norm_eps", (double)c->norm_eps) &&
           json_object_set_new(root, "hidden_act", json_string("silu")) == 0 &&
           (!(m->arch->config_biases & TDL_BIAS_QKV) ||
            put_bool(root, "attention_bias", has(m, TDL_ROLE_ATTN_Q_B, 0))) &&
           (!(m->arch->config_biases & TDL_BIAS_FFN) || put_bool(root, "mlp_bias", has(m, TDL_ROLE_FFN_UP_B, 0))) &&
           put_rope(&c->rope, root) && put_window(m, root) && (!c->n_experts || put_experts(m, root));
}

// Mixtral's classes have names of their own for the number of experts, and their size is that of the whole.
static bool put_experts(const tdl_model *m, json_t *root) {
    const tdl_config *c = &m->config;
    bool mixtral = m->arch->naming == TDL_NAMING_MIXTRAL;
    return put_int(root, mixtral ? "num_local_experts" : "num_experts", c->n_experts) &&
           put_int(root, "num_experts_per_tok", c->n_experts_used) &&
           (mixtral ? put_int(root, "intermediate_size", c->n_ff_expert)
                    : put_int(root, "moe_intermediate_size", c->n_ff_expert) &&
                          put_bool(root, "norm_topk_prob", c->experts_renorm));
}

static bool put_rope(const tdl_rope_config *r, json_t *root) {
    bool yarn = r->scaling == TDL_ROPE_YARN;
    if (!put_real(root, "rope_theta", r->theta)) return false;
    if (!yarn && r->scaling != TDL_ROPE_LINEAR) return true;
    json_t *scaling = json_object();
    bool ok = scaling && json_object_set_new(scaling, "rope_type", json_string(yarn ? "yarn" : "linear")) == 0 &&
              put_real(scaling, "factor", r->factor);
    if (yarn)
        ok = ok && put_real(scaling, "beta_fast", r->beta_fast) && put_real(scaling, "beta_slow", r->beta_slow) &&
             put_real(scaling, "attention_factor", r->attn_factor) &&
             put_int(scaling, "original_max_position_embeddings", r->n_ctx_orig);
    if (!ok) json_decref(scaling);
    return ok && json_object_set_new(root, "rope_scaling", scaling) == 0;
}

static bool put_window(const tdl_model *m, json_t *root) {
    json_t *types = json_array();
    int32_t window = 0;
    bool ok = types != NULL;
    for (int32_t i = 0; i < m->config.n_layers && ok; i++) {
        bool windowed = m->config.windows[i] > 0;
        if (windowed) window = m->config.windows[i]; // GGUF has one size
        ok = json_array_append_new(types, json_string(windowed ? "sliding_attention" : "full_attention")) == 0;
    }
    if (ok && window) ok = put_int(root, "sliding_window", window);
    if (ok && window && m->arch->window_switch) ok = put_bool(root, "use_sliding_window", true);
    if (ok && window && m->arch->window == TDL_WINDOW_UPPER)
        ok = put_int(root, "max_window_layers", 0) && json_object_set(root, "layer_types", types) == 0;
    json_decref(types);
    return ok;
}

static bool put_token_ids(const tdl_model *m, json_t *root) {
    int32_t bos = m->tokenizer ? tdl_tokenizer_bos(m->tokenizer) : -1;
    int32_t eos = m->tokenizer ? tdl_tokenizer_eos(m->tokenizer) : -1;
    // null where there is none: else the class's own numbers, of another vocabulary, would count
    return json_object_set_new(root, "bos_token_id", bos < 0 ? json_null() : json_integer(bos)) == 0 &&
           json_object_set_new(root, "eos_token_id", eos < 0 ? json_null() : json_integer(eos)) == 0;
}

static bool put_int(json_t *object, const char *key, int64_t value) {
    return json_object_set_new(object, key, json_integer(value)) == 0;
}

static bool put_real(json_t *object, const char *key, double value) {
    return json_object_set_new(object, key, json_real(value)) == 0;
}

static bool put_bool(json_t *object, const char *key, bool value) {
    return json_object_set_new(object, key, json_boolean(value)) == 0;
}

static bool has(const tdl_model *m, tdl_role role, int32_t layer) {
    return tdl_param_get(&m->params, role, layer) != NULL;
}
