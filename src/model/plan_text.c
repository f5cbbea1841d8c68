// SPDX-License-Identifier: MIT
// plan_text.c - the plan of a model as text, for `treadle plan`, and the memory it takes, for `treadle info`. Experimental parts of
// the public header.
#include "base/checked.h"
#include "base/desc.h"
#include "model/model_impl.h"

enum { DEFAULT_TOKENS = 512 };

static tdl_status plan_of(const tdl_model *model, const tdl_batch_desc *desc, tdl_plan **out, tdl_error *err);

tdl_status tdl_model_plan_text(tdl_model *model, const tdl_batch_desc *desc, char **text, tdl_error *err) {
    if (!model || !text) return tdl_fail(err, TDL_ERROR_ARGUMENT, "plan: model and text must not be NULL");
    tdl_plan *plan = NULL;
    tdl_status status = plan_of(model, desc, &plan, err);
    tdl_str str = tdl_str_make(model->mem);
    tdl_str_format(&str, "# %s, %d layers on %s, precision %s%s\n", model->arch->name, model->config.n_layers,
                   tdl_device_summary(model->device), model->precision == TDL_PRECISION_F32 ? "f32" : "auto",
                   model->invariant ? ", invariant" : "");
    if (status == TDL_OK) status = tdl_plan_print(plan, &str, err);
    tdl_plan_destroy(plan);
    if (status == TDL_OK) *text = str.ptr;
    else tdl_str_deinit(&str);
    return status;
}

void tdl_text_free(tdl_model *model, char *text) {
    if (model) tdl_free(model->mem, text);
}

tdl_status tdl_model_get_memory(const tdl_model *model, const tdl_batch_desc *desc, tdl_model_memory *out,
                                tdl_error *err) {
    if (!model || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "memory: model and out must not be NULL");
    tdl_plan *plan = NULL;
    tdl_model_memory all = {0};
    tdl_status status = tdl_result_check("memory", out, sizeof *out, err);
    if (status == TDL_OK) status = plan_of(model, desc, &plan, err);
    if (status != TDL_OK) return status;
    for (int32_t i = 0; i < plan->n_buffers; i++) {
        const tdl_value *value = plan->buffer_value[i] >= 0 ? &plan->values[plan->buffer_value[i]] : NULL;
        if (!value) all.step_size += plan->buffer_sizes[i];
        else if (value->kind == TDL_VALUE_WEIGHT) all.weights_size += plan->buffer_sizes[i];
        else all.cache_size += plan->buffer_sizes[i];
    }
    tdl_plan_destroy(plan);
    return tdl_result_copy("memory", out, &all, sizeof all, err);
}

// The plan that a batch of this description runs.
static tdl_status plan_of(const tdl_model *model, const tdl_batch_desc *desc, tdl_plan **out, tdl_error *err) {
    tdl_batch_desc d;
    tdl_status status = tdl_desc_copy("plan", desc, &d, sizeof d, err);
    if (status != TDL_OK) return status;
    if (d.n_sessions_max < 0 || d.n_sessions_max > TDL_SESSIONS_MAX || d.n_tokens_max < 0 ||
        d.n_tokens_max > TDL_STEP_TOKENS_MAX || d.n_cache_tokens < 0 ||
        d.n_cache_tokens > (int64_t)TDL_SESSIONS_MAX * TDL_CTX_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "plan: %d sessions, %d tokens and %lld cache tokens are out of range",
                        d.n_sessions_max, d.n_tokens_max, (long long)d.n_cache_tokens);
    int32_t n_seqs = d.n_sessions_max ? d.n_sessions_max : 1;
    int32_t n_tokens =
        d.n_tokens_max ? d.n_tokens_max : (int32_t)tdl_min_i64(DEFAULT_TOKENS, (int64_t)n_seqs * model->config.n_ctx);
    int64_t n_pages =
        tdl_div_up(d.n_cache_tokens ? d.n_cache_tokens : (int64_t)n_seqs * model->config.n_ctx, TDL_KV_PAGE) + n_seqs -
        1;
    tdl_model_limits limits = {.n_tokens = n_tokens,
                               .n_seqs = (int32_t)tdl_min_i64(n_seqs, n_tokens),
                               .n_outputs = (int32_t)tdl_min_i64(n_seqs, n_tokens),
                               .n_pages = (int32_t)tdl_min_i64(n_pages, INT32_MAX),
                               .n_seq_pages =
                                   (int32_t)tdl_min_i64(tdl_div_up(model->config.n_ctx, TDL_KV_PAGE), n_pages)};
    if (model->device->backend->steps_max > 1) limits.n_slots = n_seqs;
    return tdl_model_plan(model, &limits, out, err);
}
