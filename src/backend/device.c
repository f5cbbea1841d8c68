// device.c - the public device functions: finds the backend by name and hands over.
#include "backend/backend.h"
#include "base/str.h"

static const tdl_backend *const backends[] = {&tdl_backend_cpu};

tdl_status tdl_device_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    if (!desc || !out) return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: desc and out must not be NULL");
    if (desc->size != sizeof *desc)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: desc size is %zu, expected %zu", desc->size, sizeof *desc);
    const char *name = desc->name ? desc->name : "cpu";
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (tdl_text_is(tdl_text_cstr(backends[i]->name), name)) return backends[i]->open(desc, out, err);
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "device: no device named '%s'; this build has: cpu", name);
}

void tdl_device_close(tdl_device *device) {
    if (device) device->backend->close(device);
}

const char *tdl_device_summary(const tdl_device *device) { return device->summary; }
