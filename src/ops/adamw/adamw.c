// SPDX-License-Identifier: MIT
// adamw.c - one step of AdamW (Loshchilov, Hutter 2019; Kingma, Ba 2015) on a parameter and its two moments:
//
//     g' = g stats[1],    m = b1 m + (1 - b1) g',    v = b2 v + (1 - b2) g'^2
//     w -= hyper[3] (m hyper[4] / (sqrt(v hyper[5]) + eps) + decay w)
//
// hyper[3] is the learning rate, hyper[4] and [5] the moments' bias corrections; stats comes from clip. Where stats[2] is 0
// (gradients that are no numbers) nothing changes.
#include "ops/op_impl.h"

#include <math.h>

tdl_status tdl_adamw_infer(tdl_call *call, tdl_error *err) {
    static const char *const names[] = {"w", "m", "v"};
    const tdl_tensor *g = &call->in[0];
    tdl_status status = tdl_op_expect("adamw", "g", g, TDL_DTYPE_F32, TDL_DIMS_ANY, NULL, err);
    if (status == TDL_OK) status = tdl_op_expect("adamw", "stats", &call->in[1], TDL_DTYPE_F32, 1, (int64_t[]){4}, err);
    if (status == TDL_OK) status = tdl_op_expect("adamw", "hyper", &call->in[2], TDL_DTYPE_F32, 1, (int64_t[]){8}, err);
    for (int32_t i = 0; i < 3 && status == TDL_OK; i++)
        status = tdl_op_expect("adamw", names[i], &call->out[i], TDL_DTYPE_F32, g->n_dims, g->shape, err);
    return status;
}

void tdl_adamw_reference(const tdl_call *call) {
    const tdl_tensor *g = &call->in[0], *stats = &call->in[1], *hyper = &call->in[2];
    const tdl_tensor *w = &call->out[0], *m = &call->out[1], *v = &call->out[2];
    double b1 = call->attrs.beta1, b2 = call->attrs.beta2;
    double factor = tdl_at(stats, stats->data, 1), rate = tdl_at(hyper, hyper->data, 3);
    if (tdl_at(stats, stats->data, 2) == 0) return;
    for (int64_t row = 0; row < tdl_tensor_n_rows(g); row++)
        for (int64_t i = 0; i < tdl_last_dim(g); i++) {
            double grad = tdl_at(g, tdl_row(g, row), i) * factor, weight = tdl_at(w, tdl_row(w, row), i);
            double first = b1 * tdl_at(m, tdl_row(m, row), i) + (1 - b1) * grad;
            double second = b2 * tdl_at(v, tdl_row(v, row), i) + (1 - b2) * grad * grad;
            double step = first * tdl_at(hyper, hyper->data, 4) /
                          (sqrt(second * tdl_at(hyper, hyper->data, 5)) + call->attrs.eps);
            tdl_put(m, tdl_row(m, row), i, first);
            tdl_put(v, tdl_row(v, row), i, second);
            tdl_put(w, tdl_row(w, row), i, weight - rate * (step + call->attrs.decay * weight));
        }
}
