// rope_attention.c - what a step of few tokens does between its projections, in one op: turns queries and keys by their
// positions, puts keys and values into the cache, attends.
//
//     q' = rope(q),  k' = rope(k),  kv_append(k', v),  out = attention(q')
//
// x [T, (H + gap + Hkv) head_dim] is the queries and keys of all heads side by side, v [T, Hkv, head_dim]; between them there are
// other heads where the op has only a part of them (graph/split.c). The reference is the composition of
// rope's, kv_append's and attention's, a head of a token at a time; they name the papers. Only devices that dispatch ops one
// by one have kernels for it (graph/fuse_attention.c).
#include "ops/op_impl.h"

#include <assert.h>

static void append_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head);
static void attend_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head);

tdl_status tdl_rope_attention_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "rope_attention";
    const tdl_tensor *x = &call->in[0], *v = &call->in[1], *table = &call->in[2], *positions = &call->in[3],
                     *seq_start = &call->in[4], *pages = &call->in[5], *k_cache = &call->out[1],
                     *v_cache = &call->out[2];
    tdl_status status = tdl_op_expect(op, "x", x, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "table", table, TDL_DTYPE_F32, 2, (int64_t[]){x->shape[0], -1}, err);
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
    if (status == TDL_OK)
        status = tdl_op_expect(op, "v", v, TDL_DTYPE_F32, 3, (int64_t[]){x->shape[0], n_kv_heads, head_dim}, err);
    if (status != TDL_OK) return status;
    int64_t n_all = head_dim > 0 ? x->shape[1] / head_dim : 0, n_heads = n_all - call->attrs.gap - n_kv_heads;
    if (call->attrs.gap < 0 || head_dim < 1 || head_dim > TDL_HEAD_DIM_MAX || n_all * head_dim != x->shape[1] ||
        n_heads < 1 || n_kv_heads < 1 || n_heads % n_kv_heads != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "rope_attention: %lld columns of x, %lld kv heads of %lld: expected queries and keys",
                        (long long)x->shape[1], (long long)n_kv_heads, (long long)head_dim);
    if (table->shape[1] % 2 != 0 || table->shape[1] > head_dim || call->attrs.window < 0)
        return tdl_fail(
            err, TDL_ERROR_ARGUMENT,
            "rope_attention: the table turns %lld elements of %lld, window %d; expected an even number, 0 or more",
            (long long)table->shape[1], (long long)head_dim, call->attrs.window);
    return tdl_tensor_make(TDL_DTYPE_F32, 3, (int64_t[]){x->shape[0], n_heads, head_dim}, NULL, &call->out[0], err);
}

void tdl_rope_attention_reference(const tdl_call *call) {
    const tdl_tensor *seq_start = &call->in[4];
    for (int32_t seq = 0; seq + 1 < seq_start->shape[0]; seq++)
        for (int64_t t = tdl_index_at(seq_start, seq); t < tdl_index_at(seq_start, seq + 1); t++) {
            for (int64_t h = 0; h < call->out[1].shape[1]; h++) append_head(call, t, seq, h);
            for (int64_t h = 0; h < call->out[0].shape[1]; h++) attend_head(call, t, seq, h);
        }
}

// One head of x's for a token, as [1, 1, head_dim]: `head` counts queries and keys through.
static tdl_tensor head_of(const tdl_call *call, int64_t t, int64_t head) {
    const tdl_tensor *x = &call->in[0];
    int64_t head_dim = call->out[0].shape[2];
    tdl_tensor one = {.dtype = x->dtype, .n_dims = 3, .shape = {1, 1, head_dim}};
    one.data = tdl_row(x, t) + head * head_dim * x->strides[1];
    for (int i = 0; i < 3; i++) one.strides[i] = x->strides[1];
    return one;
}

// The same, turned by the token's position, in `data`.
static tdl_tensor turned(const tdl_call *call, int64_t t, int64_t head, float *data) {
    tdl_call rope = {.attrs = {.rope_pairs = call->attrs.rope_pairs}, .n_in = 2, .n_out = 1};
    rope.in[0] = head_of(call, t, head);
    rope.in[1] = tdl_tensor_slice(&call->in[2], 0, t, 1);
    tdl_status status = tdl_tensor_make(TDL_DTYPE_F32, 3, rope.in[0].shape, data, &rope.out[0], NULL);
    assert(status == TDL_OK);
    (void)status;
    tdl_rope_reference(&rope);
    return rope.out[0];
}

static tdl_tensor indices(int32_t *data, int64_t n) {
    return (tdl_tensor){
        .dtype = TDL_DTYPE_I32, .n_dims = 1, .shape = {n}, .strides = {sizeof(int32_t)}, .data = (uint8_t *)data};
}

static void append_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head) {
    float k[TDL_HEAD_DIM_MAX];
    int32_t none = 0;
    int64_t first_key = call->out[0].shape[1] + call->attrs.gap;
    tdl_call append = {.n_in = 5, .n_out = 2};
    append.in[0] = turned(call, t, first_key + head, k);
    tdl_tensor values = tdl_tensor_slice(&call->in[1], 0, t, 1);
    append.in[1] = tdl_tensor_slice(&values, 1, head, 1);
    append.in[2] = tdl_tensor_slice(&call->in[3], 0, t, 1);
    append.in[3] = indices(&none, 1);
    append.in[4] = tdl_tensor_slice(&call->in[5], 0, seq, 1);
    for (int i = 0; i < 2; i++) append.out[i] = tdl_tensor_slice(&call->out[1 + i], 1, head, 1);
    tdl_kv_append_reference(&append);
}

static void attend_head(const tdl_call *call, int64_t t, int32_t seq, int64_t head) {
    float q[TDL_HEAD_DIM_MAX];
    int32_t starts[2] = {0, 1};
    int64_t n_shared = call->out[0].shape[1] / call->out[1].shape[1];
    tdl_call attention = {.attrs = {.scale = call->attrs.scale, .window = call->attrs.window}, .n_in = 6, .n_out = 1};
    attention.in[0] = turned(call, t, head, q);
    for (int i = 0; i < 2; i++) attention.in[1 + i] = tdl_tensor_slice(&call->out[1 + i], 1, head / n_shared, 1);
    attention.in[3] = tdl_tensor_slice(&call->in[3], 0, t, 1);
    attention.in[4] = indices(starts, 2);
    attention.in[5] = tdl_tensor_slice(&call->in[5], 0, seq, 1);
    tdl_tensor row = tdl_tensor_slice(&call->out[0], 0, t, 1);
    attention.out[0] = tdl_tensor_slice(&row, 1, head, 1);
    tdl_attention_reference(&attention);
}
