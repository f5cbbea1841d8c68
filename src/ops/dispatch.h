// SPDX-License-Identifier: MIT
// dispatch.h - what the dispatch rules of the WebGPU kernels share: uniforms written word by word, and folded dispatches.
//
//     static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
//         tdl_put_rows(out, &call->in[0], offsets->in[0]);
//         tdl_put_word(out, tdl_last_dim(&call->in[0]));
//         tdl_dispatch_items(out, tdl_tensor_n_elements(&call->in[0]));
//     }
//
// The order of the words is that of the shader's uniform struct. Sizes were checked by the kernel's accepts at the plan's
// maximum: a shader counts elements in 32 bits.
#ifndef TDL_OPS_DISPATCH_H
#define TDL_OPS_DISPATCH_H

#include "base/checked.h"
#include "ops/kernel.h"
#include "ops/op_impl.h"

#include <assert.h>

enum { TDL_GROUP_ITEMS = 256 }; // items of a workgroup in the element-by-element kernels

// Whether a shader can count the words from a tensor's first element to its last.
static inline bool tdl_words_fit(const tdl_tensor *t) {
    uint64_t last = 0;
    for (int32_t d = 0; d < t->n_dims; d++) {
        size_t span;
        if (t->shape[d] > UINT32_MAX || t->strides[d] < 0) return false;
        if (t->shape[d] > 0 && !tdl_mul_size((size_t)t->shape[d] - 1, (size_t)t->strides[d], &span)) return false;
        if (t->shape[d] > 0) last += span;
    }
    return last / sizeof(uint32_t) < UINT32_MAX - 4 * TDL_GROUP_ITEMS;
}

// Activations and caches: F32, the elements of a row side by side, at most three dimensions (see `Rows` in rows.wgsl).
static inline bool tdl_webgpu_rows(const tdl_tensor *t) {
    return t->n_dims >= 1 && t->n_dims <= 3 && tdl_f32_rows(t) && tdl_words_fit(t);
}

static inline bool tdl_webgpu_vector(const tdl_tensor *t) {
    return t->n_dims == 1 && tdl_f32_rows(t) && tdl_words_fit(t);
}

static inline bool tdl_webgpu_indices(const tdl_tensor *t) {
    return t->dtype == TDL_DTYPE_I32 && t->strides[t->n_dims - 1] == (int64_t)sizeof(int32_t) && tdl_words_fit(t);
}

static inline void tdl_put_word(tdl_dispatch *out, int64_t word) {
    assert(word >= 0 && word <= UINT32_MAX && out->n_uniforms < TDL_UNIFORMS_MAX);
    out->uniforms[out->n_uniforms++] = (uint32_t)word;
}

static inline void tdl_put_float(tdl_dispatch *out, float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    tdl_put_word(out, word);
}

static inline int64_t tdl_stride_words(const tdl_tensor *t, int32_t d) {
    return t->strides[d] / (int64_t)sizeof(uint32_t);
}

// The four words of a `Rows`. A tensor of one dimension is one row, or the same row for all.
static inline void tdl_put_rows(tdl_dispatch *out, const tdl_tensor *t, uint32_t offset) {
    tdl_put_word(out, offset);
    tdl_put_word(out, t->n_dims == 3 ? tdl_max_i64(1, t->shape[1]) : 1);
    tdl_put_word(out, t->n_dims > 1 ? tdl_stride_words(t, 0) : 0);
    tdl_put_word(out, t->n_dims == 3 ? tdl_stride_words(t, 1) : 0);
}

// n workgroups, folded into two dimensions where one is not enough; the shader leaves out what is beyond n.
static inline void tdl_dispatch_groups(tdl_dispatch *out, int64_t n) {
    int64_t columns = tdl_min_i64(n, TDL_GROUPS_MAX), rows = columns ? tdl_div_up(n, columns) : 0;
    assert(rows <= TDL_GROUPS_MAX);
    out->groups[0] = (uint32_t)columns;
    out->groups[1] = (uint32_t)rows;
    out->groups[2] = 1;
}

// Workgroups for n items, one an invocation.
static inline void tdl_dispatch_items(tdl_dispatch *out, int64_t n) {
    tdl_dispatch_groups(out, tdl_div_up(n, TDL_GROUP_ITEMS));
}

// The kernels over elements.wgsl: n_columns and n of its `p`, and workgroups for t's elements, four an invocation. flat: no
// tensor of the call has gaps.
static inline void tdl_put_elements(tdl_dispatch *out, const tdl_tensor *t, bool flat) {
    tdl_put_word(out, flat ? 0 : tdl_last_dim(t));
    tdl_put_word(out, tdl_tensor_n_elements(t));
    tdl_dispatch_groups(out, tdl_div_up(tdl_tensor_n_elements(t), 4 * TDL_GROUP_ITEMS));
}

#endif
