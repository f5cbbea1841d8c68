// SPDX-License-Identifier: MIT
// event_file.h - scalars for TensorBoard: an event file, written without TensorFlow.
//
//     tdl_event_file *events = NULL;
//     tdl_event_file_open(mem, "run", 1, &events, err);          // run/events.out.tfevents.<time>...
//     tdl_event_file_add(events, &(tdl_event){.wall_time = now, .step = 1, .n = 1, .scalars = &loss}, err);
//     tdl_event_file_close(events);
//
// The file is a row of records (length, its masked CRC-32C, data, its masked CRC-32C), each a protocol buffer message
// `Event` (tensorflow/core/util/event.proto, framework/summary.proto). A run that goes on from a checkpoint begins a new
// file, whose first event tells TensorBoard to forget what older files say of that step and later ones.
#ifndef TDL_TRAIN_EVENT_FILE_H
#define TDL_TRAIN_EVENT_FILE_H

#include "base/alloc.h"

typedef struct tdl_event_file tdl_event_file;

typedef struct tdl_scalar {
    const char *tag; // "loss"
    float value;
} tdl_scalar;

typedef struct tdl_event {
    double wall_time; // seconds since 1970
    int64_t step;
    size_t n;
    const tdl_scalar *scalars; // [n]
} tdl_event;

// first_step: the first that this file will speak of. Errors: IO, MEMORY.
tdl_status tdl_event_file_open(const tdl_allocator *mem, const char *dir, int64_t first_step, tdl_event_file **out,
                               tdl_error *err);
// Written at once. Errors: IO, MEMORY.
tdl_status tdl_event_file_add(tdl_event_file *file, const tdl_event *event, tdl_error *err);
void tdl_event_file_close(tdl_event_file *file); // accepts NULL

// The bytes of an event's record, appended to `out` (a vec of bytes). False: no memory.
bool tdl_event_encode(const tdl_event *event, tdl_vec *out);
// Those of the two events a file begins with: its version, and the start of a run at first_step.
bool tdl_event_encode_start(double wall_time, int64_t first_step, tdl_vec *out);

#endif
