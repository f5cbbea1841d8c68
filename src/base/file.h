// SPDX-License-Identifier: MIT
// file.h - files: read, map, write to a temporary name and rename.
//
// Only regular files are opened: a directory, a FIFO or a device is an error that says so, and so is the pointer that Git LFS
// leaves in the place of a large file. Reading never raises a signal: a file that another program shortens is a status. A
// mapping cannot promise that, so only what is too large to copy is mapped, and its users ask tdl_file_map_check.
#ifndef TDL_BASE_FILE_H
#define TDL_BASE_FILE_H

#include "alloc.h"

// A file that is read where and when its bytes are needed.
typedef struct tdl_file {
    const tdl_allocator *mem;
    char *path; // NULL: none is open
    int fd;
    uint64_t size;
    int64_t changed_ns;
} tdl_file;

tdl_status tdl_file_open(const tdl_allocator *mem, const char *path, tdl_file *out, tdl_error *err);
void tdl_file_close(tdl_file *file);
// Exactly `size` bytes at `offset`. IO: among other reasons, the file has changed since it was opened. Several threads may read.
tdl_status tdl_file_read_at(const tdl_file *file, uint64_t offset, void *dst, size_t size, tdl_error *err);

// A file's bytes: a copy up to TDL_FILE_COPY_MAX bytes, mapped read-only above where the system can.
typedef struct tdl_file_map {
    const tdl_allocator *mem;
    const uint8_t *data; // [size]
    size_t size;
    bool mapped;
    int fd; // where it is mapped
} tdl_file_map;

tdl_status tdl_file_map_open(const tdl_allocator *mem, const char *path, tdl_file_map *out, tdl_error *err);
// The same, and never mapped.
tdl_status tdl_file_copy_open(const tdl_allocator *mem, const char *path, tdl_file_map *out, tdl_error *err);
void tdl_file_map_close(tdl_file_map *map);
// Whether a mapped file has all of its bytes still: to be asked right before they are read. Always OK for a copy. Errors: IO.
tdl_status tdl_file_map_check(const tdl_file_map *map, tdl_error *err);
// Says that the bytes will not be needed again soon; a later read brings them back. No-op where nothing is mapped.
void tdl_file_map_release(const tdl_file_map *map, const void *ptr, size_t size);

// Size and time of the last change of a regular file. Errors: IO.
typedef struct tdl_file_stat {
    uint64_t size;
    int64_t changed_ns; // since 1970
} tdl_file_stat;
tdl_status tdl_file_stat_get(const char *path, tdl_file_stat *out, tdl_error *err);

bool tdl_path_is_dir(const char *path);
// Makes the directory, and those above it that are not there. Errors: IO (names the one that cannot be made), MEMORY.
tdl_status tdl_dir_make(const tdl_allocator *mem, const char *path, tdl_error *err);
bool tdl_path_exists(const char *path);
// "dir/name"; NULL where memory ran out. Freed with tdl_free.
char *tdl_path_join(const tdl_allocator *mem, const char *dir, const char *name);
// The directory part of path ("." where it has none).
char *tdl_path_dir(const tdl_allocator *mem, const char *path);

// Writes a file piece by piece under a temporary name; commit syncs it and renames it to `path`, abort removes it.
typedef struct tdl_file_writer tdl_file_writer;
tdl_status tdl_file_writer_open(const tdl_allocator *mem, const char *path, tdl_file_writer **out, tdl_error *err);
tdl_status tdl_file_writer_write(tdl_file_writer *writer, const void *data, size_t size, tdl_error *err);
uint64_t tdl_file_writer_offset(const tdl_file_writer *writer);
tdl_status tdl_file_writer_commit(tdl_file_writer *writer, tdl_error *err); // frees the writer, on failure too
void tdl_file_writer_abort(tdl_file_writer *writer);                        // frees the writer; accepts NULL

#endif
