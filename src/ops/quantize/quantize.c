// SPDX-License-Identifier: MIT
// quantize.c - x in blocks of 32 as int8 with a scale (A8), for the int8 matmul kernels: q = round(x / d), d = max |x|
// / 127. The plan puts it before those matmuls; several share one. The conversion itself is in tensor/quant/a8/.
#include "ops/op_impl.h"
#include "tensor/quant/a8/a8.h"
#include "tensor/quant/quant.h"

tdl_status tdl_quantize_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect("quantize", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status != TDL_OK) return status;
    if (tdl_last_dim(x) % TDL_A8_BLOCK != 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "quantize: rows of %lld elements, expected a multiple of %d",
                        (long long)tdl_last_dim(x), TDL_A8_BLOCK);
    return tdl_tensor_make(TDL_DTYPE_A8, x->n_dims, x->shape, NULL, &call->out[0], err);
}

void tdl_quantize_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *out = &call->out[0];
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++) {
        for (int64_t i = 0; i < tdl_last_dim(x); i += TDL_A8_BLOCK) {
            float block[TDL_A8_BLOCK];
            for (int j = 0; j < TDL_A8_BLOCK; j++) block[j] = (float)tdl_at(x, tdl_row(x, row), i + j);
            tdl_a8_encode(block, tdl_row(out, row) + i / TDL_A8_BLOCK * out->strides[out->n_dims - 1], TDL_A8_BLOCK);
        }
    }
}
