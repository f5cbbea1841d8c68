// SPDX-License-Identifier: MIT
// cpu_features.c - asks the CPU what it can do, and the system what it saves.
//
// x86-64: cpuid says what the CPU decodes; an instruction set may be used only if the operating system also keeps its
// registers across a task switch, which XCR0 says (read with xgetbv; Intel SDM volume 1, chapter 13). On aarch64 the
// kernel reports both together in the auxiliary vector.
#include "backend/cpu/cpu_features.h"

#include "ops/kernel.h"

#if defined(__x86_64__)

#include <cpuid.h>

// XCR0: SSE and AVX state; with it opmask, upper halves of ZMM0-15, and ZMM16-31.
enum { XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static uint32_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t tdl_cpu_features(void) {
    const uint32_t avx2_base = bit_FMA | bit_AVX | bit_F16C;
    const uint32_t avx512_extended = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    uint32_t eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || (ecx & avx2_base) != avx2_base) return 0;
    uint32_t saved = saved_state();
    if ((saved & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ebx & bit_AVX2))
        return 0;
    uint32_t features = TDL_FEATURE_AVX2;
    if ((ebx & avx512_extended) == avx512_extended && (ecx & bit_AVX512VNNI) && (saved & XCR0_AVX512) == XCR0_AVX512)
        features |= TDL_FEATURE_AVX512;
    if ((features & TDL_FEATURE_AVX512) && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & bit_AVX512BF16))
        features |= TDL_FEATURE_AVX512_BF16;
    return features;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t tdl_cpu_features(void) {
    const unsigned long needed = HWCAP_ASIMD | HWCAP_ASIMDHP | HWCAP_FPHP | HWCAP_ASIMDDP;
    return (getauxval(AT_HWCAP) & needed) == needed ? TDL_FEATURE_NEON : 0;
}

#else

uint32_t tdl_cpu_features(void) { return 0; }

#endif
