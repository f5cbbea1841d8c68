// SPDX-License-Identifier: MIT
// lora_file.c - see lora_file.h. Adapter files are untrusted input: shapes and names are those of the model, or an error.
#include "train/lora_file.h"

#include "base/json.h"
#include "format/safetensors.h"
#include "format/safetensors_write.h"
#include "train/export_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "base_model.model."
enum { RANK_MAX = 1 << 16, KEY_SIZE = TDL_ROLE_NAME_SIZE + 48 };

typedef struct reader {
    const tdl_model *model;
    const tdl_safetensors *file;
    bool *used; // [file->tensors.n]
} reader;

typedef struct saver {
    const tdl_model *model;
    tdl_arena names;
    tdl_vec tensors; // tdl_weights_tensor
    tdl_vec blocks;  // void *: copies of B
} saver;

static tdl_status read_config(tdl_lora *lora, const char *dir, tdl_error *err);
static tdl_status read_tensors(tdl_lora *lora, const tdl_model *model, const tdl_safetensors *file, tdl_error *err);
static tdl_status read_pair(const reader *r, tdl_lora *lora, int32_t param, tdl_error *err);
static tdl_status read_tensor(const tdl_lora *lora, const tdl_safetensors *file, int32_t i, int64_t rows, int64_t cols,
                              tdl_tensor *out, tdl_error *err);
static bool is_turned(const tdl_model *model, int32_t param);
static void *turn_rows(const tdl_lora *lora, const tdl_model *model, const tdl_tensor *b, bool back);
static bool module_name(const tdl_model *model, int32_t param, char *name);
static tdl_status save_pair(saver *s, const tdl_lora *lora, const tdl_lora_pair *pair, tdl_error *err);
static tdl_status write_config(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                               tdl_error *err);
static json_t *list_targets(const tdl_model *model, const tdl_lora *lora);

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

static tdl_status read_config(tdl_lora *lora, const char *dir, tdl_error *err) {
    static const char *const refused[] = {"use_dora",        "modules_to_save",         "alpha_pattern", "use_qalora",
                                          "megatron_config", "trainable_token_indices", "corda_config",  "lora_bias"};
    json_t *root = NULL;
    char *path = tdl_path_join(lora->mem, dir, "adapter_config.json");
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a path");
    tdl_status status = tdl_json_load(lora->mem, path, &root, err);
    tdl_free(lora->mem, path);
    if (status != TDL_OK) return status;
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    const char *bias = json_string_value(json_object_get(root, "bias"));
    const json_t *alpha = json_object_get(root, "lora_alpha");
    lora->alpha = (float)tdl_json_number(alpha);
    lora->rank_stabilized = json_is_true(json_object_get(root, "use_rslora"));
    if (!type || strcmp(type, "LORA") != 0)
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: peft_type is '%.40s', expected 'LORA'",
                          type ? type : "");
    else if (bias && strcmp(bias, "none") != 0)
        status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: bias is '%.40s', expected 'none'", bias);
    else if (!json_is_number(alpha) || !isfinite(lora->alpha))
        status = tdl_fail(err, TDL_ERROR_FORMAT, "adapter_config.json: lora_alpha is missing or no number");
    for (size_t i = 0; i < sizeof refused / sizeof *refused && status == TDL_OK; i++)
        if (is_set(json_object_get(root, refused[i])))
            status = tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter_config.json: '%s' is not supported", refused[i]);
    json_decref(root);
    return status;
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
    char module[TDL_ROLE_NAME_SIZE], keys[2][KEY_SIZE];
    int32_t places[2] = {-1, -1};
    if (!module_name(model, param, module)) return TDL_OK;
    for (int k = 0; k < 2; k++) {
        snprintf(keys[k], KEY_SIZE, PREFIX "%s.lora_%c.weight", module, "AB"[k]);
        if (tdl_map_get(&r->file->index, tdl_text_cstr(keys[k]), &places[k])) r->used[places[k]] = true;
        else places[k] = -1;
    }
    if (places[0] < 0 && places[1] < 0) return TDL_OK;
    if (places[0] < 0 || places[1] < 0)
        return tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%s' is missing", keys[places[0] < 0 ? 0 : 1]);
    const tdl_tensor *w = &model->params.list[param].tensor;
    const tdl_tensor *a = &tdl_vec_at(&r->file->tensors, tdl_safetensors_tensor, (size_t)places[0])->tensor;
    int64_t rank = a->n_dims == 2 ? a->shape[0] : 0;
    if (rank < 1 || rank > RANK_MAX)
        return tdl_fail(err, TDL_ERROR_FORMAT, "adapter: tensor '%s': rank %lld, expected 1 to %d", keys[0],
                        (long long)rank, RANK_MAX);
    tdl_lora_pair *pair = &lora->pairs[lora->n];
    *pair = (tdl_lora_pair){.param = param,
                            .scale = lora->alpha / (lora->rank_stabilized ? sqrtf((float)rank) : (float)rank)};
    lora->n++; // from here on, close frees what it has
    tdl_status status = read_tensor(lora, r->file, places[0], rank, w->shape[1], &pair->a, err);
    if (status == TDL_OK) status = read_tensor(lora, r->file, places[1], w->shape[0], rank, &pair->b, err);
    if (status != TDL_OK || !is_turned(model, param)) return status;
    void *turned = turn_rows(lora, model, &pair->b, false);
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

// Whether the model has the rows of this matrix permuted.
static bool is_turned(const tdl_model *model, int32_t param) {
    tdl_role role = (tdl_role)(param % TDL_ROLE_COUNT);
    return model->config.rope.pairs && (role == TDL_ROLE_ATTN_Q || role == TDL_ROLE_ATTN_K);
}

// A copy of B with its rows from the file's order to the model's, or back; NULL: no memory.
static void *turn_rows(const tdl_lora *lora, const tdl_model *model, const tdl_tensor *b, bool back) {
    void *data = tdl_alloc(lora->mem, tdl_tensor_size(b), 1);
    if (data) export_rope_rows(b, model->config.head_dim, model->config.rope.n_rot, back, data);
    return data;
}

// What Hugging Face calls the module of matrix `param`: false where that is no matrix, or one without a name there.
static bool module_name(const tdl_model *model, int32_t param, char *name) {
    tdl_role role = (tdl_role)(param % TDL_ROLE_COUNT);
    const tdl_param *p = &model->params.list[param];
    bool table = role == TDL_ROLE_TOKEN_EMBD || role == TDL_ROLE_POS_EMBD; // PEFT has these as another kind of layer
    if (!p->name || p->tensor.n_dims != 2 || table || tdl_role_is_experts(role) ||
        !tdl_role_name(role, model->arch->naming, param / TDL_ROLE_COUNT - 1, 0, name))
        return false;
    name[strlen(name) - strlen(".weight")] = 0;
    return true;
}

// ---- writing

tdl_status tdl_lora_save(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                         tdl_error *err) {
    saver s = {.model = model};
    s.tensors = tdl_vec_make(lora->mem, sizeof(tdl_weights_tensor));
    s.blocks = tdl_vec_make(lora->mem, sizeof(void *));
    tdl_arena_init(&s.names, lora->mem);
    char *path = tdl_path_join(lora->mem, dir, "adapter_model.safetensors");
    tdl_status status = path ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for a path");
    if (status == TDL_OK && !lora->n) status = tdl_fail(err, TDL_ERROR_ARGUMENT, "adapter: no pairs to write");
    for (size_t i = 0; i < lora->n && status == TDL_OK; i++) status = save_pair(&s, lora, &lora->pairs[i], err);
    if (status == TDL_OK) status = tdl_dir_make(lora->mem, dir, err);
    if (status == TDL_OK) status = tdl_safetensors_save(lora->mem, path, s.tensors.data, s.tensors.n, err);
    if (status == TDL_OK) status = write_config(model, lora, base, dir, err);
    for (size_t i = 0; i < s.blocks.n; i++) tdl_free(lora->mem, *tdl_vec_at(&s.blocks, void *, i));
    tdl_free(lora->mem, path);
    tdl_vec_deinit(&s.tensors);
    tdl_vec_deinit(&s.blocks);
    tdl_arena_deinit(&s.names);
    return status;
}

static tdl_status save_pair(saver *s, const tdl_lora *lora, const tdl_lora_pair *pair, tdl_error *err) {
    char module[TDL_ROLE_NAME_SIZE], key[KEY_SIZE], text_a[96], text_b[96];
    const tdl_param *param = &s->model->params.list[pair->param];
    int64_t rank = lora->pairs[0].a.shape[0], n_out = param->tensor.shape[0], n_in = param->tensor.shape[1];
    if (!module_name(s->model, pair->param, module))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "adapter: '%s' is no matrix that PEFT would know",
                        param->name ? param->name : "");
    const tdl_tensor *a = &pair->a;
    tdl_tensor b = pair->b;
    if (a->n_dims != 2 || b.n_dims != 2 || a->shape[0] != rank || b.shape[1] != rank || a->shape[1] != n_in ||
        b.shape[0] != n_out)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "adapter: '%s': A is %s and B %s, expected [%lld, %lld] and [%lld, %lld]", param->name,
                        tdl_tensor_describe(a, text_a), tdl_tensor_describe(&b, text_b), (long long)rank,
                        (long long)n_in, (long long)n_out, (long long)rank);
    if (is_turned(s->model, pair->param)) {
        b.data = turn_rows(lora, s->model, &b, true);
        if (!b.data || !tdl_vec_push(&s->blocks, &b.data, 1)) {
            tdl_free(lora->mem, b.data);
            return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory to turn '%s'", module);
        }
    }
    const tdl_tensor *both[2] = {a, &b};
    for (int k = 0; k < 2; k++) {
        snprintf(key, sizeof key, PREFIX "%s.lora_%c.weight", module, "AB"[k]);
        tdl_weights_tensor entry = {.name = tdl_arena_strndup(&s->names, key, strlen(key)), .tensor = *both[k]};
        if (!entry.name || !tdl_vec_push(&s->tensors, &entry, 1))
            return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for '%s'", key);
    }
    return TDL_OK;
}

static int append_text(const char *text, size_t size, void *str) { return tdl_str_append(str, text, size) ? 0 : -1; }

static tdl_status write_config(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                               tdl_error *err) {
    tdl_str text = tdl_str_make(lora->mem);
    tdl_file_writer *file = NULL;
    bool whole = lora->alpha == floorf(lora->alpha) && fabsf(lora->alpha) < 1e9f;
    json_t *targets = list_targets(model, lora);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:f, s:s, s:b, s:b, s:b, s:b, s:n, s:o}", "peft_type", "LORA", "task_type",
        "CAUSAL_LM", "base_model_name_or_path", base ? base : "", "r", (json_int_t)lora->pairs[0].a.shape[0],
        "lora_alpha", whole ? json_integer((json_int_t)lora->alpha) : json_real((double)lora->alpha), "lora_dropout",
        0.0, "bias", "none", "fan_in_fan_out", (int)model->arch->conv1d, "inference_mode", 1, "use_rslora",
        (int)lora->rank_stabilized, "use_dora", 0, "modules_to_save", "target_modules", targets);
    char *path = tdl_path_join(lora->mem, dir, "adapter_config.json");
    tdl_status status = TDL_OK;
    if (!path || !root || json_dump_callback(root, append_text, &text, JSON_INDENT(2)) != 0) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory for its configuration");
        goto cleanup;
    }
    status = tdl_file_writer_open(lora->mem, path, &file, err);
    if (status == TDL_OK) status = tdl_file_writer_write(file, text.ptr, text.size, err);
    if (status == TDL_OK) status = tdl_file_writer_commit(file, err);
    else tdl_file_writer_abort(file);
cleanup:
    json_decref(root);
    tdl_str_deinit(&text);
    tdl_free(lora->mem, path);
    return status;
}

// Each role once, by the end of its name ("self_attn.q_proj"), where every layer has it; all modules by name otherwise.
static json_t *list_targets(const tdl_model *model, const tdl_lora *lora) {
    int32_t counts[TDL_ROLE_COUNT] = {0};
    bool everywhere = true;
    json_t *list = json_array();
    for (size_t i = 0; i < lora->n; i++) counts[lora->pairs[i].param % TDL_ROLE_COUNT]++;
    for (tdl_role role = 0; role < TDL_ROLE_COUNT; role++)
        everywhere =
            everywhere && (!counts[role] || !tdl_role_per_layer(role) || counts[role] == model->config.n_layers);
    for (size_t i = 0; i < lora->n && list; i++) {
        char name[TDL_ROLE_NAME_SIZE];
        int32_t param = lora->pairs[i].param, layer = param / TDL_ROLE_COUNT - 1;
        module_name(model, param, name);
        if (everywhere && layer > 0) continue;
        const char *end = everywhere && layer == 0 ? strstr(name, ".0.") + 3 : name;
        if (json_array_append_new(list, json_string(end)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
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
