// SPDX-License-Identifier: MIT
// cross_entropy_grad.c - the gradient of the loss by the logits, and the loss itself (unscaled):
//
//     dlogits = hyper[0] (softmax(logits) - onehot(target)),    0 where the target does not count
#include "ops/cross_entropy/cross_entropy.h"

tdl_status tdl_cross_entropy_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "cross_entropy_grad";
    const tdl_tensor *logits = &call->in[0], *targets = &call->in[1], *hyper = &call->in[2]; // [n, V], [n], [8]
    tdl_status status = tdl_op_expect(op, "logits", logits, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "targets", targets, TDL_DTYPE_I32, 1, logits->shape, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "hyper", hyper, TDL_DTYPE_F32, 1, (int64_t[]){8}, err);
    if (status == TDL_OK) status = tdl_op_out_like(call, 0, logits, err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 1, logits->shape, NULL, &call->out[1], err) : status;
}

void tdl_cross_entropy_grad_reference(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0], *hyper = &call->in[2], *dlogits = &call->out[0], *loss = &call->out[1];
    double factor = tdl_at(hyper, hyper->data, 0);
    for (int64_t row = 0; row < logits->shape[0]; row++) {
        const uint8_t *values = tdl_row(logits, row);
        int32_t target = tdl_index_at(&call->in[1], row);
        bool counts = tdl_target_counts(target, logits->shape[1]);
        double log_sum = tdl_log_sum_exp(logits, row);
        tdl_put(loss, loss->data, row, counts ? log_sum - tdl_at(logits, values, target) : 0);
        for (int64_t v = 0; v < logits->shape[1]; v++) {
            double slope = exp(tdl_at(logits, values, v) - log_sum) - (v == target);
            tdl_put(dlogits, tdl_row(dlogits, row), v, counts ? factor * slope : 0);
        }
    }
}
