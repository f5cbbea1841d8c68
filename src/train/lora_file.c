// SPDX-License-Identifier: MIT
// lora_file.c - see lora_file.h.
#include "train/lora_file.h"

#include "base/file.h"
#include "base/json.h"
#include "format/safetensors_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct saver {
    const tdl_model *model;
    tdl_arena names;
    tdl_vec tensors; // tdl_weights_tensor
    tdl_vec blocks;  // void *: copies of B
} saver;

static tdl_status save_pair(saver *s, const tdl_lora *lora, const tdl_lora_pair *pair, tdl_error *err);
static tdl_status write_config(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                               tdl_error *err);
static json_t *list_targets(const tdl_model *model, const tdl_lora *lora);

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
    char module[TDL_ROLE_NAME_SIZE], key[TDL_LORA_KEY_SIZE], text_a[96], text_b[96];
    const tdl_param *param = &s->model->params.list[pair->param];
    int64_t rank = lora->pairs[0].a.shape[0], n_out = param->tensor.shape[0], n_in = param->tensor.shape[1];
    if (!tdl_lora_module_name(s->model, pair->param, module))
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
    if (tdl_lora_is_turned(s->model, pair->param)) {
        b.data = tdl_lora_turn_rows(lora, s->model, &b, true);
        if (!b.data || !tdl_vec_push(&s->blocks, &b.data, 1)) {
            tdl_free(lora->mem, b.data);
            return tdl_fail(err, TDL_ERROR_MEMORY, "adapter: no memory to turn '%s'", module);
        }
    }
    const tdl_tensor *both[2] = {a, &b};
    for (int k = 0; k < 2; k++) {
        snprintf(key, sizeof key, TDL_LORA_PREFIX "%s.lora_%c.weight", module, "AB"[k]);
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
        tdl_lora_module_name(model, param, name);
        if (everywhere && layer > 0) continue;
        const char *end = everywhere && layer == 0 ? strstr(name, ".0.") + 3 : name;
        if (json_array_append_new(list, json_string(end)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}
