// SPDX-License-Identifier: MIT
// webgpu_api.h - the entry points of webgpu.h that the backend calls, in a library loaded at run time.
//
// Any library with the standard header's ABI serves. Some functions are wgpu-native's or Dawn's own and may be absent: without
// EnumerateAdapters there is one adapter, the library's choice; without DevicePoll events come through ProcessEvents; without
// CreateShaderModuleTrusted shaders check every index again; without GetTimestampPeriod a timestamp is a nanosecond.
#ifndef TDL_BACKEND_WEBGPU_API_H
#define TDL_BACKEND_WEBGPU_API_H

#include "backend/webgpu/webgpu_dawn.h"
#include "base/error.h"

#include <webgpu.h>
#include <wgpu.h>

typedef struct tdl_webgpu_api {
    void *library;
#define TDL_WGPU(name, optional) __typeof__(wgpu##name) *name;
#include "backend/webgpu/webgpu_api.def"
#undef TDL_WGPU
} tdl_webgpu_api;

// path NULL: the usual names, where the system's loader looks. Error DEVICE.
tdl_status tdl_webgpu_api_open(tdl_webgpu_api *api, const char *path, tdl_error *err);
void tdl_webgpu_api_close(tdl_webgpu_api *api);

// Whether the library understands what webgpu_dawn.h says.
static inline bool tdl_webgpu_is_dawn(const tdl_webgpu_api *api) {
    return api->AdapterPropertiesSubgroupMatrixConfigsFreeMembers != NULL;
}

#endif
