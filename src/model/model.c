// SPDX-License-Identifier: MIT
// model.c - opens a model: file, row, config, tensors, tokenizer, device, and the weights as the device wants them.
#include "model/model_impl.h"

#include "base/checked.h"
#include "base/desc.h"
#include "base/file.h"
#include "base/json.h"
#include "model/config_keys.h"
#include "model/lora.h"
#include "model/tokenizer_load.h"

#include <stdio.h>
#include <string.h>

static tdl_status read_weights(tdl_model *m, tdl_error *err);
static tdl_status open_device(tdl_model *m, const tdl_model_desc *desc, tdl_error *err);
static tdl_status check_vocab(tdl_model *m, tdl_error *err);
static bool add_warning(void *warnings, const char *text);
static void describe(tdl_model *m);
static tdl_status find_template(tdl_model *m, const char *path, tdl_error *err);
static tdl_status prepare(tdl_model *m, const tdl_model_desc *desc, tdl_error *err);
static tdl_status bind_weight(tdl_model *m, const tdl_value *value, tdl_buffer **out, tdl_error *err);
static tdl_buffer **buffer_slot(tdl_model *m, const tdl_value *value, tdl_error *err);
static tdl_status join_weights(tdl_model *m, const tdl_value *value, tdl_buffer **buffer, tdl_error *err);
static tdl_status prepare_weight(tdl_model *m, const tdl_value *value, tdl_buffer **buffer, tdl_error *err);
static tdl_status write_rows(tdl_model *m, const tdl_param *param, int64_t first, int64_t count, tdl_buffer *buffer,
                             size_t offset, tdl_error *err);

enum {
    PREPARE_ROWS = 2048,   // a multiple of a tile's rows
    WRITE_ROWS = 16,       // a multiple of 4, as backends want it, and
    WRITE_SIZE = 16 << 20, // bytes that are read and written at once, about
};

tdl_status tdl_model_open(const tdl_model_desc *desc, tdl_model **out, tdl_error *err) {
    if (!desc || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "model: desc and out must not be NULL");
    tdl_model_desc d;
    tdl_status status = tdl_model_desc_copy("model", desc, &d, err);
    if (status != TDL_OK) return status;
    tdl_weights_desc from = {.mem = tdl_allocator_or_default(d.allocator),
                             .path = d.path,
                             .bytes = d.bytes,
                             .bytes_size = d.bytes_size,
                             .reader = d.reader};
    tdl_weights *weights = NULL;
    status = tdl_weights_open(&from, &weights, err);
    tdl_model *m = NULL;
    if (status == TDL_OK) status = tdl_model_open_weights(weights, &d, &m, err);
    if (status == TDL_OK) status = find_template(m, d.path, err);
    if (status == TDL_OK && !d.lazy) status = prepare(m, &d, err);
    if (status == TDL_OK) *out = m;
    else tdl_model_close(m);
    return status;
}

tdl_status tdl_model_open_weights(tdl_weights *weights, const tdl_model_desc *desc, tdl_model **out, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    tdl_model *m = tdl_alloc(mem, 1, sizeof *m);
    tdl_status status = m ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory");
    if (status == TDL_OK && pthread_mutex_init(&m->binding, NULL) != 0)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "model: cannot make a mutex");
    if (status != TDL_OK) {
        tdl_free(mem, m);
        tdl_weights_close(weights);
        return status;
    }
    m->mem = mem;
    m->precision = desc->precision;
    m->invariant = desc->invariant;
    m->weights = weights;
    m->parts = tdl_vec_make(mem, sizeof(tdl_weight_part));
    tdl_warnings_init(&m->warnings, mem);
    status = read_weights(m, err);
    if (status == TDL_OK && desc->lora) status = tdl_lora_apply(m, desc->path, desc->lora, err);
    if (status == TDL_OK) describe(m);
    if (status == TDL_OK) status = open_device(m, desc, err);
    if (status == TDL_OK) *out = m;
    else tdl_model_close(m);
    return status;
}

tdl_status tdl_model_desc_copy(const char *who, const tdl_model_desc *desc, tdl_model_desc *d, tdl_error *err) {
    tdl_status status = tdl_desc_copy(who, desc, d, sizeof *d, err);
    if (status == TDL_OK) status = tdl_allocator_check(who, d->allocator, err);
    if (status != TDL_OK) return status;
    if (d->precision != TDL_PRECISION_AUTO && d->precision != TDL_PRECISION_F32)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: precision is %d, expected 0 (auto) or 1 (f32)", who,
                        (int)d->precision);
    if (d->reader && !d->reader->read) return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: the reader's read is NULL", who);
    return TDL_OK;
}

void tdl_model_close(tdl_model *m) {
    if (!m) return;
    for (int32_t i = 0; i < m->params.n && m->buffers; i++)
        for (int j = 0; j < TDL_LAYOUT_COUNT; j++) m->device->backend->buffer_destroy(m->buffers[i][j]);
    for (size_t i = 0; i < m->parts.n; i++)
        m->device->backend->buffer_destroy(tdl_vec_at(&m->parts, tdl_weight_part, i)->buffer);
    tdl_vec_deinit(&m->parts);
    tdl_free(m->mem, m->buffers);
    if (m->owns_device) tdl_device_close(m->device);
    tdl_tokenizer_close(m->tokenizer);
    if (m->params.mem) tdl_params_deinit(&m->params);
    tdl_warnings_deinit(&m->warnings);
    tdl_weights_close(m->weights);
    pthread_mutex_destroy(&m->binding);
    tdl_free(m->mem, m);
}

// Sizes that a config.json does not say are its class's own: said, also where the tensors then do not fit.
static tdl_status warn_assumed(tdl_model *m, tdl_error *err) {
    char text[160];
    if (!m->config.assumed) return TDL_OK;
    snprintf(text, sizeof text, "config: '%s' is missing: what %s models have in Transformers counts",
             m->config.assumed, m->arch->model_type);
    return tdl_warn(&m->warnings, text) ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for a warning");
}

// What a config.json has another class for may have another head, or be of another family.
static tdl_status warn_class(tdl_model *m, tdl_error *err) {
    char text[200];
    tdl_meta classes = tdl_weights_meta(m->weights, "architectures");
    const tdl_text *names = classes.array;
    if (classes.type != TDL_META_ARRAY || classes.element != TDL_META_STRING || classes.n == 0) return TDL_OK;
    if (tdl_text_is(names[0], m->arch->hf_class)) return TDL_OK;
    snprintf(text, sizeof text, "config: architectures has '%.*s'; the model is taken for a %s, as model_type says",
             (int)tdl_min_i64((int64_t)names[0].size, 64), names[0].ptr, m->arch->hf_class);
    return tdl_warn(&m->warnings, text) ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for a warning");
}

static tdl_status fail_assumed(const tdl_model *m, tdl_status status, tdl_error *err) {
    char text[96];
    snprintf(text, sizeof text, "config: '%s' is missing, the class's own counts", m->config.assumed);
    return tdl_fail_at(err, status, text);
}

static tdl_status read_weights(tdl_model *m, tdl_error *err) {
    tdl_status status = tdl_config_read(m->weights, &m->arch, &m->config, err);
    if (status == TDL_OK) status = tdl_config_keys_check(m->weights, m->arch, false, &m->warnings, err);
    if (status == TDL_OK) status = warn_assumed(m, err);
    if (status == TDL_OK) status = warn_class(m, err);
    if (status == TDL_OK) {
        status = tdl_params_load(&m->params, m->weights, m->arch, &m->config, &m->warnings, m->mem, err);
        if (status == TDL_ERROR_FORMAT && m->config.assumed) status = fail_assumed(m, status, err);
    }
    if (status == TDL_OK) status = tdl_tokenizer_load(m->weights, m->mem, &m->tokenizer, err);
    if (status == TDL_OK) status = check_vocab(m, err);
    return status;
}

// A vocabulary may be padded to a round number of rows; a token without a row cannot be computed with.
static tdl_status check_vocab(tdl_model *m, tdl_error *err) {
    if (!m->tokenizer) return TDL_OK;
    char text[160];
    int32_t n_tokens = tdl_tokenizer_n_vocab(m->tokenizer);
    snprintf(text, sizeof text, "the tokenizer has %d tokens, the model %d: a text with one of the others is refused",
             n_tokens, m->config.n_vocab);
    bool ok = (n_tokens <= m->config.n_vocab || tdl_warn(&m->warnings, text)) &&
              tdl_tokenizer_doubts(m->tokenizer, add_warning, &m->warnings);
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for its warnings");
}

static bool add_warning(void *warnings, const char *text) { return tdl_warn(warnings, text); }

static tdl_status open_device(tdl_model *m, const tdl_model_desc *desc, tdl_error *err) {
    m->device = desc->device;
    if (!m->device) {
        tdl_device_desc cpu = {.size = sizeof cpu, .allocator = desc->allocator};
        tdl_status status = tdl_device_open(&cpu, &m->device, err);
        if (status != TDL_OK) return status;
        m->owns_device = true;
    }
    m->buffers = tdl_alloc(m->mem, (size_t)m->params.n, sizeof *m->buffers);
    // A model of F32 matrices keeps an F32 cache.
    bool exact = m->precision == TDL_PRECISION_F32 || m->dtype == TDL_DTYPE_F32 || m->device->backend->f32_cache;
    m->kv_dtype = exact ? TDL_DTYPE_F32 : TDL_DTYPE_F16;
    return m->buffers ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %d weights", m->params.n);
}

// Counts, the commonest type among the matrices, the name.
static void describe(tdl_model *m) {
    int64_t elements[TDL_DTYPE_COUNT] = {0};
    for (int32_t i = 0; i < m->params.n; i++) {
        const tdl_param *p = &m->params.list[i];
        if (!p->name || i % TDL_ROLE_COUNT == TDL_ROLE_ROPE_INV_FREQ || i % TDL_ROLE_COUNT == TDL_ROLE_ROPE_DIVISORS)
            continue;
        m->n_params += (uint64_t)tdl_tensor_n_elements(&p->tensor);
        if (p->tensor.n_dims == 2) elements[p->tensor.dtype] += tdl_tensor_n_elements(&p->tensor);
    }
    for (int t = 0; t < TDL_DTYPE_COUNT; t++)
        if (elements[t] > elements[m->dtype]) m->dtype = (tdl_dtype)t;
    tdl_meta name = tdl_weights_meta(m->weights, "general.name");
    if (name.type == TDL_META_STRING)
        snprintf(m->name, sizeof m->name, "%.*s",
                 (int)tdl_min_i64((int64_t)name.string.size, (int64_t)sizeof m->name - 1), name.string.ptr);
}

// Where the formats keep a chat template: GGUF's metadata; of a directory, tokenizer_config.json or a file of its own.
static tdl_status find_template(tdl_model *m, const char *path, tdl_error *err) {
    m->has_template = tdl_weights_meta(m->weights, "tokenizer.chat_template").type == TDL_META_STRING;
    if (tdl_weights_get_kind(m->weights) != TDL_WEIGHTS_HF) return TDL_OK;
    tdl_text text = tdl_weights_tokenizer_config(m->weights);
    json_t *config = NULL;
    if (text.size && tdl_json_parse(text.ptr, text.size, "tokenizer_config.json", &config, NULL) == TDL_OK) {
        const json_t *value = json_object_get(config, "chat_template");
        m->has_template = json_is_string(value) || json_is_array(value);
        json_decref(config);
    }
    char *dir = path ? tdl_path_dir(m->mem, path) : NULL; // path is a directory, or a file in one
    char *inside = path ? tdl_path_join(m->mem, path, "chat_template.jinja") : NULL;
    char *beside = dir ? tdl_path_join(m->mem, dir, "chat_template.jinja") : NULL;
    bool ok = !path || (inside && beside);
    if (path && ok) m->has_template |= tdl_path_exists(inside) || tdl_path_exists(beside);
    tdl_free(m->mem, beside);
    tdl_free(m->mem, inside);
    tdl_free(m->mem, dir);
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for a path");
}

// Makes every weight ready in the layout a plan of the usual size wants, so that no later step waits for it.
static tdl_status prepare(tdl_model *m, const tdl_model_desc *desc, tdl_error *err) {
    tdl_model_limits usual = {.n_tokens = 512, .n_seqs = 1, .n_outputs = 1, .n_pages = 1, .n_seq_pages = 1};
    tdl_plan *plan = NULL;
    tdl_status status = tdl_model_plan(m, &usual, &plan, err);
    uint64_t total = 0, done = 0;
    for (int32_t i = TDL_BUFFER_BOUND; status == TDL_OK && i < plan->n_buffers; i++)
        if (plan->buffer_value[i] >= 0) total += plan->buffer_sizes[i];
    for (int32_t i = TDL_BUFFER_BOUND; status == TDL_OK && i < plan->n_buffers; i++) {
        if (plan->buffer_value[i] < 0) continue; // the plan's own
        const tdl_value *value = &plan->values[plan->buffer_value[i]];
        tdl_buffer *made;
        if (value->kind == TDL_VALUE_WEIGHT) status = bind_weight(m, value, &made, err);
        done += plan->buffer_sizes[i];
        if (status == TDL_OK && desc->progress && !desc->progress(desc->progress_user, (double)done / (double)total))
            status = tdl_fail(err, TDL_ERROR_CANCELLED, "model: open was cancelled");
    }
    tdl_plan_destroy(plan);
    return status;
}

tdl_kv_desc tdl_model_kv_desc(const tdl_model *m, int32_t n_pages) {
    return (tdl_kv_desc){.dtype = m->kv_dtype,
                         .n_layers = m->config.n_layers,
                         .n_kv_heads = m->config.n_kv_heads,
                         .head_dim = m->config.head_dim,
                         .n_pages = n_pages};
}

static tdl_status plan_for(const tdl_model *m, const tdl_model_limits *limits, tdl_plan **out, tdl_error *err) {
    tdl_graph g;
    tdl_graph_init(&g, m->mem);
    tdl_model_build(m, limits, &g);
    tdl_plan_desc desc = {
        .device = m->device, .precision = m->precision, .invariant = m->invariant, .keep_values = limits->keep_values};
    desc.max.n[TDL_ROWS_TOKENS] = limits->n_tokens;
    desc.max.n[TDL_ROWS_SEQS] = limits->n_seqs;
    desc.max.n[TDL_ROWS_OUTPUTS] = limits->n_outputs;
    tdl_status status = tdl_plan_create(&g, &desc, out, err);
    tdl_graph_deinit(&g);
    return status;
}

tdl_status tdl_model_plan(const tdl_model *m, const tdl_model_limits *limits, tdl_plan **out, tdl_error *err) {
    tdl_model_limits fewer = *limits;
    tdl_error why = {0};
    tdl_status status = plan_for(m, &fewer, out, &why);
    while (status == TDL_ERROR_LIMIT && fewer.n_tokens > 1) {
        fewer.n_tokens /= 2;
        fewer.n_seqs = (int32_t)tdl_min_i64(fewer.n_seqs, fewer.n_tokens);
        fewer.n_outputs = (int32_t)tdl_min_i64(fewer.n_outputs, fewer.n_tokens);
        status = plan_for(m, &fewer, out, &why);
    }
    return status == TDL_OK ? status : tdl_fail(err, status, "%s", why.message);
}

tdl_status tdl_model_exec(tdl_model *m, const tdl_plan *plan, const tdl_kv_cache *cache, tdl_buffer *picked,
                          tdl_exec **out, tdl_error *err) {
    tdl_buffer **bound = tdl_alloc(m->mem, (size_t)plan->n_buffers, sizeof *bound);
    if (!bound) return tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %d buffers", plan->n_buffers);
    tdl_status status = TDL_OK;
    pthread_mutex_lock(&m->binding);
    for (int32_t i = TDL_BUFFER_BOUND; i < plan->n_buffers && status == TDL_OK; i++) {
        if (plan->buffer_value[i] < 0) continue;
        const tdl_value *value = &plan->values[plan->buffer_value[i]];
        bool cached = value->weight < 2 * m->config.n_layers;
        if (value->kind == TDL_VALUE_WEIGHT) status = bind_weight(m, value, &bound[i], err);
        else bound[i] = cached ? tdl_kv_cache_buffer(cache, value->weight, value->first_row) : picked;
    }
    pthread_mutex_unlock(&m->binding);
    if (status == TDL_OK) status = tdl_exec_create(m->device, plan, bound, out, err);
    tdl_free(m->mem, bound);
    return status;
}

tdl_status tdl_model_weight_buffer(tdl_model *m, const tdl_value *value, tdl_buffer **out, tdl_error *err) {
    pthread_mutex_lock(&m->binding);
    tdl_status status = bind_weight(m, value, out, err);
    pthread_mutex_unlock(&m->binding);
    return status;
}

// The weight's buffer for this value, made where it is not there yet: borrowed from the model's own copy where the device can,
// else written or prepared from the file's rows, a piece at a time.
static tdl_status bind_weight(tdl_model *m, const tdl_value *value, tdl_buffer **out, tdl_error *err) {
    tdl_param *param = &m->params.list[value->weight];
    const tdl_backend *backend = m->device->backend;
    tdl_buffer **slot = buffer_slot(m, value, err), *made = NULL;
    if (!slot) return TDL_ERROR_MEMORY;
    tdl_status status = TDL_OK;
    int64_t first = value->first_row, count = value->tensor.shape[0];
    if (*slot) {
        made = *slot;
    } else if (value->layout == TDL_LAYOUT_JOINED) {
        status = join_weights(m, value, &made, err);
    } else if (value->layout != TDL_LAYOUT_ROWS) {
        status = prepare_weight(m, value, &made, err);
    } else if (backend->buffer_borrow) {
        status = tdl_param_own(&m->params, m->weights, param, err);
        tdl_tensor t = tdl_tensor_slice(&param->tensor, 0, first, count);
        if (status == TDL_OK) status = backend->buffer_borrow(m->device, t.data, tdl_tensor_size(&t), &made, err);
    } else {
        tdl_tensor t = tdl_tensor_slice(&param->tensor, 0, first, count);
        status = backend->buffer_create(m->device, tdl_tensor_size(&t), &made, err);
        if (status == TDL_OK) status = write_rows(m, param, first, count, made, 0, err);
    }
    if (status != TDL_OK) { // half made: nobody's
        backend->buffer_destroy(made);
        return status;
    }
    *out = *slot = made;
    return TDL_OK;
}

// The rows of several weights, one after another.
static tdl_status join_weights(tdl_model *m, const tdl_value *value, tdl_buffer **buffer, tdl_error *err) {
    const tdl_backend *backend = m->device->backend;
    size_t offset = 0;
    tdl_status status = backend->buffer_create(m->device, tdl_tensor_size(&value->tensor), buffer, err);
    for (int32_t i = 0; i < value->n_joined && status == TDL_OK; i++) {
        const tdl_param *param = &m->params.list[value->joined[i]];
        status = write_rows(m, param, 0, param->tensor.shape[0], *buffer, offset, err);
        offset += tdl_tensor_size(&param->tensor);
    }
    return status;
}

static tdl_status write_rows(tdl_model *m, const tdl_param *param, int64_t first, int64_t count, tdl_buffer *buffer,
                             size_t offset, tdl_error *err) {
    int64_t row_size = param->tensor.strides[0], piece = WRITE_SIZE / row_size / WRITE_ROWS * WRITE_ROWS;
    if (piece < WRITE_ROWS) piece = WRITE_ROWS;
    if (param->tensor.data) piece = count; // all are at hand
    tdl_status status = TDL_OK;
    for (int64_t row = 0; row < count && status == TDL_OK; row += piece) {
        tdl_tensor t;
        void *block;
        status = tdl_param_rows(&m->params, m->weights, param, first + row, tdl_min_i64(piece, count - row), &t, &block,
                                err);
        if (status != TDL_OK) return status;
        status = m->device->backend->write(buffer, offset + (size_t)(row * row_size), t.data, tdl_tensor_size(&t), err);
        tdl_free(m->mem, block);
    }
    return status;
}

// Where the model keeps the buffer of a weight, of a part of one, or of several. NULL: MEMORY.
static tdl_buffer **buffer_slot(tdl_model *m, const tdl_value *value, tdl_error *err) {
    int64_t first = value->first_row, count = value->tensor.shape[0];
    if (count == m->params.list[value->weight].tensor.shape[0]) return &m->buffers[value->weight][value->layout];
    for (size_t i = 0; i < m->parts.n; i++) {
        tdl_weight_part *part = tdl_vec_at(&m->parts, tdl_weight_part, i);
        if (part->weight == value->weight && part->layout == value->layout && part->first == first &&
            part->count == count)
            return &part->buffer;
    }
    tdl_weight_part *part = tdl_vec_add(&m->parts);
    if (!part) {
        tdl_fail(err, TDL_ERROR_MEMORY, "model: no memory for %zu parts of weights", m->parts.n + 1);
        return NULL;
    }
    *part = (tdl_weight_part){.weight = value->weight, .layout = value->layout, .first = first, .count = count};
    return &part->buffer;
}

// Piece by piece, so that never much more than the prepared form is in memory.
static tdl_status prepare_weight(tdl_model *m, const tdl_value *value, tdl_buffer **buffer, tdl_error *err) {
    const tdl_backend *backend = m->device->backend;
    const tdl_param *param = &m->params.list[value->weight];
    int64_t first = value->first_row, n = value->tensor.shape[0];
    tdl_tensor whole = tdl_tensor_slice(&param->tensor, 0, first, n);
    tdl_status status = backend->buffer_create(m->device, tdl_layout_size(value->layout, &whole), buffer, err);
    for (int64_t row = 0; row < n && status == TDL_OK; row += PREPARE_ROWS) {
        int64_t count = tdl_min_i64(PREPARE_ROWS, n - row);
        tdl_tensor t;
        void *block;
        status = tdl_param_rows(&m->params, m->weights, param, first + row, count, &t, &block, err);
        if (status != TDL_OK) return status;
        status = backend->prepare(*buffer, value->layout, &whole, t.data, row, count, err);
        tdl_free(m->mem, block);
    }
    return status;
}

void tdl_model_drop_weight(tdl_model *m, int32_t weight) {
    tdl_param *param = &m->params.list[weight];
    if (!param->owned) tdl_weights_drop(m->weights, &param->tensor);
    tdl_free(m->params.mem, param->owned);
    param->owned = param->tensor.data = NULL;
}

void tdl_model_get_info(const tdl_model *m, tdl_model_info *info) {
    if (!m) return;
    tdl_model_info all = {
        .name = m->name,
        .arch = m->arch->name,
        .dtype = tdl_dtype_get(m->dtype)->name,
        .device = tdl_device_summary(m->device),
        .n_params = m->n_params,
        .weights_size = tdl_weights_size(m->weights),
        .n_vocab = m->config.n_vocab,
        .n_ctx_train = m->config.n_ctx,
        .n_embd = m->config.n_embd,
        .n_layers = m->config.n_layers,
        .n_heads = m->config.n_heads,
        .n_kv_heads = m->config.n_kv_heads,
        .head_dim = m->config.head_dim,
        .n_ff = m->config.n_ff,
        .has_chat_template = m->has_template,
        .n_lora = m->n_lora,
        .lora_size = m->lora_size,
        .lora_dtype = m->n_lora ? tdl_dtype_get(m->lora_dtype)->name : NULL,
    };
    tdl_result_copy("model", info, &all, sizeof all, NULL);
}

const tdl_tokenizer *tdl_model_tokenizer(const tdl_model *m) { return m ? m->tokenizer : NULL; }
