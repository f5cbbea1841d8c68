// SPDX-License-Identifier: MIT
// run_lock.c - see run_lock.h.
//
// The file stays when the lock is given back: removing it would let two later runs lock two files of the same name, so who
// finds that another has removed it locks the new one. It holds the number of the process that has the lock, for the message that the other one gets.
#include "train/run_lock.h"

#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES_MAX = 8 };

struct tdl_run_lock {
    const tdl_allocator *mem;
    int fd;
};

static tdl_status lock_file(int fd, const char *dir, tdl_error *err);
static bool is_at(int fd, const char *path);
static void remove_leftovers(const char *dir);
static bool is_leftover(const char *name);

tdl_status tdl_run_lock_take(const tdl_allocator *mem, const char *dir, tdl_run_lock **out, tdl_error *err) {
    tdl_status status = tdl_dir_make(mem, dir, err);
    if (status != TDL_OK) return status;
    tdl_run_lock *lock = tdl_alloc(mem, 1, sizeof *lock);
    char *path = tdl_path_join(mem, dir, "lock");
    int fd = -1;
    if (!lock || !path) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "run: no memory for a lock");
        goto cleanup;
    }
    for (int i = 0; i < TRIES_MAX; i++) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        status = fd < 0 ? tdl_fail(err, TDL_ERROR_IO, "run: '%s': cannot open: %m", path) : lock_file(fd, dir, err);
        if (status != TDL_OK) goto cleanup;
        if (is_at(fd, path)) break;
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        status = tdl_fail(err, TDL_ERROR_IO, "run: '%s': others keep removing this file", path);
        goto cleanup;
    }
    remove_leftovers(dir);
    *lock = (tdl_run_lock){.mem = mem, .fd = fd};
    *out = lock;
    lock = NULL;
    fd = -1;
cleanup:
    if (fd >= 0) close(fd);
    tdl_free(mem, path);
    tdl_free(mem, lock);
    return status;
}

void tdl_run_lock_give(tdl_run_lock *lock) {
    if (!lock) return;
    if (ftruncate(lock->fd, 0) != 0) errno = 0; // only what a message would say
    close(lock->fd);
    tdl_free(lock->mem, lock);
}

static tdl_status lock_file(int fd, const char *dir, tdl_error *err) {
    char text[32] = {0};
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "run: '%s': the file system gives no lock: %m", dir);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        bool known = n > 0 && strspn(text, "0123456789") == (size_t)n;
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "run: '%s': another run is in this directory%s%s%s", dir,
                        known ? " (process " : "", known ? text : "", known ? ")" : "");
    }
    // The number is a courtesy: a disk too full for it will show elsewhere.
    int size = snprintf(text, sizeof text, "%ld", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size) errno = 0;
    return TDL_OK;
}

// A run that did not start removes its lock (run_start.h): then the one that was opened before is nobody's.
static bool is_at(int fd, const char *path) {
    struct stat opened, there;
    return fstat(fd, &opened) == 0 && stat(path, &there) == 0 && opened.st_dev == there.st_dev &&
           opened.st_ino == there.st_ino;
}

// Whoever holds the lock is the only writer here, so every temporary name is of one that was killed.
static void remove_leftovers(const char *dir) {
    DIR *d = opendir(dir);
    if (!d) return; // one may be allowed to write into a directory but not to list it
    for (const struct dirent *entry; (entry = readdir(d));)
        if (is_leftover(entry->d_name)) unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
}

// "NAME.tmp-PID-N", as base/file.c makes them.
static bool is_leftover(const char *name) {
    const char *at = NULL;
    for (const char *next = strstr(name, ".tmp-"); next; next = strstr(next + 1, ".tmp-")) at = next;
    if (!at || at == name) return false;
    at += strlen(".tmp-");
    size_t pid = strspn(at, "0123456789");
    if (!pid || at[pid] != '-') return false;
    size_t number = strspn(at + pid + 1, "0123456789");
    return number && !at[pid + 1 + number];
}
