// SPDX-License-Identifier: MIT
// backend.h - what a kind of device must do: memory, a queue, running a plan. No maths, no model.
//
// Everything is asynchronous: submit begins a step, poll says whether it has ended, read fills its destination by the time
// poll returns OK. Nothing blocks: who wants to wait calls poll again, and reads that follow a submit before the first poll
// cost no journey of their own. A CPU may do the work inside submit. Every access to a buffer is checked against its size.
// A device's struct begins with tdl_device, a buffer's with tdl_buffer, a program's with tdl_program.
#ifndef TDL_BACKEND_H
#define TDL_BACKEND_H

#include "backend/plan.h"
#include "backend/trace.h"
#include "base/error.h"

typedef struct tdl_buffer tdl_buffer;
typedef struct tdl_program tdl_program;

typedef struct tdl_backend {
    const char *name;
    tdl_backend_id id;
    bool has_reference; // an op without a kernel is computed by its reference; else it is an error
    bool temps_apart;   // temps that live at the same time lie in different buffers, and no op works in place
    bool joins_weights; // matmuls of one x become one over their weights' rows (graph/join.c)
    bool f32_cache;     // the KV cache is F32 whatever the model's precision
    // Steps of a program that may be under way at once. Where more than one, tokens are picked on the device (ops/sample), so
    // that a step can follow one whose tokens the host has not seen.
    int32_t steps_max;
    // The devices there are: infos [*n] of at most infos_max.
    tdl_status (*list)(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max, size_t *n,
                       tdl_error *err);
    tdl_status (*open)(const tdl_device_desc *desc, tdl_device **out, tdl_error *err);
    void (*close)(tdl_device *device);

    // Zeroed memory. Errors: MEMORY, DEVICE.
    tdl_status (*buffer_create)(tdl_device *device, size_t size, tdl_buffer **out, tdl_error *err);
    // A buffer over memory of the caller's, which must outlive it and stays as it is; NULL where the device cannot.
    tdl_status (*buffer_borrow)(tdl_device *device, const void *memory, size_t size, tdl_buffer **out, tdl_error *err);
    void (*buffer_destroy)(tdl_buffer *buffer); // drops what is still being read from it
    // offset and size are multiples of 4, but for a range that ends with the buffer.
    tdl_status (*write)(tdl_buffer *buffer, size_t offset, const void *src, size_t size, tdl_error *err);
    // dst must stay until poll returns OK or an error, another read of this buffer fails, or the buffer is destroyed.
    tdl_status (*read)(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err);
    // Makes rows [first, first + count) of a weight's prepared layout, in a buffer of tdl_layout_size bytes, with the
    // device's own threads; first is a multiple of 16. rows: the bytes of these rows; weight->data is not looked at. In
    // pieces, so that the file's rows need not all be in memory. NULL where no kernel of the device wants a prepared layout.
    tdl_status (*prepare)(tdl_buffer *buffer, tdl_layout layout, const tdl_tensor *weight, const uint8_t *rows,
                          int64_t first, int64_t count, tdl_error *err);

    // buffers [plan->n_buffers], borrowed like the plan until the program is destroyed.
    tdl_status (*compile)(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                          tdl_error *err);
    void (*program_destroy)(tdl_program *program);
    // Begins a step, behind those under way, and sets program->step. Of the program's, fewer than steps_max may be under way: a
    // step has ended when a poll for it said OK, and all have when a poll or any other call failed.
    tdl_status (*submit)(tdl_program *program, const tdl_step_counts *counts, tdl_error *err);
    // OK: the program's step of this number, and so all before it, has ended, and what was read from its buffers before the
    // next write or submit has arrived; PENDING. step 0: the program's last, and all that is read from its buffers. program
    // NULL: all that is under way on the device.
    tdl_status (*poll)(tdl_device *device, tdl_program *program, uint64_t step, tdl_error *err);
} tdl_backend;

struct tdl_device {
    const tdl_backend *backend;
    const tdl_allocator *mem;
    uint32_t features;       // tdl_feature bits that its kernels may need
    uint64_t value_size_max; // bytes of a value that a kernel can be given; 0: no limit
    bool can_trace;          // it tells when its ops run, where `trace` is on
    tdl_trace *trace;        // NULL: never asked for
    char summary[96];
};

struct tdl_buffer {
    tdl_device *device;
    size_t size; // bytes
};

struct tdl_program {
    tdl_device *device;
    const tdl_plan *plan;
    uint64_t step; // number of its last step: the device counts them; 0: none
};

extern const tdl_backend tdl_backend_cpu, tdl_backend_null, tdl_backend_webgpu; // the last: where TDL_WEBGPU is defined

#endif
