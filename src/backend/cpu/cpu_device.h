// SPDX-License-Identifier: MIT
// cpu_device.h - the CPU backend's own structs, shared by its files.
#ifndef TDL_BACKEND_CPU_DEVICE_H
#define TDL_BACKEND_CPU_DEVICE_H

#include "backend/backend.h"
#include "base/thread.h"

#include <pthread.h>

typedef struct tdl_cpu_device {
    tdl_device device;
    tdl_pool *pool;
    pthread_mutex_t busy; // one step at a time: the pool is shared by every program on the device
} tdl_cpu_device;

typedef struct tdl_cpu_buffer {
    tdl_buffer buffer;
    uint8_t *data; // [buffer.size]
    bool owned;
} tdl_cpu_buffer;

tdl_status tdl_cpu_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                           tdl_error *err);
void tdl_cpu_program_destroy(tdl_program *program);
tdl_status tdl_cpu_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err);

#endif
