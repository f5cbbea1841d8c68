// SPDX-License-Identifier: MIT
// config_rope.c - RoPE's numbers, as Transformers 5 resolves a config.json and llama.cpp a GGUF file.
//
// config.json: rope_scaling, where it says anything, stands for all of rope_parameters; rope_theta beside it counts where that
// group has none; then the class's default. What a kind of scaling needs must be there.
// GGUF: a factor without a type is linear, as is the old rope.scale_linear; rope.scaling.attn_factor is a factor more.
#include "base/checked.h"
#include "base/error.h"
#include "model/config_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef tdl_config_source source;

static tdl_status read_gguf(const source *s, tdl_rope_config *r);
static tdl_status read_hf(const source *s, tdl_config *c);
static tdl_status read_kind(const source *s, const char *gguf, const char *hf, tdl_rope_scaling *scaling, bool *found);
static tdl_status check(const source *s, const tdl_config *c);

double tdl_rope_yarn_scale(double factor) { return factor > 1 ? 0.1 * log(factor) + 1 : 1; }

tdl_status tdl_config_read_rope(const source *s, tdl_config *c) {
    c->rope = (tdl_rope_config){.n_rot = c->head_dim,
                                .pairs = s->gguf && s->arch->gguf_rope_pairs,
                                .theta = s->gguf ? 10000 : s->arch->defaults.rope_theta,
                                .factor = 1,
                                .low_freq_factor = 1,
                                .high_freq_factor = 4,
                                .beta_fast = 32,
                                .beta_slow = 1,
                                .attn_factor = 1,
                                .truncate = true,
                                .n_ctx_orig = c->n_ctx};
    tdl_status status = s->gguf ? read_gguf(s, &c->rope) : read_hf(s, c);
    return status == TDL_OK ? check(s, c) : status;
}

static tdl_status read_gguf(const source *s, tdl_rope_config *r) {
    double factor = 0, more = 1;
    bool typed = false, found = false;
    tdl_status status = read_kind(s, "rope.scaling.type", NULL, &r->scaling, &typed);
    if (status == TDL_OK) status = tdl_config_get_number(s, "rope.scaling.factor", NULL, &factor, &found);
    if (status == TDL_OK && !found) status = tdl_config_get_number(s, "rope.scale_linear", NULL, &factor, NULL);
    if (status == TDL_OK) status = tdl_config_get_number(s, "rope.freq_base", NULL, &r->theta, NULL);
    if (status == TDL_OK) status = tdl_config_get_number(s, "rope.scaling.yarn_beta_fast", NULL, &r->beta_fast, NULL);
    if (status == TDL_OK) status = tdl_config_get_number(s, "rope.scaling.yarn_beta_slow", NULL, &r->beta_slow, NULL);
    if (status == TDL_OK) status = tdl_config_get_number(s, "rope.scaling.attn_factor", NULL, &more, NULL);
    if (status == TDL_OK)
        status =
            tdl_config_get_int(s, "rope.scaling.original_context_length", NULL, 1, TDL_CTX_MAX, &r->n_ctx_orig, NULL);
    if (status == TDL_OK)
        status = tdl_config_get_int(s, "rope.dimension_count", NULL, 2, TDL_HEAD_DIM_MAX, &r->n_rot, NULL);
    if (status != TDL_OK) return status;
    if (!typed && factor != 0) r->scaling = TDL_ROPE_LINEAR;
    if (factor != 0 && r->scaling != TDL_ROPE_PLAIN) r->factor = factor; // 0 is none
    r->attn_factor = more * (r->scaling == TDL_ROPE_YARN ? tdl_rope_yarn_scale(r->factor) : 1);
    return TDL_OK;
}

// ---- config.json

// Whether the config has a key that begins so.
static bool has_group(const source *s, const char *prefix) {
    size_t size = strlen(prefix);
    for (size_t i = 0; i < tdl_weights_n_meta(s->weights); i++) {
        tdl_text key;
        tdl_weights_meta_at(s->weights, i, &key);
        if (key.size > size && memcmp(key.ptr, prefix, size) == 0) return true;
    }
    return false;
}

typedef char group_key[64];

static const char *in_group(group_key key, const char *group, const char *name) {
    snprintf(key, sizeof(group_key), "%s.%s", group, name);
    return key;
}

static tdl_status need(const source *s, const char *group, const char *name, double *value) {
    group_key key;
    bool found = false;
    tdl_status status = tdl_config_get_number(s, NULL, in_group(key, group, name), value, &found);
    if (status == TDL_OK && !found)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: '%s' is missing, which this kind of RoPE scaling needs",
                        key);
    return status;
}

// 0 is as good as absent, where Transformers says "or".
static tdl_status get_or(const source *s, const char *group, const char *name, double *value) {
    group_key key;
    double given = 0;
    tdl_status status = tdl_config_get_number(s, NULL, in_group(key, group, name), &given, NULL);
    if (given != 0) *value = given;
    return status;
}

static tdl_status read_yarn(const source *s, const char *group, const tdl_config *c, tdl_rope_config *r) {
    group_key key;
    double mscale = 0, mscale_all = 0;
    bool given = false;
    tdl_status status = TDL_OK;
    if (tdl_config_is_null(s, in_group(key, group, "factor"))) r->factor = (double)c->n_ctx / r->n_ctx_orig;
    else status = need(s, group, "factor", &r->factor);
    if (status == TDL_OK) status = get_or(s, group, "beta_fast", &r->beta_fast);
    if (status == TDL_OK) status = get_or(s, group, "beta_slow", &r->beta_slow);
    if (status == TDL_OK) status = get_or(s, group, "mscale", &mscale);
    if (status == TDL_OK) status = get_or(s, group, "mscale_all_dim", &mscale_all);
    r->truncate = !tdl_config_is_null(s, in_group(key, group, "truncate"));
    if (status == TDL_OK) status = tdl_config_get_bool(s, NULL, key, &r->truncate);
    r->attn_factor = tdl_rope_yarn_scale(r->factor);
    if (mscale != 0 && mscale_all != 0 && r->factor > 1)
        r->attn_factor = (0.1 * mscale * log(r->factor) + 1) / (0.1 * mscale_all * log(r->factor) + 1);
    if (status == TDL_OK)
        status = tdl_config_get_number(s, NULL, in_group(key, group, "attention_factor"), &r->attn_factor, &given);
    return status;
}

static tdl_status read_hf(const source *s, tdl_config *c) {
    tdl_rope_config *r = &c->rope;
    const char *group = has_group(s, "rope_scaling.") ? "rope_scaling" : "rope_parameters";
    group_key key, other;
    bool found = false;
    tdl_status status = tdl_config_get_number(s, NULL, in_group(key, group, "rope_theta"), &r->theta, &found);
    if (status == TDL_OK && !found) status = tdl_config_get_number(s, NULL, "rope_theta", &r->theta, &found);
    if (status == TDL_OK && !found && (tdl_config_is_null(s, key) || tdl_config_is_null(s, "rope_theta")))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: 'rope_theta' is null, expected a number");
    if (status == TDL_OK) status = read_kind(s, NULL, in_group(key, group, "rope_type"), &r->scaling, &found);
    if (status == TDL_OK && !found && !tdl_config_is_null(s, key))
        status = read_kind(s, NULL, in_group(other, group, "type"), &r->scaling, &found);
    if (status != TDL_OK || r->scaling == TDL_ROPE_PLAIN) return status;
    if (r->scaling == TDL_ROPE_LINEAR) return need(s, group, "factor", &r->factor);
    status = tdl_config_get_int(s, NULL, in_group(key, group, "original_max_position_embeddings"), 1, TDL_CTX_MAX,
                                &r->n_ctx_orig, NULL);
    if (status == TDL_OK) // beside the group it counts for more
        status = tdl_config_get_int(s, NULL, "original_max_position_embeddings", 1, TDL_CTX_MAX, &r->n_ctx_orig, NULL);
    if (status == TDL_OK && r->scaling == TDL_ROPE_YARN) return read_yarn(s, group, c, r);
    if (status == TDL_OK) status = need(s, group, "factor", &r->factor);
    if (status == TDL_OK) status = need(s, group, "low_freq_factor", &r->low_freq_factor);
    return status == TDL_OK ? need(s, group, "high_freq_factor", &r->high_freq_factor) : status;
}

// ---- both

static tdl_status read_kind(const source *s, const char *gguf, const char *hf, tdl_rope_scaling *scaling, bool *found) {
    static const struct {
        const char *gguf, *hf;
        tdl_rope_scaling scaling;
    } kinds[] = {{"none", "default", TDL_ROPE_PLAIN},
                 {"linear", "linear", TDL_ROPE_LINEAR},
                 {"yarn", "yarn", TDL_ROPE_YARN},
                 {NULL, "llama3", TDL_ROPE_LLAMA3}};
    tdl_meta kind = tdl_config_get(s, gguf, hf);
    *found = kind.type != TDL_META_NONE;
    if (!*found && !(hf && tdl_config_is_null(s, hf))) return TDL_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && kind.type == TDL_META_STRING; i++) {
        const char *name = s->gguf ? kinds[i].gguf : kinds[i].hf;
        if (!name || !tdl_text_is(kind.string, name)) continue;
        *scaling = kinds[i].scaling;
        return TDL_OK;
    }
    return tdl_fail(s->err, TDL_ERROR_UNSUPPORTED, "config: '%s': RoPE scaling '%.*s' is not supported; there are %s",
                    s->gguf ? gguf : hf, (int)tdl_min_i64((int64_t)kind.string.size, 64),
                    kind.string.ptr ? kind.string.ptr : "",
                    s->gguf ? "none, linear, yarn" : "default, linear, yarn, llama3");
}

static tdl_status check(const source *s, const tdl_config *c) {
    const tdl_rope_config *r = &c->rope;
    if (r->n_rot > c->head_dim || r->n_rot % 2)
        return tdl_fail(s->err, TDL_ERROR_FORMAT,
                        "config: %d rotary dimensions, expected an even number up to head_dim %d", r->n_rot,
                        c->head_dim);
    if (!(r->theta > 0 && r->theta < 1e30))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: rope theta is %g, expected above 0", r->theta);
    if (!(r->factor > 0 && r->factor < 1e9))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: rope scaling factor is %g, expected above 0", r->factor);
    if (!(r->attn_factor > 0 && r->attn_factor < 1e9))
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "config: rope attention factor is %g, expected above 0",
                        r->attn_factor);
    if (r->scaling == TDL_ROPE_LLAMA3 && !(r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor))
        return tdl_fail(s->err, TDL_ERROR_FORMAT,
                        "config: rope low_freq_factor %g and high_freq_factor %g, expected 0 < low < high",
                        r->low_freq_factor, r->high_freq_factor);
    if (r->scaling == TDL_ROPE_YARN && !(r->beta_slow > 0 && r->beta_fast > r->beta_slow && r->theta != 1))
        return tdl_fail(s->err, TDL_ERROR_FORMAT,
                        "config: rope beta_fast %g and beta_slow %g, expected 0 < slow < fast", r->beta_fast,
                        r->beta_slow);
    return TDL_OK;
}
