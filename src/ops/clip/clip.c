// SPDX-License-Identifier: MIT
// clip.c - what the optimizer multiplies all gradients by, so that their norm stays in bounds (Pascanu et al. 2013):
//
//     norm = sqrt(sum parts) hyper[1],    factor = hyper[1] min(1, hyper[2] / norm),    stats = (norm, factor, 1, 0)
//
// hyper[1] undoes the loss scale; hyper[2], the largest norm, may be 0: any. Where the sum is no finite F32, stats is all
// zero: the third says that there is nothing to apply.
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_clip_infer(tdl_call *call, tdl_error *err) {
    tdl_status status = tdl_op_expect("clip", "parts", &call->in[0], TDL_DTYPE_F32, 1, (int64_t[]){-1}, err);
    if (status == TDL_OK) status = tdl_op_expect("clip", "hyper", &call->in[1], TDL_DTYPE_F32, 1, (int64_t[]){8}, err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 1, (int64_t[]){4}, NULL, &call->out[0], err) : status;
}

void tdl_clip_reference(const tdl_call *call) {
    const tdl_tensor *parts = &call->in[0], *hyper = &call->in[1], *stats = &call->out[0];
    double sum = 0, undo = tdl_at(hyper, hyper->data, 1), norm_max = tdl_at(hyper, hyper->data, 2);
    for (int64_t i = 0; i < parts->shape[0]; i++) sum += tdl_at(parts, parts->data, i);
    double norm = sqrt(sum) * undo, factor = norm_max > 0 && norm > norm_max ? undo * norm_max / norm : undo;
    bool finite = isfinite((float)sum);
    tdl_put(stats, stats->data, 0, finite ? norm : 0);
    tdl_put(stats, stats->data, 1, finite ? factor : 0);
    tdl_put(stats, stats->data, 2, finite);
    tdl_put(stats, stats->data, 3, 0);
}
