// SPDX-License-Identifier: MIT
// rope_table.c - the angles of rotary position embedding (Su et al. 2021, RoFormer), once a step for all layers:
//
//     angle_i = p * inv_freq[i],    out[t] = [cos(angle_0) ... cos(angle_R/2-1), sin(angle_0) ...] * scale
//
// p is the position of token t. The product is rounded to a float before cos and sin, as in the code that checkpoints
// are trained with; at large positions the rounding turns the angle noticeably. scale is YaRN's attention factor (Peng
// et al. 2023); 0 means 1.
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_rope_table_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *positions = &call->in[0], *inv_freq = &call->in[1]; // [T], [R/2]
    tdl_status status = tdl_op_expect("rope_table", "positions", positions, TDL_DTYPE_I32, 1, (int64_t[]){-1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect("rope_table", "inv_freq", inv_freq, TDL_DTYPE_F32, 1, (int64_t[]){-1}, err);
    if (status != TDL_OK) return status;
    const int64_t shape[] = {positions->shape[0], 2 * inv_freq->shape[0]};
    return tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &call->out[0], err);
}

void tdl_rope_table_reference(const tdl_call *call) {
    const tdl_tensor *positions = &call->in[0], *inv_freq = &call->in[1], *out = &call->out[0];
    int64_t half = inv_freq->shape[0];
    double scale = call->attrs.scale != 0 ? call->attrs.scale : 1;
    for (int64_t t = 0; t < positions->shape[0]; t++)
        for (int64_t i = 0; i < half; i++) {
            float angle = (float)tdl_index_at(positions, t) * (float)tdl_at(inv_freq, inv_freq->data, i);
            tdl_put(out, tdl_row(out, t), i, cos(angle) * scale);
            tdl_put(out, tdl_row(out, t), half + i, sin(angle) * scale);
        }
}
