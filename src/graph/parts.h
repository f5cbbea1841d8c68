// SPDX-License-Identifier: MIT
// parts.h - a tensor that lives over steps, in as many buffers as the device's limit on a value asks for.
//
//     tdl_parts_create(device, &tensor, 0, &parts, err);          // by rows; a cache: by heads, dimension 1
//     tdl_parts_buffer(parts, value->first_row);                  // what a plan's value is bound to
//     tdl_parts_write(parts, 0, floats, size, err);               // as if it were one
//
// Where it fits it is one buffer. split.c divides the ops of a plan along the same lines: both ask tdl_part_rows.
#ifndef TDL_GRAPH_PARTS_H
#define TDL_GRAPH_PARTS_H

#include "backend/backend.h"

typedef struct tdl_parts tdl_parts;

// Rows (or heads: places along `dim`) of each part but the last, where a value may have size_max bytes (0: any) and as many
// elements as 32 bits count: all of them where the tensor fits, and where not even a few rows do. A vector is not divided.
int64_t tdl_part_rows(const tdl_tensor *tensor, int32_t dim, uint64_t size_max);
// So many places along `dim` as a tensor of its own, without gaps or data. Errors: LIMIT.
tdl_status tdl_part_tensor(const tdl_tensor *tensor, int32_t dim, int64_t count, tdl_tensor *out, tdl_error *err);

// Errors: MEMORY, LIMIT, DEVICE.
tdl_status tdl_parts_create(tdl_device *device, const tdl_tensor *tensor, int32_t dim, tdl_parts **out, tdl_error *err);
void tdl_parts_destroy(tdl_parts *parts);
// The buffer of the part that begins at this place.
tdl_buffer *tdl_parts_buffer(const tdl_parts *parts, int64_t first);
// Bytes [offset, offset + size) of a tensor that is divided by rows; as the backend's read and write.
tdl_status tdl_parts_read(const tdl_parts *parts, size_t offset, void *dst, size_t size, tdl_error *err);
tdl_status tdl_parts_write(const tdl_parts *parts, size_t offset, const void *src, size_t size, tdl_error *err);

#endif
