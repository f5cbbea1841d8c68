// params.c - finds every tensor a model of this row and config must or may have. See params.h and roles.def.
#include "model/params.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>

typedef struct role_info {
    char rows[2], cols[2]; // letters of roles.def
    const char *names[TDL_NAMING_COUNT];
} role_info;

static const role_info roles[TDL_ROLE_COUNT] = {
#define TDL_ROLE(id, rows, cols, gguf, llama, gpt2) {#rows, #cols, {gguf, llama, gpt2, llama}},
#define TDL_ROLE_EXPERTS(id, rows, cols, gguf, llama, mixtral) {#rows, #cols, {gguf, llama, NULL, mixtral}},
#include "model/roles.def"
#undef TDL_ROLE
#undef TDL_ROLE_EXPERTS
};

typedef struct loader {
    tdl_params *params;
    const tdl_weights *weights;
    const tdl_arch *arch;
    tdl_config *config;
    bool gguf;
    tdl_error *err;
} loader;

static tdl_status load_role(const loader *l, tdl_role role, int32_t layer);
static tdl_status load_experts(const loader *l, tdl_role role, int32_t layer, tdl_param *param);
static tdl_status make_inv_freq(const loader *l);

tdl_status tdl_params_load(tdl_params *params, const tdl_weights *weights, const tdl_arch *arch, tdl_config *config,
                           const tdl_allocator *mem, tdl_error *err) {
    *params = (tdl_params){.mem = mem, .n = tdl_param_index(0, config->n_layers), .rope_scale = 1};
    tdl_arena_init(&params->names, mem);
    params->list = tdl_alloc(mem, (size_t)params->n, sizeof *params->list);
    if (!params->list) return tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %d tensors", params->n);
    loader l = {params, weights, arch, config, tdl_weights_get_kind(weights) == TDL_WEIGHTS_GGUF, err};
    for (int32_t layer = TDL_NO_LAYER; layer < config->n_layers; layer++)
        for (tdl_role role = 0; role < TDL_ROLE_COUNT; role++) {
            tdl_status status = tdl_role_per_layer(role) == (layer >= 0) ? load_role(&l, role, layer) : TDL_OK;
            if (status != TDL_OK) return status;
        }
    return arch->position == TDL_POSITION_ROPE ? make_inv_freq(&l) : TDL_OK;
}

void tdl_params_deinit(tdl_params *params) {
    for (int32_t i = 0; i < params->n && params->list; i++) tdl_free(params->mem, params->list[i].owned);
    tdl_free(params->mem, params->list);
    tdl_arena_deinit(&params->names);
}

bool tdl_role_per_layer(tdl_role role) { return role >= TDL_ROLE_ATTN_NORM; }

bool tdl_role_is_vector(tdl_role role) { return roles[role].rows[0] == '0'; }

bool tdl_role_is_experts(tdl_role role) { return role >= TDL_ROLE_FFN_GATE_EXPS && role <= TDL_ROLE_FFN_DOWN_EXPS; }

static tdl_need bias_need(const tdl_config *config, uint32_t bias) {
    return config->biases & bias ? TDL_NEED_REQUIRED : config->biases_by_file ? TDL_NEED_OPTIONAL : TDL_NEED_ABSENT;
}

tdl_need tdl_role_need(tdl_role role, const tdl_arch *arch, const tdl_config *config) {
    tdl_need layer_norm = arch->norm == TDL_NORM_LAYER ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    bool experts = arch->ffn == TDL_FFN_EXPERTS;
    tdl_need glu = arch->ffn == TDL_FFN_GLU ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    switch (role) {
    case TDL_ROLE_POS_EMBD: return arch->position == TDL_POSITION_LEARNED ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    case TDL_ROLE_OUTPUT: return config->tied ? TDL_NEED_OPTIONAL : TDL_NEED_REQUIRED;
    case TDL_ROLE_ROPE_DIVISORS: return arch->position == TDL_POSITION_ROPE ? TDL_NEED_OPTIONAL : TDL_NEED_ABSENT;
    case TDL_ROLE_ROPE_INV_FREQ: return TDL_NEED_ABSENT; // not read
    case TDL_ROLE_OUTPUT_NORM_B:
    case TDL_ROLE_ATTN_NORM_B:
    case TDL_ROLE_FFN_NORM_B: return layer_norm;
    case TDL_ROLE_ATTN_QKV: return arch->qkv_fused ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    case TDL_ROLE_ATTN_Q:
    case TDL_ROLE_ATTN_K:
    case TDL_ROLE_ATTN_V: return arch->qkv_fused ? TDL_NEED_ABSENT : TDL_NEED_REQUIRED;
    case TDL_ROLE_ATTN_QKV_B: return arch->qkv_fused ? bias_need(config, TDL_BIAS_QKV) : TDL_NEED_ABSENT;
    case TDL_ROLE_ATTN_Q_B:
    case TDL_ROLE_ATTN_K_B:
    case TDL_ROLE_ATTN_V_B: return arch->qkv_fused ? TDL_NEED_ABSENT : bias_need(config, TDL_BIAS_QKV);
    case TDL_ROLE_ATTN_Q_NORM:
    case TDL_ROLE_ATTN_K_NORM: return arch->qk_norm ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    case TDL_ROLE_ATTN_OUT_B: return bias_need(config, TDL_BIAS_OUT);
    case TDL_ROLE_FFN_GATE: return glu;
    case TDL_ROLE_FFN_GATE_B: return glu == TDL_NEED_ABSENT ? TDL_NEED_ABSENT : bias_need(config, TDL_BIAS_FFN);
    case TDL_ROLE_FFN_UP:
    case TDL_ROLE_FFN_DOWN: return experts ? TDL_NEED_ABSENT : TDL_NEED_REQUIRED;
    case TDL_ROLE_FFN_ROUTER:
    case TDL_ROLE_FFN_GATE_EXPS:
    case TDL_ROLE_FFN_UP_EXPS:
    case TDL_ROLE_FFN_DOWN_EXPS: return experts ? TDL_NEED_REQUIRED : TDL_NEED_ABSENT;
    case TDL_ROLE_FFN_UP_B:
    case TDL_ROLE_FFN_DOWN_B: return experts ? TDL_NEED_ABSENT : bias_need(config, TDL_BIAS_FFN);
    default: return TDL_NEED_REQUIRED;
    }
}

static int64_t letter_size(const tdl_config *c, char letter) {
    switch (letter) {
    case 'E': return c->n_embd;
    case 'V': return c->n_vocab;
    case 'C': return c->n_ctx;
    case 'Q': return (int64_t)c->n_heads * c->head_dim;
    case 'K': return (int64_t)c->n_kv_heads * c->head_dim;
    case 'A': return ((int64_t)c->n_heads + 2 * c->n_kv_heads) * c->head_dim;
    case 'F': return c->n_ff;
    case 'D': return c->head_dim;
    case 'R': return c->rope.n_rot / 2;
    case 'X': return c->n_experts;
    case 'P': return c->n_ff_expert;
    case 'G': return (int64_t)c->n_experts * c->n_ff_expert;
    case 'H': return (int64_t)c->n_experts * c->n_embd;
    default: return 0;
    }
}

int32_t tdl_role_shape(tdl_role role, const tdl_config *config, int64_t *shape) {
    bool vector = tdl_role_is_vector(role);
    if (!vector) shape[0] = letter_size(config, roles[role].rows[0]);
    shape[vector ? 0 : 1] = letter_size(config, roles[role].cols[0]);
    return vector ? 1 : 2;
}

// Names in roles.def are our own constants with at most two %d.
bool tdl_role_name(tdl_role role, tdl_naming naming, int32_t layer, int32_t expert, char *name) {
    const char *format = roles[role].names[naming];
    if (!format) return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name, TDL_ROLE_NAME_SIZE, format, layer, expert);
#pragma GCC diagnostic pop
    return true;
}

// A tensor under its name, or without the prefix ("transformer.", "model.") that base-model checkpoints leave out.
static const tdl_weights_tensor *find_tensor(const loader *l, const char *name) {
    const tdl_weights_tensor *found = tdl_weights_find(l->weights, name);
    const char *dot = strchr(name, '.');
    return found || l->gguf || !dot ? found : tdl_weights_find(l->weights, dot + 1);
}

// Copies a tensor, as F32 where it is a vector, packed otherwise.
static tdl_status own_tensor(const loader *l, tdl_param *param, tdl_dtype dtype) {
    tdl_tensor from = param->tensor, to;
    tdl_status status = tdl_tensor_make(dtype, from.n_dims, from.shape, NULL, &to, l->err);
    if (status != TDL_OK) return status;
    param->owned = tdl_alloc(l->params->mem, tdl_tensor_size(&to), 1);
    if (!param->owned)
        return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: tensor '%s': no memory for a copy of %zu bytes", param->name,
                        tdl_tensor_size(&to));
    if (dtype == from.dtype) tdl_tensor_pack(&from, param->owned);
    else tdl_tensor_to_f32(&from, param->owned);
    to.data = param->owned;
    param->tensor = to;
    if (from.n_dims > 1) tdl_weights_release(l->weights, &from);
    return TDL_OK;
}

static tdl_status check_shape(const loader *l, const char *name, const tdl_tensor *t, tdl_role role) {
    int64_t shape[2];
    bool vector = tdl_role_shape(role, l->config, shape) == 1;
    int64_t last = t->n_dims > 0 ? t->shape[t->n_dims - 1] : 1;
    bool fits = vector ? last == shape[0] && tdl_tensor_n_elements(t) == shape[0]
                       : t->n_dims == 2 && t->shape[0] == shape[0] && t->shape[1] == shape[1];
    if (fits) return TDL_OK;
    char text[96];
    if (vector)
        return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%lld]", name,
                        tdl_tensor_describe(t, text), (long long)shape[0]);
    return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%lld, %lld]", name,
                    tdl_tensor_describe(t, text), (long long)shape[0], (long long)shape[1]);
}

// [X, N, K] seen as [X N, K].
static tdl_tensor stacked(const tdl_tensor *t) {
    tdl_tensor made = *t;
    made.n_dims = 2;
    made.shape[0] = t->shape[0] * t->shape[1];
    made.shape[1] = t->shape[2];
    made.shape[2] = 1;
    made.strides[0] = t->strides[1];
    made.strides[1] = t->strides[2];
    return made;
}

static tdl_status load_role(const loader *l, tdl_role role, int32_t layer) {
    tdl_need needed = tdl_role_need(role, l->arch, l->config);
    char name[TDL_ROLE_NAME_SIZE], canonical[TDL_ROLE_NAME_SIZE];
    if (needed == TDL_NEED_ABSENT) return TDL_OK;
    tdl_role_name(role, TDL_NAMING_GGUF, layer, 0, canonical); // only the frequencies have none, and they are not read
    bool named = tdl_role_name(role, l->gguf ? TDL_NAMING_GGUF : l->arch->naming, layer, 0, name);
    tdl_param *param = &l->params->list[tdl_param_index(role, layer)];
    if (tdl_role_is_experts(role) && !l->gguf) {
        param->name = tdl_arena_strndup(&l->params->names, canonical, strlen(canonical));
        if (!param->name) return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for names");
        return load_experts(l, role, layer, param);
    }
    if (!named && needed == TDL_NEED_OPTIONAL) return TDL_OK;
    const tdl_weights_tensor *found = named ? find_tensor(l, name) : NULL;
    if (!found)
        return needed == TDL_NEED_OPTIONAL
                   ? TDL_OK
                   : tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing", named ? name : canonical);

    bool vector = tdl_role_is_vector(role);
    tdl_tensor t = found->tensor;
    if (!tdl_dtype_get(t.dtype)->decode)
        return tdl_fail(l->err, TDL_ERROR_UNSUPPORTED,
                        "model: tensor '%s' has type %s, expected a float or a block type", name,
                        tdl_dtype_get(t.dtype)->name);
    if (role == TDL_ROLE_TOKEN_EMBD && !l->config->n_vocab && t.n_dims == 2) {
        if (t.shape[0] > TDL_VOCAB_MAX)
            return tdl_fail(l->err, TDL_ERROR_LIMIT, "model: tensor '%s' has %lld rows, at most %d", name,
                            (long long)t.shape[0], TDL_VOCAB_MAX);
        l->config->n_vocab = (int32_t)t.shape[0];
    }
    bool conv1d = !l->gguf && l->arch->conv1d && layer >= 0 && !vector && t.n_dims == 2;
    if (conv1d) {
        if (tdl_dtype_get(t.dtype)->block_n != 1)
            return tdl_fail(l->err, TDL_ERROR_UNSUPPORTED, "model: tensor '%s' has type %s, expected a float type",
                            name, tdl_dtype_get(t.dtype)->name);
        t = tdl_tensor_transpose(&t, 0, 1);
    }
    if (tdl_role_is_experts(role) && t.n_dims == 3 && t.shape[0] == l->config->n_experts && tdl_tensor_contiguous(&t))
        t = stacked(&t);
    tdl_status status = check_shape(l, name, &t, role);
    if (status != TDL_OK) return status;
    if (vector) t.n_dims = 1, t.shape[0] = tdl_tensor_n_elements(&t), t.strides[0] = tdl_dtype_get(t.dtype)->block_size;
    param->name = tdl_arena_strndup(&l->params->names, canonical, strlen(canonical));
    if (!param->name) return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for names");
    param->tensor = t;
    size_t align = t.dtype == TDL_DTYPE_F32 ? 4 : 2;
    if (vector) return own_tensor(l, param, TDL_DTYPE_F32);
    if (!tdl_tensor_contiguous(&t) || (uintptr_t)t.data % align) return own_tensor(l, param, t.dtype);
    return TDL_OK;
}

// One expert's matrix [n_rows, n_cols]: a tensor of its own, or a part of one of all experts, as Transformers 5 has them in memory,
// gate above up. name: what was found, or not.
static tdl_status find_expert(const loader *l, tdl_role role, int32_t layer, int32_t expert, const int64_t *shape,
                              char *name, tdl_tensor *out) {
    tdl_role_name(role, l->arch->naming, layer, expert, name);
    const tdl_weights_tensor *found = find_tensor(l, name);
    char text[96], all[TDL_ROLE_NAME_SIZE];
    if (found) {
        *out = found->tensor;
    } else {
        bool down = role == TDL_ROLE_FFN_DOWN_EXPS;
        snprintf(all, sizeof all, "model.layers.%d.mlp.experts.%s", layer, down ? "down_proj" : "gate_up_proj");
        found = find_tensor(l, all);
        if (!found) return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing", name);
        memcpy(name, all, sizeof all);
        *out = found->tensor;
        if (out->n_dims != 3 || out->shape[0] != l->config->n_experts || out->shape[1] != (down ? 1 : 2) * shape[0] ||
            out->shape[2] != shape[1])
            return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%d, %lld, %lld]", name,
                            tdl_tensor_describe(out, text), l->config->n_experts,
                            (long long)((down ? 1 : 2) * shape[0]), (long long)shape[1]);
        *out = tdl_tensor_slice(out, 0, expert, 1);
        *out = stacked(out);
        *out = tdl_tensor_slice(out, 0, role == TDL_ROLE_FFN_UP_EXPS ? shape[0] : 0, shape[0]);
    }
    if (out->n_dims == 2 && out->shape[0] == shape[0] && out->shape[1] == shape[1] && tdl_dtype_get(out->dtype)->decode)
        return TDL_OK;
    return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%lld, %lld] of floats", name,
                    tdl_tensor_describe(out, text), (long long)shape[0], (long long)shape[1]);
}

// The experts' matrices of a Hugging Face directory, one after another: in place where they lie so, else copied.
static tdl_status load_experts(const loader *l, tdl_role role, int32_t layer, tdl_param *param) {
    int64_t shape[2], whole[2];
    int32_t n = l->config->n_experts;
    char name[TDL_ROLE_NAME_SIZE];
    tdl_role_shape(role, l->config, whole);
    shape[0] = whole[0] / n;
    shape[1] = whole[1];
    bool in_place = true;
    tdl_tensor t;
    for (int32_t expert = 0; expert < n; expert++) {
        tdl_status status = find_expert(l, role, layer, expert, shape, name, &t);
        if (status == TDL_OK && expert == 0)
            status = tdl_tensor_make(t.dtype, 2, whole, t.data, &param->tensor, l->err);
        if (status != TDL_OK) return status;
        if (t.dtype != param->tensor.dtype)
            return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' has type %s, expected %s as expert 0 has",
                            name, tdl_dtype_get(t.dtype)->name, tdl_dtype_get(param->tensor.dtype)->name);
        in_place = in_place && tdl_tensor_contiguous(&t) && (uintptr_t)t.data % sizeof(float) == 0 &&
                   t.data == param->tensor.data + expert * shape[0] * param->tensor.strides[0];
    }
    if (in_place) return TDL_OK;
    size_t size = tdl_tensor_size(&param->tensor);
    param->owned = tdl_alloc(l->params->mem, size, 1);
    if (!param->owned)
        return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: tensor '%s': no memory for a copy of %zu bytes", param->name,
                        size);
    param->tensor.data = param->owned;
    for (int32_t expert = 0; expert < n; expert++) {
        tdl_status status = find_expert(l, role, layer, expert, shape, name, &t);
        if (status != TDL_OK) return status;
        tdl_tensor_pack(&t, param->tensor.data + expert * shape[0] * param->tensor.strides[0]);
        tdl_weights_release(l->weights, &t);
    }
    return TDL_OK;
}

static tdl_status make_inv_freq(const loader *l) {
    tdl_param *param = &l->params->list[tdl_param_index(TDL_ROLE_ROPE_INV_FREQ, TDL_NO_LAYER)];
    const tdl_param *divisors = tdl_param_get(l->params, TDL_ROLE_ROPE_DIVISORS, TDL_NO_LAYER);
    int64_t n = l->config->rope.n_rot / 2;
    param->name = "rope_inv_freq";
    param->owned = tdl_alloc(l->params->mem, (size_t)n, sizeof(float));
    if (!param->owned)
        return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for %lld RoPE frequencies", (long long)n);
    tdl_rope_frequencies(&l->config->rope, divisors ? (const float *)divisors->tensor.data : NULL, param->owned,
                         &l->params->rope_scale);
    return tdl_tensor_make(TDL_DTYPE_F32, 1, &n, param->owned, &param->tensor, l->err);
}
