// webgpu_features.c - what a device can do beyond the least that every WebGPU device can: found by trying.
//
// f16 and subgroups are features that the device was opened with. Whether a library wants `enable subgroups;` in a shader
// (browsers do) or does not know the words (naga), and whether it has the packed dot product, which is a feature of the
// language, is seen by making a small shader: libraries answer no question about their language in a way that serves all.
#include "backend/webgpu/webgpu_device.h"

#include <stdio.h>

static const char subgroups_enabled[] = "enable subgroups;\n";
static const char subgroups_used[] = "@compute @workgroup_size(1) fn main() { let sum = subgroupAdd(1u); }\n";
static const char f16_used[] = "enable f16;\n"
                               "@compute @workgroup_size(1) fn main() { let half = vec2<f16>(0.5h) * 2.0h; }\n";
static const char dot4_used[] = "@compute @workgroup_size(1) fn main() { let dot = dot4I8Packed(1u, 2u); }\n";

static bool makes(tdl_webgpu_device *d, const char *enabled, const char *code);

void tdl_webgpu_find_features(tdl_webgpu_device *d) {
    d->device.features = 0;
    if (makes(d, "", f16_used)) d->device.features |= TDL_FEATURE_GPU_F16;
    if (makes(d, "", dot4_used)) d->device.features |= TDL_FEATURE_GPU_DOT4;
    d->enables_subgroups = makes(d, subgroups_enabled, subgroups_used);
    if (d->enables_subgroups || makes(d, "", subgroups_used)) d->device.features |= TDL_FEATURE_GPU_SUBGROUPS;
}

static bool makes(tdl_webgpu_device *d, const char *enabled, const char *code) {
    char text[160];
    snprintf(text, sizeof text, "%s%s", enabled, code);
    tdl_webgpu_scope_begin(d);
    WGPUShaderModule module = tdl_webgpu_make_module(d, text);
    if (module) d->api.ShaderModuleRelease(module);
    return tdl_webgpu_scope_end(d, "trying a shader", NULL) == TDL_OK && module;
}
