// SPDX-License-Identifier: MIT
// webgpu_pipeline.c - shaders become pipelines, once each; their bindings are laid out by the kernel contract (ops/kernel.h).
//
// A driver takes its time over each, and uses one thread for it: the pipelines that a plan still lacks are made by several
// threads, before its first step. Whatever fails there is made again alone, where its error can be told from others'.
#include "backend/webgpu/webgpu_device.h"

#include "base/checked.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

enum { BINDINGS_MAX = 1 + TDL_OP_IN_MAX + TDL_OP_OUT_MAX + 1, THREADS_MAX = 8 };

// A pipeline to be made, without its handle, and its shader's text.
typedef struct pipeline_job {
    tdl_webgpu_pipeline pipeline;
    tdl_str code;
} pipeline_job;

typedef struct pipeline_jobs {
    tdl_webgpu_device *device;
    tdl_vec list; // pipeline_job
    atomic_int next;
} pipeline_jobs;

static tdl_webgpu_pipeline describe(const tdl_kernel *kernel, const tdl_call *call);
static bool same(const tdl_webgpu_pipeline *a, const tdl_webgpu_pipeline *b);
static tdl_status check_needs(const tdl_webgpu_device *d, const tdl_kernel *kernel, const char *code, tdl_error *err);
static bool collect(tdl_webgpu_device *d, const tdl_plan *plan, tdl_vec *jobs);
static bool collect_kernel(tdl_webgpu_device *d, const tdl_kernel *kernel, const tdl_call *call, tdl_vec *jobs);
static void make_some(void *arg, int32_t index);
static void keep(tdl_webgpu_device *d, tdl_vec *jobs, bool whole);
static void make_layouts(tdl_webgpu_device *d, int32_t n_in, int32_t n_out);
static WGPUComputePipeline make_pipeline(tdl_webgpu_device *d, const char *code, int32_t n_in, int32_t n_out);

tdl_status tdl_webgpu_pipeline_get(tdl_webgpu_device *d, const tdl_kernel *kernel, const tdl_call *call,
                                   WGPUComputePipeline *out, tdl_error *err) {
    tdl_webgpu_pipeline wanted = describe(kernel, call);
    for (size_t i = 0; i < d->pipelines.n; i++) {
        const tdl_webgpu_pipeline *p = tdl_vec_at(&d->pipelines, tdl_webgpu_pipeline, i);
        if (!same(p, &wanted)) continue;
        *out = p->handle;
        return TDL_OK;
    }
    tdl_str code = tdl_str_make(d->device.mem);
    if (!tdl_webgpu_shader_text(d, kernel, wanted.decoder, &code) ||
        !tdl_vec_reserve(&d->pipelines, d->pipelines.n + 1)) {
        tdl_str_deinit(&code);
        return tdl_fail(err, TDL_ERROR_MEMORY, "webgpu: no memory for the shader of %s", kernel->name);
    }
    char what[80];
    snprintf(what, sizeof what, "making a pipeline for %s", kernel->name);
    tdl_status status = check_needs(d, kernel, code.ptr, err);
    if (status == TDL_OK) {
        tdl_webgpu_scope_begin(d);
        make_layouts(d, wanted.n_in, wanted.n_out);
        wanted.handle = make_pipeline(d, code.ptr, wanted.n_in, wanted.n_out);
        status = tdl_webgpu_scope_end(d, what, err);
    }
    tdl_str_deinit(&code);
    if (status != TDL_OK) {
        if (wanted.handle) d->api.ComputePipelineRelease(wanted.handle);
        return status;
    }
    tdl_vec_push(&d->pipelines, &wanted, 1); // there is room
    *out = wanted.handle;
    return TDL_OK;
}

void tdl_webgpu_pipelines_ahead(tdl_webgpu_device *d, const tdl_plan *plan) {
    pipeline_jobs jobs = {.device = d, .list = tdl_vec_make(d->device.mem, sizeof(pipeline_job))};
    tdl_pool *pool = NULL;
    bool ok = collect(d, plan, &jobs.list);
    int64_t n = (int64_t)jobs.list.n;
    int32_t n_threads = (int32_t)tdl_min_i64(tdl_min_i64(n, THREADS_MAX), tdl_cpu_count());
    if (ok && n > 1) ok = tdl_pool_create(d->device.mem, n_threads, &pool, NULL) == TDL_OK;
    if (ok && pool) {
        // A scope may see all threads' errors or only this one's; those of the others come to on_error then.
        tdl_webgpu_scope_begin(d);
        for (int64_t i = 0; i < n; i++) {
            const tdl_webgpu_pipeline *p = &tdl_vec_at(&jobs.list, pipeline_job, i)->pipeline;
            make_layouts(d, p->n_in, p->n_out);
        }
        tdl_pool_run(pool, make_some, &jobs);
        ok = tdl_webgpu_scope_end(d, "making pipelines", NULL) == TDL_OK && tdl_webgpu_alive(d, NULL) == TDL_OK;
    }
    tdl_pool_destroy(pool);
    keep(d, &jobs.list, ok);
    tdl_vec_deinit(&jobs.list);
}

// What the plan's kernels lack, once each.
static bool collect(tdl_webgpu_device *d, const tdl_plan *plan, tdl_vec *jobs) {
    for (int32_t i = 0; i < plan->n_ops * (TDL_PLAN_FEW_MAX + 1); i++) {
        const tdl_plan_op *op = &plan->ops[i / (TDL_PLAN_FEW_MAX + 1)];
        int32_t which = i % (TDL_PLAN_FEW_MAX + 1);
        const tdl_kernel *kernel = which < TDL_PLAN_FEW_MAX ? op->few[which] : op->kernel;
        if (!kernel) continue;
        tdl_call call = {.attrs = op->attrs, .n_in = op->n_in, .n_out = op->n_out};
        for (int32_t j = 0; j < op->n_in; j++) call.in[j] = plan->values[op->in[j]].tensor;
        for (int32_t j = 0; j < op->n_out; j++) call.out[j] = plan->values[op->out[j]].tensor;
        if (!collect_kernel(d, kernel, &call, jobs)) return false;
        if (kernel->merge && !collect_kernel(d, kernel->merge, &call, jobs)) return false;
    }
    return tdl_vec_reserve(&d->pipelines, d->pipelines.n + jobs->n);
}

static bool collect_kernel(tdl_webgpu_device *d, const tdl_kernel *kernel, const tdl_call *call, tdl_vec *jobs) {
    pipeline_job job = {.pipeline = describe(kernel, call), .code = tdl_str_make(d->device.mem)};
    bool there = false;
    for (size_t k = 0; k < d->pipelines.n && !there; k++)
        there = same(tdl_vec_at(&d->pipelines, tdl_webgpu_pipeline, k), &job.pipeline);
    for (size_t k = 0; k < jobs->n && !there; k++)
        there = same(&tdl_vec_at(jobs, pipeline_job, k)->pipeline, &job.pipeline);
    bool ok = there || tdl_webgpu_shader_text(d, kernel, job.pipeline.decoder, &job.code);
    // One that the device has too little for is never given to it: tdl_webgpu_pipeline_get says so.
    bool fits = ok && !there && check_needs(d, kernel, job.code.ptr, NULL) == TDL_OK;
    if (fits && tdl_vec_push(jobs, &job, 1)) return true;
    tdl_str_deinit(&job.code);
    return ok && !fits;
}

static void make_some(void *arg, int32_t index) {
    (void)index;
    pipeline_jobs *jobs = arg;
    int i;
    while ((i = atomic_fetch_add(&jobs->next, 1)) < (int)jobs->list.n) {
        pipeline_job *job = tdl_vec_at(&jobs->list, pipeline_job, i);
        job->pipeline.handle = make_pipeline(jobs->device, job->code.ptr, job->pipeline.n_in, job->pipeline.n_out);
    }
}

// Takes over what was made, or, where something failed, lets go of all of it.
static void keep(tdl_webgpu_device *d, tdl_vec *jobs, bool whole) {
    for (size_t i = 0; i < jobs->n; i++) {
        pipeline_job *job = tdl_vec_at(jobs, pipeline_job, i);
        if (job->pipeline.handle && whole) tdl_vec_push(&d->pipelines, &job->pipeline, 1); // there is room
        else if (job->pipeline.handle) d->api.ComputePipelineRelease(job->pipeline.handle);
        tdl_str_deinit(&job->code);
    }
}

static tdl_webgpu_pipeline describe(const tdl_kernel *kernel, const tdl_call *call) {
    tdl_webgpu_pipeline p = {.kernel = kernel, .decoder = kernel->wgsl_decoder ? kernel->wgsl_decoder(call) : NULL};
    tdl_webgpu_count_bindings(kernel, call, &p.n_in, &p.n_out);
    return p;
}

void tdl_webgpu_count_bindings(const tdl_kernel *kernel, const tdl_call *call, int32_t *n_in, int32_t *n_out) {
    *n_in = 0;
    *n_out = call->n_out + (kernel->scratch_size != NULL);
    bool has_indices = false;
    for (int32_t i = 0; i < call->n_in; i++) {
        bool index = call->in[i].dtype == TDL_DTYPE_I32 && !(kernel->indices_apart >> i & 1);
        if (!index || !has_indices) ++*n_in;
        has_indices |= index;
    }
    if (kernel->is_merge) *n_in = *n_out = 1;
}

static bool same(const tdl_webgpu_pipeline *a, const tdl_webgpu_pipeline *b) {
    return a->kernel == b->kernel && a->decoder == b->decoder && a->n_in == b->n_in && a->n_out == b->n_out;
}

// Errors: LIMIT, and DEVICE where the text has something that webgpu_needs.c cannot read.
static tdl_status check_needs(const tdl_webgpu_device *d, const tdl_kernel *kernel, const char *code, tdl_error *err) {
    static const char axes[] = "xyz";
    tdl_webgpu_needs needs;
    char unread[40];
    if (!tdl_webgpu_needs_of(code, &needs, unread, sizeof unread))
        return tdl_fail(err, TDL_ERROR_DEVICE, "webgpu: %s: cannot tell what its shader needs: '%s' is not understood",
                        kernel->name, unread);
    if (needs.workgroup_memory > d->workgroup_memory)
        return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: %s: %llu bytes of workgroup memory, this device has at most %u",
                        kernel->name, (unsigned long long)needs.workgroup_memory, d->workgroup_memory);
    uint64_t all = 1;
    for (int i = 0; i < 3; i++) {
        all *= needs.workgroup_size[i];
        if (needs.workgroup_size[i] > d->workgroup_size[i])
            return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: %s: workgroups of %llu along %c, this device has at most %u",
                            kernel->name, (unsigned long long)needs.workgroup_size[i], axes[i], d->workgroup_size[i]);
    }
    if (all > d->workgroup_size_all)
        return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: %s: workgroups of %llu invocations, this device has at most %u",
                        kernel->name, (unsigned long long)all, d->workgroup_size_all);
    if (needs.n_storage > d->storage_bindings)
        return tdl_fail(err, TDL_ERROR_LIMIT, "webgpu: %s: %u storage buffers, this device has at most %u",
                        kernel->name, needs.n_storage, d->storage_bindings);
    return TDL_OK;
}

bool tdl_webgpu_shader_text(const tdl_webgpu_device *d, const tdl_kernel *kernel, const char *decoder, tdl_str *code) {
    bool matrix = kernel->needs & TDL_FEATURE_GPU_MATRIX;
    if (kernel->needs & TDL_FEATURE_GPU_F16 || matrix) tdl_str_format(code, "enable f16;\n");
    if ((kernel->needs & TDL_FEATURE_GPU_SUBGROUPS || matrix) && d->enables_subgroups)
        tdl_str_format(code, "enable subgroups;\n");
    if (matrix) // which subgroup is at work decides what it computes, so the library cannot see that all take the same way
        tdl_str_format(code,
                       "enable chromium_experimental_subgroup_matrix;\n"
                       "diagnostic(off, chromium.subgroup_matrix_uniformity);\n"
                       "const MATRIX: u32 = %uu;\nconst SUBGROUP: u32 = %uu;\n",
                       d->matrix_size, d->subgroup_size);
    if (decoder) tdl_str_format(code, "%s\n", decoder);
    for (int i = 0; i < TDL_WGSL_PARTS && kernel->wgsl[i]; i++) tdl_str_format(code, "%s\n", kernel->wgsl[i]);
    if (matrix && d->rewrite && !code->failed) return d->rewrite(code);
    return !code->failed;
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
        for (int j = 0; j <= TDL_OP_OUT_MAX; j++) {
            if (d->pipeline_layouts[i][j]) d->api.PipelineLayoutRelease(d->pipeline_layouts[i][j]);
            if (d->group_layouts[i][j]) d->api.BindGroupLayoutRelease(d->group_layouts[i][j]);
        }
}
