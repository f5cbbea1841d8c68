// SPDX-License-Identifier: MIT
// matmul_webgpu.h - what the dispatch rules of the WebGPU matmul kernels share: which calls, and the uniforms of
// matmul_params.wgsl.
#ifndef TDL_OPS_MATMUL_WEBGPU_H
#define TDL_OPS_MATMUL_WEBGPU_H

#include "ops/dispatch.h"
#include "ops/weight.h"

static inline bool tdl_matmul_takes(const tdl_call *call) {
    return call->in[0].n_dims == 2 && tdl_webgpu_rows(&call->in[0]) && tdl_weight_decodes(&call->in[1]) &&
           tdl_webgpu_rows(&call->out[0]) && (call->n_in == 2 || tdl_webgpu_vector(&call->in[2]));
}

static inline void tdl_matmul_put_params(const tdl_call *call, const tdl_offsets *offsets, int64_t n_tiles,
                                         tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, x->shape[1]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, n_tiles);
}

#endif
