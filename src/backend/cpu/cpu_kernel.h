// SPDX-License-Identifier: MIT
// cpu_kernel.h - what a CPU kernel file includes: the kernel struct, and names that carry the instruction set.
//
// A file ops/<op>/<op>_cpu.c is compiled once for each instruction set with one of TDL_ISA_PLAIN, TDL_ISA_AVX2, TDL_ISA_AVX512,
// TDL_ISA_NEON defined to 1 and TDL_ISA set to its lower-case name. A file *_bf16_cpu.c is compiled for sets that multiply BF16
// instead: with TDL_ISA_AVX512_BF16 and TDL_ISA_AVX512.
#ifndef TDL_BACKEND_CPU_KERNEL_H
#define TDL_BACKEND_CPU_KERNEL_H

#include "ops/kernel.h"

#define TDL_JOIN_(a, b) a##_##b
#define TDL_JOIN(a, b) TDL_JOIN_(a, b)
// tdl_kernel_rms_norm_avx512
#define TDL_KERNEL_NAME(name) TDL_JOIN(tdl_kernel_##name, TDL_ISA)

#if defined(TDL_ISA_AVX512_BF16)
#define TDL_KERNEL_NEEDS (TDL_FEATURE_AVX512 | TDL_FEATURE_AVX512_BF16)
#elif defined(TDL_ISA_AVX512)
#define TDL_KERNEL_NEEDS TDL_FEATURE_AVX512
#elif defined(TDL_ISA_AVX2)
#define TDL_KERNEL_NEEDS TDL_FEATURE_AVX2
#elif defined(TDL_ISA_NEON)
#define TDL_KERNEL_NEEDS TDL_FEATURE_NEON
#else
#define TDL_KERNEL_NEEDS 0
#endif

#define TDL_KERNEL_CPU .backend = TDL_BACKEND_CPU, .needs = TDL_KERNEL_NEEDS, .one_order = true

#endif
