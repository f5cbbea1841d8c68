// SPDX-License-Identifier: MIT
// hyper.h - the numbers of an optimizer step that change from step to step: F32 [TDL_HYPER_COUNT], one of the step's inputs.
#ifndef TDL_OPS_HYPER_H
#define TDL_OPS_HYPER_H

typedef enum tdl_hyper {
    TDL_HYPER_LOSS_SCALE, // factor on the loss's gradient: loss scale / counted tokens
    TDL_HYPER_UNSCALE,    // factor on the gradients that undoes the loss scale
    TDL_HYPER_CLIP,       // the gradient's norm at most; 0: any
    TDL_HYPER_LR,
    TDL_HYPER_M_FACTOR, // 1 / (1 - beta1^t)
    TDL_HYPER_V_FACTOR, // 1 / (1 - beta2^t)
    TDL_HYPER_COUNT = 8
} tdl_hyper;

#endif
