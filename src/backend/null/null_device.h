// SPDX-License-Identifier: MIT
// null_device.h - the device "null", for tests: checks that its caller keeps the contract of backend.h, computes with the ops'
// references, late (a step takes as many polls as a test wants), and fails where a test says.
//
//     tdl_null_device *null = (tdl_null_device *)device;
//     null->n_pending = 2;                                                     // two polls say PENDING before a step has ended
//     null->fault = (tdl_null_fault){TDL_NULL_SUBMIT, 3, TDL_ERROR_DEVICE};    // the third submit fails, and only that one
//     null->report_to = &report;                                               // what was seen, when the device is closed
//
// What a caller does wrong is TDL_ERROR_ARGUMENT with a message, and counted in the report: ranges outside of a buffer, odd
// alignments, buffers that are gone, more steps under way than allowed, an op that reads and writes one buffer or
// reads what no op has written, tensors that are not what the shape rule says. What is read is there only after a poll
// that says OK: until then it is full of NaN; so are the plan's own buffers before each step.
#ifndef TDL_BACKEND_NULL_DEVICE_H
#define TDL_BACKEND_NULL_DEVICE_H

#include "backend/backend.h"

#include <pthread.h>

typedef enum tdl_null_call {
    TDL_NULL_NONE = 0,
    TDL_NULL_BUFFER_CREATE,
    TDL_NULL_WRITE,
    TDL_NULL_READ,
    TDL_NULL_COMPILE,
    TDL_NULL_SUBMIT,
    TDL_NULL_POLL,
    TDL_NULL_CALL_COUNT
} tdl_null_call;

typedef struct tdl_null_fault {
    tdl_null_call call;
    int64_t at;        // the number, from 1, of the call of this kind that fails
    tdl_status status; // MEMORY, DEVICE, or DEVICE_LOST: every later call fails too
} tdl_null_fault;

typedef struct tdl_null_report {
    int64_t n_calls[TDL_NULL_CALL_COUNT];
    int64_t n_steps;               // computed
    int32_t n_buffers, n_programs; // not destroyed yet
    int32_t n_violations;          // of the contract
    char violation[200];           // the first
    bool failed;                   // the fault has struck
} tdl_null_report;

typedef struct tdl_null_buffer {
    tdl_buffer buffer;
    struct tdl_null_buffer *next; // of the device's
    uint8_t *data;                // [buffer.size]
} tdl_null_buffer;

typedef struct tdl_null_program {
    tdl_program program;
    struct tdl_null_program *next; // of the device's
    tdl_buffer *const *buffers;    // [plan->n_buffers], borrowed
    int32_t n_under_way;           // steps
} tdl_null_program;

// What was asked for and not done yet.
typedef struct tdl_null_task {
    struct tdl_null_task *next;
    tdl_null_call call; // WRITE, READ or SUBMIT; NONE: dropped
    uint64_t step;      // that it belongs to
    tdl_null_buffer *buffer;
    size_t offset, size;
    uint8_t *bytes; // to write: owned; to read: the destination
    tdl_null_program *program;
    tdl_step_counts counts;
} tdl_null_task;

typedef struct tdl_null_device {
    tdl_device device;
    int32_t n_pending;          // for a test to set; default 1
    tdl_null_fault fault;       // for a test to set
    tdl_null_report *report_to; // for a test to set
    pthread_mutex_t lock;       // guards all below
    tdl_null_report report;
    tdl_null_buffer *buffers;
    tdl_null_program *programs;
    tdl_null_task *tasks, **last_task; // in order; where the next one is hung in
    uint64_t n_submitted, last_step;   // the last task's step
    int32_t n_pending_left;
    bool lost;
} tdl_null_device;

// These two want the lock held. Counts the call and fails it where it is its turn. Errors: the fault's, DEVICE_LOST.
tdl_status tdl_null_begin(tdl_null_device *device, tdl_null_call call, tdl_error *err);
// Counts what the caller did wrong; ARGUMENT.
tdl_status tdl_null_violation(tdl_null_device *device, tdl_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool tdl_null_alive(const tdl_null_device *device, const tdl_buffer *buffer);

// null_program.c
tdl_status tdl_null_compile(tdl_device *device, const tdl_plan *plan, tdl_buffer *const *buffers, tdl_program **out,
                            tdl_error *err);
void tdl_null_program_destroy(tdl_program *program);
tdl_status tdl_null_submit(tdl_program *program, const tdl_step_counts *counts, tdl_error *err);
void tdl_null_run(const tdl_null_program *program, const tdl_step_counts *counts); // a step, with the references

// null_device.c: a task at the end of the list, or NULL.
tdl_null_task *tdl_null_add_task(tdl_null_device *device, tdl_null_call call, tdl_error *err);

#endif
