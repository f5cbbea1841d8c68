// SPDX-License-Identifier: MIT
// route.c - which experts a token is sent to, and how much each counts (Shazeer et al. 2017; Mixtral, Jiang et al. 2024):
//
//     p = softmax(logits [X]),  ids = the k largest, the first of equals first,  weights = p[ids], with renorm / sum p[ids]
//
// Logits that are not a number lose against all others; ids are always k different experts.
#include "ops/grad_rule.h"
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_route_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *logits = &call->in[0];
    tdl_status status = tdl_op_expect("route", "logits", logits, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status != TDL_OK) return status;
    int64_t shape[2] = {logits->shape[0], call->attrs.top_k};
    if (shape[1] < 1 || shape[1] > logits->shape[1])
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "route: top_k is %d, expected 1 to the number of experts, %lld",
                        call->attrs.top_k, (long long)logits->shape[1]);
    status = tdl_tensor_make(TDL_DTYPE_I32, 2, shape, NULL, &call->out[0], err);
    return status == TDL_OK ? tdl_tensor_make(TDL_DTYPE_F32, 2, shape, NULL, &call->out[1], err) : status;
}

// The largest logit of the row whose expert is not among ids [n].
static int32_t largest_but(const tdl_tensor *logits, int64_t row, const int32_t *ids, int64_t n) {
    int32_t best = -1;
    for (int32_t expert = 0; expert < logits->shape[1]; expert++) {
        bool taken = false;
        for (int64_t i = 0; i < n; i++) taken |= ids[i] == expert;
        double logit = tdl_at(logits, tdl_row(logits, row), expert);
        if (!taken && (best < 0 || logit > tdl_at(logits, tdl_row(logits, row), best) ||
                       (isnan(tdl_at(logits, tdl_row(logits, row), best)) && !isnan(logit))))
            best = expert;
    }
    return best;
}

void tdl_route_reference(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0], *ids = &call->out[0], *weights = &call->out[1];
    int64_t n_experts = logits->shape[1], k = ids->shape[1];
    for (int64_t t = 0; t < logits->shape[0]; t++) {
        const uint8_t *row = tdl_row(logits, t);
        int32_t *chosen = (int32_t *)(void *)tdl_row(ids, t);
        for (int64_t i = 0; i < k; i++) chosen[i] = largest_but(logits, t, chosen, i);
        double max = tdl_at(logits, row, chosen[0]), sum = 0;
        for (int64_t i = 0; i < (call->attrs.renorm ? k : n_experts); i++)
            sum += exp(tdl_at(logits, row, call->attrs.renorm ? chosen[i] : i) - max);
        for (int64_t i = 0; i < k; i++)
            tdl_put(weights, tdl_row(weights, t), i, exp(tdl_at(logits, row, chosen[i]) - max) / sum);
    }
}

void tdl_route_backward(tdl_grad *g) {
    if (g->d_out[1] < 0 || !g->wants[0]) return;
    g->give(g, 0, g->emit(g, TDL_OP_ROUTE_GRAD, g->attrs, 3, (int32_t[]){g->in[0], g->out[0], g->d_out[1]}));
}
