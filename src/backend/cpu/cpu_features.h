// SPDX-License-Identifier: MIT
// cpu_features.h - which instruction sets of ours this CPU and its system have.
#ifndef TDL_BACKEND_CPU_FEATURES_H
#define TDL_BACKEND_CPU_FEATURES_H

#include <stdint.h>

// tdl_feature bits (ops/kernel.h). A wider set implies the narrower ones: where AVX512_BF16 is set, AVX512 and AVX2 are.
uint32_t tdl_cpu_features(void);

#endif
