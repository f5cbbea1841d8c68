// webgpu_pipeline.c - shaders become pipelines, once each; their bindings are laid out by the kernel contract (ops/kernel.h).
#include "backend/webgpu/webgpu_device.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { BINDINGS_MAX = 1 + TDL_OP_IN_MAX + TDL_OP_OUT_MAX + 1 };

static void make_layouts(tdl_webgpu_device *d, int32_t n_in, int32_t n_out);
static WGPUComputePipeline make_pipeline(tdl_webgpu_device *d, const char *code, int32_t n_in, int32_t n_out);

tdl_status tdl_webgpu_pipeline_get(tdl_webgpu_device *d, const tdl_kernel *kernel, const tdl_call *call,
                                   WGPUComputePipeline *out, tdl_error *err) {
    const char *decoder = kernel->wgsl_decoder ? kernel->wgsl_decoder(call) : NULL;
    tdl_webgpu_pipeline *p;
    int32_t n_in, n_out;
    tdl_webgpu_count_bindings(kernel, call, &n_in, &n_out);
    for (size_t i = 0; i < d->pipelines.n; i++) {
        p = tdl_vec_at(&d->pipelines, tdl_webgpu_pipeline, i);
        if (p->kernel == kernel && p->decoder == decoder && p->n_in == n_in && p->n_out == n_out) {
            *out = p->handle;
            return TDL_OK;
        }
    }
    tdl_str code = tdl_str_make(d->device.mem);
    if (kernel->needs & TDL_FEATURE_GPU_F16) tdl_str_format(&code, "enable f16;\n");
    if (kernel->needs & TDL_FEATURE_GPU_SUBGROUPS && d->enables_subgroups) tdl_str_format(&code, "enable subgroups;\n");
    if (decoder) tdl_str_format(&code, "%s\n", decoder);
    for (int i = 0; i < TDL_WGSL_PARTS && kernel->wgsl[i]; i++) tdl_str_format(&code, "%s\n", kernel->wgsl[i]);
    if (code.failed || !tdl_vec_reserve(&d->pipelines, d->pipelines.n + 1)) {
        tdl_str_deinit(&code);
        return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for the shader of %s", kernel->name);
    }
    char what[80];
    snprintf(what, sizeof what, "making a pipeline for %s", kernel->name);
    tdl_webgpu_scope_begin(d);
    make_layouts(d, n_in, n_out);
    WGPUComputePipeline handle = make_pipeline(d, code.ptr, n_in, n_out);
    tdl_status status = tdl_webgpu_scope_end(d, what, err);
    tdl_str_deinit(&code);
    if (status != TDL_OK) {
        if (handle) d->api.ComputePipelineRelease(handle);
        return status;
    }
    p = tdl_vec_add(&d->pipelines);
    *p = (tdl_webgpu_pipeline){.kernel = kernel, .decoder = decoder, .n_in = n_in, .n_out = n_out, .handle = handle};
    *out = handle;
    return TDL_OK;
}

void tdl_webgpu_count_bindings(const tdl_kernel *kernel, const tdl_call *call, int32_t *n_in, int32_t *n_out) {
    *n_in = 0;
    *n_out = call->n_out + (kernel->scratch_size != NULL);
    bool has_indices = false;
    for (int32_t i = 0; i < call->n_in; i++) {
        bool index = call->in[i].dtype == TDL_DTYPE_I32;
        if (!index || !has_indices) ++*n_in;
        has_indices |= index;
    }
    if (kernel->is_merge) *n_in = *n_out = 1;
}

// The uniforms, then inputs, read-only, then outputs.
static void make_layouts(tdl_webgpu_device *d, int32_t n_in, int32_t n_out) {
    if (d->pipeline_layouts[n_in][n_out]) return;
    WGPUBindGroupLayoutEntry entries[BINDINGS_MAX] = {0};
    int32_t n = 1 + n_in + n_out;
    for (int32_t i = 0; i < n; i++) {
        entries[i].binding = (uint32_t)i;
        entries[i].visibility = WGPUShaderStage_Compute;
        entries[i].buffer.type = i == 0      ? WGPUBufferBindingType_Uniform
                                 : i <= n_in ? WGPUBufferBindingType_ReadOnlyStorage
                                             : WGPUBufferBindingType_Storage;
        entries[i].buffer.hasDynamicOffset = i == 0;
    }
    WGPUBindGroupLayout *group = &d->group_layouts[n_in][n_out];
    *group = d->api.DeviceCreateBindGroupLayout(
        d->handle, &(WGPUBindGroupLayoutDescriptor){.entryCount = (size_t)n, .entries = entries});
    d->pipeline_layouts[n_in][n_out] = d->api.DeviceCreatePipelineLayout(
        d->handle, &(WGPUPipelineLayoutDescriptor){.bindGroupLayoutCount = 1, .bindGroupLayouts = group});
}

// Our own shaders: their loops end, and their indices were checked when the plan was made. What the library would add to
// every loop and every access to workgroup memory costs a matrix kernel much of its speed.
WGPUShaderModule tdl_webgpu_make_module(tdl_webgpu_device *d, const char *code) {
    WGPUShaderSourceWGSL source = {.chain = {.sType = WGPUSType_ShaderSourceWGSL}, .code = tdl_webgpu_text(code)};
    const WGPUShaderModuleDescriptor desc = {.nextInChain = &source.chain};
    if (d->api.DeviceCreateShaderModuleTrusted)
        return d->api.DeviceCreateShaderModuleTrusted(d->handle, &desc, WGPUShaderRuntimeChecks_None);
    return d->api.DeviceCreateShaderModule(d->handle, &desc);
}

static WGPUComputePipeline make_pipeline(tdl_webgpu_device *d, const char *code, int32_t n_in, int32_t n_out) {
    WGPUShaderModule module = tdl_webgpu_make_module(d, code);
    if (!module) return NULL;
    WGPUComputePipeline handle = d->api.DeviceCreateComputePipeline(
        d->handle,
        &(WGPUComputePipelineDescriptor){.layout = d->pipeline_layouts[n_in][n_out],
                                         .compute = {.module = module, .entryPoint = tdl_webgpu_text("main")}});
    d->api.ShaderModuleRelease(module);
    return handle;
}

void tdl_webgpu_pipelines_free(tdl_webgpu_device *d) {
    for (size_t i = 0; i < d->pipelines.n; i++)
        d->api.ComputePipelineRelease(tdl_vec_at(&d->pipelines, tdl_webgpu_pipeline, i)->handle);
    for (int i = 0; i <= TDL_OP_IN_MAX; i++)
        for (int j = 0; j <= TDL_OP_OUT_MAX + 1; j++) {
            if (d->pipeline_layouts[i][j]) d->api.PipelineLayoutRelease(d->pipeline_layouts[i][j]);
            if (d->group_layouts[i][j]) d->api.BindGroupLayoutRelease(d->group_layouts[i][j]);
        }
}
