// SPDX-License-Identifier: MIT
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
    bool *used; // [n_tensors] of the weights
    tdl_warnings *warnings;
    tdl_error *err;
} loader;

// A tensor, in memory or in a file.
typedef struct located {
    tdl_tensor t;
    tdl_weights_place place;
} located;

static tdl_status load_all(const loader *l);
static tdl_status check_same_layers(const loader *l);
static tdl_status check_unused(const loader *l);
static tdl_status warn(const loader *l, size_t n, const char *names, bool more);
static tdl_status load_role(const loader *l, tdl_role role, int32_t layer);
static tdl_status load_experts(const loader *l, tdl_role role, int32_t layer, tdl_param *param);
static tdl_status make_inv_freq(const loader *l);

tdl_status tdl_params_load(tdl_params *params, const tdl_weights *weights, const tdl_arch *arch, tdl_config *config,
                           tdl_warnings *warnings, const tdl_allocator *mem, tdl_error *err) {
    *params = (tdl_params){.mem = mem, .n = tdl_param_index(0, config->n_layers), .rope_scale = 1};
    tdl_arena_init(&params->names, mem);
    params->list = tdl_alloc(mem, (size_t)params->n, sizeof *params->list);
    if (!params->list) return tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %d tensors", params->n);
    loader l = {.params = params,
                .weights = weights,
                .arch = arch,
                .config = config,
                .gguf = tdl_weights_get_kind(weights) == TDL_WEIGHTS_GGUF,
                .warnings = warnings,
                .err = err};
    l.used = tdl_alloc(mem, tdl_weights_n_tensors(weights), sizeof *l.used);
    tdl_status status =
        l.used ? load_all(&l)
               : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %zu tensors", tdl_weights_n_tensors(weights));
    if (status == TDL_OK) status = check_same_layers(&l);
    if (status == TDL_OK) status = check_unused(&l);
    if (status == TDL_OK && arch->position == TDL_POSITION_ROPE) status = make_inv_freq(&l);
    tdl_free(mem, l.used);
    return status;
}

static tdl_status load_all(const loader *l) {
    for (int32_t layer = TDL_NO_LAYER; layer < l->config->n_layers; layer++)
        for (tdl_role role = 0; role < TDL_ROLE_COUNT; role++) {
            tdl_status status = tdl_role_per_layer(role) == (layer >= 0) ? load_role(l, role, layer) : TDL_OK;
            if (status != TDL_OK) return status;
        }
    return TDL_OK;
}

void tdl_params_deinit(tdl_params *params) {
    for (int32_t i = 0; i < params->n && params->list; i++) tdl_free(params->mem, params->list[i].owned);
    tdl_free(params->mem, params->list);
    tdl_arena_deinit(&params->names);
}

tdl_status tdl_param_rows(const tdl_params *params, const tdl_weights *weights, const tdl_param *param, int64_t first,
                          int64_t count, tdl_tensor *out, void **block, tdl_error *err) {
    *block = NULL;
    *out = tdl_tensor_slice(&param->tensor, 0, first, count);
    if (param->tensor.data) return TDL_OK;
    size_t row_size = (size_t)param->tensor.strides[0], size = (size_t)count * row_size;
    *block = tdl_alloc(params->mem, size, 1);
    if (!*block)
        return tdl_fail(err, TDL_ERROR_MEMORY, "model: tensor '%s': no memory for %zu bytes", param->name, size);
    tdl_weights_place place = param->place;
    place.offset += (uint64_t)first * row_size;
    tdl_status status = tdl_weights_read(weights, place, *block, size, err);
    out->data = *block;
    if (status == TDL_OK) return status;
    tdl_free(params->mem, *block);
    *block = NULL;
    return tdl_fail_at(err, status, param->name);
}

tdl_status tdl_param_own(const tdl_params *params, const tdl_weights *weights, tdl_param *param, tdl_error *err) {
    tdl_tensor t;
    void *block;
    tdl_status status = tdl_param_whole(params, weights, param, &t, &block, err);
    if (status != TDL_OK || !block) return status;
    param->owned = block;
    param->tensor = t;
    return TDL_OK;
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
static tdl_status find_tensor(const loader *l, const char *name, const tdl_weights_tensor **out) {
    const tdl_weights_tensor *found = tdl_weights_find(l->weights, name);
    const char *dot = strchr(name, '.');
    if (!found && !l->gguf && dot) found = tdl_weights_find(l->weights, dot + 1);
    *out = found;
    if (!found) return TDL_OK;
    l->used[found - tdl_weights_at(l->weights, 0)] = true;
    if (!found->odd_type && tdl_dtype_get(found->tensor.dtype)->decode) return TDL_OK;
    return tdl_fail(l->err, TDL_ERROR_UNSUPPORTED, "model: tensor '%s' has type %s, expected a float or a block type",
                    found->name, found->odd_type ? found->odd_type : tdl_dtype_get(found->tensor.dtype)->name);
}

// Copies the parameter's tensor, as F32 where it is a vector, packed otherwise. turned: the file has it transposed.
static tdl_status own_tensor(const loader *l, tdl_param *param, tdl_dtype dtype, bool turned) {
    tdl_tensor from, to;
    void *block;
    tdl_status status = tdl_param_whole(l->params, l->weights, param, &from, &block, l->err);
    if (status != TDL_OK) return status;
    if (turned) from = tdl_tensor_transpose(&from, 0, 1);
    status = tdl_tensor_make(dtype, from.n_dims, from.shape, NULL, &to, l->err);
    void *copy = status == TDL_OK ? tdl_alloc(l->params->mem, tdl_tensor_size(&to), 1) : NULL;
    if (status == TDL_OK && !copy)
        status = tdl_fail(l->err, TDL_ERROR_MEMORY, "model: tensor '%s': no memory for a copy of %zu bytes",
                          param->name, tdl_tensor_size(&to));
    if (status == TDL_OK) {
        if (dtype == from.dtype) tdl_tensor_pack(&from, copy);
        else tdl_tensor_to_f32(&from, copy);
        param->owned = to.data = copy;
        param->tensor = to;
        param->place.file = -1;
    }
    tdl_free(l->params->mem, block);
    return status;
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
    const tdl_weights_tensor *found = NULL;
    tdl_status status = named ? find_tensor(l, name, &found) : TDL_OK;
    if (status != TDL_OK) return status;
    if (!found)
        return needed == TDL_NEED_OPTIONAL
                   ? TDL_OK
                   : tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing", named ? name : canonical);

    bool vector = tdl_role_is_vector(role);
    tdl_tensor t = found->tensor;
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
    if ((status = check_shape(l, name, &t, role)) != TDL_OK) return status;
    if (vector) t.n_dims = 1, t.shape[0] = tdl_tensor_n_elements(&t), t.strides[0] = tdl_dtype_get(t.dtype)->block_size;
    param->name = tdl_arena_strndup(&l->params->names, canonical, strlen(canonical));
    if (!param->name) return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for names");
    param->place = found->place;
    bool in_file = param->place.file >= 0, turned = conv1d && in_file;
    param->tensor = turned ? found->tensor : t;
    size_t align = t.dtype == TDL_DTYPE_F32 ? 4 : 2;
    if (vector) return own_tensor(l, param, TDL_DTYPE_F32, false);
    if (turned) return own_tensor(l, param, t.dtype, true);
    if (!in_file && (!tdl_tensor_contiguous(&t) || (uintptr_t)t.data % align))
        return own_tensor(l, param, t.dtype, false);
    return TDL_OK;
}

// ---- experts

static located rows_of(const located *from, int64_t first, int64_t count) {
    located out = *from;
    out.t = tdl_tensor_slice(&from->t, 0, first, count);
    out.place.offset += (uint64_t)(first * from->t.strides[0]);
    return out;
}

// One expert's matrix [n_rows, n_cols]: a tensor of its own, or a part of one of all experts, as Transformers 5 has them in memory,
// gate above up. name: what was found, or not.
static tdl_status find_expert(const loader *l, tdl_role role, int32_t layer, int32_t expert, const int64_t *shape,
                              char *name, located *out) {
    const tdl_weights_tensor *found;
    char text[96], all[TDL_ROLE_NAME_SIZE];
    tdl_role_name(role, l->arch->naming, layer, expert, name);
    tdl_status status = find_tensor(l, name, &found);
    if (status != TDL_OK) return status;
    if (found) {
        *out = (located){found->tensor, found->place};
    } else {
        bool down = role == TDL_ROLE_FFN_DOWN_EXPS;
        int64_t n_rows = (down ? 1 : 2) * shape[0], n_experts = l->config->n_experts;
        snprintf(all, sizeof all, "model.layers.%d.mlp.experts.%s", layer, down ? "down_proj" : "gate_up_proj");
        if ((status = find_tensor(l, all, &found)) != TDL_OK) return status;
        if (!found) return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing", name);
        memcpy(name, all, sizeof all);
        const tdl_tensor *t = &found->tensor;
        if (t->n_dims != 3 || t->shape[0] != n_experts || t->shape[1] != n_rows || t->shape[2] != shape[1])
            return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%lld, %lld, %lld]", name,
                            tdl_tensor_describe(t, text), (long long)n_experts, (long long)n_rows, (long long)shape[1]);
        located whole = {stacked(t), found->place};
        *out = rows_of(&whole, expert * n_rows + (role == TDL_ROLE_FFN_UP_EXPS ? shape[0] : 0), shape[0]);
    }
    if (out->t.n_dims == 2 && out->t.shape[0] == shape[0] && out->t.shape[1] == shape[1]) return TDL_OK;
    return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is %s, expected [%lld, %lld] of floats", name,
                    tdl_tensor_describe(&out->t, text), (long long)shape[0], (long long)shape[1]);
}

// Whether the rows of `next` follow those of `first`, `distance` bytes on.
static bool follows(const located *first, const located *next, int64_t distance) {
    if (first->place.file != next->place.file) return false;
    if (next->place.file >= 0) return next->place.offset == first->place.offset + (uint64_t)distance;
    return tdl_tensor_contiguous(&next->t) && (uintptr_t)next->t.data % sizeof(float) == 0 &&
           next->t.data == first->t.data + distance;
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
    located one, first = {0};
    for (int32_t expert = 0; expert < n; expert++) {
        tdl_status status = find_expert(l, role, layer, expert, shape, name, &one);
        if (status == TDL_OK && expert == 0) {
            first = one;
            param->place = one.place;
            status = tdl_tensor_make(one.t.dtype, 2, whole, one.t.data, &param->tensor, l->err);
        }
        if (status != TDL_OK) return status;
        if (one.t.dtype != param->tensor.dtype)
            return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' has type %s, expected %s as expert 0 has",
                            name, tdl_dtype_get(one.t.dtype)->name, tdl_dtype_get(param->tensor.dtype)->name);
        in_place = in_place && follows(&first, &one, expert * shape[0] * param->tensor.strides[0]);
    }
    if (in_place) return TDL_OK;
    size_t size = tdl_tensor_size(&param->tensor);
    param->owned = tdl_alloc(l->params->mem, size, 1);
    param->tensor.data = param->owned;
    param->place.file = -1;
    if (!param->owned)
        return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: tensor '%s': no memory for a copy of %zu bytes", param->name,
                        size);
    for (int32_t expert = 0; expert < n; expert++) {
        uint8_t *dst = param->tensor.data + expert * shape[0] * param->tensor.strides[0];
        tdl_status status = find_expert(l, role, layer, expert, shape, name, &one);
        if (status == TDL_OK && one.place.file >= 0)
            status = tdl_weights_read(l->weights, one.place, dst, tdl_tensor_size(&one.t), l->err);
        else if (status == TDL_OK) tdl_tensor_pack(&one.t, dst);
        if (status != TDL_OK) return status;
    }
    return TDL_OK;
}

// ---- what the file has and the model has not

// A weight that files may have, such as a bias, is in all blocks or in none; so are the biases of q, k and v.
static tdl_status check_same_layers(const loader *l) {
    static const tdl_role together[][2] = {{TDL_ROLE_ATTN_Q_B, TDL_ROLE_ATTN_K_B},
                                           {TDL_ROLE_ATTN_Q_B, TDL_ROLE_ATTN_V_B}};
    char has[TDL_ROLE_NAME_SIZE], lacks[TDL_ROLE_NAME_SIZE];
    tdl_naming naming = l->gguf ? TDL_NAMING_GGUF : l->arch->naming;
    for (tdl_role role = 0; role < TDL_ROLE_COUNT; role++) {
        if (!tdl_role_per_layer(role) || tdl_role_need(role, l->arch, l->config) != TDL_NEED_OPTIONAL) continue;
        int32_t present = TDL_NO_LAYER, absent = TDL_NO_LAYER;
        for (int32_t layer = 0; layer < l->config->n_layers; layer++)
            *(tdl_param_get(l->params, role, layer) ? &present : &absent) = layer;
        if (present < 0 || absent < 0 || !tdl_role_name(role, naming, present, 0, has)) continue;
        tdl_role_name(role, naming, absent, 0, lacks);
        return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing, while the file has '%s'", lacks, has);
    }
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        bool first = tdl_param_get(l->params, together[i][0], 0), second = tdl_param_get(l->params, together[i][1], 0);
        if (first == second || !tdl_role_name(together[i][first ? 0 : 1], naming, 0, 0, has)) continue;
        tdl_role_name(together[i][first ? 1 : 0], naming, 0, 0, lacks);
        return tdl_fail(l->err, TDL_ERROR_FORMAT, "model: tensor '%s' is missing, while the file has '%s'", lacks, has);
    }
    return TDL_OK;
}

// The number of the block that a tensor's name says it is of; -1: of none.
static int64_t block_of(const loader *l, const char *name) {
    static const char *const prefixes[] = {"model.layers.", "layers.", "transformer.h.", "h."};
    size_t n = l->gguf ? 0 : sizeof prefixes / sizeof *prefixes, at = 0;
    if (l->gguf && strncmp(name, "blk.", 4) == 0) at = 4;
    for (size_t i = 0; i < n && !at; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) at = strlen(prefixes[i]);
    int64_t number = 0;
    size_t digits = at ? strspn(name + at, "0123456789") : 0;
    if (digits < 1 || digits > 9 || name[at + digits] != '.') return -1;
    for (size_t i = at; i < at + digits; i++) number = number * 10 + (name[i] - '0');
    return number;
}

// What files carry along that is no weight: causal masks, and RoPE's frequencies as older Transformers wrote them.
static bool is_buffer(const char *name) {
    static const char *const ends[] = {".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq",
                                       ".attn_rot_embd.weight"};
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (size > n && strcmp(name + size - n, ends[i]) == 0) return true;
    }
    return false;
}

// Outside of the blocks: what a model of any family would compute with.
static bool changes_result(const loader *l, const char *name) {
    static const char *const gguf[] = {"token_embd",   "position_embd", "token_types", "output.",
                                       "output_norm.", "rope_freqs",    "rope_factors"};
    static const char *const hf[] = {"lm_head.",         "model.norm.",      "model.embed_",
                                     "transformer.wte.", "transformer.wpe.", "transformer.ln_f."};
    const char *const *prefixes = l->gguf ? gguf : hf;
    size_t n = l->gguf ? sizeof gguf / sizeof *gguf : sizeof hf / sizeof *hf;
    for (size_t i = 0; i < n; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

static tdl_status check_unused(const loader *l) {
    enum { NAMED = 5 };
    size_t n = 0, n_all = tdl_weights_n_tensors(l->weights);
    tdl_str names = tdl_str_make(l->params->mem);
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < n_all && status == TDL_OK; i++) {
        const char *name = tdl_weights_at(l->weights, i)->name;
        if (l->used[i] || is_buffer(name)) continue;
        int64_t block = block_of(l, name);
        if (block >= l->config->n_layers)
            status = tdl_fail(l->err, TDL_ERROR_FORMAT,
                              "model: tensor '%s' is of block %lld, but the configuration has %d blocks, from 0 on",
                              name, (long long)block, l->config->n_layers);
        else if (block >= 0 || changes_result(l, name))
            status = tdl_fail(l->err, TDL_ERROR_UNSUPPORTED,
                              "model: tensor '%s': '%s' as this file configures it has no use for it, and without it "
                              "computes something else",
                              name, l->arch->name);
        else if (n++ < NAMED) tdl_str_format(&names, "%s'%.64s'", n > 1 ? ", " : "", name);
    }
    if (status == TDL_OK) status = warn(l, n, names.failed || !n ? NULL : names.ptr, n > NAMED);
    tdl_str_deinit(&names);
    return status;
}

// names: of the first of n tensors that nothing uses.
static tdl_status warn(const loader *l, size_t n, const char *names, bool more) {
    tdl_error text = {0};
    bool ok = !n || names;
    if (n && ok) {
        tdl_fail(&text, TDL_ERROR_UNSUPPORTED, "%zu tensor%s of the file %s not used: %s%s", n, n == 1 ? "" : "s",
                 n == 1 ? "is" : "are", names, more ? ", ..." : "");
        ok = tdl_warn(l->warnings, text.message);
    }
    uint64_t n_spare = tdl_weights_n_spare(l->weights);
    if (n_spare && ok) {
        tdl_fail(&text, TDL_ERROR_FORMAT, "%llu bytes at the file's end belong to no tensor",
                 (unsigned long long)n_spare);
        ok = tdl_warn(l->warnings, text.message);
    }
    n = tdl_weights_n_unlisted(l->weights);
    if (n && ok) {
        tdl_fail(&text, TDL_ERROR_UNSUPPORTED, "%zu tensors of the shards are not in their index, and not used", n);
        ok = tdl_warn(l->warnings, text.message);
    }
    if (ok && !l->gguf && tdl_weights_meta(l->weights, "tie_word_embeddings").boolean &&
        tdl_param_get(l->params, TDL_ROLE_OUTPUT, TDL_NO_LAYER))
        ok = tdl_warn(l->warnings, "config.json has tie_word_embeddings, but there is an output matrix: it is used");
    return ok ? TDL_OK : tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for its warnings");
}

static tdl_status make_inv_freq(const loader *l) {
    tdl_param *param = &l->params->list[tdl_param_index(TDL_ROLE_ROPE_INV_FREQ, TDL_NO_LAYER)];
    const tdl_param *divisors = tdl_param_get(l->params, TDL_ROLE_ROPE_DIVISORS, TDL_NO_LAYER);
    int64_t n = l->config->rope.n_rot / 2;
    param->name = "rope_inv_freq";
    param->place.file = -1;
    param->owned = tdl_alloc(l->params->mem, (size_t)n, sizeof(float));
    if (!param->owned)
        return tdl_fail(l->err, TDL_ERROR_MEMORY, "model: no memory for %lld RoPE frequencies", (long long)n);
    tdl_rope_frequencies(&l->config->rope, divisors ? (const float *)divisors->tensor.data : NULL, param->owned,
                         &l->params->rope_scale);
    return tdl_tensor_make(TDL_DTYPE_F32, 1, &n, param->owned, &param->tensor, l->err);
}
