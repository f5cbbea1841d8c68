// file.c - files through POSIX calls.
//
// Paths come from users, so what lies there may be anything. Files are opened without blocking and looked at before they
// are read: opening a FIFO would wait for a writer, reading a device may never end. A mapping is private and read-only;
// it stays valid after the descriptor is closed. If another process shortens a mapped file, reading past its new end
// is a bus error: the operating system gives no better answer.
//
// A written file appears under its name only when it is whole and on the disk: temporary name in the same directory,
// fsync, rename, fsync of the directory. An interrupted writer leaves the old file and a file "NAME.tmp-PID-N".
#include "base/file.h"

#include "base/checked.h"
#include "base/error.h"
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

static tdl_status file_open(const char *path, int *out, uint64_t *size, tdl_error *err);
static tdl_status file_read(const tdl_allocator *mem, int fd, const char *path, tdl_file_map *map, tdl_error *err);
static const char *mode_name(mode_t mode);

tdl_status tdl_file_map_open(const tdl_allocator *mem, const char *path, tdl_file_map *out, tdl_error *err) {
    tdl_file_map map = {.mem = mem};
    uint64_t size = 0;
    int fd = -1;
    tdl_status status = file_open(path, &fd, &size, err);
    if (status != TDL_OK) goto cleanup;
    if (size == 0) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "file: '%s': the file is empty", path);
        goto cleanup;
    }
    if (size > PTRDIFF_MAX) {
        status = tdl_fail(err, TDL_ERROR_LIMIT, "file: '%s': %llu bytes, more than this system can address", path,
                          (unsigned long long)size);
        goto cleanup;
    }
    map.size = (size_t)size;
    void *data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data != MAP_FAILED) {
        map.data = data;
        map.mapped = true;
    } else {
        status = file_read(mem, fd, path, &map, err); // some file systems cannot map
        if (status != TDL_OK) goto cleanup;
    }
    *out = map;
cleanup:
    if (fd >= 0) close(fd);
    return status;
}

void tdl_file_map_close(tdl_file_map *map) {
    void *data = (void *)(uintptr_t)map->data; // const only for the readers
    if (map->mapped) munmap(data, map->size);
    else if (data) tdl_free(map->mem, data);
    *map = (tdl_file_map){.mem = map->mem};
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
    out->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return TDL_OK;
}

// Opens a regular file for reading.
static tdl_status file_open(const char *path, int *out, uint64_t *size, tdl_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int code = errno;
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) goto irregular; // a socket cannot even be opened
        errno = code;
        return tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot open: %m", path);
    }
    if (fstat(fd, &st) < 0) {
        tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot ask for its size: %m", path);
        close(fd);
        return TDL_ERROR_IO;
    }
    if (!S_ISREG(st.st_mode)) goto irregular;
    *out = fd;
    *size = (uint64_t)st.st_size;
    return TDL_OK;
irregular:
    if (fd >= 0) close(fd);
    return tdl_fail(err, TDL_ERROR_IO, "file: '%s': is a %s, expected a regular file", path, mode_name(st.st_mode));
}

static tdl_status file_read(const tdl_allocator *mem, int fd, const char *path, tdl_file_map *map, tdl_error *err) {
    uint8_t *data = tdl_alloc(mem, map->size, 1);
    if (!data) {
        return tdl_fail(err, TDL_ERROR_MEMORY, "file: '%s': no memory for its %zu bytes", path, map->size);
    }
    for (size_t used = 0; used < map->size;) {
        size_t wanted = map->size - used < CALL_SIZE_MAX ? map->size - used : CALL_SIZE_MAX;
        ssize_t n = read(fd, data + used, wanted);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n < 0) tdl_fail(err, TDL_ERROR_IO, "file: '%s': cannot read at byte %zu: %m", path, used);
            else tdl_fail(err, TDL_ERROR_IO, "file: '%s': ended at byte %zu of %zu", path, used, map->size);
            tdl_free(mem, data);
            return TDL_ERROR_IO;
        }
        used += (size_t)n;
    }
    map->data = data;
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
