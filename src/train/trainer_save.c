// trainer_save.c - the trained model as a file. Adapters are merged: w + scale b a.
#include "train/export.h"
#include "train/trainer.h"

#include <string.h>

static tdl_status read_weights(tdl_trainer *t, float **values, tdl_error *err);
static tdl_status merge(const tdl_trainer *t, float *const *values, tdl_tensor *tensors, float **merged,
                        tdl_error *err);

tdl_status tdl_trainer_save(tdl_trainer *t, const char *path, tdl_error *err) {
    if (t->phase != TDL_PHASE_NEXT && t->phase != TDL_PHASE_END)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: a step is under way");
    int32_t n = tdl_train_engine_n_params(t->engine), n_model = t->model->params.n;
    float **values = tdl_alloc(t->mem, (size_t)n, sizeof *values);       // of the trained parameters
    float **merged = tdl_alloc(t->mem, (size_t)n_model, sizeof *merged); // of matrices with adapters
    tdl_tensor *tensors = tdl_alloc(t->mem, (size_t)n_model, sizeof *tensors);
    tdl_status status = TDL_OK;
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

// w[n, k] += scale sum_r b[n, r] a[r, k], in double.
static void add_product(float *w, const float *a, const float *b, int64_t n, int64_t k, int64_t rank, double scale) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t r = 0; r < rank; r++) sum += (double)b[i * rank + r] * (double)a[r * k + j];
            w[i * k + j] = (float)((double)w[i * k + j] + scale * sum);
        }
}

static tdl_status merge(const tdl_trainer *t, float *const *values, tdl_tensor *tensors, float **merged,
                        tdl_error *err) {
    const tdl_model_train *train = tdl_train_engine_train(t->engine);
    const tdl_params *params = &t->model->params;
    for (int32_t i = 0, pair = 0; i < params->n; i++) {
        if (train->adapter[i] < 0) continue;
        const tdl_tensor *from = &params->list[i].tensor; // [N, K]
        int64_t shape[2] = {from->shape[0], from->shape[1]};
        tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &tensors[i], err);
        if (status != TDL_OK) return status;
        merged[i] = tdl_alloc(t->mem, tdl_tensor_size(&tensors[i]), 1);
        if (!merged[i])
            return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: '%s': no memory to merge", params->list[i].name);
        tdl_tensor_to_f32(from, merged[i]);
        add_product(merged[i], values[2 * pair], values[2 * pair + 1], shape[0], shape[1], train->rank,
                    (double)train->scale);
        tensors[i].data = (uint8_t *)merged[i];
        pair++; // adapters are numbered in the parameters' order
    }
    return TDL_OK;
}
tdl_status tdl_trainer_save_adapters(tdl_trainer *t, const char *dir, tdl_error *err) {
    (void)t;
    (void)dir;
    (void)err;
    return TDL_OK;
}
