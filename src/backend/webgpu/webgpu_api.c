// SPDX-License-Identifier: MIT
// webgpu_api.c - loads the library and looks its functions up. See webgpu_api.h.
#include "backend/webgpu/webgpu_api.h"

#include <dlfcn.h>
#include <string.h>

static const char *const usual_names[] = {"libwgpu_native.so", "libwgpu_native-release.so", "libwebgpu_dawn.so",
                                          "libwebgpu.so"};

// A library that started threads must stay when its last user goes: NODELETE.
static void *load(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); }

static const char *load_error(void) {
    const char *text = dlerror();
    return text ? text : "no reason given";
}

tdl_status tdl_webgpu_api_open(tdl_webgpu_api *api, const char *path, tdl_error *err) {
    static const struct {
        const char *name;
        size_t field;
        bool optional;
    } functions[] = {
#define TDL_WGPU(name, optional) {"wgpu" #name, offsetof(tdl_webgpu_api, name), optional},
#include "backend/webgpu/webgpu_api.def"
#undef TDL_WGPU
    };
    *api = (tdl_webgpu_api){0};
    if (path) api->library = load(path);
    for (size_t i = 0; !path && !api->library && i < sizeof usual_names / sizeof *usual_names; i++)
        api->library = load(usual_names[i]);
    if (!api->library && path)
        return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: cannot load '%s': %s", path, load_error());
    if (!api->library)
        return tdl_fail(err, TDL_ERROR_DEVICE,
                        "webgpu: no WebGPU library: looked for %s, %s, %s and %s where the loader looks; name one",
                        usual_names[0], usual_names[1], usual_names[2], usual_names[3]);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(api->library, functions[i].name);
        if (!function && !functions[i].optional) {
            tdl_webgpu_api_close(api);
            return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: the library has no function '%s'", functions[i].name);
        }
        memcpy((char *)api + functions[i].field, &function, sizeof function);
    }
    return TDL_OK;
}

void tdl_webgpu_api_close(tdl_webgpu_api *api) {
    if (api->library) dlclose(api->library);
    *api = (tdl_webgpu_api){0};
}
