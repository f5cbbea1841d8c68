// SPDX-License-Identifier: MIT
// route_grad.c - the gradient of route's weights by the logits, for the experts that it chose. With d[x] the weights' gradients,
// zero for experts that were not chosen, and q the weights before that (with renorm the softmax over the chosen alone):
//
//     dlogits[x] = q[x] (d[x] - sum over y of q[y] d[y])
//
// Which experts are chosen does not change with a small step, so there is no gradient through the choice.
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_route_grad_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "route_grad";
    const tdl_tensor *logits = &call->in[0], *ids = &call->in[1];
    tdl_status status = tdl_op_expect(op, "logits", logits, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK)
        status = tdl_op_expect(op, "ids", ids, TDL_DTYPE_I32, 2, (int64_t[]){logits->shape[0], -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "dweights", &call->in[2], TDL_DTYPE_F32, 2, ids->shape, err);
    return status == TDL_OK ? tdl_op_out_like(call, 0, logits, err) : status;
}

// The place of an expert among the chosen; -1: it is not.
static int64_t place_of(const tdl_tensor *ids, int64_t row, int64_t expert) {
    const int32_t *chosen = (const int32_t *)(const void *)tdl_row(ids, row);
    for (int64_t i = 0; i < ids->shape[1]; i++)
        if (chosen[i] == expert) return i;
    return -1;
}

void tdl_route_grad_reference(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0], *ids = &call->in[1], *dweights = &call->in[2], *dlogits = &call->out[0];
    for (int64_t t = 0; t < logits->shape[0]; t++) {
        const uint8_t *row = tdl_row(logits, t), *d = tdl_row(dweights, t);
        double max = -INFINITY, sum = 0, mean = 0;
        for (int64_t x = 0; x < logits->shape[1]; x++) max = fmax(max, tdl_at(logits, row, x));
        for (int64_t x = 0; x < logits->shape[1]; x++) {
            int64_t place = place_of(ids, t, x);
            double e = exp(tdl_at(logits, row, x) - max);
            if (place >= 0 || !call->attrs.renorm) sum += e;
            if (place >= 0) mean += e * tdl_at(dweights, d, place);
        }
        mean /= sum;
        for (int64_t x = 0; x < logits->shape[1]; x++) {
            int64_t place = place_of(ids, t, x);
            double q = place < 0 && call->attrs.renorm ? 0 : exp(tdl_at(logits, row, x) - max) / sum;
            tdl_put(dlogits, tdl_row(dlogits, t), x, q * ((place < 0 ? 0 : tdl_at(dweights, d, place)) - mean));
        }
    }
}
