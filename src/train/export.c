// SPDX-License-Identifier: MIT
// export.c - lists a model's tensors under a file's names, and writes them one by one in its layout. See export.h.
//
// Inside, a matrix is [out, in] and RoPE pairs element i of a head with i + n/2, unless the model came from a GGUF file
// whose family has neighbours paired. A tensor that lies otherwise in the file is copied, all others are borrowed.
#include "train/export.h"

#include "base/json.h"
#include "base/utf8.h"
#include "format/safetensors_write.h"
#include "train/export_impl.h"

#include <string.h>

// A tensor of the file to come.
typedef struct entry {
    int32_t param; // number among the model's
    tdl_role role;
    int32_t expert; // whose matrix of the parameter's it is; -1: the whole parameter
} entry;

struct tdl_export {
    const tdl_allocator *mem;
    tdl_export_desc desc;
    tdl_naming naming;
    char *dir; // NULL: a GGUF file
    tdl_arena names;
    tdl_vec tensors; // tdl_weights_tensor: as they will be in the file, without data
    tdl_vec entries; // entry, one a tensor
    size_t n_written;
    tdl_gguf_writer *gguf;
    tdl_safetensors_writer *safetensors;
};

static tdl_status open_gguf(tdl_export *e, const char *path, tdl_error *err);
static tdl_status choose_name(tdl_export *e, const char *path, tdl_error *err);
static tdl_status open_dir(tdl_export *e, const char *path, tdl_error *err);
static tdl_status list_tensors(tdl_export *e, tdl_error *err);
static tdl_status list_param(tdl_export *e, int32_t i, tdl_error *err);
static tdl_status list_entry(tdl_export *e, const entry *one, int32_t layer, const tdl_tensor *t, tdl_error *err);
static tdl_status make_divisors(const tdl_export *e, void **block, tdl_tensor *out, tdl_error *err);
static tdl_status convert(const tdl_export *e, tdl_tensor *t, void **block, tdl_error *err);
static tdl_status pair_rows(const tdl_export *e, tdl_role role, tdl_tensor *t, void **block, tdl_error *err);
static bool is_turned(const tdl_export *e, const entry *entry, const tdl_tensor *t);
static tdl_dtype written_dtype(const tdl_export_desc *desc, bool gguf, tdl_dtype dtype);
static tdl_status write_texts(const tdl_export_desc *desc, const char *dir, tdl_error *err);
static tdl_status write_config(const tdl_export_desc *desc, const char *dir, tdl_error *err);
static tdl_status write_text(const tdl_allocator *mem, const char *dir, const char *name, tdl_text text,
                             tdl_error *err);

tdl_status tdl_export_open(const tdl_export_desc *desc, const char *path, tdl_export **out, tdl_error *err) {
    const tdl_model *m = desc->model;
    size_t size = strlen(path);
    bool gguf = size > 5 && strcmp(path + size - 5, ".gguf") == 0;
    if (desc->matrices != TDL_DTYPE_NONE && desc->matrices != TDL_DTYPE_F32 && desc->matrices != TDL_DTYPE_F16 &&
        desc->matrices != TDL_DTYPE_BF16)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "export: matrices as %s, expected F32, F16 or BF16",
                        tdl_dtype_get(desc->matrices)->name);
    tdl_export *e = tdl_alloc(m->mem, 1, sizeof *e);
    if (!e) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory");
    *e = (tdl_export){.mem = m->mem, .desc = *desc, .naming = gguf ? TDL_NAMING_GGUF : m->arch->naming};
    tdl_arena_init(&e->names, m->mem);
    e->tensors = tdl_vec_make(m->mem, sizeof(tdl_weights_tensor));
    e->entries = tdl_vec_make(m->mem, sizeof(entry));
    tdl_status status = list_tensors(e, err);
    if (status == TDL_OK) status = gguf ? open_gguf(e, path, err) : open_dir(e, path, err);
    if (status == TDL_OK) *out = e;
    else tdl_export_close(e);
    return status;
}

void tdl_export_close(tdl_export *e) {
    if (!e) return;
    tdl_gguf_writer_destroy(e->gguf);
    tdl_safetensors_writer_destroy(e->safetensors);
    tdl_vec_deinit(&e->entries);
    tdl_vec_deinit(&e->tensors);
    tdl_arena_deinit(&e->names);
    tdl_free(e->mem, e->dir);
    tdl_free(e->mem, e);
}

tdl_status tdl_export_commit(tdl_export *e, tdl_error *err) {
    if (e->gguf) return tdl_gguf_writer_commit(e->gguf, err);
    tdl_status status = tdl_safetensors_writer_commit(e->safetensors, err);
    return status == TDL_OK ? write_texts(&e->desc, e->dir, err) : status;
}

tdl_status tdl_export_save(const tdl_export_desc *desc, const char *path, tdl_error *err) {
    tdl_export *e = NULL;
    tdl_status status = tdl_export_open(desc, path, &e, err);
    for (int32_t i; status == TDL_OK && (i = tdl_export_next(e)) >= 0;) {
        bool given = desc->tensors && desc->tensors[i].dtype;
        status = tdl_export_tensor(e, given ? &desc->tensors[i] : NULL, err);
    }
    if (status == TDL_OK) status = tdl_export_commit(e, err);
    tdl_export_close(e);
    return status;
}

tdl_status tdl_export_check(const tdl_export_desc *desc, tdl_error *err) {
    tdl_gguf_writer *writer = NULL;
    tdl_status status = tdl_gguf_writer_create(desc->model->mem, &writer, err);
    if (status == TDL_OK) status = export_meta(desc, writer, err);
    tdl_gguf_writer_destroy(writer);
    return status;
}

static tdl_status open_gguf(tdl_export *e, const char *path, tdl_error *err) {
    tdl_status status = tdl_gguf_writer_create(e->mem, &e->gguf, err);
    bool named = e->desc.name || tdl_weights_meta(e->desc.model->weights, "general.name").type;
    if (status == TDL_OK && !named) status = choose_name(e, path, err);
    if (status == TDL_OK) status = export_meta(&e->desc, e->gguf, err);
    for (size_t i = 0; i < e->tensors.n && status == TDL_OK; i++) {
        const tdl_weights_tensor *t = tdl_vec_at(&e->tensors, const tdl_weights_tensor, i);
        status = tdl_gguf_writer_tensor(e->gguf, t->name, &t->tensor, err);
    }
    return status == TDL_OK ? tdl_gguf_writer_open(e->gguf, path, err) : status;
}

// The last part of a path.
static tdl_text base_of(const char *path, size_t size) {
    while (size && path[size - 1] == '/') size--;
    size_t first = size;
    while (first && path[first - 1] != '/') first--;
    return tdl_text_of(path + first, size - first);
}

// The file's name, but for "model", which says less than its directory's.
static tdl_status choose_name(tdl_export *e, const char *path, tdl_error *err) {
    size_t size = strlen(path) - strlen(".gguf");
    tdl_text name = base_of(path, size), dir = base_of(path, size - name.size);
    bool says = dir.size && !tdl_text_is(dir, ".") && !tdl_text_is(dir, "..");
    if (tdl_text_is(name, "model") && says) name = dir;
    if (!tdl_utf8_valid(name.ptr, name.size)) return TDL_OK; // a GGUF file's strings are UTF-8: none then
    e->desc.name = tdl_arena_strndup(&e->names, name.ptr, name.size);
    return e->desc.name ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for a name");
}

static tdl_status open_dir(tdl_export *e, const char *path, tdl_error *err) {
    tdl_status status = tdl_dir_make(e->mem, path, err);
    if (status != TDL_OK) return status;
    e->dir = tdl_strndup(e->mem, path, strlen(path));
    char *file = e->dir ? tdl_path_join(e->mem, path, "model.safetensors") : NULL;
    if (!file) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for a path");
    status = tdl_safetensors_writer_create(e->mem, file, e->tensors.data, e->tensors.n, &e->safetensors, err);
    tdl_free(e->mem, file);
    return status;
}

// ---- which tensors

static tdl_status list_tensors(tdl_export *e, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < e->desc.model->params.n && status == TDL_OK; i++) status = list_param(e, i, err);
    return status;
}

static tdl_status list_param(tdl_export *e, int32_t i, tdl_error *err) {
    const tdl_model *m = e->desc.model;
    const tdl_param *param = &m->params.list[i];
    entry one = {.param = i, .role = (tdl_role)(i % TDL_ROLE_COUNT), .expert = -1};
    int32_t layer = i / TDL_ROLE_COUNT - 1;
    char name[TDL_ROLE_NAME_SIZE], have[96], want[96];
    tdl_tensor t = param->tensor;
    tdl_status status = TDL_OK;
    bool gguf = e->naming == TDL_NAMING_GGUF;
    // Llama 3's way of stretching RoPE has no key in GGUF: what it divides each frequency by is a tensor there.
    bool stretched = gguf && m->arch->position == TDL_POSITION_ROPE && m->config.rope.scaling == TDL_ROPE_LLAMA3;
    if (!param->name && one.role == TDL_ROLE_ROPE_DIVISORS && layer < 0 && stretched)
        status = tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){m->config.rope.n_rot / 2}, NULL, &t, err);
    else if (!param->name) return TDL_OK;
    if (!tdl_role_name(one.role, e->naming, layer, 0, name)) return TDL_OK;
    if (e->desc.tensors && e->desc.tensors[i].dtype) t = e->desc.tensors[i];
    if (param->name && (!tdl_tensor_same_shape(&t, &param->tensor) || !tdl_tensor_contiguous(&t)))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "export: tensor '%s' is %s, expected %s, packed", param->name,
                        tdl_tensor_describe(&t, have), tdl_tensor_describe(&param->tensor, want));
    if (t.n_dims == 2) status = tdl_tensor_make(written_dtype(&e->desc, gguf, t.dtype), 2, t.shape, NULL, &t, err);
    if (is_turned(e, &one, &t)) t = tdl_tensor_transpose(&t, 0, 1);
    // All experts' matrices, which lie one after another: one tensor of three dimensions in GGUF, one each elsewhere.
    int64_t n_experts = tdl_role_is_experts(one.role) ? m->config.n_experts : 0;
    if (n_experts && gguf && status == TDL_OK)
        status = tdl_tensor_make(t.dtype, 3, (int64_t[]){n_experts, t.shape[0] / n_experts, t.shape[1]}, NULL, &t, err);
    if (!n_experts || gguf) return status == TDL_OK ? list_entry(e, &one, layer, &t, err) : status;
    for (one.expert = 0; one.expert < n_experts && status == TDL_OK; one.expert++) {
        tdl_tensor of = tdl_tensor_slice(&t, 0, 0, t.shape[0] / n_experts);
        status = list_entry(e, &one, layer, &of, err);
    }
    return status;
}

static tdl_status list_entry(tdl_export *e, const entry *one, int32_t layer, const tdl_tensor *t, tdl_error *err) {
    char name[TDL_ROLE_NAME_SIZE];
    tdl_role_name(one->role, e->naming, layer, one->expert < 0 ? 0 : one->expert, name);
    tdl_weights_tensor listed = {.name = tdl_arena_strndup(&e->names, name, strlen(name)), .tensor = *t};
    listed.tensor.data = NULL;
    if (listed.name && tdl_vec_push(&e->tensors, &listed, 1) && tdl_vec_push(&e->entries, one, 1)) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for tensor '%s'", name);
}

static tdl_dtype written_dtype(const tdl_export_desc *desc, bool gguf, tdl_dtype dtype) {
    bool block = tdl_dtype_get(dtype)->block_n != 1;
    if (block && gguf) return dtype;
    return desc->matrices ? desc->matrices : block ? TDL_DTYPE_F32 : dtype;
}

// GPT-2's Conv1D: a matrix that the Hugging Face file has transposed.
static bool is_turned(const tdl_export *e, const entry *one, const tdl_tensor *t) {
    return e->naming != TDL_NAMING_GGUF && e->desc.model->arch->conv1d && one->param >= TDL_ROLE_COUNT &&
           t->n_dims == 2;
}

// ---- one tensor

// The tensor that comes next, among e->tensors; n: none.
static size_t place_of_next(const tdl_export *e) {
    if (e->gguf) return e->n_written;
    int64_t next = tdl_safetensors_writer_next(e->safetensors);
    return next < 0 ? e->tensors.n : (size_t)next;
}

int32_t tdl_export_next(const tdl_export *e) {
    size_t i = place_of_next(e);
    return i < e->tensors.n ? tdl_vec_at(&e->entries, const entry, i)->param : -1;
}

tdl_status tdl_export_tensor(tdl_export *e, const tdl_tensor *tensor, tdl_error *err) {
    const entry *one = tdl_vec_at(&e->entries, const entry, place_of_next(e));
    const tdl_param *param = &e->desc.model->params.list[one->param];
    int32_t n_experts = e->desc.model->config.n_experts;
    tdl_tensor t = tensor ? *tensor : param->tensor;
    void *blocks[3] = {NULL, NULL, NULL};
    tdl_status status = TDL_OK;
    int64_t rows = one->expert >= 0 ? t.shape[0] / n_experts : t.shape[0],
            first = one->expert >= 0 ? one->expert * rows : 0;
    if (!param->name) status = make_divisors(e, &blocks[0], &t, err);
    else if (tensor) t = tdl_tensor_slice(&t, 0, first, rows);
    else
        status =
            tdl_param_rows(&e->desc.model->params, e->desc.model->weights, param, first, rows, &t, &blocks[2], err);
    if (status == TDL_OK && param->name && t.n_dims == 2) status = convert(e, &t, &blocks[0], err);
    if (status == TDL_OK) status = pair_rows(e, one->role, &t, &blocks[1], err);
    if (is_turned(e, one, &t)) t = tdl_tensor_transpose(&t, 0, 1);
    if (status == TDL_OK && e->gguf && tdl_role_is_experts(one->role))
        status =
            tdl_tensor_make(t.dtype, 3, (int64_t[]){n_experts, t.shape[0] / n_experts, t.shape[1]}, t.data, &t, err);
    if (status == TDL_OK)
        status =
            e->gguf ? tdl_gguf_writer_data(e->gguf, &t, err) : tdl_safetensors_writer_data(e->safetensors, &t, err);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) tdl_free(e->mem, blocks[i]);
    e->n_written++;
    return status;
}

// A float matrix as desc.matrices says; GGUF alone has block types.
static tdl_status convert(const tdl_export *e, tdl_tensor *t, void **block, tdl_error *err) {
    tdl_dtype to = written_dtype(&e->desc, e->naming == TDL_NAMING_GGUF, t->dtype);
    if (to == t->dtype) return TDL_OK;
    tdl_tensor out;
    int64_t rows = t->shape[0], cols = t->shape[1];
    tdl_status status = tdl_tensor_make(to, t->n_dims, t->shape, NULL, &out, err);
    if (status != TDL_OK) return status;
    float *row = tdl_alloc(e->mem, (size_t)cols, sizeof *row);
    out.data = *block = row ? tdl_alloc(e->mem, tdl_tensor_size(&out), 1) : NULL;
    for (int64_t i = 0; i < rows && out.data; i++) {
        tdl_dtype_get(t->dtype)->decode(t->data + i * t->strides[0], row, cols);
        if (to == TDL_DTYPE_F32) memcpy(out.data + i * out.strides[0], row, (size_t)cols * sizeof *row);
        else tdl_dtype_get(to)->encode(row, out.data + i * out.strides[0], cols);
    }
    tdl_free(e->mem, row);
    if (!out.data) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory to convert %zu bytes", tdl_tensor_size(t));
    *t = out;
    return TDL_OK;
}

// Query and key as the file's family pairs what RoPE turns.
static tdl_status pair_rows(const tdl_export *e, tdl_role role, tdl_tensor *t, void **block, tdl_error *err) {
    const tdl_model *m = e->desc.model;
    bool query_or_key =
        role == TDL_ROLE_ATTN_Q || role == TDL_ROLE_ATTN_Q_B || role == TDL_ROLE_ATTN_K || role == TDL_ROLE_ATTN_K_B;
    bool pairs = e->naming == TDL_NAMING_GGUF && m->arch->gguf_rope_pairs;
    if (!query_or_key || m->config.rope.pairs == pairs) return TDL_OK;
    *block = tdl_alloc(e->mem, tdl_tensor_size(t), 1);
    if (!*block) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory to permute %zu bytes", tdl_tensor_size(t));
    tdl_rope_rows(t, m->config.head_dim, m->config.rope.n_rot, !pairs, *block);
    t->data = *block;
    return TDL_OK;
}

static tdl_status make_divisors(const tdl_export *e, void **block, tdl_tensor *out, tdl_error *err) {
    const tdl_rope_config *rope = &e->desc.model->config.rope;
    int64_t n = rope->n_rot / 2;
    tdl_rope_config plain = *rope;
    float scale, *divisors = tdl_alloc(e->mem, 2 * (size_t)n, sizeof *divisors),
                 *stretched = divisors ? divisors + n : NULL;
    *block = divisors;
    if (!divisors) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for RoPE divisors");
    plain.scaling = TDL_ROPE_PLAIN;
    tdl_rope_frequencies(&plain, NULL, divisors, &scale);
    tdl_rope_frequencies(rope, NULL, stretched, &scale);
    for (int64_t i = 0; i < n; i++) divisors[i] /= stretched[i];
    return tdl_tensor_make(TDL_DTYPE_F32, 1, &n, divisors, out, err);
}

// ---- configuration and tokenizer of a directory

static tdl_status write_texts(const tdl_export_desc *desc, const char *dir, tdl_error *err) {
    const tdl_weights *weights = desc->model->weights;
    const struct {
        const char *name;
        tdl_text text;
    } texts[] = {{"generation_config.json", tdl_weights_generation_config(weights)},
                 {"tokenizer.json", tdl_weights_tokenizer_json(weights)},
                 {"tokenizer_config.json", tdl_weights_tokenizer_config(weights)}};
    tdl_status status = write_config(desc, dir, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == TDL_OK; i++)
        if (texts[i].text.size) status = write_text(desc->model->mem, dir, texts[i].name, texts[i].text, err);
    return status;
}

// config.json: the source's, with the type of the matrices as written, which Transformers would otherwise convert to, and
// the vocabulary's size, which a config may leave to its tokenizer. Or a new one.
static tdl_status write_config(const tdl_export_desc *desc, const char *dir, tdl_error *err) {
    const tdl_model *m = desc->model;
    tdl_text text = tdl_weights_config_json(m->weights);
    int32_t table = tdl_param_index(TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER);
    bool given = desc->tensors && desc->tensors[table].dtype;
    tdl_dtype dtype =
        written_dtype(desc, false, given ? desc->tensors[table].dtype : m->params.list[table].tensor.dtype);
    const char *name = dtype == TDL_DTYPE_F16 ? "float16" : dtype == TDL_DTYPE_BF16 ? "bfloat16" : "float32";
    json_t *root = NULL;
    tdl_str dump = tdl_str_make(m->mem);
    tdl_status status =
        text.size ? tdl_json_parse(text.ptr, text.size, "config.json", &root, err) : export_config(desc, &root, err);
    if (status != TDL_OK) return status;
    json_object_del(root, "torch_dtype");
    if (json_object_set_new(root, "dtype", json_string(name)) == 0 &&
        json_object_set_new(root, "vocab_size", json_integer(m->config.n_vocab)) == 0 &&
        tdl_json_append(&dump, root, JSON_INDENT(2)))
        status = write_text(m->mem, dir, "config.json", tdl_text_of(dump.ptr, dump.size), err);
    else status = tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for config.json");
    tdl_str_deinit(&dump);
    json_decref(root);
    return status;
}

static tdl_status write_text(const tdl_allocator *mem, const char *dir, const char *name, tdl_text text,
                             tdl_error *err) {
    tdl_file_writer *file = NULL;
    char *path = tdl_path_join(mem, dir, name);
    if (!path) return tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for a path");
    tdl_status status = tdl_file_writer_open(mem, path, &file, err);
    if (status == TDL_OK) status = tdl_file_writer_write(file, text.ptr, text.size, err);
    if (status == TDL_OK) status = tdl_file_writer_commit(file, err);
    else tdl_file_writer_abort(file);
    tdl_free(mem, path);
    return status;
}
