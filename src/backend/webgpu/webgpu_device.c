// SPDX-License-Identifier: MIT
// webgpu_device.c - choosing an adapter, opening it, listing all; what the library says becomes statuses.
//
// A device's name is "webgpu", "webgpu:N" for the Nth adapter as `treadle devices` lists them, or "webgpu:N:min" for that
// one held to the limits that every WebGPU adapter has, so that what runs there runs everywhere.
#include "backend/webgpu/webgpu_device.h"

#include "base/checked.h"

#include <stdio.h>
#include <string.h>

enum { ADAPTERS_MAX = 64, EVENTS_MAX = 1000000, STEPS_MAX = 3 };

// What a request's callback is told.
typedef struct request {
    bool done;
    WGPUAdapter adapter;
    WGPUDevice device;
    char message[200];
} request;

static tdl_status parse_name(const char *name, int32_t *index, bool *min, tdl_error *err);
static tdl_status open_instance(tdl_webgpu_device *d, const tdl_device_desc *desc, tdl_error *err);
static tdl_status open_adapter(const tdl_device_desc *desc, bool null, tdl_device **out, tdl_error *err);
static tdl_status find_adapters(tdl_webgpu_device *d, bool null, WGPUAdapter *adapters, size_t *n, tdl_error *err);
static tdl_status open_handle(tdl_webgpu_device *d, bool min, tdl_error *err);
static void close_handle(tdl_webgpu_device *d);
static void describe_features(tdl_webgpu_device *d, char *text, size_t size);
static void describe_adapter(const tdl_webgpu_api *api, WGPUAdapter adapter, char *text, size_t size);
static void on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message, void *user,
                    void *unused);
static void on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message, void *user, void *unused);

static void copy_text(char *dst, size_t dst_size, WGPUStringView text) {
    size_t size = !text.data ? 0 : text.length == WGPU_STRLEN ? strlen(text.data) : text.length;
    if (size > dst_size - 1) size = dst_size - 1;
    if (size) memcpy(dst, text.data, size);
    dst[size] = 0;
    for (char *c = dst; *c; c++)
        if (*c == '\n') *c = ' ';
}

static void webgpu_close(tdl_device *device) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)device;
    const tdl_webgpu_api *api = &d->api;
    if (d->ready) api->CommandBufferRelease(d->ready);
    if (d->encoder) api->CommandEncoderRelease(d->encoder);
    close_handle(d);
    if (d->adapter) api->AdapterRelease(d->adapter);
    if (d->instance) api->InstanceRelease(d->instance);
    tdl_webgpu_api_close(&d->api);
    tdl_vec_deinit(&d->pipelines);
    pthread_mutex_destroy(&d->lock);
    tdl_free(d->device.mem, d);
}

static tdl_status webgpu_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    return open_adapter(desc, false, out, err);
}

tdl_status tdl_webgpu_open_null(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    return open_adapter(desc, true, out, err);
}

static tdl_status open_adapter(const tdl_device_desc *desc, bool null, tdl_device **out, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    WGPUAdapter adapters[ADAPTERS_MAX];
    size_t n_adapters = 0;
    int32_t index;
    bool min;
    tdl_status status = parse_name(desc->name, &index, &min, err);
    if (status != TDL_OK) return status;
    tdl_webgpu_device *d = tdl_alloc(mem, 1, sizeof *d);
    if (!d) return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for the device");
    d->device = (tdl_device){.backend = &tdl_backend_webgpu, .mem = mem};
    d->pipelines = tdl_vec_make(mem, sizeof(tdl_webgpu_pipeline));
    if (pthread_mutex_init(&d->lock, NULL) != 0) {
        tdl_free(mem, d);
        return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: cannot make a mutex");
    }
    status = open_instance(d, desc, err);
    if (status == TDL_OK) status = find_adapters(d, null, adapters, &n_adapters, err);
    if (status == TDL_OK && (size_t)index >= n_adapters)
        status = tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: no adapter %d, there are %zu", index, n_adapters);
    for (size_t i = 0; i < n_adapters; i++)
        if (status == TDL_OK && i == (size_t)index) d->adapter = adapters[i];
        else d->api.AdapterRelease(adapters[i]);
    if (status == TDL_OK) status = open_handle(d, min, err);
    if (status != TDL_OK) {
        webgpu_close(&d->device);
        return status;
    }
    char text[80];
    describe_adapter(&d->api, d->adapter, text, sizeof text);
    snprintf(d->device.summary, sizeof d->device.summary, "webgpu: %s%s", text, min ? ", min" : "");
    *out = &d->device;
    return TDL_OK;
}

static tdl_status webgpu_list(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max, size_t *n,
                              tdl_error *err) {
    tdl_webgpu_device d = {0}; // only its instance is opened
    WGPUAdapter adapters[ADAPTERS_MAX];
    size_t n_adapters = 0;
    tdl_status status = open_instance(&d, desc, err);
    if (status == TDL_OK) status = find_adapters(&d, false, adapters, &n_adapters, err);
    for (size_t i = 0; i < n_adapters; i++) {
        WGPULimits limits = WGPU_LIMITS_INIT;
        if (i < infos_max && d.api.AdapterGetLimits(adapters[i], &limits) == WGPUStatus_Success) {
            tdl_device_info *info = &infos[i];
            snprintf(info->name, sizeof info->name, "webgpu:%zu", i);
            describe_adapter(&d.api, adapters[i], info->summary, sizeof info->summary);
            d.adapter = adapters[i];
            describe_features(&d, info->features, sizeof info->features);
            info->buffer_size_max = limits.maxBufferSize;
            info->binding_size_max = limits.maxStorageBufferBindingSize;
            info->workgroup_memory = limits.maxComputeWorkgroupStorageSize;
            info->workgroup_size_max = limits.maxComputeInvocationsPerWorkgroup;
        }
        d.api.AdapterRelease(adapters[i]);
    }
    if (d.instance) d.api.InstanceRelease(d.instance);
    tdl_webgpu_api_close(&d.api);
    *n = n_adapters;
    return status;
}

// "webgpu[:N[:min]]"
static tdl_status parse_name(const char *name, int32_t *index, bool *min, tdl_error *err) {
    const char *at = name + strlen("webgpu");
    *index = 0;
    *min = false;
    bool ok = true;
    if (*at == ':') {
        const char *digits = ++at;
        for (; *at >= '0' && *at <= '9' && at - digits < 3; at++) *index = *index * 10 + (*at - '0');
        ok = at > digits;
    }
    if (ok && strcmp(at, ":min") == 0) {
        *min = true;
        at += 4;
    }
    if (ok && !*at) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "webgpu: no device named '%s', expected webgpu, webgpu:N or webgpu:N:min",
                    name);
}

static tdl_status open_instance(tdl_webgpu_device *d, const tdl_device_desc *desc, tdl_error *err) {
    tdl_status status = tdl_webgpu_api_open(&d->api, desc->library, err);
    if (status != TDL_OK) return status;
    // wgpu-native would also look for OpenGL, which is of no use here and complains where there is no display.
    WGPUInstanceExtras extras = {.chain = {.sType = (WGPUSType)WGPUSType_InstanceExtras},
                                 .backends = WGPUInstanceBackend_Primary};
    bool native = d->api.InstanceEnumerateAdapters != NULL;
    d->instance = d->api.CreateInstance(&(WGPUInstanceDescriptor){.nextInChain = native ? &extras.chain : NULL});
    return d->instance ? TDL_OK : tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: the library gives no instance");
}

static void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter adapter, WGPUStringView message, void *user,
                       void *unused) {
    (void)unused;
    request *r = user;
    r->done = true;
    if (status == WGPURequestAdapterStatus_Success) r->adapter = adapter;
    copy_text(r->message, sizeof r->message, message);
}

static void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message, void *user,
                      void *unused) {
    (void)unused;
    request *r = user;
    r->done = true;
    if (status == WGPURequestDeviceStatus_Success) r->device = device;
    copy_text(r->message, sizeof r->message, message);
}

// Native libraries answer at once, or while they process events.
static void settle(tdl_webgpu_device *d, const bool *done) {
    for (int i = 0; i < EVENTS_MAX && !*done; i++) d->api.InstanceProcessEvents(d->instance);
}

// adapters [ADAPTERS_MAX], to be released; those that compute through OpenGL are left out. null: Dawn's that computes nothing.
static tdl_status find_adapters(tdl_webgpu_device *d, bool null, WGPUAdapter *adapters, size_t *n, tdl_error *err) {
    if (!null && d->api.InstanceEnumerateAdapters) {
        const WGPUInstanceEnumerateAdapterOptions options = {.backends = WGPUInstanceBackend_Primary};
        *n = d->api.InstanceEnumerateAdapters(d->instance, &options, NULL);
        if (*n <= ADAPTERS_MAX) *n = d->api.InstanceEnumerateAdapters(d->instance, &options, adapters);
        else return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: %zu adapters, at most %d", *n, ADAPTERS_MAX);
        return TDL_OK;
    }
    // What Dawn holds back until it has passed all of its own tests: F16 on NVIDIA, matrices of subgroups.
    static const char *const names[] = {"allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "use_vulkan_memory_model"};
    dawn_toggles toggles = {.chain = {.sType = (WGPUSType)DAWN_STYPE_TOGGLES}, .n_enabled = 3, .enabled = names};
    WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
    if (tdl_webgpu_is_dawn(&d->api)) options.nextInChain = &toggles.chain;
    if (null) options.backendType = WGPUBackendType_Null;
    request r = {0};
    d->api.InstanceRequestAdapter(d->instance, &options,
                                  (WGPURequestAdapterCallbackInfo){.mode = WGPUCallbackMode_AllowSpontaneous,
                                                                   .callback = on_adapter,
                                                                   .userdata1 = &r});
    settle(d, &r.done);
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    if (r.adapter && d->api.AdapterGetInfo(r.adapter, &info) == WGPUStatus_Success) {
        if ((info.backendType == WGPUBackendType_Null) != null) { // given where there is no other
            d->api.AdapterRelease(r.adapter);
            r.adapter = NULL;
        }
        d->api.AdapterInfoFreeMembers(info);
    }
    *n = r.adapter ? 1 : 0;
    adapters[0] = r.adapter;
    return TDL_OK;
}

// Limits: what the adapter has of those that the kernels and buffers use, or WebGPU's defaults.
static tdl_status open_handle(tdl_webgpu_device *d, bool min, tdl_error *err) {
    const tdl_webgpu_api *api = &d->api;
    WGPULimits adapter = WGPU_LIMITS_INIT, limits = WGPU_LIMITS_INIT;
    if (api->AdapterGetLimits(d->adapter, &adapter) != WGPUStatus_Success)
        return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: the adapter does not say its limits");
    if (!min) {
        limits.maxBufferSize = adapter.maxBufferSize;
        limits.maxStorageBufferBindingSize = adapter.maxStorageBufferBindingSize;
        limits.maxComputeWorkgroupStorageSize = adapter.maxComputeWorkgroupStorageSize;
        limits.maxComputeInvocationsPerWorkgroup = adapter.maxComputeInvocationsPerWorkgroup;
        limits.maxComputeWorkgroupSizeX = adapter.maxComputeWorkgroupSizeX;
    }
    // What kernels can make use of: ops/kernel.h.
    static const WGPUFeatureName wanted[] = {
        WGPUFeatureName_ShaderF16, WGPUFeatureName_Subgroups, (WGPUFeatureName)WGPUNativeFeature_Subgroup,
        (WGPUFeatureName)DAWN_FEATURE_SUBGROUP_MATRIX, WGPUFeatureName_TimestampQuery};
    WGPUFeatureName features[sizeof wanted / sizeof *wanted];
    size_t n_features = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !min; i++)
        if (api->AdapterHasFeature(d->adapter, wanted[i])) features[n_features++] = wanted[i];
    // Our own shaders (webgpu_pipeline.c); timestamps in full.
    static const char *const on[] = {"disable_robustness"}, *const off[] = {"timestamp_quantization"};
    dawn_toggles toggles = {.chain = {.sType = (WGPUSType)DAWN_STYPE_TOGGLES},
                            .n_enabled = 1,
                            .enabled = on,
                            .n_disabled = 1,
                            .disabled = off};
    const WGPUDeviceDescriptor desc = {
        .nextInChain = tdl_webgpu_is_dawn(api) ? &toggles.chain : NULL,
        .requiredFeatureCount = n_features,
        .requiredFeatures = features,
        .requiredLimits = &limits,
        .deviceLostCallbackInfo = {.mode = WGPUCallbackMode_AllowSpontaneous, .callback = on_lost, .userdata1 = d},
        .uncapturedErrorCallbackInfo = {.callback = on_error, .userdata1 = d}};
    request r = {0};
    api->AdapterRequestDevice(d->adapter, &desc,
                              (WGPURequestDeviceCallbackInfo){
                                  .mode = WGPUCallbackMode_AllowSpontaneous, .callback = on_device, .userdata1 = &r});
    settle(d, &r.done);
    d->handle = r.device;
    if (!d->handle) return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: the adapter gives no device: %s", r.message);
    d->queue = api->DeviceGetQueue(d->handle);
    if (api->DeviceGetLimits(d->handle, &limits) != WGPUStatus_Success)
        return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: the device does not say its limits");
    d->buffer_size_max = limits.maxBufferSize;
    d->offset_align = limits.minStorageBufferOffsetAlignment;
    d->workgroup_memory = limits.maxComputeWorkgroupStorageSize;
    d->workgroup_size[0] = limits.maxComputeWorkgroupSizeX;
    d->workgroup_size[1] = limits.maxComputeWorkgroupSizeY;
    d->workgroup_size[2] = limits.maxComputeWorkgroupSizeZ;
    d->workgroup_size_all = limits.maxComputeInvocationsPerWorkgroup;
    d->storage_bindings = limits.maxStorageBuffersPerShaderStage;
    // Bindings are padded to 16 bytes; the decoders of some weights count bytes, in 32 bits.
    uint64_t size_max = limits.maxStorageBufferBindingSize;
    if (size_max > d->buffer_size_max) size_max = d->buffer_size_max;
    d->device.value_size_max = (size_max < UINT32_MAX ? size_max : UINT32_MAX) - 16;
    if (!min) tdl_webgpu_find_features(d);
    d->device.can_trace = !min && api->AdapterHasFeature(d->adapter, WGPUFeatureName_TimestampQuery);
    return TDL_OK;
}

static void close_handle(tdl_webgpu_device *d) {
    if (!d->handle) return;
    d->api.DeviceDestroy(d->handle); // callbacks still under way are called now
    tdl_webgpu_alive(d, NULL);
    tdl_webgpu_reads_free(d);
    tdl_webgpu_pipelines_free(d);
    if (d->queue) d->api.QueueRelease(d->queue);
    d->api.DeviceRelease(d->handle);
    d->queue = NULL;
    d->handle = NULL;
}

// Opens the adapter to see; empty where that fails.
static void describe_features(tdl_webgpu_device *d, char *text, size_t size) {
    static const struct {
        uint32_t feature;
        const char *name;
    } names[] = {{TDL_FEATURE_GPU_F16, "f16"},
                 {TDL_FEATURE_GPU_SUBGROUPS, "subgroups"},
                 {TDL_FEATURE_GPU_DOT4, "dot4"},
                 {TDL_FEATURE_GPU_MATRIX, "matrix"}};
    text[0] = 0;
    d->device.features = 0;
    atomic_store(&d->lost, false); // the one before was destroyed
    if (open_handle(d, false, NULL) != TDL_OK) return close_handle(d);
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (d->device.features & names[i].feature)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? " " : "", names[i].name);
    close_handle(d);
}

static void describe_adapter(const tdl_webgpu_api *api, WGPUAdapter adapter, char *text, size_t size) {
    static const char *const kinds[] = {"", "discrete", "integrated", "CPU", "unknown"};
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    text[0] = 0;
    if (api->AdapterGetInfo(adapter, &info) != WGPUStatus_Success) return;
    char name[64];
    copy_text(name, sizeof name, info.device);
    const char *through = info.backendType == WGPUBackendType_Vulkan  ? "Vulkan"
                          : info.backendType == WGPUBackendType_Metal ? "Metal"
                          : info.backendType == WGPUBackendType_D3D12 ? "D3D12"
                                                                      : "other";
    unsigned kind = (unsigned)info.adapterType;
    snprintf(text, size, "%s, %s, %s", name, through, kind < sizeof kinds / sizeof *kinds ? kinds[kind] : "unknown");
    api->AdapterInfoFreeMembers(info);
}

// ---- errors ---------------------------------------------------------------------------------------------------------

static void on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message, void *user,
                    void *unused) {
    (void)device, (void)reason, (void)unused;
    tdl_webgpu_device *d = user;
    if (atomic_load(&d->lost)) return;
    copy_text(d->lost_message, sizeof d->lost_message, message);
    atomic_store(&d->lost, true);
}

static void on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message, void *user, void *unused) {
    (void)device, (void)type, (void)unused;
    tdl_webgpu_device *d = user;
    if (!atomic_exchange(&d->has_error, true)) copy_text(d->error_message, sizeof d->error_message, message);
}

typedef struct scope_result {
    bool done;
    WGPUErrorType type;
    char message[300];
} scope_result;

static void on_scope(WGPUPopErrorScopeStatus status, WGPUErrorType type, WGPUStringView message, void *user,
                     void *unused) {
    (void)unused;
    scope_result *r = user;
    r->done = true;
    r->type = status == WGPUPopErrorScopeStatus_Success ? type : WGPUErrorType_NoError;
    if (r->type != WGPUErrorType_NoError) copy_text(r->message, sizeof r->message, message);
}

// Internal errors have no scope of their own in wgpu-native: they come to on_error.
static const WGPUErrorFilter filters[] = {WGPUErrorFilter_OutOfMemory, WGPUErrorFilter_Validation};

static tdl_status lost(const tdl_webgpu_device *d, tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_DEVICE_LOST, "webgpu: the device is lost: %s", d->lost_message);
}

tdl_status tdl_webgpu_probe(tdl_webgpu_device *d, tdl_error *err) {
    tdl_webgpu_scope_begin(d);
    WGPUCommandEncoder encoder = d->api.DeviceCreateCommandEncoder(d->handle, NULL);
    if (encoder) d->api.CommandEncoderRelease(encoder);
    return tdl_webgpu_scope_end(d, "asking whether it is there", err);
}

// wgpu-native (29) calls a lack of memory a validation error, with these words.
static bool is_memory(WGPUErrorType type, const char *message) {
    return type == WGPUErrorType_OutOfMemory || strstr(message, "Not enough memory left");
}

// What on_error was told, once.
static tdl_status unscoped_error(tdl_webgpu_device *d, tdl_error *err) {
    if (!atomic_load(&d->has_error)) return TDL_OK;
    bool memory = is_memory(WGPUErrorType_Unknown, d->error_message);
    tdl_status status = tdl_fail(err, memory ? TDL_ERROR_MEMORY : TDL_ERROR_DEVICE, "webgpu: %s", d->error_message);
    atomic_store(&d->has_error, false);
    return status;
}

void tdl_webgpu_scope_begin(tdl_webgpu_device *d) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) d->api.DevicePushErrorScope(d->handle, filters[i]);
}

tdl_status tdl_webgpu_scope_end(tdl_webgpu_device *d, const char *what, tdl_error *err) {
    scope_result first = {.type = WGPUErrorType_NoError};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        scope_result r = {.type = WGPUErrorType_NoError};
        d->api.DevicePopErrorScope(d->handle, (WGPUPopErrorScopeCallbackInfo){.mode = WGPUCallbackMode_AllowSpontaneous,
                                                                              .callback = on_scope,
                                                                              .userdata1 = &r});
        settle(d, &r.done);
        if (first.type == WGPUErrorType_NoError) first = r;
    }
    // wgpu-native does not call back for a device that was destroyed; whatever is made then fails with these words.
    if (strstr(first.message, "device is lost"))
        on_lost(NULL, WGPUDeviceLostReason_Unknown, tdl_webgpu_text(what), d, NULL);
    if (atomic_load(&d->lost)) return lost(d, err);
    if (first.type == WGPUErrorType_NoError) return unscoped_error(d, err);
    bool memory = is_memory(first.type, first.message);
    return tdl_fail(err, memory ? TDL_ERROR_MEMORY : TDL_ERROR_DEVICE, "webgpu: %s: %s%s", what,
                    memory ? "out of device memory: " : "", first.message);
}

tdl_status tdl_webgpu_alive(tdl_webgpu_device *d, tdl_error *err) {
    if (d->api.DevicePoll) d->api.DevicePoll(d->handle, false, NULL);
    else d->api.InstanceProcessEvents(d->instance);
    if (atomic_load(&d->lost)) return lost(d, err);
    return unscoped_error(d, err);
}

void tdl_webgpu_lose(tdl_device *device) {
    tdl_webgpu_device *d = (tdl_webgpu_device *)device;
    d->api.DeviceDestroy(d->handle);
}

const tdl_backend tdl_backend_webgpu = {
    .name = "webgpu",
    .id = TDL_BACKEND_WEBGPU,
    .temps_apart = true,
    .joins_weights = true,
    .f32_cache = true,
    .steps_max = STEPS_MAX,
    .list = webgpu_list,
    .open = webgpu_open,
    .close = webgpu_close,
    .buffer_create = tdl_webgpu_buffer_create,
    .buffer_destroy = tdl_webgpu_buffer_destroy,
    .write = tdl_webgpu_write,
    .read = tdl_webgpu_read_buffer,
    .compile = tdl_webgpu_compile,
    .program_destroy = tdl_webgpu_program_destroy,
    .submit = tdl_webgpu_submit,
    .poll = tdl_webgpu_poll,
};
