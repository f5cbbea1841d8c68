// config.c - reads a checkpoint's numbers. A table says where each stands: a GGUF key after "<arch>.", or one of the names
// that config.json files have used; the rest is what no table can say (RoPE scaling, windows, contradictions).
#include "model/config.h"

#include "base/checked.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Where values are read from.
typedef struct source {
    const tdl_weights *weights;
    const tdl_arch *arch;
    bool gguf;
    tdl_error *err;
} source;

typedef struct field {
    size_t offset;     // of the int32_t in tdl_config
    const char *gguf;  // after "<arch>."
    const char *hf[2]; // names in config.json
    int32_t min, max;
    bool required;
} field;

#define FIELD(name) offsetof(tdl_config, name)
static const field fields[] = {
    {FIELD(n_layers), "block_count", {"num_hidden_layers", "n_layer"}, 1, TDL_LAYERS_MAX, true},
    {FIELD(n_embd), "embedding_length", {"hidden_size", "n_embd"}, 1, TDL_EMBD_MAX, true},
    {FIELD(n_heads), "attention.head_count", {"num_attention_heads", "n_head"}, 1, TDL_HEADS_MAX, true},
    {FIELD(n_kv_heads), "attention.head_count_kv", {"num_key_value_heads", NULL}, 1, TDL_HEADS_MAX, false},
    {FIELD(head_dim), "attention.key_length", {"head_dim", NULL}, 1, TDL_HEAD_DIM_MAX, false},
    {FIELD(n_ff), "feed_forward_length", {"intermediate_size", "n_inner"}, 1, TDL_EMBD_MAX, false},
    {FIELD(n_experts), "expert_count", {"num_experts", "num_local_experts"}, 0, TDL_EXPERTS_MAX, false},
    {FIELD(n_experts_used), "expert_used_count", {"num_experts_per_tok", NULL}, 0, TDL_EXPERTS_MAX, false},
    {FIELD(n_ff_expert), "expert_feed_forward_length", {"moe_intermediate_size", NULL}, 1, TDL_EMBD_MAX, false},
    {FIELD(n_ctx), "context_length", {"max_position_embeddings", "n_positions"}, 1, TDL_CTX_MAX, true},
    {FIELD(n_vocab), "vocab_size", {"vocab_size", NULL}, 1, TDL_VOCAB_MAX, false},
};

static tdl_status read_fields(const source *s, tdl_config *c);
static tdl_status read_norm_eps(const source *s, tdl_config *c);
static tdl_status read_act(const source *s, tdl_config *c);
static tdl_status read_rope(const source *s, tdl_config *c);
static bool has_experts(const source *s);
static tdl_status read_experts(const source *s, tdl_config *c);
static tdl_status read_windows(const source *s, tdl_config *c);
static tdl_status check(const source *s, const tdl_config *c);
static tdl_meta lookup(const source *s, const char *gguf, const char *hf);
static tdl_status read_int(const source *s, const char *gguf, const char *hf, int64_t min, int64_t max, int32_t *value,
                           bool *found);
static tdl_status read_number(const source *s, const char *gguf, const char *hf, double *value);

tdl_status tdl_config_read(const tdl_weights *weights, const tdl_arch **arch, tdl_config *config, tdl_error *err) {
    bool gguf = tdl_weights_get_kind(weights) == TDL_WEIGHTS_GGUF;
    const char *key = gguf ? "general.architecture" : "model_type";
    tdl_meta name = tdl_weights_meta(weights, key);
    if (name.type != TDL_META_STRING)
        return tdl_fail(err, TDL_ERROR_FORMAT, "config: '%s' is missing or no string: this is no model", key);
    source s = {.weights = weights, .gguf = gguf, .err = err};
    *arch = tdl_arch_find(name.string, has_experts(&s));
    if (!*arch)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "config: architecture '%.*s'%s is not supported; there are gpt2, llama, mistral, qwen2, qwen3, "
                        "mixtral, qwen3_moe",
                        (int)tdl_min_i64((int64_t)name.string.size, 64), name.string.ptr,
                        has_experts(&s) ? " with experts" : "");
    memset(config, 0, sizeof *config);
    s.arch = *arch;
    tdl_status status = read_fields(&s, config);
    if (status == TDL_OK) status = read_norm_eps(&s, config);
    if (status == TDL_OK) status = read_act(&s, config);
    if (status == TDL_OK && (*arch)->position == TDL_POSITION_ROPE) status = read_rope(&s, config);
    if (status == TDL_OK && (*arch)->ffn == TDL_FFN_EXPERTS) status = read_experts(&s, config);
    if (status == TDL_OK) status = read_windows(&s, config);
    if (status == TDL_OK) status = check(&s, config);
    return status;
}

static tdl_status read_fields(const source *s, tdl_config *c) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const field *f = &fields[i];
        int32_t *value = (int32_t *)((char *)c + f->offset);
        bool found = false;
        for (int j = 0; j < 2 && !found; j++) {
            if ((s->gguf && j) || (!s->gguf && !f->hf[j])) break;
            tdl_status status = read_int(s, f->gguf, f->hf[j], f->min, f->max, value, &found);
            if (status != TDL_OK) return status;
        }
        if (!found && f->required)
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing", s->gguf ? f->gguf : f->hf[0]);
    }
    if (!c->n_kv_heads) c->n_kv_heads = c->n_heads;
    if (!c->head_dim) {
        if (c->n_embd % c->n_heads)
            return tdl_fail(s->err, TDL_ERROR_FORMAT,
                            "config: embedding length %d is no multiple of %d heads, and no head_dim is given",
                            c->n_embd, c->n_heads);
        c->head_dim = c->n_embd / c->n_heads;
    }
    if (!c->n_ff && s->arch->ffn == TDL_FFN_MLP) c->n_ff = 4 * c->n_embd; // GPT-2's n_inner: null
    tdl_meta tied = lookup(s, NULL, "tie_word_embeddings");
    c->tied = tied.type == TDL_META_BOOL ? tied.boolean : s->gguf || s->arch->naming == TDL_NAMING_GPT2;
    return TDL_OK;
}

static tdl_status read_norm_eps(const source *s, tdl_config *c) {
    bool rms = s->arch->norm == TDL_NORM_RMS;
    double eps = 0;
    tdl_status status = read_number(s, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
                                    rms ? "rms_norm_eps" : "layer_norm_epsilon", &eps);
    if (status != TDL_OK) return status;
    if (eps == 0) eps = rms && !s->gguf ? 1e-6 : 1e-5; // the families' defaults
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
    c->act = s->arch->act;
    tdl_meta name = lookup(s, NULL, s->arch->naming == TDL_NAMING_GPT2 ? "activation_function" : "hidden_act");
    if (name.type == TDL_META_NONE) return TDL_OK;
    for (size_t i = 0; i < sizeof acts / sizeof *acts && name.type == TDL_META_STRING; i++)
        if (tdl_text_is(name.string, acts[i].name)) {
            c->act = acts[i].act;
            return TDL_OK;
        }
    return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED, "config: activation '%.*s' is not supported",
                    (int)tdl_min_i64((int64_t)name.string.size, 64), name.string.ptr ? name.string.ptr : "");
}

// The scaling's name: GGUF rope.scaling.type; config.json rope_parameters.rope_type, rope_scaling.rope_type or .type.
static tdl_status read_rope_scaling(const source *s, const char *group, tdl_rope_config *r) {
    static const struct {
        const char *name;
        tdl_rope_scaling scaling;
    } kinds[] = {{"default", TDL_ROPE_PLAIN},
                 {"none", TDL_ROPE_PLAIN},
                 {"linear", TDL_ROPE_LINEAR},
                 {"yarn", TDL_ROPE_YARN},
                 {"llama3", TDL_ROPE_LLAMA3}};
    char key[64];
    snprintf(key, sizeof key, "%s.rope_type", group);
    tdl_meta kind = lookup(s, "rope.scaling.type", key);
    if (kind.type == TDL_META_NONE && !s->gguf) {
        snprintf(key, sizeof key, "%s.type", group);
        kind = lookup(s, NULL, key);
    }
    if (kind.type == TDL_META_NONE) return TDL_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && kind.type == TDL_META_STRING; i++)
        if (tdl_text_is(kind.string, kinds[i].name)) {
            r->scaling = kinds[i].scaling;
            return TDL_OK;
        }
    return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                    "config: RoPE scaling '%.*s' is not supported; there are linear, llama3, yarn",
                    (int)tdl_min_i64((int64_t)kind.string.size, 64), kind.string.ptr ? kind.string.ptr : "");
}

static tdl_status read_rope(const source *s, tdl_config *c) {
    tdl_rope_config *r = &c->rope;
    *r = (tdl_rope_config){.n_rot = c->head_dim,
                           .pairs = s->gguf && s->arch->gguf_rope_pairs,
                           .theta = 10000,
                           .factor = 1,
                           .low_freq_factor = 1,
                           .high_freq_factor = 4,
                           .beta_fast = 32,
                           .beta_slow = 1,
                           .truncate = true,
                           .n_ctx_orig = c->n_ctx};
    // Transformers 5 writes rope_parameters, before it was rope_theta and rope_scaling.
    bool modern =
        lookup(s, NULL, "rope_parameters.rope_theta").type || lookup(s, NULL, "rope_parameters.rope_type").type;
    const char *group = modern ? "rope_parameters" : "rope_scaling";
    tdl_status status = read_rope_scaling(s, group, r);
    const struct {
        const char *gguf, *hf;
        double *value;
    } numbers[] = {
        {"rope.freq_base", "rope_theta", &r->theta},
        {"rope.scaling.factor", "factor", &r->factor},
        {NULL, "low_freq_factor", &r->low_freq_factor},
        {NULL, "high_freq_factor", &r->high_freq_factor},
        {"rope.scaling.yarn_beta_fast", "beta_fast", &r->beta_fast},
        {"rope.scaling.yarn_beta_slow", "beta_slow", &r->beta_slow},
        {NULL, "attention_factor", &r->attn_factor},
    };
    char key[64];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == TDL_OK; i++) {
        snprintf(key, sizeof key, "%s.%s", group, numbers[i].hf);
        bool top = i == 0 && !modern; // rope_theta stood beside rope_scaling, not in it
        status = read_number(s, numbers[i].gguf, top ? "rope_theta" : key, numbers[i].value);
    }
    bool found;
    snprintf(key, sizeof key, "%s.original_max_position_embeddings", group);
    if (status == TDL_OK)
        status = read_int(s, "rope.scaling.original_context_length", key, 1, TDL_CTX_MAX, &r->n_ctx_orig, &found);
    if (status == TDL_OK) status = read_int(s, "rope.dimension_count", NULL, 2, TDL_HEAD_DIM_MAX, &r->n_rot, &found);
    snprintf(key, sizeof key, "%s.truncate", group);
    tdl_meta truncate = lookup(s, NULL, key);
    if (truncate.type == TDL_META_BOOL) r->truncate = truncate.boolean;
    snprintf(key, sizeof key, "%s.mscale", group);
    if (status == TDL_OK && lookup(s, NULL, key).type)
        status = tdl_fail(s->err, TDL_ERROR_UNSUPPORTED, "config: '%s' is not supported", key);
    return status;
}

// Known before the row is: two rows may have one name.
static bool has_experts(const source *s) {
    return lookup(s, "expert_count", "num_experts").integer > 0 || lookup(s, NULL, "num_local_experts").integer > 0;
}

static tdl_status read_experts(const source *s, tdl_config *c) {
    tdl_meta renorm = lookup(s, NULL, "norm_topk_prob");
    c->experts_renorm = renorm.type == TDL_META_BOOL ? renorm.boolean : s->arch->experts_renorm;
    if (!c->n_ff_expert) c->n_ff_expert = c->n_ff;
    if (!c->n_ff) c->n_ff = c->n_ff_expert;
    if (c->n_experts_used < 1 || c->n_experts_used > c->n_experts)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: %d of %d experts are used, expected 1 or more, and no more",
                        c->n_experts_used, c->n_experts);
    tdl_meta step = lookup(s, NULL, "decoder_sparse_step"), dense = lookup(s, NULL, "mlp_only_layers");
    if ((step.type == TDL_META_INT && step.integer != 1) || (dense.type == TDL_META_ARRAY && dense.n > 0))
        return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                        "config: layers without experts (decoder_sparse_step, mlp_only_layers) are not supported");
    return TDL_OK;
}

static tdl_status read_windows(const source *s, tdl_config *c) {
    int32_t window = 0, first = 0;
    bool found;
    tdl_status status = read_int(s, "attention.sliding_window", "sliding_window", 0, INT32_MAX, &window, &found);
    if (status != TDL_OK || s->arch->window == TDL_WINDOW_NONE || !window) return status;
    tdl_meta types = lookup(s, NULL, "layer_types");
    tdl_meta use = lookup(s, NULL, "use_sliding_window");
    if (s->arch->window == TDL_WINDOW_UPPER && !s->gguf) {
        if (use.type != TDL_META_BOOL || !use.boolean) return TDL_OK;
        status = read_int(s, NULL, "max_window_layers", 0, INT32_MAX, &first, &found);
        if (status != TDL_OK) return status;
    }
    tdl_meta pattern = lookup(s, "attention.sliding_window_pattern", NULL);
    bool by_layer = pattern.type == TDL_META_ARRAY && pattern.element == TDL_META_BOOL;
    if (pattern.type != TDL_META_NONE && !(by_layer && pattern.n == (size_t)c->n_layers))
        return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                        "config: attention.sliding_window_pattern: expected an array of %d booleans", c->n_layers);
    for (int32_t i = 0; i < c->n_layers; i++) {
        bool windowed = by_layer ? ((const bool *)pattern.array)[i] : i >= first;
        if (types.type == TDL_META_ARRAY && types.element == TDL_META_STRING) {
            if (types.n != (size_t)c->n_layers)
                return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: layer_types has %zu entries for %d layers", types.n,
                                c->n_layers);
            tdl_text type = ((const tdl_text *)types.array)[i];
            windowed = tdl_text_is(type, "sliding_attention");
            if (!windowed && !tdl_text_is(type, "full_attention"))
                return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                                "config: layer_types[%d] is '%.*s', expected full_attention or sliding_attention", i,
                                (int)tdl_min_i64((int64_t)type.size, 64), type.ptr);
        }
        c->windows[i] = windowed ? window : 0;
    }
    return TDL_OK;
}

// What the numbers must be to one another.
static tdl_status check(const source *s, const tdl_config *c) {
    const tdl_rope_config *r = &c->rope;
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
    if (s->arch->position == TDL_POSITION_ROPE) {
        if (r->n_rot > c->head_dim || r->n_rot % 2)
            return tdl_fail(s->err, TDL_ERROR_FORMAT,
                            "config: %d rotary dimensions, expected an even number up to head_dim %d", r->n_rot,
                            c->head_dim);
        if (!(r->theta > 0 && r->theta < 1e30))
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: rope theta is %g, expected above 0", r->theta);
        if (!(r->factor > 0 && r->factor < 1e9))
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: rope scaling factor is %g, expected above 0", r->factor);
        if (r->scaling == TDL_ROPE_LLAMA3 && !(r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor))
            return tdl_fail(s->err, TDL_ERROR_FORMAT,
                            "config: rope low_freq_factor %g and high_freq_factor %g, expected 0 < low < high",
                            r->low_freq_factor, r->high_freq_factor);
        if (r->scaling == TDL_ROPE_YARN &&
            !(r->beta_slow > 0 && r->beta_fast > r->beta_slow && r->attn_factor >= 0 && r->theta != 1))
            return tdl_fail(s->err, TDL_ERROR_FORMAT,
                            "config: rope beta_fast %g and beta_slow %g, expected 0 < slow < fast", r->beta_fast,
                            r->beta_slow);
    }
    tdl_meta by_layer = lookup(s, NULL, "scale_attn_by_inverse_layer_idx");
    tdl_meta scaled = lookup(s, NULL, "scale_attn_weights");
    if ((by_layer.type == TDL_META_BOOL && by_layer.boolean) || (scaled.type == TDL_META_BOOL && !scaled.boolean))
        return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED,
                        "config: scale_attn_by_inverse_layer_idx true and scale_attn_weights false are not supported");
    return TDL_OK;
}

// The value under "<arch>.<gguf>" of a GGUF file or `hf` of a config.json; NULL names nothing.
static tdl_meta lookup(const source *s, const char *gguf, const char *hf) {
    if (!s->gguf) return hf ? tdl_weights_meta(s->weights, hf) : (tdl_meta){0};
    if (!gguf) return (tdl_meta){0};
    char key[128];
    tdl_text arch = tdl_weights_meta(s->weights, "general.architecture").string;
    snprintf(key, sizeof key, "%.*s.%s", (int)tdl_min_i64((int64_t)arch.size, 64), arch.ptr, gguf);
    return tdl_weights_meta(s->weights, key);
}

static tdl_status read_int(const source *s, const char *gguf, const char *hf, int64_t min, int64_t max, int32_t *value,
                           bool *found) {
    tdl_meta meta = lookup(s, gguf, hf);
    const char *name = s->gguf ? gguf : hf;
    *found = meta.type != TDL_META_NONE;
    if (!*found) return TDL_OK;
    int64_t number = meta.integer;
    if (meta.type == TDL_META_ARRAY && meta.element == TDL_META_INT &&
        meta.n > 0) { // one number a layer: the same for all, or not ours
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

// Leaves *value as it is where the key is absent.
static tdl_status read_number(const source *s, const char *gguf, const char *hf, double *value) {
    tdl_meta meta = lookup(s, gguf, hf);
    if (meta.type == TDL_META_NONE) return TDL_OK;
    if (meta.type != TDL_META_FLOAT && meta.type != TDL_META_INT)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is no number", s->gguf ? gguf : hf);
    *value = meta.type == TDL_META_INT ? (double)meta.integer : meta.number;
    if (!isfinite(*value)) return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is not finite", s->gguf ? gguf : hf);
    return TDL_OK;
}
