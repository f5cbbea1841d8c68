// SPDX-License-Identifier: MIT
// webgpu_features.c - what a device can do beyond the least that every WebGPU device can: found by trying.
//
// f16 and subgroups are features that the device was opened with. Whether a library wants `enable subgroups;` in a shader
// (browsers do) or does not know the words (naga), and whether it has the packed dot product, which is a feature of the
// language, is seen by making a small shader: libraries answer no question about their language in a way that serves all.
//
// Matrices that subgroups multiply are Dawn's so far: the adapter says which sizes it has, and how large its subgroups are.
#include "backend/webgpu/webgpu_device.h"

#include <stdio.h>

enum { MATRIX_MEMORY = 32768 }; // bytes of workgroup memory that the kernels with matrices may use

static const char subgroups_enabled[] = "enable subgroups;\n";
static const char subgroups_used[] = "@compute @workgroup_size(1) fn main() { let sum = subgroupAdd(1u); }\n";
static const char f16_used[] = "enable f16;\n"
                               "@compute @workgroup_size(1) fn main() { let half = vec2<f16>(0.5h) * 2.0h; }\n";
static const char dot4_used[] = "@compute @workgroup_size(1) fn main() { let dot = dot4I8Packed(1u, 2u); }\n";

static bool makes(tdl_webgpu_device *d, const char *enabled, const char *code);
static void find_matrices(tdl_webgpu_device *d);

void tdl_webgpu_find_features(tdl_webgpu_device *d) {
    d->device.features = 0;
    if (makes(d, "", f16_used)) d->device.features |= TDL_FEATURE_GPU_F16;
    if (makes(d, "", dot4_used)) d->device.features |= TDL_FEATURE_GPU_DOT4;
    d->enables_subgroups = makes(d, subgroups_enabled, subgroups_used);
    if (d->enables_subgroups || makes(d, "", subgroups_used)) d->device.features |= TDL_FEATURE_GPU_SUBGROUPS;
    find_matrices(d);
    if (d->matrix_size) d->device.features |= TDL_FEATURE_GPU_MATRIX;
}

// The largest square matrices of F16 with sums in F32, where all subgroups have the same size.
static void find_matrices(tdl_webgpu_device *d) {
    const uint32_t wanted = TDL_FEATURE_GPU_F16 | TDL_FEATURE_GPU_SUBGROUPS;
    d->matrix_size = 0;
    if (!tdl_webgpu_is_dawn(&d->api) ||
        !d->api.AdapterHasFeature(d->adapter, (WGPUFeatureName)DAWN_FEATURE_SUBGROUP_MATRIX))
        return;
    if ((d->device.features & wanted) != wanted || d->workgroup_memory < MATRIX_MEMORY) return;
    dawn_matrix_configs configs = {.chain = {.sType = (WGPUSType)DAWN_STYPE_MATRIX_CONFIGS}};
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    info.nextInChain = &configs.chain;
    if (d->api.AdapterGetInfo(d->adapter, &info) != WGPUStatus_Success) return;
    d->subgroup_size = info.subgroupMaxSize;
    for (size_t i = 0; i < configs.n && info.subgroupMinSize == info.subgroupMaxSize; i++) {
        const dawn_matrix_config *c = &configs.list[i];
        bool fits = c->component == DAWN_COMPONENT_F16 && c->result_component == DAWN_COMPONENT_F32 && c->m == c->n &&
                    c->n == c->k && (c->m == 8 || c->m == 16);
        if (fits && c->m > d->matrix_size) d->matrix_size = c->m;
    }
    d->api.AdapterInfoFreeMembers(info);
    d->api.AdapterPropertiesSubgroupMatrixConfigsFreeMembers(configs);
}

static bool makes(tdl_webgpu_device *d, const char *enabled, const char *code) {
    char text[160];
    snprintf(text, sizeof text, "%s%s", enabled, code);
    tdl_webgpu_scope_begin(d);
    WGPUShaderModule module = tdl_webgpu_make_module(d, text);
    if (module) d->api.ShaderModuleRelease(module);
    return tdl_webgpu_scope_end(d, "trying a shader", NULL) == TDL_OK && module;
}
