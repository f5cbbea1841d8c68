// SPDX-License-Identifier: MIT
// cross_entropy.c - how surprised a model is by each next token:  loss = log sum_v exp(logits[v]) - logits[target].
//
// A target that is no token of the vocabulary (-1 by custom) counts nothing: its loss is 0.
#include "ops/cross_entropy/cross_entropy.h"

tdl_status tdl_cross_entropy_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "cross_entropy";
    const tdl_tensor *logits = &call->in[0], *targets = &call->in[1]; // [n, V], [n]
    tdl_status status = tdl_op_expect(op, "logits", logits, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "targets", targets, TDL_DTYPE_I32, 1, logits->shape, err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 1, logits->shape, NULL, &call->out[0], err) : status;
}

void tdl_cross_entropy_reference(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0], *loss = &call->out[0];
    for (int64_t row = 0; row < logits->shape[0]; row++) {
        int32_t target = tdl_index_at(&call->in[1], row);
        double value = 0;
        if (tdl_target_counts(target, logits->shape[1]))
            value = tdl_log_sum_exp(logits, row) - tdl_at(logits, tdl_row(logits, row), target);
        tdl_put(loss, loss->data, row, value);
    }
}

double tdl_log_sum_exp(const tdl_tensor *logits, int64_t row) {
    const uint8_t *values = tdl_row(logits, row);
    double max = -INFINITY, sum = 0;
    for (int64_t v = 0; v < logits->shape[1]; v++) max = fmax(max, tdl_at(logits, values, v));
    for (int64_t v = 0; v < logits->shape[1]; v++) sum += exp(tdl_at(logits, values, v) - max);
    return max + log(sum);
}
