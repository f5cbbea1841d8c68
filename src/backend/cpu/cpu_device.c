// SPDX-License-Identifier: MIT
// cpu_device.c - the CPU as a device: threads, host memory as buffers, prepared weights.
#include "backend/cpu/cpu_device.h"

#include "backend/cpu/cpu_features.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t features;
} isas[] = {{"plain", 0},
            {"neon", TDL_FEATURE_NEON},
            {"avx2", TDL_FEATURE_AVX2},
            {"avx512", TDL_FEATURE_AVX2 | TDL_FEATURE_AVX512},
            {"avx512_bf16", TDL_FEATURE_AVX2 | TDL_FEATURE_AVX512 | TDL_FEATURE_AVX512_BF16}};

enum { ISA_COUNT = sizeof isas / sizeof *isas, PREPARE_ROWS = 256 };

static tdl_status choose_isa(const char *isa_max, uint32_t *features, const char **name, tdl_error *err) {
    uint32_t allowed = UINT32_MAX;
    for (int i = 0; isa_max && i <= ISA_COUNT; i++) {
        if (i == ISA_COUNT)
            return tdl_fail(err, TDL_ERROR_ARGUMENT,
                            "cpu: isa_max is '%s', expected plain, avx2, avx512, avx512_bf16 or neon", isa_max);
        if (strcmp(isa_max, isas[i].name) == 0) {
            allowed = isas[i].features;
            break;
        }
    }
    uint32_t usable = tdl_cpu_features() & allowed;
    for (int i = ISA_COUNT - 1; i >= 0; i--)
        if ((isas[i].features & ~usable) == 0) {
            *features = isas[i].features;
            *name = isas[i].name;
            break;
        }
    return TDL_OK;
}

static void cpu_close(tdl_device *device) {
    tdl_cpu_device *cpu = (tdl_cpu_device *)device;
    tdl_pool_destroy(cpu->pool);
    pthread_mutex_destroy(&cpu->busy);
    tdl_free(device->mem, cpu);
}

static tdl_status cpu_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(desc->allocator);
    if (desc->n_threads < 0 || desc->n_threads > TDL_THREADS_MAX)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: n_threads is %d, expected 0 to %d", desc->n_threads,
                        TDL_THREADS_MAX);
    int32_t n_threads = desc->n_threads ? desc->n_threads : (int32_t)tdl_min_i64(tdl_cpu_count(), TDL_THREADS_MAX);
    uint32_t features = 0;
    const char *isa = "plain";
    tdl_status status = choose_isa(desc->isa_max, &features, &isa, err);
    if (status != TDL_OK) return status;

    tdl_cpu_device *cpu = tdl_alloc(mem, 1, sizeof *cpu);
    if (!cpu) return tdl_fail(err, TDL_ERROR_MEMORY, "cpu: no memory for the device");
    cpu->device = (tdl_device){.backend = &tdl_backend_cpu, .mem = mem, .features = features, .can_trace = true};
    snprintf(cpu->device.summary, sizeof cpu->device.summary, "cpu: %s, %d thread%s", isa, n_threads,
             n_threads == 1 ? "" : "s");
    status = tdl_pool_create(mem, n_threads, &cpu->pool, err);
    if (status == TDL_OK && pthread_mutex_init(&cpu->busy, NULL) != 0) {
        tdl_pool_destroy(cpu->pool);
        status = tdl_fail(err, TDL_ERROR_MEMORY, "cpu: cannot make a mutex");
    }
    if (status != TDL_OK) {
        tdl_free(mem, cpu);
        return status;
    }
    *out = &cpu->device;
    return TDL_OK;
}

static tdl_status cpu_list(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max, size_t *n,
                           tdl_error *err) {
    tdl_device *device;
    tdl_status status = cpu_open(desc, &device, err);
    if (status != TDL_OK) return status;
    *n = 1;
    if (infos_max) {
        *infos = (tdl_device_info){0};
        snprintf(infos->name, sizeof infos->name, "cpu");
        snprintf(infos->summary, sizeof infos->summary, "%s", device->summary);
    }
    cpu_close(device);
    return TDL_OK;
}

static tdl_status make_buffer(tdl_device *device, void *data, size_t size, bool owned, tdl_buffer **out,
                              tdl_error *err) {
    tdl_cpu_buffer *buffer = tdl_alloc(device->mem, 1, sizeof *buffer);
    if (!buffer) return tdl_fail(err, TDL_ERROR_MEMORY, "cpu: no memory for a buffer");
    *buffer = (tdl_cpu_buffer){.buffer = {.device = device, .size = size}, .data = data, .owned = owned};
    *out = &buffer->buffer;
    return TDL_OK;
}

static tdl_status cpu_buffer_create(tdl_device *device, size_t size, tdl_buffer **out, tdl_error *err) {
    void *data = tdl_alloc(device->mem, size, 1);
    if (!data) return tdl_fail(err, TDL_ERROR_MEMORY, "cpu: no memory for a buffer of %zu bytes", size);
    tdl_status status = make_buffer(device, data, size, true, out, err);
    if (status != TDL_OK) tdl_free(device->mem, data);
    return status;
}

static tdl_status cpu_buffer_borrow(tdl_device *device, const void *memory, size_t size, tdl_buffer **out,
                                    tdl_error *err) {
    // Borrowed memory is only ever read: a plan writes to no weight, and cpu_write refuses it.
    return make_buffer(device, (void *)(uintptr_t)memory, size, false, out, err);
}

static void cpu_buffer_destroy(tdl_buffer *buffer) {
    if (!buffer) return;
    tdl_cpu_buffer *cpu = (tdl_cpu_buffer *)buffer;
    if (cpu->owned) tdl_free(buffer->device->mem, cpu->data);
    tdl_free(buffer->device->mem, cpu);
}

static tdl_status cpu_write(tdl_buffer *buffer, size_t offset, const void *src, size_t size, tdl_error *err) {
    tdl_cpu_buffer *cpu = (tdl_cpu_buffer *)buffer;
    if (!cpu->owned) return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: write to a borrowed buffer");
    if (!tdl_range_ok(offset, size, buffer->size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: write of %zu bytes at %zu, the buffer has %zu", size, offset,
                        buffer->size);
    if (size) memcpy(cpu->data + offset, src, size);
    return TDL_OK;
}

static tdl_status cpu_read(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err) {
    const tdl_cpu_buffer *cpu = (const tdl_cpu_buffer *)buffer;
    if (!tdl_range_ok(offset, size, buffer->size))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: read of %zu bytes at %zu, the buffer has %zu", size, offset,
                        buffer->size);
    if (size) memcpy(dst, cpu->data + offset, size);
    return TDL_OK;
}

typedef struct prepare_job {
    tdl_layout layout;
    const tdl_tensor *weight;
    const uint8_t *rows; // from row `first` on
    uint8_t *dst;
    int64_t first, end; // rows
    atomic_llong next;  // row
} prepare_job;

static void prepare_rows(void *arg, int32_t index) {
    (void)index;
    prepare_job *job = arg;
    int64_t first;
    while ((first = atomic_fetch_add(&job->next, PREPARE_ROWS)) < job->end)
        tdl_layout_prepare(job->layout, job->weight, job->rows + (first - job->first) * job->weight->strides[0],
                           job->dst, first, tdl_min_i64(PREPARE_ROWS, job->end - first));
}

static tdl_status cpu_prepare(tdl_buffer *buffer, tdl_layout layout, const tdl_tensor *weight, const uint8_t *rows,
                              int64_t first, int64_t count, tdl_error *err) {
    tdl_cpu_buffer *cpu = (tdl_cpu_buffer *)buffer;
    size_t size = tdl_layout_size(layout, weight);
    if (size == 0 || size > buffer->size)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "cpu: a prepared weight of %zu bytes, the buffer has %zu", size,
                        buffer->size);
    tdl_cpu_device *device = (tdl_cpu_device *)buffer->device;
    prepare_job job = {.layout = layout,
                       .weight = weight,
                       .rows = rows,
                       .dst = cpu->data,
                       .first = first,
                       .end = first + count,
                       .next = first};
    pthread_mutex_lock(&device->busy);
    tdl_pool_run(device->pool, prepare_rows, &job);
    pthread_mutex_unlock(&device->busy);
    return TDL_OK;
}

static tdl_status cpu_poll(tdl_device *device, tdl_program *program, uint64_t step, tdl_error *err) {
    (void)device, (void)program, (void)step, (void)err; // submit does the work
    return TDL_OK;
}

const tdl_backend tdl_backend_cpu = {
    .name = "cpu",
    .id = TDL_BACKEND_CPU,
    .has_reference = true,
    .steps_max = 1,
    .list = cpu_list,
    .open = cpu_open,
    .close = cpu_close,
    .buffer_create = cpu_buffer_create,
    .buffer_borrow = cpu_buffer_borrow,
    .buffer_destroy = cpu_buffer_destroy,
    .write = cpu_write,
    .read = cpu_read,
    .prepare = cpu_prepare,
    .compile = tdl_cpu_compile,
    .program_destroy = tdl_cpu_program_destroy,
    .submit = tdl_cpu_submit,
    .poll = cpu_poll,
};
