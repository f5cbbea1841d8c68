// SPDX-License-Identifier: MIT
// layer_norm_grad_cases.h - the cases of all norms' gradients, with this one's bounds.
#ifndef TDL_OPS_LAYER_NORM_GRAD_CASES_H
#define TDL_OPS_LAYER_NORM_GRAD_CASES_H

#include "ops/rms_norm/norm_grad_cases.h"

static const op_case_set layer_norm_grad_cases = {.make = norm_grad_make,
                                                  .list = norm_grad_list,
                                                  .n = OP_CASE_COUNT(norm_grad_list),
                                                  .metric = OP_METRIC_ROW,
                                                  .bound_abs = 4e-7,
                                                  .bound_rel = 8e-7,
                                                  .webgpu_abs = 2e-6,
                                                  .webgpu_rel = 4e-6};

#endif
