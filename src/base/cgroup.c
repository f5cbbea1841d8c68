// SPDX-License-Identifier: MIT
// cgroup.c - finds the process' control groups and reads their limits. See cgroup.h and Linux' cgroups(7).
//
// The group's path in /proc/self/cgroup and the mount's root in mountinfo are both seen from the process' cgroup
// namespace. Where the root is a part of the path, the rest of the path lies under the mount point. Where it is none (the group is
// outside the namespace, "/../x", or /proc is another namespace's), the mount point itself is the best guess.
#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NUMBER_FILE_SIZE = 64 };

typedef struct line_reader {
    int fd;
    int n_lines;
    size_t begin, end; // of what is in `data`
    char data[TDL_CGROUP_LINE_MAX];
} line_reader;

// What is done with a group's directory: *state is the caller's. Called for the process' group and each above it.
typedef void visit_fn(const char *dir, bool unified, void *state);

typedef struct memory_state {
    uint64_t left, limit;
} memory_state;

static bool next_field(const char **at, const char *end, char separator, tdl_text *field);
static bool is_listed(tdl_text list, const char *name);
static bool unescape(tdl_text from, char *to, size_t to_size);
static bool open_lines(line_reader *reader, const char *root, const char *path);
static bool next_line(line_reader *reader, tdl_text *line);
static void visit_groups(const char *root, const char *controller, visit_fn *visit, void *state);
static bool find_group(const char *root, const char *controller, bool unified, char *path);
static bool find_mount(const char *root, const char *controller, bool unified, const char *path, tdl_cgroup_mount *out);
static const char *below(const char *path, const char *root);
static void visit_upwards(const char *root, const tdl_cgroup_mount *mount, const char *path, visit_fn *visit,
                          void *state);
static visit_fn visit_cpu, visit_memory;
static bool read_number(const char *dir, const char *name, uint64_t *number);
static size_t read_small(const char *dir, const char *name, char *bytes, size_t size_max);

double tdl_cgroup_cpus(const char *root) {
    double cpus = 0.0;
    visit_groups(root, "cpu", visit_cpu, &cpus);
    return cpus;
}

uint64_t tdl_cgroup_memory(const char *root, uint64_t *limit) {
    memory_state state = {.left = UINT64_MAX, .limit = UINT64_MAX};
    visit_groups(root, "memory", visit_memory, &state);
    *limit = state.limit;
    return state.left;
}

// ---- parsing

bool tdl_cgroup_parse_group(const char *line, size_t size, const char *controller, bool *unified, tdl_text *path) {
    const char *at = line, *end = line + size;
    tdl_text id, controllers;
    if (!next_field(&at, end, ':', &id) || !next_field(&at, end, ':', &controllers)) return false;
    bool is_unified = id.size == 1 && id.ptr[0] == '0' && controllers.size == 0;
    if (!is_unified && !is_listed(controllers, controller)) return false;
    if (at == end || *at != '/' || memchr(at, '\0', (size_t)(end - at))) return false;
    *unified = is_unified;
    *path = (tdl_text){at, (size_t)(end - at)};
    return path->size < TDL_CGROUP_PATH_MAX;
}

// "36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup cgroup rw,cpu,cpuacct"
bool tdl_cgroup_parse_mount(const char *line, size_t size, const char *controller, tdl_cgroup_mount *out) {
    const char *at = line, *end = line + size;
    tdl_text field[6], type, source, options;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        if (!next_field(&at, end, ' ', &field[i])) return false;
    do {
        if (!next_field(&at, end, ' ', &type)) return false; // optional fields, as many as there are
    } while (type.size != 1 || type.ptr[0] != '-');
    if (!next_field(&at, end, ' ', &type) || !next_field(&at, end, ' ', &source)) return false;
    options = (tdl_text){at, (size_t)(end - at)};
    out->unified = type.size == 7 && memcmp(type.ptr, "cgroup2", 7) == 0;
    if (!out->unified && !(type.size == 6 && memcmp(type.ptr, "cgroup", 6) == 0 && is_listed(options, controller)))
        return false;
    return unescape(field[3], out->root, sizeof out->root) && unescape(field[4], out->point, sizeof out->point) &&
           out->root[0] == '/' && out->point[0] == '/';
}

bool tdl_cgroup_parse_cpu_max(const char *bytes, size_t size, double *cpus) {
    const char *at = bytes, *end = bytes + size;
    tdl_text quota;
    uint64_t n_quota, n_period;
    if (!next_field(&at, end, ' ', &quota) || !tdl_cgroup_parse_number(quota.ptr, quota.size, &n_quota) ||
        !tdl_cgroup_parse_number(at, (size_t)(end - at), &n_period) || n_quota == 0 || n_period == 0)
        return false;
    *cpus = (double)n_quota / (double)n_period;
    return true;
}

bool tdl_cgroup_parse_number(const char *bytes, size_t size, uint64_t *number) {
    uint64_t value = 0;
    if (size && bytes[size - 1] == '\n') size--;
    if (size == 0 || size > 19) return false; // 19 digits fit
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') return false;
        value = value * 10 + (uint64_t)(bytes[i] - '0');
    }
    *number = value;
    return true;
}

// What stands before the next separator, which has to be there.
static bool next_field(const char **at, const char *end, char separator, tdl_text *field) {
    const char *next = *at < end ? memchr(*at, separator, (size_t)(end - *at)) : NULL;
    if (!next) return false;
    *field = (tdl_text){*at, (size_t)(next - *at)};
    *at = next + 1;
    return true;
}

// Whether a list "rw,cpu,cpuacct" has the name.
static bool is_listed(tdl_text list, const char *name) {
    size_t size = strlen(name);
    const char *at = list.ptr, *end = list.ptr + list.size;
    while (at < end) {
        const char *next = memchr(at, ',', (size_t)(end - at));
        if (!next) next = end;
        if ((size_t)(next - at) == size && memcmp(at, name, size) == 0) return true;
        at = next + 1;
    }
    return false;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
static bool unescape(tdl_text from, char *to, size_t to_size) {
    size_t n = 0;
    for (size_t i = 0; i < from.size; i++) {
        const char *c = from.ptr + i;
        unsigned value = (unsigned char)*c;
        if (value == '\\') {
            if (from.size - i < 4) return false;
            value = 0;
            for (int digit = 1; digit <= 3; digit++) {
                if (c[digit] < '0' || c[digit] > '7') return false;
                value = value * 8 + (unsigned)(c[digit] - '0');
            }
            i += 3;
        }
        if (value == 0 || value > 255 || n + 1 >= to_size) return false;
        to[n++] = (char)value;
    }
    to[n] = '\0';
    return true;
}

// ---- files

static bool open_lines(line_reader *reader, const char *root, const char *path) {
    char full[TDL_CGROUP_PATH_MAX];
    int size = snprintf(full, sizeof full, "%s%s", root, path);
    reader->begin = reader->end = 0;
    reader->n_lines = 0;
    reader->fd = size > 0 && (size_t)size < sizeof full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    return reader->fd >= 0;
}

// The next line without its newline; those that are too long are left out. false: the end.
static bool next_line(line_reader *reader, tdl_text *line) {
    for (bool too_long = false; reader->n_lines < TDL_CGROUP_LINES_MAX;) {
        size_t n = reader->end - reader->begin;
        char *begin = reader->data + reader->begin, *newline = n ? memchr(begin, '\n', n) : NULL;
        if (newline) {
            reader->begin = (size_t)(newline - reader->data) + 1;
            reader->n_lines++;
            *line = (tdl_text){begin, (size_t)(newline - begin)};
            if (!too_long) return true;
            too_long = false;
            continue;
        }
        if (n == sizeof reader->data) {
            too_long = true;
            n = 0;
        }
        memmove(reader->data, begin, n);
        ssize_t more;
        do more = read(reader->fd, reader->data + n, sizeof reader->data - n);
        while (more < 0 && errno == EINTR);
        if (more <= 0) return false; // a last line without a newline was cut
        reader->begin = 0;
        reader->end = n + (size_t)more;
    }
    return false;
}

// Version 1 and version 2 are looked at both: on a hybrid system only one of them has the controller's files.
static void visit_groups(const char *root, const char *controller, visit_fn *visit, void *state) {
    char path[TDL_CGROUP_PATH_MAX];
    tdl_cgroup_mount mount;
    for (int unified = 0; unified <= 1; unified++)
        if (find_group(root, controller, unified, path) && find_mount(root, controller, unified, path, &mount))
            visit_upwards(root, &mount, path, visit, state);
}

static bool find_group(const char *root, const char *controller, bool unified, char *path) {
    line_reader reader;
    tdl_text line, found;
    bool is_unified, any = false;
    if (!open_lines(&reader, root, "/proc/self/cgroup")) return false;
    while (!any && next_line(&reader, &line)) {
        any = tdl_cgroup_parse_group(line.ptr, line.size, controller, &is_unified, &found) && is_unified == unified;
        if (!any) continue;
        memcpy(path, found.ptr, found.size);
        path[found.size] = '\0';
    }
    close(reader.fd);
    return any;
}

// The first mount that shows the group, else the first of all.
static bool find_mount(const char *root, const char *controller, bool unified, const char *path,
                       tdl_cgroup_mount *out) {
    line_reader reader;
    tdl_cgroup_mount mount;
    tdl_text line;
    bool any = false, shows_group = false;
    if (!open_lines(&reader, root, "/proc/self/mountinfo")) return false;
    while (!shows_group && next_line(&reader, &line)) {
        if (!tdl_cgroup_parse_mount(line.ptr, line.size, controller, &mount) || mount.unified != unified) continue;
        shows_group = below(path, mount.root) != NULL;
        if (shows_group || !any) *out = mount;
        any = true;
    }
    close(reader.fd);
    return any;
}

// The rest of a path under `root`, "" for root itself; NULL: it is not there.
static const char *below(const char *path, const char *root) {
    size_t size = strlen(root);
    if (strncmp(path, "/..", 3) == 0) return NULL;
    if (size == 1) return path[1] ? path : "";
    return strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0') ? path + size : NULL;
}

// From the group's directory up to the mount point; what is above that cannot be seen from here.
static void visit_upwards(const char *root, const tdl_cgroup_mount *mount, const char *path, visit_fn *visit,
                          void *state) {
    char dir[3 * TDL_CGROUP_PATH_MAX];
    const char *rest = below(path, mount->root);
    int base = snprintf(dir, sizeof dir, "%s%s", root, mount->point);
    int size = snprintf(dir, sizeof dir, "%s%s%s", root, mount->point, rest ? rest : "");
    if (size < 0 || (size_t)size >= sizeof dir) return;
    for (;;) {
        visit(dir, mount->unified, state);
        char *slash = strrchr(dir, '/');
        if (!slash || slash - dir < base) return;
        *slash = '\0';
    }
}

static void visit_cpu(const char *dir, bool unified, void *state) {
    double *least = state, cpus;
    char bytes[NUMBER_FILE_SIZE];
    uint64_t quota, period;
    if (unified) {
        size_t size = read_small(dir, "cpu.max", bytes, sizeof bytes);
        if (!tdl_cgroup_parse_cpu_max(bytes, size, &cpus)) return;
    } else {
        if (!read_number(dir, "cpu.cfs_quota_us", &quota) || !read_number(dir, "cpu.cfs_period_us", &period)) return;
        if (quota == 0 || period == 0) return;
        cpus = (double)quota / (double)period;
    }
    if (*least == 0.0 || cpus < *least) *least = cpus;
}

static void visit_memory(const char *dir, bool unified, void *state) {
    memory_state *least = state;
    uint64_t limit, used;
    if (!read_number(dir, unified ? "memory.max" : "memory.limit_in_bytes", &limit) || limit >= UINT64_C(1) << 60)
        return; // version 1 says "none" by a number near 2^63
    if (!read_number(dir, unified ? "memory.current" : "memory.usage_in_bytes", &used)) used = 0;
    uint64_t left = used < limit ? limit - used : 0;
    if (limit < least->limit) least->limit = limit;
    if (left < least->left) least->left = left;
}

static bool read_number(const char *dir, const char *name, uint64_t *number) {
    char bytes[NUMBER_FILE_SIZE];
    size_t size = read_small(dir, name, bytes, sizeof bytes);
    return tdl_cgroup_parse_number(bytes, size, number);
}

// Bytes of a small file; 0 where there is none, or more than there is room for.
static size_t read_small(const char *dir, const char *name, char *bytes, size_t size_max) {
    char path[3 * TDL_CGROUP_PATH_MAX + NUMBER_FILE_SIZE];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t size = 0;
    for (ssize_t n = 1; n != 0 && size < size_max; size += n > 0 ? (size_t)n : 0) {
        n = read(fd, bytes + size, size_max - size);
        if (n < 0 && errno != EINTR) n = 0, size = 0;
    }
    close(fd);
    return size < size_max ? size : 0;
}
