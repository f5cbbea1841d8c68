// SPDX-License-Identifier: MIT
// norm_grad_webgpu.h - the dispatch rule of the norms' gradients: a workgroup for each group of rows. See norm_grad.wgsl.
#ifndef TDL_OPS_NORM_GRAD_WEBGPU_H
#define TDL_OPS_NORM_GRAD_WEBGPU_H

#include "ops/dispatch.h"

enum { NORM_GRAD_WIDTH_MIN = 32, NORM_GRAD_WIDTH_MAX = 256 };

static inline bool norm_grad_accepts(const tdl_call *call) {
    for (int32_t i = 0; i < call->n_out; i++)
        if (!tdl_webgpu_rows(&call->out[i])) return false;
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_vector(&call->in[1]) && tdl_webgpu_rows(&call->in[2]);
}

static inline void norm_grad_dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0];
    int64_t n_rows = tdl_tensor_n_rows(x), n_parts = call->attrs.parts, width = NORM_GRAD_WIDTH_MIN;
    while (width < tdl_last_dim(x) && width < NORM_GRAD_WIDTH_MAX) width *= 2;
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_rows(out, &call->in[2], offsets->in[2]);
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, tdl_last_dim(x));
    tdl_put_word(out, n_rows);
    tdl_put_word(out, n_parts);
    tdl_put_word(out, tdl_div_up(n_rows, n_parts));
    tdl_put_word(out, width);
    tdl_put_float(out, call->attrs.eps);
    for (int32_t i = 1; i < call->n_out; i++) {
        tdl_put_word(out, offsets->out[i]);
        tdl_put_word(out, tdl_stride_words(&call->out[i], 0));
    }
    tdl_dispatch_groups(out, n_parts);
}

#endif
