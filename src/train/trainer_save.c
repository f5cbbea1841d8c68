// SPDX-License-Identifier: MIT
// trainer_save.c - the trained model as a file, tensor by tensor: read from the device, then written. Adapters are merged: w + scale b a.
//
// Each is called until it no longer returns PENDING: the first call begins, each later one takes what has arrived and asks
// for more. One parameter is in memory at a time, read once, also where it becomes a tensor for each expert; of adapters, which
// are small, all.
#include "train/lora_file.h"
#include "train/trainer.h"

#include <string.h>

static tdl_status begin_save(tdl_trainer *t, const char *path, tdl_error *err);
static tdl_status describe_tensors(tdl_trainer *t, tdl_error *err);
static tdl_status go_on(tdl_trainer *t, tdl_error *err);
static tdl_status write_tensor(tdl_trainer *t, int32_t i, int32_t first, int32_t n, tdl_error *err);
static tdl_status read_param(tdl_trainer *t, int32_t param, tdl_error *err);
static tdl_status write_adapters(tdl_trainer *t, const char *dir, tdl_error *err);

tdl_status tdl_trainer_save(tdl_trainer *t, const char *path, tdl_error *err) {
    bool begins;
    if (!t || !path) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: trainer and path must not be NULL");
    tdl_status status = tdl_trainer_enter(t, TDL_PHASE_SAVE, &begins, err);
    if (begins && status != TDL_OK) return status;
    if (status == TDL_OK && begins) status = begin_save(t, path, err);
    if (status == TDL_OK) status = go_on(t, err);
    if (status != TDL_PENDING) tdl_trainer_end_save(t);
    return tdl_trainer_leave(t, status);
}

tdl_status tdl_trainer_save_adapters(tdl_trainer *t, const char *dir, tdl_error *err) {
    bool begins;
    if (!t || !dir) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: trainer and dir must not be NULL");
    if (!t->desc.lora_rank) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: there are no adapters");
    tdl_status status = tdl_trainer_enter(t, TDL_PHASE_SAVE_ADAPTERS, &begins, err);
    if (begins && status != TDL_OK) return status;
    int32_t n = tdl_train_engine_n_params(t->engine), n_read = 0;
    if (begins) t->values = tdl_alloc(t->mem, (size_t)n, sizeof *t->values);
    t->n_values = n;
    if (!t->values) status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory to save");
    while (status == TDL_OK && n_read < n && t->values[n_read]) n_read++;
    if (status == TDL_OK) status = n_read < n ? read_param(t, n_read, err) : write_adapters(t, dir, err);
    if (status != TDL_PENDING) tdl_trainer_end_save(t);
    return tdl_trainer_leave(t, status);
}

void tdl_trainer_end_save(tdl_trainer *t) {
    for (int32_t i = 0; t->values && i < t->n_values; i++) tdl_free(t->mem, t->values[i]);
    tdl_free(t->mem, t->values);
    tdl_free(t->mem, t->tensors);
    tdl_export_close(t->export);
    t->values = NULL;
    t->tensors = NULL;
    t->export = NULL;
}

static tdl_status begin_save(tdl_trainer *t, const char *path, tdl_error *err) {
    t->n_values = tdl_train_engine_n_params(t->engine);
    t->values = tdl_alloc(t->mem, (size_t)t->n_values, sizeof *t->values);
    t->tensors = tdl_alloc(t->mem, (size_t)t->model->params.n, sizeof *t->tensors);
    if (!t->values || !t->tensors) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory to save");
    tdl_status status = describe_tensors(t, err);
    tdl_dtype dtype = t->model->dtype;
    bool kept = dtype == TDL_DTYPE_BF16 && !t->desc.lora_rank; // whole matrices that were trained stay as they were
    tdl_dtype matrices = kept ? TDL_DTYPE_BF16 : tdl_lora_merged_dtype(dtype);
    tdl_export_desc desc = {.model = t->model, .tensors = t->tensors, .matrices = matrices};
    return status == TDL_OK ? tdl_export_open(&desc, path, &t->export, err) : status;
}

// The parameters of the model that the file does not get as they were opened: trained ones and those with adapters.
static tdl_status describe_tensors(tdl_trainer *t, tdl_error *err) {
    const tdl_model_train *train = tdl_train_engine_train(t->engine);
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < t->model->params.n && status == TDL_OK; i++) {
        const tdl_tensor *own = &t->model->params.list[i].tensor;
        bool changes = tdl_train_engine_find(t->engine, i) >= 0 || (train->adapter && train->adapter[i] >= 0);
        if (changes) status = tdl_tensor_make(TDL_DTYPE_F32, own->n_dims, own->shape, NULL, &t->tensors[i], err);
    }
    return status;
}

// The trained parameters that the model's tensor i is made of: *first to *first + *n - 1.
static void sources_of(const tdl_trainer *t, int32_t i, int32_t *first, int32_t *n) {
    const tdl_model_train *train = tdl_train_engine_train(t->engine);
    bool adapted = train->adapter && train->adapter[i] >= 0;
    *first = tdl_train_engine_find(t->engine, adapted ? t->model->params.n + 2 * train->adapter[i] : i);
    *n = adapted ? 2 : *first >= 0 ? 1 : 0;
}

// Writes tensor by tensor, until one lacks something: asks for that, PENDING.
static tdl_status go_on(tdl_trainer *t, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int32_t i; status == TDL_OK && (i = tdl_export_next(t->export)) >= 0;) {
        int32_t first, n;
        sources_of(t, i, &first, &n);
        for (int32_t k = first; k < first + n; k++)
            if (!t->values[k]) return read_param(t, k, err);
        status = write_tensor(t, i, first, n, err);
    }
    return status == TDL_OK ? tdl_export_commit(t->export, err) : status;
}

// PENDING: until the device has been polled.
static tdl_status read_param(tdl_trainer *t, int32_t param, tdl_error *err) {
    const tdl_trained *p = tdl_train_engine_param(t->engine, param);
    size_t size = tdl_tensor_size(&p->tensor);
    t->values[param] = tdl_alloc(t->mem, size, 1);
    if (!t->values[param])
        return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory for %zu bytes", p->name, size);
    tdl_status status = tdl_train_engine_read(t->engine, TDL_TRAIN_WEIGHT, param, 0, t->values[param], size, err);
    return status == TDL_OK ? TDL_PENDING : status;
}

// The pair of adapters whose first parameter this is, over the values that were read.
static tdl_lora_pair pair_at(const tdl_trainer *t, int32_t matrix, int32_t first) {
    tdl_lora_pair pair = {.param = matrix, .scale = tdl_train_engine_train(t->engine)->scale};
    pair.a = tdl_train_engine_param(t->engine, first)->tensor;
    pair.b = tdl_train_engine_param(t->engine, first + 1)->tensor;
    pair.a.data = (uint8_t *)t->values[first];
    pair.b.data = (uint8_t *)t->values[first + 1];
    return pair;
}

// The model's tensor i, or one expert's part of it, from the n parameters that it is made of; what no further tensor is made of is
// let go.
static tdl_status write_tensor(tdl_trainer *t, int32_t i, int32_t first, int32_t n, tdl_error *err) {
    if (!n) return tdl_export_tensor(t->export, NULL, err);
    tdl_tensor whole = t->tensors[i];
    float *merged = NULL;
    if (n == 2) {
        tdl_lora_pair pair = pair_at(t, i, first);
        merged = tdl_alloc(t->mem, tdl_tensor_size(&whole), 1);
        if (!merged)
            return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory to merge", t->model->params.list[i].name);
        tdl_tensor base;
        void *block;
        tdl_status status =
            tdl_param_whole(&t->model->params, t->model->weights, &t->model->params.list[i], &base, &block, err);
        if (status == TDL_OK) tdl_lora_merge(&pair, &base, merged);
        tdl_free(t->model->mem, block);
        if (status != TDL_OK) {
            tdl_free(t->mem, merged);
            return status;
        }
    }
    whole.data = (uint8_t *)(merged ? merged : t->values[first]);
    tdl_status status = tdl_export_tensor(t->export, &whole, err);
    tdl_free(t->mem, merged);
    if (tdl_export_next(t->export) == i) return status;
    for (int32_t k = first; k < first + n; k++) {
        tdl_free(t->mem, t->values[k]);
        t->values[k] = NULL;
    }
    return status;
}

static tdl_status write_adapters(tdl_trainer *t, const char *dir, tdl_error *err) {
    tdl_lora lora = {.mem = t->mem, .alpha = t->desc.lora_alpha};
    lora.pairs = tdl_alloc(t->mem, (size_t)tdl_train_engine_n_params(t->engine) / 2, sizeof *lora.pairs);
    if (!lora.pairs) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory to save");
    for (int32_t i = 0; i < t->model->params.n; i++) {
        int32_t first, n;
        sources_of(t, i, &first, &n);
        if (n == 2) lora.pairs[lora.n++] = pair_at(t, i, first);
    }
    tdl_status status = tdl_lora_save(t->model, &lora, t->model_path, dir, err);
    tdl_free(t->mem, lora.pairs);
    return status;
}
