// SPDX-License-Identifier: MIT
// webgpu_device.h - the WebGPU backend's own structs, shared by its files.
//
// How errors are found: whatever makes an object or commands stands between scope_begin and scope_end, which turns what
// the library has to say into a status; a lost device is noticed by tdl_webgpu_alive, which is asked before every submit,
// because wgpu-native's process dies on a submit of invalid commands or to a lost device. What cannot be caught: a
// device lost between that question and the submit.
#ifndef TDL_BACKEND_WEBGPU_DEVICE_H
#define TDL_BACKEND_WEBGPU_DEVICE_H

#include "backend/backend.h"
#include "backend/webgpu/webgpu_api.h"
#include "base/str.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct tdl_webgpu_program tdl_webgpu_program;
typedef struct tdl_webgpu_times tdl_webgpu_times;

// A compute pipeline, made once for a kernel with a decoder and its numbers of inputs and outputs.
typedef struct tdl_webgpu_pipeline {
    const tdl_kernel *kernel;
    const char *decoder;
    int32_t n_in, n_out;
    WGPUComputePipeline handle;
} tdl_webgpu_pipeline;

// What a shader needs of the device's limits.
typedef struct tdl_webgpu_needs {
    uint64_t workgroup_memory; // bytes
    uint64_t workgroup_size[3];
    uint32_t n_storage; // storage buffers
} tdl_webgpu_needs;

typedef enum tdl_webgpu_read_state {
    TDL_WEBGPU_READ_FREE = 0, // nobody's: its staging buffer may be used again
    TDL_WEBGPU_READ_ENCODED,  // the copy is in the open encoder
    TDL_WEBGPU_READ_MAPPING,  // submitted; the callback will come
    TDL_WEBGPU_READ_MAPPED,
    TDL_WEBGPU_READ_FAILED,
} tdl_webgpu_read_state;

// A read under way: from `source` to a staging buffer, from there to dst.
typedef struct tdl_webgpu_read {
    struct tdl_webgpu_read *next;
    tdl_webgpu_read_state state;
    WGPUBuffer staging;
    size_t staging_size;
    const tdl_buffer *source; // NULL: dropped
    void *dst;
    uint64_t submission; // the device's number of the submit that its copy is in; UINT64_MAX: not submitted
    size_t skip, size;   // bytes in the staging buffer before what is wanted, and wanted
} tdl_webgpu_read;

typedef struct tdl_webgpu_device {
    tdl_device device;
    tdl_webgpu_api api;
    WGPUInstance instance;
    WGPUAdapter adapter;
    WGPUDevice handle;
    WGPUQueue queue;
    uint64_t buffer_size_max;
    uint32_t offset_align;                          // of storage bindings
    uint32_t workgroup_memory;                      // bytes
    uint32_t workgroup_size[3], workgroup_size_all; // invocations in each dimension, and in all
    uint32_t storage_bindings;
    bool enables_subgroups;         // shaders that use them must say so; naga does not know the word
    uint32_t matrix_size;           // the side of the matrices that a subgroup multiplies; 0: it does not
    uint32_t subgroup_size;         // where there are such
    bool (*rewrite)(tdl_str *code); // tests: does a shader's products of matrices without such; NULL: left as it is
    pthread_mutex_t lock;           // guards all below; the functions below this struct want it held
    tdl_vec pipelines;              // tdl_webgpu_pipeline
    WGPUBindGroupLayout group_layouts[TDL_OP_IN_MAX + 1][TDL_OP_OUT_MAX + 2]; // by bindings read, and written
    WGPUPipelineLayout pipeline_layouts[TDL_OP_IN_MAX + 1][TDL_OP_OUT_MAX + 2];
    WGPUCommandBuffer ready;    // a step that was encoded ahead, submitted before the encoder's; NULL: none
    WGPUCommandEncoder encoder; // a step and reads that are not submitted yet; NULL: none
    size_t n_written;           // bytes given to the queue since the last submit
    tdl_webgpu_read *reads;
    uint64_t n_submitted;
    atomic_ullong n_done; // submits that have ended
    atomic_bool lost;
    char lost_message[200];
    atomic_bool has_error;   // one outside of any scope was seen, by whichever thread
    char error_message[200]; // its message
} tdl_webgpu_device;

typedef struct tdl_webgpu_buffer {
    tdl_buffer buffer;
    WGPUBuffer handle;
    size_t size_padded; // a multiple of 16
} tdl_webgpu_buffer;

static inline WGPUStringView tdl_webgpu_text(const char *text) {
    return (WGPUStringView){.data = text, .length = WGPU_STRLEN};
}

// webgpu_device.c
void tdl_webgpu_scope_begin(tdl_webgpu_device *device);
// `what` begins the message. Errors: DEVICE, MEMORY, DEVICE_LOST.
tdl_status tdl_webgpu_scope_end(tdl_webgpu_device *device, const char *what, tdl_error *err);
// Lets the library deliver its events. Errors: DEVICE_LOST; DEVICE where an error was seen outside of any scope.
tdl_status tdl_webgpu_alive(tdl_webgpu_device *device, tdl_error *err);
// Makes a trifle to see whether it can: tells a loss from another failure. Errors: DEVICE_LOST, DEVICE.
tdl_status tdl_webgpu_probe(tdl_webgpu_device *device, tdl_error *err);
// Destroys the device under the program: what a driver's reset does. For tests.
void tdl_webgpu_lose(tdl_device *device);
// Opens Dawn's adapter that has every feature and computes nothing: shaders are held to the language and the limits, at once.
// For tests; no name opens it.
tdl_status tdl_webgpu_open_null(const tdl_device_desc *desc, tdl_device **out, tdl_error *err);

// webgpu_buffer.c
tdl_status tdl_webgpu_buffer_create(tdl_device *device, size_t size, tdl_buffer **out, tdl_error *err);
void tdl_webgpu_buffer_destroy(tdl_buffer *buffer);
tdl_status tdl_webgpu_write(tdl_buffer *buffer, size_t offset, const void *src, size_t size, tdl_error *err);
tdl_status tdl_webgpu_read_buffer(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err);
tdl_status tdl_webgpu_read_locked(tdl_buffer *buffer, size_t offset, void *dst, size_t size, tdl_error *err);
WGPUBuffer tdl_webgpu_make_buffer(tdl_webgpu_device *device, size_t size, WGPUBufferUsage usage);
void tdl_webgpu_reads_begin(tdl_webgpu_device *device);   // maps what was submitted
void tdl_webgpu_reads_abandon(tdl_webgpu_device *device); // frees those whose encoder will never be submitted
void tdl_webgpu_reads_drop(tdl_webgpu_device *device, const tdl_buffer *source); // NULL: all
// Hands over what has arrived; pending: something from these buffers (n 0: from any) that submits up to `last` hold has not.
// Errors: DEVICE.
tdl_status tdl_webgpu_reads_finish(tdl_webgpu_device *device, tdl_buffer *const *sources, int32_t n, uint64_t last,
                                   bool *pending, tdl_error *err);
void tdl_webgpu_reads_free(tdl_webgpu_device *device);

// webgpu_features.c: what the device can do beyond the least, as it was opened: device.features.
void tdl_webgpu_find_features(tdl_webgpu_device *device);

// webgpu_needs.c: false where the text has something that it cannot read: `unread` says what.
bool tdl_webgpu_needs_of(const char *code, tdl_webgpu_needs *needs, char *unread, size_t unread_size);

// webgpu_pipeline.c: the text of a kernel's shader as the library gets it.
bool tdl_webgpu_shader_text(const tdl_webgpu_device *device, const tdl_kernel *kernel, const char *decoder,
                            tdl_str *code);
// Made where it is not there yet. Errors: LIMIT where the device has less than the shader needs; DEVICE, MEMORY.
tdl_status tdl_webgpu_pipeline_get(tdl_webgpu_device *device, const tdl_kernel *kernel, const tdl_call *call,
                                   WGPUComputePipeline *out, tdl_error *err);
// A kernel's storage bindings: read-only ones, then those it writes. Of kernels that only merge: {1, 1}.
void tdl_webgpu_count_bindings(const tdl_kernel *kernel, const tdl_call *call, int32_t *n_in, int32_t *n_out);
// Makes those that the plan lacks, with several threads. What fails is left to tdl_webgpu_pipeline_get.
void tdl_webgpu_pipelines_ahead(tdl_webgpu_device *device, const tdl_plan *plan);
WGPUShaderModule tdl_webgpu_make_module(tdl_webgpu_device *device, const char *code);
void tdl_webgpu_pipelines_free(tdl_webgpu_device *device);

// webgpu_times.c: of a program's ops, for the device's trace
tdl_status tdl_webgpu_times_create(tdl_webgpu_device *device, const tdl_plan *plan, tdl_webgpu_times **out,
                                   tdl_error *err);
void tdl_webgpu_times_destroy(tdl_webgpu_device *device, tdl_webgpu_times *times);
const WGPUPassTimestampWrites *tdl_webgpu_times_of(tdl_webgpu_times *times, int32_t op); // until the next call
// Encodes, behind the step's passes, that the timestamps be read. Errors: as a read's.
tdl_status tdl_webgpu_times_submit(tdl_webgpu_device *device, tdl_webgpu_times *times, tdl_error *err);
// Notes what has arrived; ran [n_ops]: the kernels of the step, NULL: it had nothing to do. times may be NULL.
tdl_status tdl_webgpu_times_finish(tdl_webgpu_device *device, tdl_webgpu_times *times, const tdl_kernel *const *ran,
                                   bool *pending, tdl_error *err);

// webgpu_program.c
tdl_status tdl_webgpu_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                              tdl_error *err);
void tdl_webgpu_program_destroy(tdl_program *program);
tdl_status tdl_webgpu_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err);
tdl_status tdl_webgpu_poll(tdl_device *device, tdl_program *program, uint64_t step, tdl_error *err);
// The open encoder, opened where there is none.
WGPUCommandEncoder tdl_webgpu_encoder(tdl_webgpu_device *device);
// Submits what is encoded, if anything. Errors: DEVICE, MEMORY, DEVICE_LOST: nothing was submitted.
tdl_status tdl_webgpu_flush(tdl_webgpu_device *device, tdl_error *err);

#endif
