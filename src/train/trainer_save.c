// trainer_save.c - the trained model as a file. Adapters are merged: w + scale b a.
#include "train/export.h"
#include "train/lora_file.h"
#include "train/trainer.h"

#include <string.h>

static tdl_status read_weights(tdl_trainer *t, float **values, tdl_error *err);
static tdl_status merge(const tdl_trainer *t, float *const *values, tdl_tensor *tensors, float **merged,
                        tdl_error *err);

tdl_status tdl_trainer_save(tdl_trainer *t, const char *path, tdl_error *err) {
    tdl_status status = tdl_trainer_check_idle(t, err);
    if (status != TDL_OK) return status;
    int32_t n = tdl_train_engine_n_params(t->engine), n_model = t->model->params.n;
    float **values = tdl_alloc(t->mem, (size_t)n, sizeof *values);       // of the trained parameters
    float **merged = tdl_alloc(t->mem, (size_t)n_model, sizeof *merged); // of matrices with adapters
    tdl_tensor *tensors = tdl_alloc(t->mem, (size_t)n_model, sizeof *tensors);
    if (!values || !merged || !tensors) status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory to save");
    if (status == TDL_OK) status = read_weights(t, values, err);
    for (int32_t i = 0; i < n && status == TDL_OK; i++) {
        const tdl_trained *p = tdl_train_engine_param(t->engine, i);
        if (p->weight >= n_model) continue;
        tensors[p->weight] = p->tensor;
        tensors[p->weight].data = (uint8_t *)values[i];
    }
    if (status == TDL_OK && t->desc.lora_rank) status = merge(t, values, tensors, merged, err);
    if (status == TDL_OK) {
        bool plain =
            t->model->dtype == TDL_DTYPE_F32 || t->model->dtype == TDL_DTYPE_F16 || t->model->dtype == TDL_DTYPE_BF16;
        tdl_export_desc desc = {
            .model = t->model, .tensors = tensors, .matrices = plain ? t->model->dtype : TDL_DTYPE_F16};
        size_t size = strlen(path);
        bool gguf = size > 5 && strcmp(path + size - 5, ".gguf") == 0;
        status = gguf ? tdl_export_gguf(&desc, path, err) : tdl_export_safetensors(&desc, path, err);
    }
    for (int32_t i = 0; i < n && values; i++) tdl_free(t->mem, values[i]);
    for (int32_t i = 0; i < n_model && merged; i++) tdl_free(t->mem, merged[i]);
    tdl_free(t->mem, values);
    tdl_free(t->mem, merged);
    tdl_free(t->mem, tensors);
    return status;
}

// values[i] [elements]: what parameter i is now.
static tdl_status read_weights(tdl_trainer *t, float **values, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (int32_t i = 0; i < tdl_train_engine_n_params(t->engine) && status == TDL_OK; i++) {
        const tdl_trained *p = tdl_train_engine_param(t->engine, i);
        size_t size = tdl_tensor_size(&p->tensor);
        values[i] = tdl_alloc(t->mem, size, 1);
        if (!values[i]) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory for %zu bytes", p->name, size);
        status = tdl_train_engine_read(t->engine, TDL_TRAIN_WEIGHT, i, 0, values[i], size, err);
        if (status == TDL_OK) status = tdl_trainer_wait(t, err);
    }
    return status;
}

// Pair i of the adapters, over the values just read.
static tdl_lora_pair pair_at(const tdl_trainer *t, float *const *values, int32_t matrix, int32_t i) {
    tdl_lora_pair pair = {.param = matrix, .scale = tdl_train_engine_train(t->engine)->scale};
    pair.a = tdl_train_engine_param(t->engine, 2 * i)->tensor;
    pair.b = tdl_train_engine_param(t->engine, 2 * i + 1)->tensor;
    pair.a.data = (uint8_t *)values[2 * i];
    pair.b.data = (uint8_t *)values[2 * i + 1];
    return pair;
}

static tdl_status merge(const tdl_trainer *t, float *const *values, tdl_tensor *tensors, float **merged,
                        tdl_error *err) {
    const tdl_model_train *train = tdl_train_engine_train(t->engine);
    const tdl_params *params = &t->model->params;
    for (int32_t i = 0, n_pairs = 0; i < params->n; i++) {
        if (train->adapter[i] < 0) continue;
        const tdl_tensor *from = &params->list[i].tensor; // [N, K]
        tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 2, from->shape, NULL, &tensors[i], err);
        if (status != TDL_OK) return status;
        merged[i] = tdl_alloc(t->mem, tdl_tensor_size(&tensors[i]), 1);
        if (!merged[i])
            return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory to merge", params->list[i].name);
        tdl_lora_pair pair = pair_at(t, values, i, n_pairs++); // numbered in the parameters' order
        tdl_lora_merge(&pair, from, merged[i]);
        tensors[i].data = (uint8_t *)merged[i];
    }
    return TDL_OK;
}

tdl_status tdl_trainer_save_adapters(tdl_trainer *t, const char *dir, tdl_error *err) {
    if (!t->desc.lora_rank) return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: there are no adapters");
    tdl_status status = tdl_trainer_check_idle(t, err);
    if (status != TDL_OK) return status;
    const tdl_model_train *train = tdl_train_engine_train(t->engine);
    int32_t n = tdl_train_engine_n_params(t->engine);
    tdl_lora lora = {.mem = t->mem, .alpha = t->desc.lora_alpha};
    float **values = tdl_alloc(t->mem, (size_t)n, sizeof *values);
    lora.pairs = tdl_alloc(t->mem, (size_t)n / 2, sizeof *lora.pairs);
    if (!values || !lora.pairs) status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: no memory to save");
    if (status == TDL_OK) status = read_weights(t, values, err);
    for (int32_t i = 0; i < t->model->params.n && status == TDL_OK; i++)
        if (train->adapter[i] >= 0) lora.pairs[lora.n] = pair_at(t, values, i, (int32_t)lora.n), lora.n++;
    if (status == TDL_OK) status = tdl_lora_save(t->model, &lora, t->model_path, dir, err);
    for (int32_t i = 0; i < n && values; i++) tdl_free(t->mem, values[i]);
    tdl_free(t->mem, values);
    tdl_free(t->mem, lora.pairs);
    return status;
}
