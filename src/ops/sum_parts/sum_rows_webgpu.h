// SPDX-License-Identifier: MIT
// sum_rows_webgpu.h - how sum_rows.wgsl runs, for sum_parts and add_rows.
#ifndef TDL_OPS_SUM_ROWS_WEBGPU_H
#define TDL_OPS_SUM_ROWS_WEBGPU_H

#include "ops/dispatch.h"

enum { SUM_ROWS_COLUMNS = 32 }; // of a workgroup

static inline bool sum_rows_accepts(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_webgpu_rows(&call->out[0]);
}

// adds: to what y holds, one row.
static inline void sum_rows_dispatch(const tdl_call *call, const tdl_offsets *offsets, bool adds, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    int64_t n_parts = adds ? 1 : y->shape[0];
    tdl_put_rows(out, x, offsets->in[0]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, x->shape[1]);
    tdl_put_word(out, x->shape[0]);
    tdl_put_word(out, n_parts);
    tdl_put_word(out, tdl_div_up(x->shape[0], n_parts));
    tdl_put_word(out, adds);
    tdl_dispatch_groups(out, n_parts * tdl_div_up(x->shape[1], SUM_ROWS_COLUMNS));
}

#endif
