// SPDX-License-Identifier: MIT
// host.c - what this process may use of the machine: CPUs and memory.
#include "base/cgroup.h"
#include "base/desc.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/thread.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_meminfo(uint64_t *total, uint64_t *available);
static uint64_t kib_after(const char *text, const char *name);

tdl_status tdl_host_get_info(tdl_host_info *info, tdl_error *err) {
    tdl_status status = tdl_result_check("host", info, sizeof *info, err);
    if (status != TDL_OK) return status;
    tdl_host_info all = {.n_cpus = tdl_cpu_affinity(), .cpu_quota = tdl_cgroup_cpus("")};
    int32_t n = tdl_cpu_count();
    all.n_threads = n < TDL_THREADS_MAX ? n : TDL_THREADS_MAX;
    read_meminfo(&all.memory_size, &all.memory_available);
    uint64_t limit, left = tdl_cgroup_memory("", &limit);
    if (limit < all.memory_size) all.memory_limit = limit;
    if (left < all.memory_available) all.memory_available = left;
    return tdl_result_copy("host", info, &all, sizeof all, err);
}

// Lines such as "MemTotal:       16384256 kB"; the two that are wanted come first.
static void read_meminfo(uint64_t *total, uint64_t *available) {
    char text[1024];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    *total = kib_after(text, "MemTotal:");
    *available = kib_after(text, "MemAvailable:");
}

// The bytes that the line of this name says in KiB; 0 where there is no such line.
static uint64_t kib_after(const char *text, const char *name) {
    const char *line = strstr(text, name);
    return line ? (uint64_t)strtoull(line + strlen(name), NULL, 10) << 10 : 0;
}
