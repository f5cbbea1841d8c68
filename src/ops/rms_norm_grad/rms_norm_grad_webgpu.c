// SPDX-License-Identifier: MIT
// rms_norm_grad_webgpu.c - rms_norm_grad.wgsl and norm_grad.wgsl; when and how they run: norm_grad_webgpu.h.
#include "ops/rms_norm/norm_grad_webgpu.h"
#include "wgsl.h"

const tdl_kernel tdl_kernel_rms_norm_grad_webgpu = {.name = "rms_norm_grad_webgpu",
                                                    .op = TDL_OP_RMS_NORM_GRAD,
                                                    .backend = TDL_BACKEND_WEBGPU,
                                                    .accepts = norm_grad_accepts,
                                                    .wgsl = {tdl_wgsl_rms_norm_grad, tdl_wgsl_norm_grad, tdl_wgsl_rows},
                                                    .dispatch = norm_grad_dispatch};
