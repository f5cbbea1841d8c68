// SPDX-License-Identifier: MIT
// rope_attention.c - what a step of few tokens does between its projections, in one op: normalizes queries and keys and turns
// them by their positions where the model does, puts keys and values into the cache, attends.
//
//     q' = rope(norm(q)),  k' = rope(norm(k)),  kv_append(k', v),  out = attention(q')
//
// x [T, (H + 2 Hkv) head_dim] is the queries, keys and values of all heads side by side; attrs.heads says what is done to them
// (rope_attention.h). The reference is the composition of rms_norm's, rope's, kv_append's and attention's, a head of a token at
// a time; they name the papers. Only devices that dispatch ops one by one have kernels for it (graph/fuse_attention.c).
#include "ops/rope_attention/rope_attention.h"

#include "ops/op_impl.h"

#include <assert.h>

static tdl_status check_heads(const tdl_call *call, int64_t head_dim, tdl_error *err);
static void append_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head);
static void attend_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head);

tdl_status tdl_rope_attention_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "rope_attention";
    const tdl_tensor *x = &call->in[0], *positions = &call->in[1], *seq_start = &call->in[2], *pages = &call->in[3],
                     *k_cache = &call->out[1], *v_cache = &call->out[2];
    if (call->attrs.heads < 0 || call->attrs.heads > TDL_HEADS_ALL ||
        call->n_in != 4 + __builtin_popcount((unsigned)call->attrs.heads))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "rope_attention: %d inputs, heads %d", call->n_in, call->attrs.heads);
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "positions", positions, TDL_DTYPE_I32, 1, x->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "pages", pages, TDL_DTYPE_I32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "seq_start", seq_start, TDL_DTYPE_I32, 1, (int64_t[]){pages->shape[0] + 1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect_floats(op, "k cache", k_cache, 4, (int64_t[]){-1, -1, -1, TDL_KV_PAGE}, err);
    if (status != TDL_OK) return status;
    int64_t n_kv_heads = k_cache->shape[1], head_dim = k_cache->shape[2];
    const int64_t v_shape[] = {k_cache->shape[0], n_kv_heads, TDL_KV_PAGE, head_dim};
    status = tdl_op_expect(op, "v cache", v_cache, k_cache->dtype, 4, v_shape, err);
    if (status != TDL_OK) return status;
    int64_t n_all = head_dim > 0 ? x->shape[1] / head_dim : 0, n_heads = n_all - 2 * n_kv_heads;
    if (head_dim < 1 || head_dim > TDL_HEAD_DIM_MAX || n_all * head_dim != x->shape[1] || n_heads < 1 ||
        n_kv_heads < 1 || n_heads % n_kv_heads != 0 || call->attrs.window < 0)
        return tdl_fail(
            err, TDL_ERROR_ARGUMENT,
            "rope_attention: %lld columns of x, %lld kv heads of %lld, window %d: expected queries, keys and "
            "values, 0 or more",
            (long long)x->shape[1], (long long)n_kv_heads, (long long)head_dim, call->attrs.window);
    status = check_heads(call, head_dim, err);
    if (status != TDL_OK) return status;
    return tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){x->shape[0], n_heads, head_dim}, NULL, &call->out[0], err);
}

static tdl_status check_heads(const tdl_call *call, int64_t head_dim, tdl_error *err) {
    int32_t turn = tdl_heads_input(&call->attrs, TDL_HEADS_TURN), norm = tdl_heads_input(&call->attrs, TDL_HEADS_NORM);
    tdl_status status = TDL_OK;
    if (norm >= 0)
        status =
            tdl_op_expect("rope_attention", "norms", &call->in[norm], TDL_DTYPE_F32, 1, (int64_t[]){2 * head_dim}, err);
    if (status != TDL_OK || turn < 0) return status;
    const tdl_tensor *table = &call->in[turn];
    status =
        tdl_op_expect("rope_attention", "table", table, TDL_DTYPE_F32, 2, (int64_t[]){call->in[0].shape[0], -1}, err);
    if (status == TDL_OK && (table->shape[1] % 2 != 0 || table->shape[1] > head_dim))
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "rope_attention: the table turns %lld elements, expected an even number up to head_dim %lld",
                        (long long)table->shape[1], (long long)head_dim);
    return status;
}

void tdl_rope_attention_reference(const tdl_call *call) {
    const tdl_tensor *seq_start = &call->in[2];
    for (int32_t seq = 0; seq + 1 < seq_start->shape[0]; seq++)
        for (int64_t t = tdl_index_at(seq_start, seq); t < tdl_index_at(seq_start, seq + 1); t++) {
            for (int64_t h = 0; h < call->out[1].shape[1]; h++) append_head(call, t, seq, h);
            for (int64_t h = 0; h < call->out[0].shape[1]; h++) attend_head(call, t, seq, h);
        }
}

// One head of x's for a token, as [1, 1, head_dim]: `head` counts queries, keys and values through.
static tdl_tensor head_of(const tdl_call *call, int64_t t, int64_t head) {
    const tdl_tensor *x = &call->in[0];
    int64_t head_dim = call->out[0].shape[2];
    tdl_tensor one = {.dtype = x->dtype, .n_dims = 3, .shape = {1, 1, head_dim}};
    one.data = tdl_row(x, t) + head * head_dim * x->strides[1];
    for (int i = 0; i < 3; i++) one.strides[i] = x->strides[1];
    return one;
}

// The same, of queries or keys, as it meets the others: normalized, turned by the token's position, in `data`.
static tdl_tensor placed(const tdl_call *call, int64_t t, int64_t head, float *data) {
    int32_t turn = tdl_heads_input(&call->attrs, TDL_HEADS_TURN), norm = tdl_heads_input(&call->attrs, TDL_HEADS_NORM);
    tdl_tensor one = head_of(call, t, head), made;
    int64_t head_dim = one.shape[2];
    tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 3, one.shape, data, &made, NULL);
    assert(status == TDL_OK);
    (void)status;
    if (norm >= 0) {
        bool key = head >= call->out[0].shape[1];
        tdl_call rms = {.attrs = {.eps = call->attrs.eps}, .n_in = 2, .n_out = 1, .in = {one}, .out = {made}};
        rms.in[1] = tdl_tensor_slice(&call->in[norm], 0, key ? head_dim : 0, head_dim);
        tdl_rms_norm_reference(&rms);
        one = made;
    }
    if (turn >= 0) { // a pair at a time: in place too
        tdl_call rope = {
            .attrs = {.rope_pairs = call->attrs.rope_pairs}, .n_in = 2, .n_out = 1, .in = {one}, .out = {made}};
        rope.in[1] = tdl_tensor_slice(&call->in[turn], 0, t, 1);
        tdl_rope_reference(&rope);
        one = made;
    }
    return one;
}

static tdl_tensor indices(int32_t *data, int64_t n) {
    return (tdl_tensor){
        .dtype = TDL_DTYPE_I32, .n_dims = 1, .shape = {n}, .strides = {sizeof(int32_t)}, .data = (uint8_t *)data};
}

static void append_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head) {
    float k[TDL_HEAD_DIM_MAX];
    int32_t none = 0;
    int64_t n_heads = call->out[0].shape[1];
    tdl_call append = {.n_in = 5, .n_out = 2};
    append.in[0] = placed(call, t, n_heads + head, k);
    append.in[1] = head_of(call, t, n_heads + call->out[1].shape[1] + head);
    append.in[2] = tdl_tensor_slice(&call->in[1], 0, t, 1);
    append.in[3] = indices(&none, 1);
    append.in[4] = tdl_tensor_slice(&call->in[3], 0, seq, 1);
    for (int i = 0; i < 2; i++) append.out[i] = tdl_tensor_slice(&call->out[1 + i], 1, head, 1);
    tdl_kv_append_reference(&append);
}

static void attend_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head) {
    float q[TDL_HEAD_DIM_MAX];
    int32_t starts[2] = {0, 1};
    int64_t n_shared = call->out[0].shape[1] / call->out[1].shape[1];
    tdl_call attention = {.attrs = {.scale = call->attrs.scale, .window = call->attrs.window}, .n_in = 6, .n_out = 1};
    attention.in[0] = placed(call, t, head, q);
    for (int i = 0; i < 2; i++) attention.in[1 + i] = tdl_tensor_slice(&call->out[1 + i], 1, head / n_shared, 1);
    attention.in[3] = tdl_tensor_slice(&call->in[1], 0, t, 1);
    attention.in[4] = indices(starts, 2);
    attention.in[5] = tdl_tensor_slice(&call->in[3], 0, seq, 1);
    tdl_tensor row = tdl_tensor_slice(&call->out[0], 0, t, 1);
    attention.out[0] = tdl_tensor_slice(&row, 1, head, 1);
    tdl_attention_reference(&attention);
}
