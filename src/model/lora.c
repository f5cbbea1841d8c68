// SPDX-License-Identifier: MIT
// lora.c - see lora.h. Adapter files are untrusted input: shapes and names are those of the model, or an error.
#include "model/lora.h"

#include "base/checked.h"
#include "base/file.h"
#include "base/json.h"
#include "format/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RANK_MAX = 1 << 16 };

typedef struct reader {
    const tdl_model *model;
    const tdl_safetensors *file;
    bool *used; // [file->tensors.n]
} reader;

static tdl_status read_config(tdl_lora *lora, const char *dir, tdl_error *err);
static tdl_status check_keys(const json_t *root, tdl_error *err);
static tdl_status read_tensors(tdl_lora *lora, const tdl_model *model, const tdl_safetensors *file, tdl_error *err);
static tdl_status read_pair(const reader *r, tdl_lora *lora, int32_t param, tdl_error *err);
static tdl_status read_tensor(const tdl_lora *lora, const tdl_safetensors *file, int32_t i, int64_t rows, int64_t cols,
                              tdl_tensor *out, tdl_error *err);
static tdl_status find_dir(const tdl_model *model, const char *dir, char **out, tdl_error *err);
static tdl_status merge_pair(tdl_model *model, const tdl_lora_pair *pair, tdl_error *err);

// ---- reading

tdl_status tdl_lora_open(const tdl_model *model, const char *dir, tdl_lora **out, tdl_error *err) {
    tdl_file_map map = {0};
    tdl_safetensors file = {0};
    bool parsed = false;
    tdl_lora *lora = tdl_alloc(model->mem, 1, sizeof *lora);
    char *path = tdl_path_join(model->mem, dir, "adapter_model.safetensors");
    tdl_status status = TDL_OK;
    if (lora) lora->mem = model->mem;
    if (!lora || !path) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory");
        goto cleanup;
    }
    if ((status = read_config(lora, dir, err)) != TDL_OK) goto cleanup;
    if ((status = tdl_file_copy_open(model->mem, path, &map, err)) != TDL_OK) goto cleanup;
    const tdl_safetensors_source source = {.bytes = map.data, .size = map.size, .file_size = map.size};
    status = tdl_safetensors_parse(model->mem, &source, &file, err);
    parsed = status == TDL_OK;
    if (parsed) status = read_tensors(lora, model, &file, err);
    if (status != TDL_OK) tdl_fail_at(err, status, path);
cleanup:
    if (parsed) tdl_safetensors_deinit(&file);
    if (map.mem) tdl_file_map_close(&map);
    tdl_free(model->mem, path);
    if (status == TDL_OK) *out = lora;
    else tdl_lora_close(lora);
    return status;
}

void tdl_lora_close(tdl_lora *lora) {
    if (!lora) return;
    for (size_t i = 0; i < lora->n; i++) {
        tdl_free(lora->mem, lora->pairs[i].a.data);
        tdl_free(lora->mem, lora->pairs[i].b.data);
    }
    tdl_free(lora->mem, lora->pairs);
    tdl_free(lora->mem, lora);
}

static bool is_set(const json_t *value) {
    return value && !json_is_null(value) && !json_is_false(value) &&
           !(json_is_object(value) && !json_object_size(value)) && !(json_is_array(value) && !json_array_size(value));
}

// Some ways to begin take the adapter's first values out of the model's matrix: they would have to be taken out of this one too.
static tdl_status check_first_values(const json_t *how, tdl_error *err) {
    static const char *const fine[] = {"gaussian", "eva", "orthogonal"};
    const char *name = json_string_value(how);
    for (size_t i = 0; name && i < sizeof fine / sizeof *fine; i++)
        if (strcmp(name, fine[i]) == 0) return TDL_OK;
    if (!name) return TDL_OK;
    return tdl_fail(
        err, TDL_ERROR_UNSUPPORTED,
        "adapter_config.json: init_lora_weights is '%.40s', which changes the model's own matrices: let PEFT "
        "convert it to a plain adapter",
        name);
}

static tdl_status read_config(tdl_lora *lora, const char *dir, tdl_error *err) {
    json_t *root = NULL;
    char *path = tdl_path_join(lora->mem, dir, "adapter_config.json");
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a path");
    tdl_status status = tdl_json_load(lora->mem, path, &root, err);
    tdl_free(lora->mem, path);
    if (status != TDL_OK) return status;
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    const char *bias = json_string_value(json_object_get(root, "bias"));
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    snprintf(lora->base, sizeof lora->base, "%s", base ? base : "");
    const json_t *alpha = json_object_get(root, "lora_alpha"), *r = json_object_get(root, "r");
    const json_t *stabilized = json_object_get(root, "use_rslora");
    bool own_ranks = is_set(json_object_get(root, "rank_pattern"));
    lora->alpha = (float)tdl_json_number(alpha);
    lora->rank = own_ranks || !json_is_integer(r) ? 0 : (int32_t)tdl_min_i64(json_integer_value(r), INT32_MAX);
    lora->rank_stabilized = json_is_true(stabilized);
    if (!type || strcmp(type, "LORA") != 0)
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: peft_type is '%.40s', expected 'LORA'",
                          type ? type : "");
    else if (bias && strcmp(bias, "none") != 0)
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: bias is '%.40s', expected 'none'", bias);
    else if (!json_is_number(alpha) || !isfinite(lora->alpha))
        status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter_config.json: lora_alpha is missing or no number");
    else if (!own_ranks && lora->rank < 1)
        status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter_config.json: r is missing or no positive integer");
    else if (stabilized && !json_is_boolean(stabilized) && !json_is_null(stabilized))
        status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter_config.json: use_rslora is no boolean");
    if (status == TDL_OK) status = check_first_values(json_object_get(root, "init_lora_weights"), err);
    if (status == TDL_OK) status = check_keys(root, err);
    json_decref(root);
    return status;
}

// Keys that say nothing of what the adapter computes, or that were read before. All others must be as if they were not there.
static tdl_status check_keys(const json_t *root, tdl_error *err) {
    static const char *const fine[] = {"auto_mapping",
                                       "base_model_name_or_path",
                                       "bias",
                                       "ensure_weight_tying",
                                       "eva_config",
                                       "exclude_modules",
                                       "fan_in_fan_out",
                                       "inference_mode",
                                       "init_lora_weights",
                                       "layers_pattern",
                                       "layers_to_transform",
                                       "lora_alpha",
                                       "lora_dropout",
                                       "megatron_core",
                                       "peft_type",
                                       "peft_version",
                                       "qalora_group_size",
                                       "r",
                                       "rank_pattern",
                                       "revision",
                                       "target_modules",
                                       "task_type",
                                       "use_rslora"};
    const char *key, *task = json_string_value(json_object_get(root, "task_type"));
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        bool known = false;
        for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) known |= strcmp(key, fine[i]) == 0;
        if (!known && is_set(value))
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: '%.60s' is not supported", key);
    }
    if (task && strcmp(task, "CAUSAL_LM") != 0)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: task_type is '%.40s', expected 'CAUSAL_LM'",
                        task);
    return TDL_OK;
}

static tdl_status read_tensors(tdl_lora *lora, const tdl_model *model, const tdl_safetensors *file, tdl_error *err) {
    size_t n = file->tensors.n;
    reader r = {model, file, tdl_alloc(lora->mem, n, sizeof *r.used)};
    lora->pairs = tdl_alloc(lora->mem, n / 2 + 1, sizeof *lora->pairs);
    tdl_status status =
        r.used && lora->pairs ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for %zu tensors", n);
    for (int32_t i = 0; i < model->params.n && status == TDL_OK; i++) status = read_pair(&r, lora, i, err);
    for (size_t i = 0; i < n && status == TDL_OK; i++)
        if (!r.used[i])
            status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%.*s' belongs to no matrix of this model",
                              TDL_SHOWN(tdl_vec_at(&file->tensors, tdl_safetensors_tensor, i)->name));
    tdl_free(lora->mem, r.used);
    return status;
}

// The pair of matrix `param`, if the adapter has one.
static tdl_status read_pair(const reader *r, tdl_lora *lora, int32_t param, tdl_error *err) {
    const tdl_model *model = r->model;
    char module[TDL_ROLE_NAME_SIZE], keys[2][TDL_LORA_KEY_SIZE];
    int32_t places[2] = {-1, -1};
    if (!tdl_lora_module_name(model, param, module)) return TDL_OK;
    for (int k = 0; k < 2; k++) {
        snprintf(keys[k], TDL_LORA_KEY_SIZE, TDL_LORA_PREFIX "%s.lora_%c.weight", module, "AB"[k]);
        if (tdl_map_get(&r->file->index, tdl_text_cstr(keys[k]), &places[k])) r->used[places[k]] = true;
        else places[k] = -1;
    }
    if (places[0] < 0 && places[1] < 0) return TDL_OK;
    if (places[0] < 0 || places[1] < 0)
        return tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%s' is missing", keys[places[0] < 0 ? 0 : 1]);
    const tdl_tensor *w = &model->params.list[param].tensor;
    const tdl_tensor *a = &tdl_vec_at(&r->file->tensors, tdl_safetensors_tensor, (size_t)places[0])->tensor;
    int64_t rank = a->n_dims == 2 ? a->shape[0] : 0;
    if (a->n_dims == 2 && (rank < 1 || rank > RANK_MAX || (lora->rank && lora->rank != rank)))
        return tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%s': rank %lld, expected %d%s", keys[0],
                        (long long)rank, lora->rank ? lora->rank : 1, lora->rank ? " as 'r' says" : " and more");
    tdl_lora_pair *pair = &lora->pairs[lora->n];
    *pair = (tdl_lora_pair){.param = param,
                            .scale = lora->alpha / (lora->rank_stabilized ? sqrtf((float)rank) : (float)rank)};
    lora->n++; // from here on, close frees what it has
    tdl_status status = read_tensor(lora, r->file, places[0], rank, w->shape[1], &pair->a, err);
    if (status == TDL_OK) status = read_tensor(lora, r->file, places[1], w->shape[0], rank, &pair->b, err);
    if (status != TDL_OK || !tdl_lora_is_turned(model, param)) return status;
    void *turned = tdl_lora_turn_rows(lora, model, &pair->b, false);
    if (!turned) return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory to turn '%s'", module);
    tdl_free(lora->mem, pair->b.data);
    pair->b.data = turned;
    return TDL_OK;
}

static tdl_status read_tensor(const tdl_lora *lora, const tdl_safetensors *file, int32_t i, int64_t rows, int64_t cols,
                              tdl_tensor *out, tdl_error *err) {
    const tdl_safetensors_tensor *from = tdl_vec_at(&file->tensors, tdl_safetensors_tensor, (size_t)i);
    const tdl_tensor *t = &from->tensor;
    const tdl_dtype_info *info = tdl_dtype_get(t->dtype);
    char text[96];
    if (from->odd_type.ptr)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter: tensor '%.*s' has type %.*s, expected a float type",
                        TDL_SHOWN(from->name), TDL_SHOWN(from->odd_type));
    if (!info->decode || t->n_dims != 2 || t->shape[0] != rows || t->shape[1] != cols)
        return tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%.*s' is %s, expected [%lld, %lld] of a float type",
                        TDL_SHOWN(from->name), tdl_tensor_describe(t, text), (long long)rows, (long long)cols);
    tdl_tensor made;
    tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 2, t->shape, NULL, &made, err);
    if (status != TDL_OK) return status;
    size_t size = tdl_tensor_size(t);
    made.data = tdl_alloc(lora->mem, tdl_tensor_size(&made), 1);
    uint8_t *aligned = made.data && t->dtype != TDL_DTYPE_F32 ? tdl_alloc(lora->mem, size, 1) : NULL;
    if (!made.data || (t->dtype != TDL_DTYPE_F32 && !aligned)) {
        tdl_free(lora->mem, made.data);
        return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for tensor '%.*s'", TDL_SHOWN(from->name));
    }
    memcpy(aligned ? aligned : made.data, t->data, size); // a file may place it anywhere
    if (aligned) info->decode(aligned, (float *)(void *)made.data, rows * cols);
    tdl_free(lora->mem, aligned);
    *out = made;
    return TDL_OK;
}

bool tdl_lora_is_turned(const tdl_model *model, int32_t param) {
    tdl_role role = (tdl_role)(param % TDL_ROLE_COUNT);
    return model->config.rope.pairs && (role == TDL_ROLE_ATTN_Q || role == TDL_ROLE_ATTN_K);
}

void *tdl_lora_turn_rows(const tdl_lora *lora, const tdl_model *model, const tdl_tensor *b, bool back) {
    void *data = tdl_alloc(lora->mem, tdl_tensor_size(b), 1);
    if (data) tdl_rope_rows(b, model->config.head_dim, model->config.rope.n_rot, back, data);
    return data;
}

bool tdl_lora_module_name(const tdl_model *model, int32_t param, char *name) {
    tdl_role role = (tdl_role)(param % TDL_ROLE_COUNT);
    const tdl_param *p = &model->params.list[param];
    bool table = role == TDL_ROLE_TOKEN_EMBD || role == TDL_ROLE_POS_EMBD; // PEFT has these as another kind of layer
    if (!p->name || p->tensor.n_dims != 2 || table || tdl_role_is_experts(role) ||
        !tdl_role_name(role, model->arch->naming, param / TDL_ROLE_COUNT - 1, 0, name))
        return false;
    name[strlen(name) - strlen(".weight")] = 0;
    return true;
}

// ---- the sum

void tdl_lora_merge(const tdl_lora_pair *pair, const tdl_tensor *weight, float *merged) {
    const float *a = (const float *)(const void *)pair->a.data, *b = (const float *)(const void *)pair->b.data;
    int64_t rank = pair->a.shape[0], n_in = pair->a.shape[1], n_out = pair->b.shape[0];
    tdl_tensor_to_f32(weight, merged);
    for (int64_t i = 0; i < n_out; i++)
        for (int64_t r = 0; r < rank; r++) {
            float factor = pair->scale * b[i * rank + r];
            for (int64_t j = 0; j < n_in; j++) merged[i * n_in + j] += factor * a[r * n_in + j];
        }
}

// ---- into a model

// The last part of a path, or of a name on a hub.
static tdl_text last_part(const char *path) {
    size_t end = strlen(path);
    while (end && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin && path[begin - 1] != '/') begin--;
    return tdl_text_of(path + begin, end - begin);
}

// Merged already, or of another model with matrices of the same sizes: nothing but the names can tell. A file may have the name of a
// hub's model with an ending.
static tdl_status check_base(tdl_model *m, const char *path, const tdl_lora *lora, tdl_error *err) {
    char text[400];
    if (!path || !*lora->base) return TDL_OK;
    tdl_text a = last_part(path), b = last_part(lora->base);
    if (strncasecmp(a.ptr, b.ptr, a.size < b.size ? a.size : b.size) == 0) return TDL_OK;
    snprintf(text, sizeof text, "adapter: it was made for '%s', and is added to '%.200s'", lora->base, path);
    return tdl_warn(&m->warnings, text) ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a warning");
}

tdl_status tdl_lora_apply(tdl_model *m, const char *path, const char *dir, tdl_error *err) {
    tdl_lora *lora = NULL;
    char *found = NULL;
    tdl_status status = find_dir(m, dir, &found, err);
    if (status == TDL_OK) status = tdl_lora_open(m, found, &lora, err);
    if (status == TDL_OK && !lora->n)
        status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter: '%.200s' has no tensor", found);
    if (status == TDL_OK) status = check_base(m, path, lora, err);
    for (size_t i = 0; status == TDL_OK && i < lora->n; i++) status = merge_pair(m, &lora->pairs[i], err);
    if (status == TDL_OK) m->n_lora = (int32_t)lora->n;
    tdl_lora_close(lora);
    tdl_free(m->mem, found);
    return status;
}

// DIR, or DIR/adapter, where a run of treadle's has them.
static tdl_status find_dir(const tdl_model *m, const char *dir, char **out, tdl_error *err) {
    char *run = tdl_path_join(m->mem, dir, "adapter"), *config = tdl_path_join(m->mem, dir, "adapter_config.json");
    char *run_config = run ? tdl_path_join(m->mem, run, "adapter_config.json") : NULL;
    tdl_status status = TDL_OK;
    *out = NULL;
    if (!config || !run_config) status = tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a path");
    else if (tdl_path_exists(config)) *out = tdl_strndup(m->mem, dir, strlen(dir));
    else if (tdl_path_exists(run_config)) *out = tdl_strndup(m->mem, run, strlen(run));
    else
        status =
            tdl_fail(err, TDL_ERROR_IO,
                     "adapter: neither '%.200s' nor its directory 'adapter' has an adapter_config.json, as PEFT and "
                     "treadle finetune write it",
                     dir);
    if (status == TDL_OK && !*out) status = tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a path");
    tdl_free(m->mem, run_config);
    tdl_free(m->mem, config);
    tdl_free(m->mem, run);
    return status;
}

static tdl_status check_range(const char *name, tdl_dtype dtype, const float *merged, int64_t n, tdl_error *err) {
    float max = dtype == TDL_DTYPE_F16 ? 65504 : INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(merged[i]) || fabsf(merged[i]) > max)
            return tdl_fail(err, TDL_ERROR_FORMAT,
                            "adapter: '%s': element %lld is %g with the adapter, expected a number that %s can hold",
                            name, (long long)i, (double)merged[i], tdl_dtype_get(dtype)->name);
    return TDL_OK;
}

static tdl_status merge_pair(tdl_model *m, const tdl_lora_pair *pair, tdl_error *err) {
    tdl_param *param = &m->params.list[pair->param];
    tdl_dtype was = param->tensor.dtype;
    tdl_dtype kept = m->precision == TDL_PRECISION_F32 ? TDL_DTYPE_F32 : tdl_lora_merged_dtype(was);
    tdl_tensor base, made;
    void *block = NULL, *data = NULL;
    int64_t n = tdl_tensor_n_elements(&param->tensor);
    float *merged = tdl_alloc(m->mem, (size_t)n, sizeof *merged);
    tdl_status status = tdl_tensor_make(kept, 2, param->tensor.shape, NULL, &made, err);
    if (status == TDL_OK) {
        data = tdl_alloc(m->params.mem, tdl_tensor_size(&made), 1);
        if (!merged || !data)
            status = tdl_fail(err, TDL_ERROR_MEMORY, "adapter: '%s': no memory to merge", param->name);
    }
    if (status == TDL_OK) status = tdl_param_whole(&m->params, m->weights, param, &base, &block, err);
    if (status == TDL_OK) {
        tdl_lora_merge(pair, &base, merged);
        status = check_range(param->name, made.dtype, merged, n, err);
    }
    if (status == TDL_OK) {
        if (made.dtype == TDL_DTYPE_F32) memcpy(data, merged, tdl_tensor_size(&made));
        else tdl_dtype_get(made.dtype)->encode(merged, data, n);
        tdl_model_drop_weight(m, pair->param);
        param->owned = made.data = data;
        param->tensor = made;
        param->place.file = -1;
        if (!m->lora_size) m->lora_dtype = made.dtype;
        m->lora_size += tdl_tensor_size(&made);
        data = NULL;
    }
    tdl_free(m->mem, block);
    tdl_free(m->params.mem, data);
    tdl_free(m->mem, merged);
    return status;
}
