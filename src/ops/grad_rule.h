// SPDX-License-Identifier: MIT
// grad_rule.h - gradient rules: how an op's gradient is made of other ops.
//
// Reverse mode over the op list (graph/grad.c) walks the ops backwards and asks each op's rule, which stands beside the op's
// reference and says the chain rule in ops:
//
//     // y = x w^T: dx = dy w, dw += dy^T x
//     void tdl_matmul_backward(tdl_grad *g) {
//         if (g->wants[0]) g->give(g, 0, g->emit(g, TDL_OP_MATMUL_GRAD_X, NULL, 2, (int32_t[]){g->d_out[0], g->in[1]}));
//         if (g->wants[1]) g->add_to(g, 1, TDL_OP_MATMUL_GRAD_W, NULL, 2, (int32_t[]){g->d_out[0], g->in[0]});
//         ...
//     }
//
// A rule sees value ids and shapes, no graph. Ops with a rule are listed in grads.def; where a gradient is asked of another op,
// that is an error when the plan is made.
#ifndef TDL_OPS_GRAD_RULE_H
#define TDL_OPS_GRAD_RULE_H

#include "ops/op.h"

typedef struct tdl_grad tdl_grad;

struct tdl_grad {
    const tdl_attrs *attrs;
    int32_t n_in;
    int32_t in[TDL_OP_IN_MAX], out[TDL_OP_OUT_MAX]; // value ids of the op
    int32_t d_out[TDL_OP_OUT_MAX];                  // the gradient of each output; -1: nobody wants that output's
    bool wants[TDL_OP_IN_MAX];                      // the inputs whose gradient is asked for

    // Appends an op; its first output, the others have the ids that follow.
    int32_t (*emit)(tdl_grad *g, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in);
    // A value is, or is a summand of, the gradient of in[i].
    void (*give)(tdl_grad *g, int32_t i, int32_t value);
    // Appends an op that adds to the gradient of in[i], a parameter.
    void (*add_to)(tdl_grad *g, int32_t i, tdl_op op, const tdl_attrs *attrs, int32_t n_in, const int32_t *in);
    const tdl_tensor *(*tensor)(tdl_grad *g, int32_t value);
    // The step's input that lists the rows of `ids` sorted by what they hold.
    int32_t (*order_of)(tdl_grad *g, int32_t ids);
};

// NULL where the op has no gradient rule.
typedef void (*tdl_grad_rule)(tdl_grad *g);
tdl_grad_rule tdl_grad_rule_of(tdl_op op);

// In how many groups a reduction over the rows of `t` sums them before the groups are summed: enough for every core of a
// large device, each with rows enough to be worth a start.
int32_t tdl_grad_parts(const tdl_tensor *t);

#define TDL_GRAD(id, name) void tdl_##name##_backward(tdl_grad *g);
#include "ops/grads.def"
#undef TDL_GRAD

#endif
