// SPDX-License-Identifier: MIT
// kv_append_cpu.c - writes keys (transposed) and values into the cache's pages; layout: kv_append.c.
//
// A key's elements lie 64 slots apart, a line of memory each; the next token's go into the same lines. So a unit is a
// kv head with all tokens in order, whose lines of a page stay in the cache from token to token. A step of few tokens
// is one unit.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

#include <assert.h>

enum { ONE_UNIT_TOKENS = 8 };

static void append_head(const tdl_call *call, int64_t h);
static void append_f32(const float *k, const float *v, float *k_to, float *v_to, int64_t n);
static void append_f16(const float *k, const float *v, uint16_t *k_to, uint16_t *v_to, int64_t n);

static bool accepts(const tdl_call *call) {
    tdl_dtype cache = call->out[0].dtype;
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_tensor_contiguous(&call->out[0]) &&
           tdl_tensor_contiguous(&call->out[1]) && (cache == TDL_DTYPE_F32 || cache == TDL_DTYPE_F16) &&
           call->in[0].shape[2] <= TDL_HEAD_DIM_MAX;
}

static int64_t units(const tdl_call *call) {
    const tdl_tensor *k = &call->in[0];
    return k->shape[0] <= ONE_UNIT_TOKENS ? k->shape[0] > 0 : k->shape[1];
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    if (call->in[0].shape[0] <= ONE_UNIT_TOKENS) {
        first = 0;
        count = call->in[0].shape[1];
    }
    for (int64_t h = first; h < first + count; h++) append_head(call, h);
}

const tdl_kernel TDL_KERNEL_NAME(kv_append) = {
    .name = "kv_append", .op = TDL_OP_KV_APPEND, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static void append_head(const tdl_call *call, int64_t h) {
    const tdl_tensor *k = &call->in[0], *v = &call->in[1], *positions = &call->in[2], *seqs = &call->in[3],
                     *pages = &call->in[4];
    const tdl_tensor *k_cache = &call->out[0], *v_cache = &call->out[1];
    int64_t n_heads = k->shape[1], n = k->shape[2], element = tdl_dtype_get(k_cache->dtype)->block_size;
    for (int64_t t = 0; t < k->shape[0]; t++) {
        int32_t pos = tdl_index_at(positions, t), seq = tdl_index_at(seqs, t), slot = pos % TDL_KV_PAGE, page;
        assert(seq >= 0 && seq < pages->shape[0] && pos >= 0 && pos / TDL_KV_PAGE < pages->shape[1]);
        memcpy(&page, tdl_row(pages, seq) + pos / TDL_KV_PAGE * pages->strides[1], sizeof page);
        assert(page >= 0 && page < k_cache->shape[0]);
        const float *k_row = tdl_f32_row(k, t * n_heads + h), *v_row = tdl_f32_row(v, t * n_heads + h);
        void *k_to = k_cache->data + page * k_cache->strides[0] + h * k_cache->strides[1] + slot * element;
        void *v_to = v_cache->data + page * v_cache->strides[0] + h * v_cache->strides[1] + slot * n * element;
        if (k_cache->dtype == TDL_DTYPE_F32) append_f32(k_row, v_row, k_to, v_to, n);
        else append_f16(k_row, v_row, k_to, v_to, n);
    }
}

static void append_f32(const float *k, const float *v, float *k_to, float *v_to, int64_t n) {
    for (int64_t d = 0; d < n; d++) k_to[d * TDL_KV_PAGE] = k[d];
    memcpy(v_to, v, (size_t)n * sizeof *v_to);
}

static void to_f16(const float *from, uint16_t *to, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store_f16(to + i, vf_load(from + i));
    if (i < n) vf_store_f16_n(to + i, vf_load_n(from + i, n - i), n - i);
}

static void append_f16(const float *k, const float *v, uint16_t *k_to, uint16_t *v_to, int64_t n) {
    uint16_t rounded[TDL_HEAD_DIM_MAX];
    to_f16(k, rounded, n);
    for (int64_t d = 0; d < n; d++) k_to[d * TDL_KV_PAGE] = rounded[d];
    to_f16(v, v_to, n);
}
