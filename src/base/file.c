// SPDX-License-Identifier: MIT
// file.c - files through POSIX calls.
//
// Paths come from users, so what lies there may be anything. Files are opened without blocking and looked at before they
// are read: opening a FIFO would wait for a writer, reading a device may never end. If another process shortens a mapped
// file, reading past its new end is a bus error, and a library may not catch signals. So files are read, not mapped, but for
// those too large to copy whose reader wants all of them at hand (training data and checkpoints): there the descriptor stays
// open, and the size is asked for right before a piece is read. What happens in between is the one gap.
//
// A written file appears under its name only when it is whole and on the disk: temporary name in the same directory,
// fsync, rename, fsync of the directory. An interrupted writer leaves the old file and a file "NAME.tmp-PID-N".
#include "base/file.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEMP_NAMES_MAX = 1000,   // names that other writers of this process may hold, or that were left behind
    CALL_SIZE_MAX = 1 << 30, // bytes of one read or write: Linux moves at most 2 GiB less a page
    RELEASE_ALIGN = 1 << 16  // what Linux maps around a page that is touched; a multiple of every page size in use
};

static tdl_status file_open(const char *path, int *out, struct stat *st, tdl_error *err);
static tdl_status refuse_pointer(int fd, const char *path, uint64_t size, tdl_error *err);
static tdl_status map_open(const tdl_allocator *mem, const char *path, bool copy, tdl_file_map *out, tdl_error *err);
static tdl_status read_whole(int fd, const char *path, tdl_file_map *map, tdl_error *err);
static tdl_status read_range(int fd, const char *path, uint64_t offset, uint8_t *dst, size_t size, tdl_error *err);
static int64_t changed_ns(const struct stat *st);
static const char *mode_name(mode_t mode);

tdl_status tdl_file_open(const tdl_allocator *mem, const char *path, tdl_file *out, tdl_error *err) {
    struct stat st;
    int fd = -1;
    tdl_status status = file_open(path, &fd, &st, err);
    if (status != TDL_OK) return status;
    tdl_file file = {.mem = mem, .fd = fd, .size = (uint64_t)st.st_size, .changed_ns = changed_ns(&st)};
    file.path = tdl_strndup(mem, path, strlen(path));
    if (!file.path) status = tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for its path", path);
    if (status == TDL_OK) *out = file;
    else close(fd);
    return status;
}

void tdl_file_close(tdl_file *file) {
    if (!file->path) return;
    close(file->fd);
    tdl_free(file->mem, file->path);
    *file = (tdl_file){.mem = file->mem};
}

tdl_status tdl_file_read_at(const tdl_file *file, uint64_t offset, void *dst, size_t size, tdl_error *err) {
    struct stat st;
    assert(offset <= file->size && size <= file->size - offset);
    if (fstat(file->fd, &st) < 0)
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot ask for its size: %m", file->path);
    if ((uint64_t)st.st_size != file->size)
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': has changed: %llu bytes, %llu when it was opened", file->path,
                        (unsigned long long)st.st_size, (unsigned long long)file->size);
    if (changed_ns(&st) != file->changed_ns)
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': has changed since it was opened", file->path);
    return read_range(file->fd, file->path, offset, dst, size, err);
}

tdl_status tdl_file_map_open(const tdl_allocator *mem, const char *path, tdl_file_map *out, tdl_error *err) {
    return map_open(mem, path, false, out, err);
}

tdl_status tdl_file_copy_open(const tdl_allocator *mem, const char *path, tdl_file_map *out, tdl_error *err) {
    return map_open(mem, path, true, out, err);
}

static tdl_status map_open(const tdl_allocator *mem, const char *path, bool copy, tdl_file_map *out, tdl_error *err) {
    tdl_file_map map = {.mem = mem};
    struct stat st;
    int fd = -1;
    tdl_status status = file_open(path, &fd, &st, err);
    if (status != TDL_OK) return status;
    if ((uint64_t)st.st_size > PTRDIFF_MAX) {
        status = tdl_fail(err, TDL_ERROR_LIMIT, "file: '%s': %llu bytes, more than this system can address", path,
                          (unsigned long long)st.st_size);
        goto cleanup;
    }
    map.size = (size_t)st.st_size;
    void *data = MAP_FAILED;
    if (!copy && map.size > TDL_FILE_COPY_MAX) data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data != MAP_FAILED) {
        map.data = data;
        map.mapped = true;
        map.fd = fd;
        fd = -1;
    } else if ((status = read_whole(fd, path, &map, err)) != TDL_OK) { // some file systems cannot map
        goto cleanup;
    }
    *out = map;
cleanup:
    if (fd >= 0) close(fd);
    return status;
}

void tdl_file_map_close(tdl_file_map *map) {
    void *data = (void *)(uintptr_t)map->data; // const only for the readers
    if (map->mapped) {
        munmap(data, map->size);
        close(map->fd);
    } else if (data) tdl_free(map->mem, data);
    *map = (tdl_file_map){.mem = map->mem};
}

tdl_status tdl_file_map_check(const tdl_file_map *map, tdl_error *err) {
    struct stat st;
    if (!map->mapped) return TDL_OK;
    if (fstat(map->fd, &st) < 0) return tdl_fail(err, TDL_ERROR_IO, "file: cannot ask for a mapped file's size: %m");
    if ((uint64_t)st.st_size >= map->size) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_IO, "file: a mapped file has become shorter: %llu bytes, %zu when it was opened",
                    (unsigned long long)st.st_size, map->size);
}

void tdl_file_map_release(const tdl_file_map *map, const void *ptr, size_t size) {
    if (!map->mapped) return;
    size_t offset = (size_t)((const uint8_t *)ptr - map->data);
    assert(tdl_range_ok(offset, size, map->size));
    // A read maps pages around the one it touched too: let those go with it. Who needs them maps them again.
    size_t first = offset / RELEASE_ALIGN * RELEASE_ALIGN, end = offset + size;
    if (!tdl_align_size(end, RELEASE_ALIGN, &end) || end > map->size) end = map->size;
    (void)madvise((void *)(uintptr_t)(map->data + first), end - first, MADV_DONTNEED); // only a hint
}

tdl_status tdl_file_stat_get(const char *path, tdl_file_stat *out, tdl_error *err) {
    struct stat st;
    if (stat(path, &st) < 0) return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot open: %m", path);
    if (!S_ISREG(st.st_mode)) {
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': is a %s, expected a regular file", path, mode_name(st.st_mode));
    }
    out->size = (uint64_t)st.st_size;
    out->changed_ns = changed_ns(&st);
    return TDL_OK;
}

static int64_t changed_ns(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

// Opens a regular file for reading.
static tdl_status file_open(const char *path, int *out, struct stat *st, tdl_error *err) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int code = errno;
        if (stat(path, st) == 0 && !S_ISREG(st->st_mode)) goto irregular; // a socket cannot even be opened
        errno = code;
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot open: %m", path);
    }
    if (fstat(fd, st) < 0) {
        tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot ask for its size: %m", path);
        close(fd);
        return TDL_ERROR_IO;
    }
    if (!S_ISREG(st->st_mode)) goto irregular;
    tdl_status status = st->st_size ? refuse_pointer(fd, path, (uint64_t)st->st_size, err)
                                    : tdl_fail(err, TDL_ERROR_FORMAT, "file: '%s': the file is empty", path);
    if (status == TDL_OK) *out = fd;
    else close(fd);
    return status;
irregular:
    if (fd >= 0) close(fd);
    return tdl_fail(err, TDL_ERROR_IO, "file: '%s': is a %s, expected a regular file", path, mode_name(st->st_mode));
}

// Git LFS keeps large files elsewhere; a clone made without it has a text of three lines in their place.
static tdl_status refuse_pointer(int fd, const char *path, uint64_t size, tdl_error *err) {
    static const char begin[] = "version https://git-lfs.github.com/spec/";
    enum { POINTER_SIZE_MAX = 1024 }; // as the format says
    uint8_t bytes[sizeof begin - 1];
    if (size < sizeof bytes || size > POINTER_SIZE_MAX) return TDL_OK;
    tdl_status status = read_range(fd, path, 0, bytes, sizeof bytes, err);
    if (status != TDL_OK || memcmp(bytes, begin, sizeof bytes) != 0) return status;
    return tdl_fail(err, TDL_ERROR_FORMAT,
                    "file: '%s': is a Git LFS pointer, not the file itself: fetch that with 'git lfs pull'", path);
}

static tdl_status read_whole(int fd, const char *path, tdl_file_map *map, tdl_error *err) {
    uint8_t *data = tdl_alloc(map->mem, map->size, 1);
    if (!data) {
        return tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for its %zu bytes", path, map->size);
    }
    tdl_status status = read_range(fd, path, 0, data, map->size, err);
    if (status == TDL_OK) map->data = data;
    else tdl_free(map->mem, data);
    return status;
}

static tdl_status read_range(int fd, const char *path, uint64_t offset, uint8_t *dst, size_t size, tdl_error *err) {
    for (size_t used = 0; used < size;) {
        size_t wanted = size - used < CALL_SIZE_MAX ? size - used : CALL_SIZE_MAX;
        ssize_t n = pread(fd, dst + used, wanted, (off_t)(offset + used));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot read at byte %llu: %m", path,
                            (unsigned long long)(offset + used));
        }
        if (n == 0) {
            return tdl_fail(err, TDL_ERROR_IO, "file: '%s': ended at byte %llu: it became shorter", path,
                            (unsigned long long)(offset + used));
        }
        used += (size_t)n;
    }
    return TDL_OK;
}

static const char *mode_name(mode_t mode) {
    if (S_ISDIR(mode)) return "directory";
    if (S_ISFIFO(mode)) return "FIFO";
    if (S_ISSOCK(mode)) return "socket";
    return "device";
}

// ---- paths

bool tdl_path_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool tdl_path_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

char *tdl_path_join(const tdl_allocator *mem, const char *dir, const char *name) {
    tdl_str path = tdl_str_make(mem);
    size_t n = strlen(dir);
    tdl_str_format(&path, "%s%s%s", dir, n && dir[n - 1] != '/' ? "/" : "", name);
    char *copy = path.failed ? NULL : tdl_strndup(mem, path.ptr ? path.ptr : "", path.size);
    tdl_str_deinit(&path);
    return copy;
}

char *tdl_path_dir(const tdl_allocator *mem, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return tdl_strndup(mem, ".", 1);
    size_t n = (size_t)(slash - path);
    while (n && path[n - 1] == '/') n--;
    return n ? tdl_strndup(mem, path, n) : tdl_strndup(mem, "/", 1);
}

tdl_status tdl_dir_make(const tdl_allocator *mem, const char *path, tdl_error *err) {
    char *part = tdl_strndup(mem, path, strlen(path));
    if (!part) return tdl_fail(err, TDL_ERROR_MEMORY, "file: no memory for a path");
    tdl_status status = TDL_OK;
    size_t size = 0;
    do { // from the top: "a", "a/b", ...
        size += strspn(path + size, "/");
        size += strcspn(path + size, "/");
        part[size] = '\0';
        int code = mkdir(part, 0777) == 0 ? 0 : errno;
        if (code && !tdl_path_is_dir(part)) { // mkdir fails as well where one may not write and need not
            errno = code;
            status = code == EEXIST ? tdl_fail(err, TDL_ERROR_IO, "file: '%s': is there, and is no directory", part)
                                    : tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot make the directory: %m", part);
        }
        part[size] = path[size];
    } while (status == TDL_OK && path[size]);
    tdl_free(mem, part);
    return status;
}

// ---- writer

struct tdl_file_writer {
    const tdl_allocator *mem;
    char *path, *temp_path, *dir;
    int fd; // -1: not open
    uint64_t offset;
    bool failed; // a write failed: the file must not be committed
};

static tdl_status writer_create_temp(tdl_file_writer *writer, tdl_error *err);
static tdl_status writer_sync_dir(const tdl_file_writer *writer, tdl_error *err);
static void writer_free(tdl_file_writer *writer);

tdl_status tdl_file_writer_open(const tdl_allocator *mem, const char *path, tdl_file_writer **out, tdl_error *err) {
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': is a %s, expected a regular file or none", path,
                        mode_name(st.st_mode));
    }
    tdl_file_writer *writer = tdl_alloc(mem, 1, sizeof *writer);
    if (!writer) return tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for a writer", path);
    *writer = (tdl_file_writer){.mem = mem, .fd = -1};
    writer->path = tdl_strndup(mem, path, strlen(path));
    writer->dir = tdl_path_dir(mem, path);
    tdl_status status = TDL_OK;
    if (!writer->path || !writer->dir) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for its path", path);
    } else {
        status = writer_create_temp(writer, err);
    }
    if (status == TDL_OK) *out = writer;
    else tdl_file_writer_abort(writer);
    return status;
}

tdl_status tdl_file_writer_write(tdl_file_writer *writer, const void *data, size_t size, tdl_error *err) {
    const char *rest = data;
    while (size > 0) {
        ssize_t n = write(writer->fd, rest, size < CALL_SIZE_MAX ? size : CALL_SIZE_MAX);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            writer->failed = true;
            return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot write %zu bytes at byte %llu: %m", writer->temp_path,
                            size, (unsigned long long)writer->offset);
        }
        rest += n;
        size -= (size_t)n;
        writer->offset += (uint64_t)n;
    }
    return TDL_OK;
}

uint64_t tdl_file_writer_offset(const tdl_file_writer *writer) { return writer->offset; }

tdl_status tdl_file_writer_commit(tdl_file_writer *writer, tdl_error *err) {
    tdl_status status = TDL_OK;
    if (writer->failed) {
        status = tdl_fail(err, TDL_ERROR_IO, "file: '%s': not committed: a write failed before", writer->path);
        goto cleanup;
    }
    if (fsync(writer->fd) < 0) {
        status = tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot sync: %m", writer->temp_path);
        goto cleanup;
    }
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) < 0) { // network file systems report lost writes here
        status = tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot close: %m", writer->temp_path);
        goto cleanup;
    }
    if (rename(writer->temp_path, writer->path) < 0) {
        status = tdl_fail(err, TDL_ERROR_IO, "file: cannot rename '%s' to '%s': %m", writer->temp_path, writer->path);
        goto cleanup;
    }
    status = writer_sync_dir(writer, err);
    writer_free(writer);
    return status;
cleanup:
    tdl_file_writer_abort(writer);
    return status;
}

void tdl_file_writer_abort(tdl_file_writer *writer) {
    if (!writer) return;
    if (writer->temp_path) unlink(writer->temp_path);
    writer_free(writer);
}

// Sets temp_path once the file exists, so that abort removes only what this writer made.
static tdl_status writer_create_temp(tdl_file_writer *writer, tdl_error *err) {
    tdl_str temp = tdl_str_make(writer->mem);
    tdl_status status = TDL_OK;
    for (int i = 0; i < TEMP_NAMES_MAX && writer->fd < 0; i++) {
        tdl_str_clear(&temp);
        if (!tdl_str_format(&temp, "%s.tmp-%ld-%d", writer->path, (long)getpid(), i)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for a temporary name", writer->path);
            goto cleanup;
        }
        writer->fd = open(temp.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd < 0 && errno != EEXIST && errno != EINTR) break;
    }
    if (writer->fd < 0) {
        status = tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot create: %m", temp.ptr);
        goto cleanup;
    }
    writer->temp_path = temp.ptr;
    temp = tdl_str_make(writer->mem);
cleanup:
    tdl_str_deinit(&temp);
    return status;
}

// Makes the rename itself durable. The file is whole and in its place already, whatever happens here.
static tdl_status writer_sync_dir(const tdl_file_writer *writer, tdl_error *err) {
    int fd = open(writer->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return TDL_OK; // one may be allowed to write into a directory but not to read it
    tdl_status status = TDL_OK;
    if (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP) { // those: the file system has no such thing
        status = tdl_fail(err, TDL_ERROR_IO, "file: '%s': written, but cannot sync its directory: %m", writer->path);
    }
    close(fd);
    return status;
}

static void writer_free(tdl_file_writer *writer) {
    if (writer->fd >= 0) close(writer->fd);
    tdl_free(writer->mem, writer->path);
    tdl_free(writer->mem, writer->temp_path);
    tdl_free(writer->mem, writer->dir);
    tdl_free(writer->mem, writer);
}
