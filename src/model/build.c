// SPDX-License-Identifier: MIT
// build.c - the graph of a model: what the paper's figure shows, block by block, steered by the architecture's columns.
//
//     x = embed(ids) [+ embed(positions)]
//     each layer:  x = x + out(attention(norm(x)));  x = x + ffn(norm(x))
//     logits = output(norm(x[outputs]))    [picked = sample(logits), which embed(ids) of the next step may take]
#include "model/model_impl.h"
#include "ops/sample/sample.h"

#include <math.h>
#include <stdio.h>

typedef struct builder {
    tdl_graph *g;
    const tdl_model *model;
    const tdl_model_limits *limits; // of a plan with a cache
    const tdl_model_train *train;   // of a plan that trains; NULL: none
    int32_t layer;
    int32_t seed;                                          // value: the seed of this step's dropout
    int32_t n_dropouts;                                    // so far
    int32_t positions, seqs, seq_start, pages, rope_table; // values
    int32_t picked;                                        // value: tokens picked on the device; -1: none are
} builder;

static int32_t picked_tokens(builder *b);
static int32_t step_inputs(builder *b);
static int32_t blocks(builder *b, int32_t ids, int32_t *layers);
static int32_t output_matrix(const builder *b);
static int32_t attention_block(builder *b, int32_t x);
static int32_t ffn_block(const builder *b, int32_t x);
static int32_t experts_block(const builder *b, int32_t x);
static int32_t norm(const builder *b, const char *name, int32_t x, tdl_role w, tdl_role bias);
static int32_t linear(const builder *b, const char *name, int32_t x, tdl_role w, tdl_role bias);
static int32_t adapted(const builder *b, const char *name, int32_t x, int32_t y, tdl_role w);
static int32_t dropout(builder *b, const char *name, int32_t x);
static int32_t op(const builder *b, const char *name, tdl_op op, const tdl_attrs *attrs, int32_t n_in,
                  const int32_t *in);
static int32_t param(const builder *b, tdl_role role, int32_t layer);

void tdl_model_build(const tdl_model *model, const tdl_model_limits *limits, tdl_graph *g) {
    builder b = {.g = g, .model = model, .limits = limits, .layer = TDL_NO_LAYER, .picked = -1};
    if (limits->n_slots) b.picked = picked_tokens(&b);
    int32_t x = blocks(&b, step_inputs(&b), NULL);
    int32_t outputs = tdl_graph_step(g, TDL_STEP_OUTPUTS, TDL_ROWS_OUTPUTS, limits->n_outputs, 0, 0);
    x = op(&b, "last", TDL_OP_TAKE_ROWS, NULL, 2, (int32_t[]){x, outputs});
    x = norm(&b, "output_norm", x, TDL_ROLE_OUTPUT_NORM, TDL_ROLE_OUTPUT_NORM_B);
    x = op(&b, "logits", TDL_OP_MATMUL, NULL, 2, (int32_t[]){x, output_matrix(&b)});
    tdl_graph_output(g, x);
    if (!limits->n_slots) return;
    int32_t picks = tdl_graph_step(g, TDL_STEP_PICKS, TDL_ROWS_OUTPUTS, limits->n_outputs, 0, TDL_SAMPLE_WORDS);
    tdl_graph_op_into(g, "picked", TDL_OP_SAMPLE, NULL, 2, (int32_t[]){x, picks}, &b.picked);
}

// A state behind the cache's.
static int32_t picked_tokens(builder *b) {
    tdl_tensor t;
    tdl_status status = tdl_tensor_make(TDL_DTYPE_I32, 1, (int64_t[]){b->limits->n_slots}, NULL, &t, &b->g->error);
    return status == TDL_OK ? tdl_graph_state(b->g, "picked", 2 * b->model->config.n_layers, &t) : -1;
}

int32_t tdl_model_build_train(const tdl_model *model, const tdl_model_train *train, tdl_graph *g, int32_t *output,
                              int32_t *layers) {
    builder b = {.g = g, .model = model, .train = train, .layer = TDL_NO_LAYER, .picked = -1};
    b.positions = tdl_graph_step(g, TDL_STEP_POSITIONS, TDL_ROWS_FIXED, train->n_tokens, 0, 0);
    if (train->dropout > 0 || train->attention_dropout > 0)
        b.seed = tdl_graph_step(g, TDL_STEP_SEED, TDL_ROWS_FIXED, 2, 0, 0);
    int32_t ids = tdl_graph_step(g, TDL_STEP_IDS, TDL_ROWS_FIXED, train->n_tokens, 0, 0);
    int32_t x = norm(&b, "output_norm", blocks(&b, ids, layers), TDL_ROLE_OUTPUT_NORM, TDL_ROLE_OUTPUT_NORM_B);
    *output = output_matrix(&b);
    return x;
}

// From ids to what the last layer leaves. layers [n_layers]: the first op of each (NULL: not asked).
static int32_t blocks(builder *b, int32_t ids, int32_t *layers) {
    const tdl_model *model = b->model;
    int32_t x = op(b, "embd", TDL_OP_EMBED, NULL, b->picked < 0 ? 2 : 3,
                   (int32_t[]){param(b, TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER), ids, b->picked});
    if (model->arch->position == TDL_POSITION_LEARNED) {
        int32_t pos = op(b, "pos_embd", TDL_OP_EMBED, NULL, 2,
                         (int32_t[]){param(b, TDL_ROLE_POS_EMBD, TDL_NO_LAYER), b->positions});
        x = op(b, "inp", TDL_OP_ADD, NULL, 2, (int32_t[]){x, pos});
    } else {
        tdl_attrs attrs = {.scale = model->params.rope_scale == 1 ? 0 : model->params.rope_scale};
        int32_t freqs = param(b, TDL_ROLE_ROPE_INV_FREQ, TDL_NO_LAYER);
        b->rope_table = op(b, "rope_table", TDL_OP_ROPE_TABLE, &attrs, 2, (int32_t[]){b->positions, freqs});
    }
    x = dropout(b, "inp_drop", x);
    for (b->layer = 0; b->layer < model->config.n_layers; b->layer++) {
        if (layers) layers[b->layer] = (int32_t)b->g->ops.n;
        int32_t attn = attention_block(b, norm(b, "attn_norm", x, TDL_ROLE_ATTN_NORM, TDL_ROLE_ATTN_NORM_B));
        x = op(b, "attn_resid", TDL_OP_ADD, NULL, 2, (int32_t[]){x, dropout(b, "attn_drop", attn)});
        int32_t ffn = norm(b, "ffn_norm", x, TDL_ROLE_FFN_NORM, TDL_ROLE_FFN_NORM_B);
        ffn = model->arch->ffn == TDL_FFN_EXPERTS ? experts_block(b, ffn) : ffn_block(b, ffn);
        x = op(b, "ffn_resid", TDL_OP_ADD, NULL, 2, (int32_t[]){x, dropout(b, "ffn_drop", ffn)});
    }
    b->layer = TDL_NO_LAYER;
    return x;
}

static int32_t output_matrix(const builder *b) {
    bool untied = tdl_param_get(&b->model->params, TDL_ROLE_OUTPUT, TDL_NO_LAYER) != NULL;
    return param(b, untied ? TDL_ROLE_OUTPUT : TDL_ROLE_TOKEN_EMBD, TDL_NO_LAYER);
}

static int32_t step_inputs(builder *b) {
    const tdl_model_limits *m = b->limits;
    b->positions = tdl_graph_step(b->g, TDL_STEP_POSITIONS, TDL_ROWS_TOKENS, m->n_tokens, 0, 0);
    b->seqs = tdl_graph_step(b->g, TDL_STEP_SEQS, TDL_ROWS_TOKENS, m->n_tokens, 0, 0);
    b->seq_start = tdl_graph_step(b->g, TDL_STEP_SEQ_START, TDL_ROWS_SEQS, m->n_seqs, 1, 0);
    b->pages = tdl_graph_step(b->g, TDL_STEP_PAGES, TDL_ROWS_SEQS, m->n_seqs, 0, m->n_seq_pages);
    return tdl_graph_step(b->g, TDL_STEP_IDS, TDL_ROWS_TOKENS, m->n_tokens, 0, 0);
}

// Columns of a projection as [T, heads, head_dim].
static int32_t heads_of(const builder *b, const char *name, int32_t value, int64_t first, int32_t n_heads) {
    char full[48];
    snprintf(full, sizeof full, "%d.%s", b->layer, name);
    return tdl_graph_view(b->g, full, value, first, 2, (int64_t[]){n_heads, b->model->config.head_dim});
}

// What some families do to q and k before they meet: a norm over each head, a rotation by position.
static int32_t place_heads(const builder *b, const char *name, const char *rope_name, int32_t x, tdl_role head_norm) {
    const tdl_arch *arch = b->model->arch;
    tdl_attrs rms = {.eps = b->model->config.norm_eps}, rope = {.rope_pairs = b->model->config.rope.pairs};
    if (arch->qk_norm) x = op(b, name, TDL_OP_RMS_NORM, &rms, 2, (int32_t[]){x, param(b, head_norm, b->layer)});
    if (arch->position == TDL_POSITION_ROPE) x = op(b, rope_name, TDL_OP_ROPE, &rope, 2, (int32_t[]){x, b->rope_table});
    return x;
}

// The keys and values of this layer, appended to the cache. Sets the caches' values.
static void append_kv(const builder *b, int32_t k, int32_t v, int32_t *k_cache, int32_t *v_cache) {
    tdl_kv_desc kv = tdl_model_kv_desc(b->model, b->limits->n_pages);
    tdl_tensor keys, values;
    if (b->g->error.code || tdl_kv_tensors(&kv, &keys, &values, &b->g->error) != TDL_OK) return;
    char name[48];
    snprintf(name, sizeof name, "%d.k_cache", b->layer);
    *k_cache = tdl_graph_state(b->g, name, 2 * b->layer, &keys);
    snprintf(name, sizeof name, "%d.v_cache", b->layer);
    *v_cache = tdl_graph_state(b->g, name, 2 * b->layer + 1, &values);
    snprintf(name, sizeof name, "%d.kv_append", b->layer);
    tdl_graph_op_into(b->g, name, TDL_OP_KV_APPEND, NULL, 5, (int32_t[]){k, v, b->positions, b->seqs, b->pages},
                      (int32_t[]){*k_cache, *v_cache});
}

static int32_t attention_block(builder *b, int32_t x) {
    const tdl_config *c = &b->model->config;
    int64_t q_size = (int64_t)c->n_heads * c->head_dim, k_size = (int64_t)c->n_kv_heads * c->head_dim;
    bool fused = b->model->arch->qkv_fused; // one projection, three ranges of its columns
    int32_t qkv = fused ? linear(b, "qkv", x, TDL_ROLE_ATTN_QKV, TDL_ROLE_ATTN_QKV_B) : -1;
    int32_t q = fused ? qkv : linear(b, "q", x, TDL_ROLE_ATTN_Q, TDL_ROLE_ATTN_Q_B);
    int32_t k = fused ? qkv : linear(b, "k", x, TDL_ROLE_ATTN_K, TDL_ROLE_ATTN_K_B);
    int32_t v = fused ? qkv : linear(b, "v", x, TDL_ROLE_ATTN_V, TDL_ROLE_ATTN_V_B);
    q = heads_of(b, "q", q, 0, c->n_heads);
    k = heads_of(b, "k", k, fused ? q_size : 0, c->n_kv_heads);
    v = heads_of(b, "v", v, fused ? q_size + k_size : 0, c->n_kv_heads);
    q = place_heads(b, "q", "q_rope", q, TDL_ROLE_ATTN_Q_NORM);
    k = place_heads(b, "k", "k_rope", k, TDL_ROLE_ATTN_K_NORM);
    tdl_attrs attrs = {.scale = (float)(1 / sqrt(c->head_dim)), .window = c->windows[b->layer]};
    int32_t y;
    if (b->train) {
        attrs.rate = b->train->attention_dropout;
        if (attrs.rate > 0) attrs.stream = ++b->n_dropouts;
        y = op(b, "attn", TDL_OP_SELF_ATTENTION, &attrs, attrs.rate > 0 ? 5 : 4,
               (int32_t[]){q, k, v, b->positions, b->seed});
    } else {
        int32_t k_cache = -1, v_cache = -1;
        append_kv(b, k, v, &k_cache, &v_cache);
        y = op(b, "attn", TDL_OP_ATTENTION, &attrs, 6,
               (int32_t[]){q, k_cache, v_cache, b->positions, b->seq_start, b->pages});
    }
    char name[48];
    snprintf(name, sizeof name, "%d.attn", b->layer);
    y = tdl_graph_view(b->g, name, y, 0, 1, &q_size); // heads side by side
    return linear(b, "attn_out", y, TDL_ROLE_ATTN_OUT, TDL_ROLE_ATTN_OUT_B);
}

static int32_t ffn_block(const builder *b, int32_t x) {
    tdl_attrs attrs = {.act = b->model->config.act};
    int32_t h;
    if (b->model->arch->ffn == TDL_FFN_GLU) {
        int32_t gate = linear(b, "ffn_gate", x, TDL_ROLE_FFN_GATE, TDL_ROLE_FFN_GATE_B);
        int32_t up = linear(b, "ffn_up", x, TDL_ROLE_FFN_UP, TDL_ROLE_FFN_UP_B);
        h = op(b, "ffn_act", TDL_OP_GLU, &attrs, 2, (int32_t[]){gate, up});
    } else {
        h = op(b, "ffn_act", TDL_OP_ACT, &attrs, 1,
               (int32_t[]){linear(b, "ffn_up", x, TDL_ROLE_FFN_UP, TDL_ROLE_FFN_UP_B)});
    }
    return linear(b, "ffn_out", h, TDL_ROLE_FFN_DOWN, TDL_ROLE_FFN_DOWN_B);
}

// Each token through its expert's matrix, as `groups` sorts them.
static int32_t experts_linear(const builder *b, const char *name, int32_t x, tdl_role w, int32_t groups) {
    tdl_attrs attrs = {.experts = b->model->config.n_experts, .top_k = b->model->config.n_experts_used};
    return op(b, name, TDL_OP_EXPERT_MATMUL, &attrs, 3, (int32_t[]){x, param(b, w, b->layer), groups});
}

// y = sum over the experts that the router picks of weight * down_e(f(gate_e(x)) up_e(x))
static int32_t experts_block(const builder *b, int32_t x) {
    const tdl_config *c = &b->model->config;
    tdl_attrs route = {.top_k = c->n_experts_used, .renorm = c->experts_renorm}, group = {.experts = c->n_experts};
    tdl_attrs glu = {.act = c->act};
    int32_t logits =
        op(b, "ffn_router", TDL_OP_MATMUL, NULL, 2, (int32_t[]){x, param(b, TDL_ROLE_FFN_ROUTER, b->layer)});
    logits = adapted(b, "ffn_router", x, logits, TDL_ROLE_FFN_ROUTER);
    int32_t ids = op(b, "ffn_route", TDL_OP_ROUTE, &route, 1, &logits), weights = ids + 1;
    int32_t groups = op(b, "ffn_groups", TDL_OP_GROUP, &group, 1, &ids);
    int32_t gate = experts_linear(b, "ffn_gate", x, TDL_ROLE_FFN_GATE_EXPS, groups);
    int32_t up = experts_linear(b, "ffn_up", x, TDL_ROLE_FFN_UP_EXPS, groups);
    int32_t h = op(b, "ffn_act", TDL_OP_GLU, &glu, 2, (int32_t[]){gate, up});
    int32_t y = experts_linear(b, "ffn_down", h, TDL_ROLE_FFN_DOWN_EXPS, groups);
    return op(b, "ffn_out", TDL_OP_COMBINE, NULL, 2, (int32_t[]){y, weights});
}

static int32_t norm(const builder *b, const char *name, int32_t x, tdl_role w, tdl_role bias) {
    tdl_attrs attrs = {.eps = b->model->config.norm_eps};
    int32_t in[3] = {x, param(b, w, b->layer), -1};
    if (b->model->arch->norm == TDL_NORM_RMS) return op(b, name, TDL_OP_RMS_NORM, &attrs, 2, in);
    in[2] = param(b, bias, b->layer);
    return op(b, name, TDL_OP_LAYER_NORM, &attrs, 3, in);
}

static int32_t linear(const builder *b, const char *name, int32_t x, tdl_role w, tdl_role bias) {
    int32_t in[3] = {x, param(b, w, b->layer), -1};
    bool biased = tdl_param_get(&b->model->params, bias, b->layer) != NULL;
    if (biased) in[2] = param(b, bias, b->layer);
    return adapted(b, name, x, op(b, name, TDL_OP_MATMUL, NULL, biased ? 3 : 2, in), w);
}

// y and what the matrix's adapter adds to it.
static int32_t adapted(const builder *b, const char *name, int32_t x, int32_t y, tdl_role w) {
    int32_t matrix = tdl_param_index(w, b->layer), pair[2];
    if (!b->train || !b->train->adapter || b->train->adapter[matrix] < 0) return y;
    for (int32_t i = 0; i < 2; i++) {
        int32_t weight = b->model->params.n + 2 * b->train->adapter[matrix] + i;
        tdl_tensor t;
        if (b->g->error.code || tdl_model_train_tensor(b->model, b->train, weight, &t, &b->g->error) != TDL_OK)
            return -1;
        char full[80];
        snprintf(full, sizeof full, "%d.%s.lora_%c", b->layer, name, 'a' + i);
        pair[i] = tdl_graph_weight(b->g, full, weight, &t);
    }
    tdl_attrs attrs = {.scale = b->train->scale};
    int32_t low = op(b, "lora_a", TDL_OP_MATMUL, NULL, 2, (int32_t[]){x, pair[0]});
    low = op(b, "lora_scaled", TDL_OP_SCALE, &attrs, 1, &low);
    int32_t delta = op(b, "lora_b", TDL_OP_MATMUL, NULL, 2, (int32_t[]){low, pair[1]});
    return op(b, name, TDL_OP_ADD, NULL, 2, (int32_t[]){y, delta});
}

// Each place that drops elements has a mask of its own.
static int32_t dropout(builder *b, const char *name, int32_t x) {
    if (!b->train || b->train->dropout <= 0) return x;
    tdl_attrs attrs = {.rate = b->train->dropout, .stream = ++b->n_dropouts};
    return op(b, name, TDL_OP_DROPOUT, &attrs, 2, (int32_t[]){x, b->seed});
}

// The op under "<layer>.<name>", or just the name outside the layers.
static int32_t op(const builder *b, const char *name, tdl_op kind, const tdl_attrs *attrs, int32_t n_in,
                  const int32_t *in) {
    char full[48];
    if (b->layer < 0) snprintf(full, sizeof full, "%s", name);
    else snprintf(full, sizeof full, "%d.%s", b->layer, name);
    return tdl_graph_op(b->g, full, kind, attrs, n_in, in);
}

static int32_t param(const builder *b, tdl_role role, int32_t layer) {
    const tdl_param *p = tdl_param_get(&b->model->params, role, layer);
    int32_t weight = tdl_param_index(role, layer);
    tdl_tensor t = p->tensor;
    if (b->train && b->train->trained[weight] && !b->g->error.code)
        tdl_model_train_tensor(b->model, b->train, weight, &t, &b->g->error);
    return tdl_graph_weight(b->g, p->name, weight, &t);
}

tdl_status tdl_model_train_tensor(const tdl_model *model, const tdl_model_train *train, int32_t weight, tdl_tensor *out,
                                  tdl_error *err) {
    const tdl_params *params = &model->params;
    if (weight < params->n) {
        const tdl_tensor *t = &params->list[weight].tensor;
        return tdl_tensor_make(TDL_DTYPE_F32, t->n_dims, t->shape, NULL, out, err);
    }
    int32_t matrix = 0, pair = (weight - params->n) / 2;
    bool is_b = (weight - params->n) % 2 != 0;
    while (train->adapter[matrix] != pair) matrix++;
    const int64_t *shape = params->list[matrix].tensor.shape; // [N, K]
    return tdl_tensor_make(TDL_DTYPE_F32, 2,
                           is_b ? (int64_t[]){shape[0], train->rank} : (int64_t[]){train->rank, shape[1]}, NULL, out,
                           err);
}
