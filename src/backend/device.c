// SPDX-License-Identifier: MIT
// device.c - the public device functions: finds the backend by name and hands over.
#include "backend/backend.h"
#include "base/desc.h"
#include "base/str.h"

#include <string.h>

static const tdl_backend *const backends[] = {
    &tdl_backend_cpu,
#if defined(TDL_WEBGPU)
    &tdl_backend_webgpu,
#endif
    &tdl_backend_null, // for tests; no message names it
};

enum { BACKEND_COUNT = sizeof backends / sizeof *backends };

tdl_status tdl_device_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    if (!desc || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: desc and out must not be NULL");
    tdl_device_desc d;
    tdl_status status = tdl_desc_copy("device", desc, &d, sizeof d, err);
    if (status == TDL_OK) status = tdl_allocator_check("device", d.allocator, err);
    if (status != TDL_OK) return status;
    const char *name = d.name ? d.name : "cpu";
    size_t size = strcspn(name, ":"); // what follows is the backend's: "webgpu:1"
    for (size_t i = 0; i < BACKEND_COUNT; i++)
        if (tdl_text_is(tdl_text_of(name, size), backends[i]->name)) return backends[i]->open(&d, out, err);
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: no device named '%s'; this build has: cpu%s", name,
                    BACKEND_COUNT > 2 ? ", webgpu" : "");
}

tdl_status tdl_device_list(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max, size_t *n_infos,
                           tdl_error *err) {
    if (!n_infos || (infos_max && !infos))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: infos and n_infos must not be NULL");
    tdl_device_desc d;
    tdl_status status = tdl_desc_copy("device", desc, &d, sizeof d, err);
    if (status == TDL_OK) status = tdl_allocator_check("device", d.allocator, err);
    if (status != TDL_OK) return status;
    *n_infos = 0;
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        size_t used = *n_infos < infos_max ? *n_infos : infos_max, n = 0;
        tdl_status one = backends[i]->list(&d, infos ? infos + used : NULL, infos_max - used, &n, err);
        if (one != TDL_OK) status = one;
        *n_infos += n;
    }
    return status;
}

void tdl_device_close(tdl_device *device) {
    if (!device) return;
    tdl_trace_destroy(device->trace);
    device->backend->close(device);
}

const char *tdl_device_summary(const tdl_device *device) { return device ? device->summary : ""; }
