// SPDX-License-Identifier: MIT
// dropout.c - y = x / (1 - rate) where an element is kept, else 0 (Srivastava et al. 2014). Its gradient is the same op on
// dy. Which elements are kept: dropout.h.
#include "ops/dropout/dropout.h"
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

tdl_status tdl_dropout_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *x = &call->in[0];
    tdl_status status = tdl_op_expect("dropout", "x", x, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK)
        status = tdl_op_expect("dropout", "seed", &call->in[1], TDL_DTYPE_I32, 1, (int64_t[]){2}, err);
    if (status != TDL_OK) return status;
    if (!(call->attrs.rate >= 0 && call->attrs.rate < 1))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "dropout: rate is %g, expected 0 or more and below 1",
                        (double)call->attrs.rate);
    if (tdl_tensor_n_elements(x) > UINT32_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "dropout: %lld elements, at most %u",
                        (long long)tdl_tensor_n_elements(x), UINT32_MAX);
    return tdl_op_out_like(call, 0, x, err);
}

void tdl_dropout_reference(const tdl_call *call) {
    const tdl_tensor *x = &call->in[0], *seed = &call->in[1], *y = &call->out[0];
    tdl_dropout_key key =
        tdl_dropout_key_make((int32_t[]){tdl_index_at(seed, 0), tdl_index_at(seed, 1)}, call->attrs.stream);
    uint32_t threshold = tdl_dropout_threshold(call->attrs.rate), element = 0;
    for (int64_t row = 0; row < tdl_tensor_n_rows(x); row++)
        for (int64_t i = 0; i < tdl_last_dim(x); i++) {
            double kept = tdl_at(x, tdl_row(x, row), i) / (1 - (double)call->attrs.rate);
            tdl_put(y, tdl_row(y, row), i, tdl_dropout_hash(key, element++) >= threshold ? kept : 0);
        }
}

// The same mask, drawn again, on dy.
void tdl_dropout_backward(tdl_grad *g) {
    if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_DROPOUT, g->attrs, 2, (int32_t[]){g->d_out[0], g->in[1]}));
}
