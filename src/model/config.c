// SPDX-License-Identifier: MIT
// config.c - reads a checkpoint's numbers. A table says where each stands: a GGUF key after "<arch>.", or one of the names
// that config.json files have used; the rest is what no table can say (windows, biases, contradictions).
// RoPE is in config_rope.c. Which keys a family has at all is in config_keys.def.
#include "model/config.h"

#include "base/checked.h"
#include "model/config_keys.h"
#include "model/config_source.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef tdl_config_source source;

typedef struct field {
    size_t offset;     // of the int32_t in tdl_config
    const char *gguf;  // after "<arch>."
    const char *hf[2]; // names in config.json: the first that is there counts
    int32_t min, max;
    bool required; // in a GGUF file; of a config.json's class it is said that it has a default
    bool nullable; // null says: as the others make it
} field;

#define FIELD(name) offsetof(tdl_config, name)
static const field fields[] = {
    {FIELD(n_layers), "block_count", {"num_hidden_layers", "n_layer"}, 1, TDL_LAYERS_MAX, true, false},
    {FIELD(n_embd), "embedding_length", {"hidden_size", "n_embd"}, 1, TDL_EMBD_MAX, true, false},
    {FIELD(n_heads), "attention.head_count", {"num_attention_heads", "n_head"}, 1, TDL_HEADS_MAX, true, false},
    {FIELD(n_kv_heads), "attention.head_count_kv", {"num_key_value_heads", NULL}, 1, TDL_HEADS_MAX, false, true},
    {FIELD(head_dim), "attention.key_length", {"head_dim", NULL}, 1, TDL_HEAD_DIM_MAX, false, true},
    {FIELD(n_ff), "feed_forward_length", {"intermediate_size", "n_inner"}, 1, TDL_EMBD_MAX, false, true},
    {FIELD(n_experts), "expert_count", {"num_local_experts", "num_experts"}, 0, TDL_EXPERTS_MAX, false, false},
    {FIELD(n_experts_used), "expert_used_count", {"num_experts_per_tok", NULL}, 0, TDL_EXPERTS_MAX, false, false},
    {FIELD(n_ff_expert), "expert_feed_forward_length", {"moe_intermediate_size", NULL}, 1, TDL_EMBD_MAX, false, false},
    {FIELD(n_ctx), "context_length", {"max_position_embeddings", "n_positions"}, 1, TDL_CTX_MAX, true, false},
    {FIELD(n_vocab), "vocab_size", {"vocab_size", NULL}, 1, TDL_VOCAB_MAX, false, true}, // absent: the table's rows
};

static tdl_status find_arch(source *s);
static void set_defaults(const source *s, tdl_config *c);
static tdl_status read_fields(const source *s, tdl_config *c);
static tdl_status read_norm_eps(const source *s, tdl_config *c);
static tdl_status read_act(const source *s, tdl_config *c);
static tdl_status read_biases(const source *s, tdl_config *c);
static tdl_status read_experts(const source *s, tdl_config *c);
static tdl_status read_windows(const source *s, tdl_config *c);
static tdl_status check(const source *s, const tdl_config *c);

tdl_status tdl_config_read(const tdl_weights *weights, const tdl_arch **arch, tdl_config *config, tdl_error *err) {
    source s = {.weights = weights, .gguf = tdl_weights_get_kind(weights) == TDL_WEIGHTS_GGUF, .err = err};
    tdl_status status = find_arch(&s);
    if (status != TDL_OK) return status;
    *arch = s.arch;
    set_defaults(&s, config);
    status = read_fields(&s, config);
    if (status == TDL_OK) status = read_norm_eps(&s, config);
    if (status == TDL_OK) status = read_act(&s, config);
    if (status == TDL_OK) status = read_biases(&s, config);
    if (status == TDL_OK && s.arch->position == TDL_POSITION_ROPE) status = tdl_config_read_rope(&s, config);
    if (status == TDL_OK && s.arch->ffn == TDL_FFN_EXPERTS) status = read_experts(&s, config);
    if (status == TDL_OK) status = read_windows(&s, config);
    if (status == TDL_OK) status = check(&s, config);
    return status;
}

// A key of a GGUF file before its row is known.
static tdl_meta early(const source *s, tdl_text arch, const char *key) {
    char full[128];
    snprintf(full, sizeof full, "%.*s.%s", (int)tdl_min_i64((int64_t)arch.size, 64), arch.ptr, key);
    return tdl_weights_meta(s->weights, full);
}

static tdl_status find_arch(source *s) {
    const char *key = s->gguf ? "general.architecture" : "model_type";
    tdl_meta name = tdl_weights_meta(s->weights, key);
    if (name.type != TDL_META_STRING)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing or no string: this is no model", key);
    bool experts = s->gguf && early(s, name.string, "expert_count").integer > 0;
    bool window = s->gguf && early(s, name.string, "attention.sliding_window").integer > 0;
    s->arch = s->gguf ? tdl_arch_find_gguf(name.string, experts, window) : tdl_arch_find_hf(name.string);
    if (s->arch) return TDL_OK;
    return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                    "config: architecture '%.*s'%s is not supported; there are gpt2, llama, mistral, qwen2, qwen3, "
                    "mixtral, qwen3_moe",
                    (int)tdl_min_i64((int64_t)name.string.size, 64), name.string.ptr, experts ? " with experts" : "");
}

static void set_defaults(const source *s, tdl_config *c) {
    const tdl_class_defaults *d = &s->arch->defaults;
    memset(c, 0, sizeof *c);
    c->experts_renorm = s->gguf || d->experts_renorm; // llama.cpp's are always so
    c->tied = s->gguf || d->tied;
    c->act = s->arch->act;
    if (s->gguf) return;
    c->n_embd = d->n_embd;
    c->n_ff = d->n_ff;
    c->n_layers = d->n_layers;
    c->n_heads = d->n_heads;
    c->n_kv_heads = d->n_kv_heads;
    c->head_dim = d->head_dim;
    c->n_ctx = d->n_ctx;
    c->n_experts = d->n_experts;
    c->n_experts_used = d->n_experts_used;
    c->n_ff_expert = d->n_ff_expert;
}

static tdl_status read_fields(const source *s, tdl_config *c) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const field *f = &fields[i];
        int32_t *value = (int32_t *)((char *)c + f->offset);
        bool found = false;
        for (int j = 0; j < 2 && !found; j++) {
            if ((s->gguf && j) || (!s->gguf && !f->hf[j])) break;
            tdl_status status = tdl_config_get_int(s, f->gguf, f->hf[j], f->min, f->max, value, &found);
            if (status != TDL_OK) return status;
            if (found || !tdl_config_is_null(s, f->hf[j])) continue;
            if (!f->nullable)
                return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is null, expected an integer", f->hf[j]);
            *value = 0;
        }
        if (!found && f->required && !c->assumed) c->assumed = f->hf[0];
        if (!found && f->required && s->gguf)
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing", f->gguf);
    }
    if (!c->n_kv_heads) c->n_kv_heads = c->n_heads;
    if (!c->head_dim) {
        if (c->n_embd % c->n_heads)
            return tdl_fail(s->err, TDL_ERROR_FORMAT,
                            "config: embedding length %d is no multiple of %d heads, and no head_dim is given",
                            c->n_embd, c->n_heads);
        c->head_dim = c->n_embd / c->n_heads;
    }
    int32_t value_dim = c->head_dim;
    tdl_status status = tdl_config_get_int(s, "attention.value_length", NULL, 1, TDL_HEAD_DIM_MAX, &value_dim, NULL);
    if (status == TDL_OK && value_dim != c->head_dim)
        return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                        "config: 'attention.value_length' is %d, but keys have %d: different sizes are not supported",
                        value_dim, c->head_dim);
    if (!c->n_ff && s->arch->ffn == TDL_FFN_MLP) c->n_ff = 4 * c->n_embd; // GPT-2's n_inner: null
    return status == TDL_OK ? tdl_config_get_bool(s, NULL, "tie_word_embeddings", &c->tied) : status;
}

static tdl_status read_norm_eps(const source *s, tdl_config *c) {
    bool rms = s->arch->norm == TDL_NORM_RMS, found = false;
    const char *gguf = rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    double eps = s->arch->defaults.norm_eps;
    tdl_status status = tdl_config_get_number(s, gguf, rms ? "rms_norm_eps" : "layer_norm_epsilon", &eps, &found);
    if (status != TDL_OK) return status;
    if (!found && s->gguf) return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing", gguf);
    if (!(eps > 0 && eps < 1))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: norm epsilon is %g, expected 0 to 1", eps);
    c->norm_eps = (float)eps;
    return TDL_OK;
}

static tdl_status read_act(const source *s, tdl_config *c) {
    static const struct {
        const char *name;
        tdl_act act;
    } acts[] = {{"silu", TDL_ACT_SILU},          {"swish", TDL_ACT_SILU}, {"gelu", TDL_ACT_GELU},
                {"gelu_new", TDL_ACT_GELU_TANH}, {"relu", TDL_ACT_RELU},  {"gelu_pytorch_tanh", TDL_ACT_GELU_TANH}};
    tdl_meta name = tdl_config_get(s, NULL, s->arch->naming == TDL_NAMING_GPT2 ? "activation_function" : "hidden_act");
    if (name.type == TDL_META_NONE) return TDL_OK;
    for (size_t i = 0; i < sizeof acts / sizeof *acts && name.type == TDL_META_STRING; i++)
        if (tdl_text_is(name.string, acts[i].name)) {
            c->act = acts[i].act;
            return TDL_OK;
        }
    return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED, "config: activation '%.*s' is not supported",
                    (int)tdl_min_i64((int64_t)name.string.size, 64), name.string.ptr ? name.string.ptr : "");
}

// A config.json says which matrices have a bias; a GGUF file has those that it has.
static tdl_status read_biases(const source *s, tdl_config *c) {
    bool attention = false, mlp = false;
    tdl_status status = tdl_config_get_bool(s, NULL, "attention_bias", &attention);
    if (status == TDL_OK) status = tdl_config_get_bool(s, NULL, "mlp_bias", &mlp);
    uint32_t said = (attention ? TDL_BIAS_QKV | TDL_BIAS_OUT : 0u) | (mlp ? TDL_BIAS_FFN : 0u);
    c->biases = s->arch->biases | (said & s->arch->config_biases);
    c->biases_by_file = s->gguf;
    return status;
}

static tdl_status read_experts(const source *s, tdl_config *c) {
    tdl_status status = tdl_config_get_bool(s, "expert_weights_norm", "norm_topk_prob", &c->experts_renorm);
    if (status != TDL_OK) return status;
    if (!c->n_ff_expert) c->n_ff_expert = c->n_ff;
    if (!c->n_ff) c->n_ff = c->n_ff_expert;
    if (c->n_experts_used < 1 || c->n_experts_used > c->n_experts)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: %d of %d experts are used, expected 1 or more, and no more",
                        c->n_experts_used, c->n_experts);
    return TDL_OK;
}

// ---- windows

static tdl_status read_pattern(const source *s, int32_t window, tdl_config *c) {
    tdl_meta pattern = tdl_config_get(s, "attention.sliding_window_pattern", NULL);
    bool by_layer =
        pattern.type == TDL_META_ARRAY && pattern.element == TDL_META_BOOL && pattern.n == (size_t)c->n_layers;
    if (pattern.type != TDL_META_NONE && !by_layer)
        return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                        "config: attention.sliding_window_pattern: expected an array of %d booleans", c->n_layers);
    for (int32_t i = 0; i < c->n_layers; i++)
        c->windows[i] = !by_layer || ((const bool *)pattern.array)[i] ? window : 0;
    return TDL_OK;
}

static tdl_status read_layer_types(const source *s, int32_t window, tdl_config *c) {
    tdl_meta types = tdl_config_get(s, NULL, "layer_types");
    if (types.type == TDL_META_NONE) return TDL_OK;
    if (types.type != TDL_META_ARRAY || types.element != TDL_META_STRING || types.n != (size_t)c->n_layers)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: layer_types has %zu entries for %d layers", types.n,
                        c->n_layers);
    for (int32_t i = 0; i < c->n_layers; i++) {
        tdl_text type = ((const tdl_text *)types.array)[i];
        bool windowed = tdl_text_is(type, "sliding_attention");
        if (!windowed && !tdl_text_is(type, "full_attention"))
            return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                            "config: layer_types[%d] is '%.*s', expected full_attention or sliding_attention", i,
                            (int)tdl_min_i64((int64_t)type.size, 64), type.ptr);
        c->windows[i] = windowed ? window : 0;
    }
    return TDL_OK;
}

static tdl_status read_windows(const source *s, tdl_config *c) {
    int32_t window = s->gguf ? 0 : s->arch->defaults.window, first = s->arch->defaults.first_window_layer;
    bool on = !s->arch->window_switch, upper = s->arch->window == TDL_WINDOW_UPPER;
    tdl_status status =
        tdl_config_get_int(s, "attention.sliding_window", "sliding_window", s->gguf ? 0 : 1, INT32_MAX, &window, NULL);
    if (tdl_config_is_null(s, "sliding_window")) window = 0;
    if (status == TDL_OK) status = tdl_config_get_bool(s, NULL, "use_sliding_window", &on);
    if (status == TDL_OK) status = tdl_config_get_int(s, NULL, "max_window_layers", 0, INT32_MAX, &first, NULL);
    if (status != TDL_OK) return status;
    if (s->gguf) return window ? read_pattern(s, window, c) : TDL_OK;
    if (!on) window = 0;
    for (int32_t i = 0; i < c->n_layers; i++)
        c->windows[i] = s->arch->window == TDL_WINDOW_NONE || (upper && i < first) ? 0 : window;
    return read_layer_types(s, window, c);
}

// ---- all together

// What the numbers must be to one another.
static tdl_status check(const source *s, const tdl_config *c) {
    if (!c->n_ff)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing",
                        s->gguf ? "feed_forward_length" : "intermediate_size");
    if (c->n_heads % c->n_kv_heads)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: %d heads are no multiple of %d kv heads", c->n_heads,
                        c->n_kv_heads);
    if ((int64_t)c->n_heads * c->head_dim > TDL_EMBD_MAX)
        return tdl_fail(s->err, TDL_ERROR_LIMIT, "config: %d heads of %d are over %d", c->n_heads, c->head_dim,
                        TDL_EMBD_MAX);
    if (s->arch->qkv_fused && (c->n_kv_heads != c->n_heads || c->head_dim * c->n_heads != c->n_embd))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: %d heads of %d do not make an embedding of %d", c->n_heads,
                        c->head_dim, c->n_embd);
    return TDL_OK;
}

// ---- values

// Reading what the table calls unused would be our own bug; an unused key of the file is not there for us.
tdl_meta tdl_config_get(const tdl_config_source *s, const char *gguf, const char *hf) {
    char key[128];
    const char *name = s->gguf ? gguf : hf;
    if (!name) return (tdl_meta){0};
    snprintf(key, sizeof key, "%s%s", s->gguf ? "." : "", name);
    tdl_key_use use = tdl_config_key_use(tdl_weights_get_kind(s->weights), s->arch, tdl_text_cstr(key), NULL);
    assert(use != TDL_KEY_UNKNOWN);
    if (use != TDL_KEY_USED) return (tdl_meta){0};
    if (!s->gguf) return tdl_weights_meta(s->weights, hf);
    return early(s, tdl_weights_meta(s->weights, "general.architecture").string, gguf);
}

bool tdl_config_is_null(const tdl_config_source *s, const char *hf) {
    return !s->gguf && hf && tdl_weights_is_null(s->weights, hf) &&
           tdl_config_key_use(TDL_WEIGHTS_HF, s->arch, tdl_text_cstr(hf), NULL) == TDL_KEY_USED;
}

tdl_status tdl_config_get_int(const tdl_config_source *s, const char *gguf, const char *hf, int64_t min, int64_t max,
                              int32_t *value, bool *found) {
    tdl_meta meta = tdl_config_get(s, gguf, hf);
    const char *name = s->gguf ? gguf : hf;
    if (found) *found = meta.type != TDL_META_NONE;
    if (meta.type == TDL_META_NONE) return TDL_OK;
    int64_t number = meta.integer;
    if (meta.type == TDL_META_ARRAY && meta.element == TDL_META_INT && meta.n > 0) {
        const int64_t *all = meta.array;
        number = all[0];
        for (size_t i = 1; i < meta.n; i++)
            if (all[i] != number)
                return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED, "config: '%s' differs between layers: %lld and %lld",
                                name, (long long)number, (long long)all[i]);
    } else if (meta.type != TDL_META_INT) {
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is no integer in range", name);
    }
    if (number < min || number > max)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is %lld, expected %lld to %lld", name,
                        (long long)number, (long long)min, (long long)max);
    *value = (int32_t)number;
    return TDL_OK;
}

tdl_status tdl_config_get_number(const tdl_config_source *s, const char *gguf, const char *hf, double *value,
                                 bool *found) {
    tdl_meta meta = tdl_config_get(s, gguf, hf);
    if (found) *found = meta.type != TDL_META_NONE;
    if (meta.type == TDL_META_NONE) return TDL_OK;
    if (meta.type != TDL_META_FLOAT && meta.type != TDL_META_INT)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is no number", s->gguf ? gguf : hf);
    *value = meta.type == TDL_META_INT ? (double)meta.integer : meta.number;
    if (!isfinite(*value)) return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is not finite", s->gguf ? gguf : hf);
    return TDL_OK;
}

tdl_status tdl_config_get_bool(const tdl_config_source *s, const char *gguf, const char *hf, bool *value) {
    tdl_meta meta = tdl_config_get(s, gguf, hf);
    if (meta.type == TDL_META_NONE) return TDL_OK;
    if (meta.type != TDL_META_BOOL)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is neither true nor false", s->gguf ? gguf : hf);
    *value = meta.boolean;
    return TDL_OK;
}
