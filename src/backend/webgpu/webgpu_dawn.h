// SPDX-License-Identifier: MIT
// webgpu_dawn.h - what the backend uses of Dawn beyond the standard header: switches ("toggles") that a request for an adapter or
// a device may carry, and matrices that a subgroup multiplies. Numbers and layouts are those of Dawn's own webgpu.h
// (src/dawn/dawn.json in its sources; the docs/dawn/features/subgroup_matrix.md there describes the feature).
#ifndef TDL_BACKEND_WEBGPU_DAWN_H
#define TDL_BACKEND_WEBGPU_DAWN_H

#include <webgpu.h>

enum {
    DAWN_STYPE_TOGGLES = 0x0005000A,
    DAWN_STYPE_MATRIX_CONFIGS = 0x0005003B,
    DAWN_FEATURE_SUBGROUP_MATRIX = 0x00050034,
    DAWN_COMPONENT_F32 = 1,
    DAWN_COMPONENT_F16 = 2,
};

typedef struct dawn_toggles {
    WGPUChainedStruct chain; // to WGPURequestAdapterOptions or WGPUDeviceDescriptor
    size_t n_enabled;
    const char *const *enabled;
    size_t n_disabled;
    const char *const *disabled;
} dawn_toggles;

// y [m, n] += a [m, k] b [k, n]
typedef struct dawn_matrix_config {
    uint32_t component, result_component;
    uint32_t m, n, k;
} dawn_matrix_config;

typedef struct dawn_matrix_configs {
    WGPUChainedStruct chain; // to WGPUAdapterInfo
    size_t n;
    const dawn_matrix_config *list; // the library's, until it is freed with the function below
} dawn_matrix_configs;

// Frees the list. A library that has this function understands all of the above.
void wgpuAdapterPropertiesSubgroupMatrixConfigsFreeMembers(dawn_matrix_configs configs);

#endif
