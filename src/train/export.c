// export.c - collects a model's tensors under a file's names and in its layout, and writes them. See export.h.
//
// Inside, a matrix is [out, in] and RoPE pairs element i of a head with i + n/2, unless the model came from a GGUF file
// whose family has neighbours paired. A tensor that lies otherwise in the file is copied, all others are borrowed.
#include "train/export.h"

#include "base/json.h"
#include "format/safetensors_write.h"
#include "train/export_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct collection {
    const tdl_export_desc *desc;
    const tdl_allocator *mem;
    tdl_naming naming;
    tdl_vec tensors; // tdl_weights_tensor
    tdl_arena names;
    tdl_vec blocks; // void *: copies
    tdl_error *err;
} collection;

static tdl_status collect(collection *c, const tdl_export_desc *desc, tdl_naming naming, tdl_error *err);
static void collection_deinit(collection *c);
static tdl_status collect_param(collection *c, int32_t i);
static tdl_status convert(collection *c, tdl_tensor *t);
static tdl_dtype written_dtype(const tdl_export_desc *desc, bool gguf, tdl_dtype dtype);
static tdl_status pair_rows(collection *c, bool back, tdl_tensor *t);
static tdl_status add_experts(collection *c, tdl_role role, int32_t layer, const tdl_tensor *t);
static tdl_status add_divisors(collection *c);
static tdl_status add(collection *c, const char *name, const tdl_tensor *t);
static void *new_block(collection *c, size_t size);
static tdl_status write_texts(const tdl_export_desc *desc, const char *dir, tdl_error *err);
static tdl_status write_config(const tdl_export_desc *desc, const char *dir, tdl_error *err);
static tdl_status write_text(const tdl_allocator *mem, const char *dir, const char *name, tdl_text text,
                             tdl_error *err);

tdl_status tdl_export_gguf(const tdl_export_desc *desc, const char *path, tdl_error *err) {
    tdl_gguf_writer *writer = NULL;
    collection c;
    tdl_status status = collect(&c, desc, TDL_NAMING_GGUF, err);
    if (status == TDL_OK) status = tdl_gguf_writer_create(c.mem, &writer, err);
    if (status == TDL_OK) status = export_meta(desc, writer, err);
    for (size_t i = 0; i < c.tensors.n && status == TDL_OK; i++) {
        const tdl_weights_tensor *t = tdl_vec_at(&c.tensors, const tdl_weights_tensor, i);
        status = tdl_gguf_writer_tensor(writer, t->name, &t->tensor, err);
    }
    if (status == TDL_OK) status = tdl_gguf_writer_save(writer, path, err);
    tdl_gguf_writer_destroy(writer);
    collection_deinit(&c);
    return status;
}

tdl_status tdl_export_check(const tdl_export_desc *desc, tdl_error *err) {
    tdl_gguf_writer *writer = NULL;
    tdl_status status = tdl_gguf_writer_create(desc->model->mem, &writer, err);
    if (status == TDL_OK) status = export_meta(desc, writer, err);
    tdl_gguf_writer_destroy(writer);
    return status;
}

tdl_status tdl_export_safetensors(const tdl_export_desc *desc, const char *dir, tdl_error *err) {
    const tdl_model *m = desc->model;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return tdl_fail(err, TDL_ERROR_IO, "export: '%.200s': cannot make the directory: %m", dir);
    collection c;
    char *path = tdl_path_join(m->mem, dir, "model.safetensors");
    tdl_status status = collect(&c, desc, m->arch->naming, err);
    if (status == TDL_OK && !path) status = tdl_fail(err, TDL_ERROR_MEMORY, "export: no memory for a path");
    if (status == TDL_OK) status = tdl_safetensors_save(c.mem, path, c.tensors.data, c.tensors.n, err);
    if (status == TDL_OK) status = write_texts(desc, dir, err);
    tdl_free(m->mem, path);
    collection_deinit(&c);
    return status;
}

// ---- tensors

static tdl_status collect(collection *c, const tdl_export_desc *desc, tdl_naming naming, tdl_error *err) {
    const tdl_model *m = desc->model;
    *c = (collection){.desc = desc, .mem = m->mem, .naming = naming, .err = err};
    c->tensors = tdl_vec_make(c->mem, sizeof(tdl_weights_tensor));
    c->blocks = tdl_vec_make(c->mem, sizeof(void *));
    tdl_arena_init(&c->names, c->mem);
    if (desc->matrices != TDL_DTYPE_NONE && desc->matrices != TDL_DTYPE_F32 && desc->matrices != TDL_DTYPE_F16 &&
        desc->matrices != TDL_DTYPE_BF16)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "export: matrices as %s, expected F32, F16 or BF16",
                        tdl_dtype_get(desc->matrices)->name);
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < m->params.n && status == TDL_OK; i++) status = collect_param(c, i);
    return status;
}

static void collection_deinit(collection *c) {
    for (size_t i = 0; i < c->blocks.n; i++) tdl_free(c->mem, *tdl_vec_at(&c->blocks, void *, i));
    tdl_vec_deinit(&c->blocks);
    tdl_vec_deinit(&c->tensors);
    tdl_arena_deinit(&c->names);
}

static tdl_status collect_param(collection *c, int32_t i) {
    const tdl_model *m = c->desc->model;
    const tdl_param *param = &m->params.list[i];
    tdl_role role = (tdl_role)(i % TDL_ROLE_COUNT);
    int32_t layer = i / TDL_ROLE_COUNT - 1;
    char name[TDL_ROLE_NAME_SIZE], have[96], want[96];
    if (role == TDL_ROLE_ROPE_DIVISORS && layer < 0 && c->naming == TDL_NAMING_GGUF && !param->name)
        return add_divisors(c);
    if (!param->name || !tdl_role_name(role, c->naming, layer, 0, name)) return TDL_OK;
    tdl_tensor t = param->tensor;
    if (c->desc->tensors && c->desc->tensors[i].dtype) t = c->desc->tensors[i];
    if (!tdl_tensor_same_shape(&t, &param->tensor) || !tdl_tensor_contiguous(&t))
        return tdl_fail(c->err, TDL_ERROR_ARGUMENT, "export: tensor '%s' is %s, expected %s, packed", param->name,
                        tdl_tensor_describe(&t, have), tdl_tensor_describe(&param->tensor, want));
    bool query_or_key =
        role == TDL_ROLE_ATTN_Q || role == TDL_ROLE_ATTN_Q_B || role == TDL_ROLE_ATTN_K || role == TDL_ROLE_ATTN_K_B;
    tdl_status status = TDL_OK;
    if (t.n_dims == 2) status = convert(c, &t);
    bool gguf = c->naming == TDL_NAMING_GGUF, pairs = gguf && m->arch->gguf_rope_pairs;
    if (status == TDL_OK && query_or_key && m->config.rope.pairs != pairs) status = pair_rows(c, !pairs, &t);
    if (!gguf && m->arch->conv1d && layer >= 0 && t.n_dims == 2) t = tdl_tensor_transpose(&t, 0, 1);
    if (status == TDL_OK && tdl_role_is_experts(role)) return add_experts(c, role, layer, &t);
    return status == TDL_OK ? add(c, name, &t) : status;
}

// All experts' matrices, which lie one after another: one tensor of three dimensions in GGUF, one each elsewhere.
static tdl_status add_experts(collection *c, tdl_role role, int32_t layer, const tdl_tensor *t) {
    int64_t n = c->desc->model->config.n_experts, rows = t->shape[0] / n;
    char name[TDL_ROLE_NAME_SIZE];
    tdl_tensor all;
    tdl_role_name(role, c->naming, layer, 0, name);
    if (c->naming == TDL_NAMING_GGUF) {
        tdl_status status = tdl_tensor_make(t->dtype, 3, (int64_t[]){n, rows, t->shape[1]}, t->data, &all, c->err);
        return status == TDL_OK ? add(c, name, &all) : status;
    }
    tdl_status status = TDL_OK;
    for (int64_t expert = 0; expert < n && status == TDL_OK; expert++) {
        tdl_tensor one = tdl_tensor_slice(t, 0, expert * rows, rows);
        tdl_role_name(role, c->naming, layer, (int32_t)expert, name);
        status = add(c, name, &one);
    }
    return status;
}

// A float matrix as desc->matrices says; GGUF alone has block types.
static tdl_status convert(collection *c, tdl_tensor *t) {
    tdl_dtype to = written_dtype(c->desc, c->naming == TDL_NAMING_GGUF, t->dtype);
    if (to == t->dtype) return TDL_OK;
    tdl_tensor out;
    int64_t rows = t->shape[0], cols = t->shape[1];
    tdl_status status = tdl_tensor_make(to, t->n_dims, t->shape, NULL, &out, c->err);
    if (status != TDL_OK) return status;
    float *row = tdl_alloc(c->mem, (size_t)cols, sizeof *row);
    out.data = row ? new_block(c, tdl_tensor_size(&out)) : NULL;
    for (int64_t i = 0; i < rows && out.data; i++) {
        tdl_dtype_get(t->dtype)->decode(t->data + i * t->strides[0], row, cols);
        if (to == TDL_DTYPE_F32) memcpy(out.data + i * out.strides[0], row, (size_t)cols * sizeof *row);
        else tdl_dtype_get(to)->encode(row, out.data + i * out.strides[0], cols);
    }
    tdl_free(c->mem, row);
    if (!out.data)
        return tdl_fail(c->err, TDL_ERROR_MEMORY, "export: no memory to convert %zu bytes", tdl_tensor_size(t));
    *t = out;
    return TDL_OK;
}

static tdl_dtype written_dtype(const tdl_export_desc *desc, bool gguf, tdl_dtype dtype) {
    bool block = tdl_dtype_get(dtype)->block_n != 1;
    if (block && gguf) return dtype;
    return desc->matrices ? desc->matrices : block ? TDL_DTYPE_F32 : dtype;
}

static tdl_status pair_rows(collection *c, bool back, tdl_tensor *t) {
    const tdl_config *config = &c->desc->model->config;
    uint8_t *data = new_block(c, tdl_tensor_size(t));
    if (!data) return tdl_fail(c->err, TDL_ERROR_MEMORY, "export: no memory to permute %zu bytes", tdl_tensor_size(t));
    export_rope_rows(t, config->head_dim, config->rope.n_rot, back, data);
    t->data = data;
    return TDL_OK;
}

void export_rope_rows(const tdl_tensor *t, int32_t head_dim, int32_t n_rot, bool back, void *data) {
    size_t row_size = tdl_tensor_size(t) / (size_t)t->shape[0];
    for (int64_t row = 0; row < t->shape[0]; row++) {
        int64_t i = row % head_dim; // halves: i and i + n_rot / 2; pairs: 2 i and 2 i + 1
        int64_t paired = i >= n_rot ? i : i < n_rot / 2 ? 2 * i : 2 * i - n_rot + 1;
        int64_t halves_row = row, pairs_row = row - i + paired;
        memcpy((uint8_t *)data + (size_t)(back ? halves_row : pairs_row) * row_size,
               t->data + (size_t)(back ? pairs_row : halves_row) * row_size, row_size);
    }
}

// Llama 3's way of stretching RoPE has no key in GGUF: what it divides each frequency by is a tensor there.
static tdl_status add_divisors(collection *c) {
    const tdl_rope_config *rope = &c->desc->model->config.rope;
    if (c->desc->model->arch->position != TDL_POSITION_ROPE || rope->scaling != TDL_ROPE_LLAMA3) return TDL_OK;
    int64_t n = rope->n_rot / 2;
    tdl_rope_config plain = *rope;
    tdl_tensor t;
    char name[TDL_ROLE_NAME_SIZE];
    float scale, *divisors = new_block(c, 2 * (size_t)n * sizeof *divisors),
                 *stretched = divisors ? divisors + n : NULL;
    if (!divisors) return tdl_fail(c->err, TDL_ERROR_MEMORY, "export: no memory for RoPE divisors");
    plain.scaling = TDL_ROPE_PLAIN;
    tdl_rope_frequencies(&plain, NULL, divisors, &scale);
    tdl_rope_frequencies(rope, NULL, stretched, &scale);
    for (int64_t i = 0; i < n; i++) divisors[i] /= stretched[i];
    tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 1, &n, divisors, &t, c->err);
    tdl_role_name(TDL_ROLE_ROPE_DIVISORS, TDL_NAMING_GGUF, TDL_NO_LAYER, 0, name);
    return status == TDL_OK ? add(c, name, &t) : status;
}

static tdl_status add(collection *c, const char *name, const tdl_tensor *t) {
    tdl_weights_tensor entry = {.name = tdl_arena_strndup(&c->names, name, strlen(name)), .tensor = *t};
    if (entry.name && tdl_vec_push(&c->tensors, &entry, 1)) return TDL_OK;
    return tdl_fail(c->err, TDL_ERROR_MEMORY, "export: no memory for tensor '%s'", name);
}

static void *new_block(collection *c, size_t size) {
    void *block = tdl_alloc(c->mem, size, 1);
    if (block && tdl_vec_push(&c->blocks, &block, 1)) return block;
    tdl_free(c->mem, block);
    return NULL;
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

static int append_text(const char *text, size_t size, void *str) { return tdl_str_append(str, text, size) ? 0 : -1; }

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
        json_dump_callback(root, append_text, &dump, JSON_INDENT(2)) == 0)
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
