// SPDX-License-Identifier: MIT
// train_plan.c - builds the plans of training. See train_plan.h.
//
// The logits of all tokens are never there at once: the loss's head goes over the tokens in chunks, and for each makes logits,
// loss and the logits' gradient, turns that into gradients of the hidden state and of the output matrix, and lets go.
#include "train/train_plan.h"

#include "base/checked.h"
#include "graph/grad.h"
#include "graph/parts.h"
#include "ops/hyper.h"

#include <stdio.h>

enum {
    LOGITS_SIZE_MAX = 128 << 20, // bytes of a chunk's logits
    NORM_PIECE = 32768,          // elements of a gradient whose squares are summed by one worker
};

static int32_t state(const tdl_train_plan_desc *desc, tdl_graph *g, int32_t number, const char *name);
static int32_t param_state(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_train_state kind, int32_t param);
static int32_t shared_state(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_train_shared which);
static int32_t loss_head(const tdl_train_plan_desc *desc, tdl_graph *g, int32_t hidden, int32_t output,
                         int32_t d_output, bool gradients);
static tdl_status finish(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_plan **out, tdl_error *err);

tdl_status tdl_train_plan_gradients(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err) {
    const tdl_allocator *mem = desc->model->mem;
    int32_t n_layers = desc->model->config.n_layers, output;
    tdl_graph g;
    tdl_graph_init(&g, mem);
    size_t n = (size_t)desc->n_params;
    int32_t *params = tdl_alloc(mem, n, sizeof *params), *grads = tdl_alloc(mem, n, sizeof *grads);
    int32_t *layers = tdl_alloc(mem, (size_t)n_layers, sizeof *layers);
    tdl_status status;
    if (!params || !grads || !layers) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "train: no memory for a plan of %d parameters", desc->n_params);
        goto cleanup;
    }
    int32_t hidden = tdl_model_build_train(desc->model, desc->train, &g, &output, layers);
    int32_t n_ops = (int32_t)g.ops.n, d_output = -1;
    for (int32_t i = 0; i < desc->n_params; i++) {
        params[i] = tdl_graph_weight(&g, desc->params[i].name, desc->params[i].weight, &desc->params[i].tensor);
        grads[i] = param_state(desc, &g, TDL_TRAIN_GRAD, i);
        if (params[i] == output) d_output = grads[i];
    }
    int32_t d_hidden = loss_head(desc, &g, hidden, output, d_output, true);
    tdl_graph_grad(&g, &(tdl_grad_desc){.n_ops = n_ops,
                                        .value = hidden,
                                        .gradient = d_hidden,
                                        .params = params,
                                        .grads = grads,
                                        .n_params = desc->n_params,
                                        .segments = desc->recompute ? layers : NULL,
                                        .n_segments = desc->recompute ? n_layers : 0});
    status = finish(desc, &g, out, err);
cleanup:
    tdl_free(mem, params);
    tdl_free(mem, grads);
    tdl_free(mem, layers);
    tdl_graph_deinit(&g);
    return status;
}

tdl_status tdl_train_plan_loss(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err) {
    tdl_graph g;
    tdl_graph_init(&g, desc->model->mem);
    tdl_model_train still = *desc->train;
    still.dropout = still.attention_dropout = 0;
    int32_t output, hidden = tdl_model_build_train(desc->model, &still, &g, &output, NULL);
    loss_head(desc, &g, hidden, output, -1, false);
    tdl_status status = finish(desc, &g, out, err);
    tdl_graph_deinit(&g);
    return status;
}

tdl_status tdl_train_plan_logits(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err) {
    tdl_graph g;
    tdl_graph_init(&g, desc->model->mem);
    int32_t output, hidden = tdl_model_build_train(desc->model, desc->train, &g, &output, NULL);
    int32_t which = tdl_graph_step(&g, TDL_STEP_OUTPUTS, TDL_ROWS_FIXED, 1, 0, 0);
    int32_t row = tdl_graph_op(&g, "last", TDL_OP_TAKE_ROWS, NULL, 2, (int32_t[]){hidden, which});
    tdl_graph_output(&g, tdl_graph_op(&g, "logits", TDL_OP_MATMUL, NULL, 2, (int32_t[]){row, output}));
    tdl_status status = finish(desc, &g, out, err);
    tdl_graph_deinit(&g);
    return status;
}

// Pieces of a gradient whose sums of squares are added up in the end; of one that is in parts, at least four for each.
static int64_t n_pieces(const tdl_train_plan_desc *desc, const tdl_trained *param) {
    int64_t n = tdl_div_up(tdl_tensor_n_elements(&param->tensor), NORM_PIECE), n_rows = param->tensor.shape[0];
    int64_t n_part_rows = tdl_part_rows(&param->tensor, 0, desc->model->device->value_size_max);
    int64_t unit = n_part_rows < n_rows ? 4 * tdl_div_up(n_rows, n_part_rows) : 1;
    return tdl_div_up(n, unit) * unit;
}

// Their room among all: devices bind at multiples of 16 bytes. What is left over stays zero.
static int64_t n_places(const tdl_train_plan_desc *desc, const tdl_trained *param) {
    return tdl_div_up(n_pieces(desc, param), 4) * 4;
}

tdl_status tdl_train_plan_update(const tdl_train_plan_desc *desc, tdl_plan **out, tdl_error *err) {
    tdl_graph g;
    tdl_graph_init(&g, desc->model->mem);
    int32_t hyper = tdl_graph_step(&g, TDL_STEP_HYPER, TDL_ROWS_FIXED, TDL_HYPER_COUNT, 0, 0);
    int32_t norms = shared_state(desc, &g, TDL_TRAIN_NORMS), stats = shared_state(desc, &g, TDL_TRAIN_STATS);
    int64_t first = 0;
    for (int32_t i = 0; i < desc->n_params; i++) {
        int32_t grad = param_state(desc, &g, TDL_TRAIN_GRAD, i);
        int32_t pieces = tdl_graph_rows(&g, desc->params[i].name, norms, first, n_pieces(desc, &desc->params[i]));
        tdl_graph_op_into(&g, desc->params[i].name, TDL_OP_SUM_SQUARES, NULL, 1, &grad, &pieces);
        first += n_places(desc, &desc->params[i]);
    }
    tdl_graph_op_into(&g, "clip", TDL_OP_CLIP, NULL, 2, (int32_t[]){norms, hyper}, &stats);
    for (int32_t i = 0; i < desc->n_params; i++) {
        tdl_attrs attrs = {.beta1 = desc->beta1, .beta2 = desc->beta2, .eps = desc->eps};
        if (desc->params[i].decay) attrs.decay = desc->weight_decay;
        int32_t grad = param_state(desc, &g, TDL_TRAIN_GRAD, i);
        int32_t updated[3] = {param_state(desc, &g, TDL_TRAIN_WEIGHT, i), param_state(desc, &g, TDL_TRAIN_M, i),
                              param_state(desc, &g, TDL_TRAIN_V, i)};
        tdl_graph_op_into(&g, desc->params[i].name, TDL_OP_ADAMW, &attrs, 3, (int32_t[]){grad, stats, hyper}, updated);
        tdl_graph_op_into(&g, desc->params[i].name, TDL_OP_FILL, NULL, 0, NULL, &grad);
    }
    tdl_status status = finish(desc, &g, out, err);
    tdl_graph_deinit(&g);
    return status;
}

// Rows of the hidden state that make logits at once.
static int64_t chunk_rows(const tdl_train_plan_desc *desc) {
    uint64_t size_max = desc->model->device->value_size_max;
    if (!size_max || size_max > LOGITS_SIZE_MAX) size_max = LOGITS_SIZE_MAX;
    tdl_tensor logits;
    int64_t shape[2] = {desc->train->n_tokens, desc->model->config.n_vocab};
    bool ok = tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &logits, NULL) == TDL_OK;
    return ok ? tdl_part_rows(&logits, 0, size_max) : shape[0];
}

// Logits of so many rows, or their gradient. Rows begin at whole quads, as the fastest kernels want them.
static int32_t logits_temp(tdl_graph *g, const char *name, int64_t rows, int64_t n_vocab) {
    tdl_tensor tensor;
    const int64_t shape[2] = {rows, n_vocab};
    if (g->error.code || tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &tensor, &g->error) != TDL_OK) return -1;
    tensor.strides[0] = tdl_div_up(n_vocab, 4) * 4 * (int64_t)sizeof(float);
    return tdl_graph_temp(g, name, &tensor);
}

// The losses, and with gradients the hidden state's; -1 otherwise. d_output: the output matrix's gradient; -1: it is not trained.
static int32_t loss_head(const tdl_train_plan_desc *desc, tdl_graph *g, int32_t hidden, int32_t output,
                         int32_t d_output, bool gradients) {
    int32_t n_tokens = desc->train->n_tokens, d_hidden = -1, hyper = -1;
    int32_t targets = tdl_graph_step(g, TDL_STEP_TARGETS, TDL_ROWS_FIXED, n_tokens, 0, 0);
    int32_t losses = shared_state(desc, g, TDL_TRAIN_LOSSES);
    if (g->error.code) return -1;
    if (gradients) {
        hyper = tdl_graph_step(g, TDL_STEP_HYPER, TDL_ROWS_FIXED, TDL_HYPER_COUNT, 0, 0);
        d_hidden = tdl_graph_temp(g, "d.hidden", &tdl_graph_value(g, hidden)->tensor);
    }
    int64_t rows = chunk_rows(desc);
    for (int64_t first = 0; first < n_tokens; first += rows) {
        int64_t count = tdl_min_i64(rows, n_tokens - first);
        int32_t x = tdl_graph_rows(g, "hidden", hidden, first, count);
        int32_t target = tdl_graph_rows(g, "targets", targets, first, count);
        int32_t loss = tdl_graph_rows(g, "losses", losses, first, count);
        int32_t logits = logits_temp(g, "logits", count, desc->model->config.n_vocab);
        tdl_graph_op_into(g, "logits", TDL_OP_MATMUL, NULL, 2, (int32_t[]){x, output}, &logits);
        if (!gradients) {
            tdl_graph_op_into(g, "loss", TDL_OP_CROSS_ENTROPY, NULL, 2, (int32_t[]){logits, target}, &loss);
            continue;
        }
        int32_t d_logits = logits_temp(g, "d.logits", count, desc->model->config.n_vocab);
        tdl_graph_op_into(g, "d.logits", TDL_OP_CROSS_ENTROPY_GRAD, NULL, 3, (int32_t[]){logits, target, hyper},
                          (int32_t[]){d_logits, loss});
        int32_t dx = tdl_graph_rows(g, "d.hidden", d_hidden, first, count);
        tdl_graph_op_into(g, "d.hidden", TDL_OP_MATMUL_GRAD_X, NULL, 2, (int32_t[]){d_logits, output}, &dx);
        if (d_output >= 0)
            tdl_graph_op_into(g, "d.output", TDL_OP_MATMUL_GRAD_W, NULL, 2, (int32_t[]){d_logits, x}, &d_output);
    }
    return d_hidden;
}

static tdl_status finish(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_plan **out, tdl_error *err) {
    tdl_plan_desc of = {
        .device = desc->model->device, .precision = desc->precision, .keep_values = desc->keep_values, .trains = true};
    of.max.n[TDL_ROWS_TOKENS] = desc->train->n_tokens;
    return tdl_plan_create(g, &of, out, err);
}

tdl_status tdl_train_state_tensor(const tdl_train_plan_desc *desc, int32_t number, tdl_tensor *out, tdl_error *err) {
    int32_t n = desc->n_params;
    if (number < TDL_TRAIN_STATES * n) {
        *out = desc->params[number % n].tensor;
        return TDL_OK;
    }
    int64_t size = 4;
    if (number == TDL_TRAIN_STATES * n + TDL_TRAIN_LOSSES) size = desc->train->n_tokens;
    if (number == TDL_TRAIN_STATES * n + TDL_TRAIN_NORMS) {
        size = 0;
        for (int32_t i = 0; i < n; i++) size += n_places(desc, &desc->params[i]);
    }
    return tdl_tensor_make(TDL_DTYPE_F32, 1, &size, NULL, out, err);
}

static int32_t state(const tdl_train_plan_desc *desc, tdl_graph *g, int32_t number, const char *name) {
    for (int32_t i = 0; i < (int32_t)g->values.n; i++) // one value a state
        if (tdl_graph_value(g, i)->kind == TDL_VALUE_STATE && tdl_graph_value(g, i)->weight == number) return i;
    tdl_tensor tensor;
    if (g->error.code || tdl_train_state_tensor(desc, number, &tensor, &g->error) != TDL_OK) return -1;
    return tdl_graph_state(g, name, number, &tensor);
}

static int32_t param_state(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_train_state kind, int32_t param) {
    static const char *const prefixes[TDL_TRAIN_STATES] = {"d.", "", "m.", "v."};
    char name[96];
    snprintf(name, sizeof name, "%s%s", prefixes[kind], desc->params[param].name);
    return state(desc, g, (int32_t)kind * desc->n_params + param, name);
}

static int32_t shared_state(const tdl_train_plan_desc *desc, tdl_graph *g, tdl_train_shared which) {
    static const char *const names[TDL_TRAIN_SHARED] = {"losses", "norms", "stats"};
    return state(desc, g, TDL_TRAIN_STATES * desc->n_params + (int32_t)which, names[which]);
}
